"""Another kind of exchange, to which messages may come late: those with a header x-delay are routed after that time.

The argument x-delayed-type says which kind. Whether a message finds a queue is known only when its time has come, so
one that is held counts as routed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from menura.core.arguments import text
from menura.core.delays import DELAY_PREFIX, delay_ms
from menura.core.errors import PreconditionFailed
from menura.core.exchange import HEADERS, KINDS, Arguments, Asked, Binding, Destination, Exchange

if TYPE_CHECKING:
    from menura.core.vhost import VHost

TYPE = "x-delayed-type"


class DelayedMessageExchange(Exchange):
    """Holds messages back, and then does what its inner exchange does."""

    kind = "x-delayed-message"
    __slots__ = ("_inner", "_vhost")

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        kind = KINDS[text(self.arguments, TYPE) or "direct"]
        self._inner = kind(name, arguments=self.arguments)
        self._vhost: VHost | None = None

    @property
    def asks(self) -> int:  # type: ignore[override]
        return max(HEADERS, self._inner.asks)

    @property
    def records(self) -> bool:  # type: ignore[override]
        return False

    @classmethod
    def check_arguments(cls, what: str, arguments: Arguments) -> None:
        kind = text(arguments, TYPE)
        if kind is None or kind == cls.kind or kind not in KINDS:
            raise PreconditionFailed(f"Invalid argument, '{TYPE}' must be an existing exchange type")
        KINDS[kind].check_arguments(what, arguments)

    def begin(self, vhost: VHost) -> None:
        self._vhost = vhost
        vhost.declare_queue(DELAY_PREFIX + self.name, durable=self.durable, reserved=True)

    def end(self, vhost: VHost) -> None:
        queue = vhost.queues.get(DELAY_PREFIX + self.name)
        if queue is not None:
            vhost.remove_queue(queue)

    def check(self, destination: Destination, key: str, arguments: Arguments) -> None:
        self._inner.check(destination, key, arguments)

    def add(self, binding: Binding) -> None:
        self._inner.add(binding)

    def remove(self, binding: Binding) -> None:
        self._inner.remove(binding)

    def destinations(self, asked: Asked) -> list[Destination]:
        if self._vhost is not None and delay_ms(asked.headers):
            held = self._vhost.queues.get(DELAY_PREFIX + self.name)
            if held is not None:
                return [held]
        return self._inner.destinations(asked)
