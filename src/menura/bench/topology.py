"""The queues and exchanges of one measurement: fresh names, all deleted when it ends, however it ends."""

import secrets
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from menura.bench.connection import Address, Connection
from menura.bench.errors import BrokerClosedError
from menura.bench.wire import NO_ARGUMENTS, Value


class Topology:
    """Declares through a connection of its own; leaving the `with` block deletes what was declared."""

    def __init__(self, address: Address, *, durable: bool = False) -> None:
        self.prefix = f"menura-bench.{secrets.token_hex(4)}"
        self.control = Connection(address)
        self._durable = durable
        self._queues: list[str] = []
        self._exchanges: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.control:
            try:
                for queue in self._queues:
                    self.control.delete_queue(queue)
                for exchange in self._exchanges:
                    self.control.delete_exchange(exchange)
            except (BrokerClosedError, OSError):
                if kind is None:  # else a broker that has gone is the reason already on its way
                    raise

    def queue(self, arguments: Mapping[str, Value] = NO_ARGUMENTS) -> str:
        name = f"{self.prefix}.q{len(self._queues):04d}"
        self.control.declare_queue(name, durable=self._durable, arguments=arguments)
        self._queues.append(name)
        return name

    def adopt(self, queues: Iterable[str]) -> None:
        """Delete these as well; there may be none of such a name."""
        self._queues += queues

    def held(self, queue: str, arguments: Mapping[str, Value] = NO_ARGUMENTS) -> int:
        """How many messages wait in a queue that was declared with these arguments."""
        return self.control.declare_queue(queue, durable=self._durable, arguments=arguments)

    def exchange(self, kind: str, arguments: Mapping[str, Value] = NO_ARGUMENTS) -> str:
        name = f"{self.prefix}.x{len(self._exchanges):04d}"
        self.control.declare_exchange(name, kind, durable=self._durable, arguments=arguments)
        self._exchanges.append(name)
        return name

    def bind(self, queue: str, exchange: str, key: str = "") -> None:
        self.control.bind(queue, exchange, key)
