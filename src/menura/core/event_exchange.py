"""An exchange through which clients hear of events: the name of an event is the routing key, its details are headers.

What is told is published in the loop's next turn, as an event may come from the middle of another publish. While
nothing is bound to the exchange, events are not wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from menura.core import fields, properties
from menura.core.content import pack
from menura.core.exchanges.topic import TopicExchange
from menura.core.properties import Properties
from menura.core.routing import Route
from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.events import Details, Events
    from menura.core.exchange import Binding
    from menura.core.vhost import VHost

NAME = "amq.rabbitmq.event"
# So many wait at most; what comes while the loop is busy with more is not told.
_WAITING_MAX = 100_000


class EventExchange(TopicExchange):
    """Publishes what it hears of."""

    __slots__ = ("_bound", "_events", "_node", "_vhost", "_waiting")

    def __init__(self, vhost: VHost, events: Events, node: str) -> None:
        super().__init__(NAME, durable=True, internal=True)
        self._vhost = vhost
        self._events = events
        self._node = node
        self._bound = 0
        self._waiting: list[tuple[str, bytes]] = []
        # In place of the one that a virtual host of the same name had before.
        events.listeners, events.wanted = [self.hear], False

    def add(self, binding: Binding) -> None:
        super().add(binding)
        self._bound += 1
        self._events.wanted = True

    def remove(self, binding: Binding) -> None:
        super().remove(binding)
        self._bound -= 1
        self._events.wanted = self._bound > 0

    def hear(self, event: str, details: Details) -> None:
        if len(self._waiting) >= _WAITING_MAX:
            return
        if not self._waiting:
            self._vhost.agenda.after(0, self._publish)
        now_ms = self._vhost.agenda.wall_ms
        table = _table({"timestamp_in_ms": now_ms, "node": self._node, **details})
        block = Properties(delivery_mode=2, timestamp=now_ms // 1000).encode()
        self._waiting.append((event, pack(properties.replace_headers(block, table), b"")))

    def _publish(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._vhost.exchanges.get(NAME) is not self:
            return
        for event, content in waiting:
            route = Route(NAME, event)
            self._vhost.publish(route, Run(route, [content], len(content), len(content), True))
        self._vhost.take_refused()
        self._vhost.dispatch()


def _table(details: Mapping[str, Any]) -> bytes:
    return fields.pack_raw_table({name: _raw(value) for name, value in details.items()})


def _raw(value: Any) -> bytes:
    """An encoded value; all numbers have 64 bits."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return b"l" + value.to_bytes(8, "big", signed=True)
        if isinstance(value, Mapping):
            return b"F" + _table(value)
        if isinstance(value, (list, tuple)):
            return fields.pack_raw_items(map(_raw, value))
        return fields.encode_value("" if value is None else value)
    except (fields.FieldError, OverflowError):
        return fields.encode_value(repr(value))  # what was set as JSON need not fit into a table
