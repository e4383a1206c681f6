"""Messages that are to be routed later: a queue of their own keeps them, and sends them on when it is time.

The header x-delay says for how many milliseconds. A message that is sent on has it with a minus before the number, so
that it is not held again. What is durable of them waits in the journal alone: of each, memory holds no more than when
it is due and how large it is.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

from menura.core import fields, properties
from menura.core.content import properties_of, with_properties
from menura.core.line import Place
from menura.core.paging import Paged, read_through
from menura.core.routing import Route
from menura.core.rules import Rules
from menura.core.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from menura.core.ports import Journal
    from menura.core.settings import QueueSettings

HEADER = "x-delay"
DELAY_PREFIX = "amq.delayed."
DELAY_MS_MAX = 10 * 365 * 24 * 3600 * 1000


def delay_ms(headers: Mapping[str, Any]) -> int:
    """For how long a message with these headers is to be held; 0 for not at all."""
    value = headers.get(HEADER)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and 0 < value < DELAY_MS_MAX:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return 0
    return min(value, DELAY_MS_MAX)


def _delay_of(content: bytes) -> int:
    raw = properties.headers_raw(properties_of(content))
    return delay_ms(fields.decode_table(raw)[0]) if raw else 0


def _ttl_ms(content: bytes) -> int | None:
    return properties.expiration_ms(properties_of(content))


def _sent_on(content: bytes) -> bytes:
    """The message as it is routed after its delay."""
    block = properties_of(content)
    raw = properties.headers_raw(block)
    table = fields.raw_table(raw) if raw else {}
    table[HEADER] = fields.encode_value(-_delay_of(content))
    return with_properties(content, properties.replace_headers(block, fields.pack_raw_table(table)))


class Delays(Rules):
    """The rules of a queue that holds the messages of the exchange it is named after."""

    pages: ClassVar[bool] = True
    selective: ClassVar[bool] = True
    __slots__ = ()

    def configure(self, settings: QueueSettings) -> None:
        """It follows no policies: what they are about is done where the messages go."""

    def enqueue(self, run: Run) -> None:
        now_ms = self.queue.vhost.agenda.wall_ms
        for at, content in enumerate(run.contents):
            piece = run if len(run.contents) == 1 else run.piece(at, at + 1)
            piece = piece.due(now_ms + max(_delay_of(content), 1))
            self.queue.enqueue(piece)
            self.due(piece.deadline_ms)

    def deadline_of(self, content: bytes, at_ms: int) -> int:
        return (at_ms or self.queue.vhost.agenda.wall_ms) + max(_delay_of(content), 1)

    def recovered(self, journal: Journal, position: int, paged: Paged, redelivered: bool) -> list[Place]:
        return [
            Place(at, Paged(1, len(content), run.deadline_ms), redelivered, 0)
            for first, run in read_through(journal, self.queue.id, position, paged, self.deadline_of)
            for at, content in enumerate(run.contents, first)
        ]

    def returned(self, position: int, run: Run, failed: bool) -> None:
        self.queue.put_back(position, run)
        self.due(run.deadline_ms)

    def reject(self, position: int, run: Run) -> None:
        self.queue.settle(position, run)

    def leave(self, position: int, run: Run) -> None:
        """It is time: hand the messages to the exchange."""
        vhost = self.queue.vhost
        name = self.queue.name.removeprefix(DELAY_PREFIX)
        if name in vhost.exchanges:
            route = Route(name, run.route.key, run.route.further_keys)
            # Their own time to live begins now.
            for ttl_ms, group in groupby(map(_sent_on, run.contents), _ttl_ms):
                contents = list(group)
                sizes = list(map(len, contents))
                due_ms = 0 if ttl_ms is None else vhost.agenda.wall_ms + ttl_ms
                vhost.publish(route, Run(route, contents, sum(sizes), max(sizes), run.persistent, None, due_ms))
                vhost.take_refused()
        self.queue.drop(position, run)
