"""What the management side sees of the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from menura.config import Config
from menura.core.node import Node
from menura.net.listener import Listener

if TYPE_CHECKING:
    from menura.management.application import Application
    from menura.management.lag import LoopLag
    from menura.management.statistics import Statistics
    from menura.shovels.shovels import Shovels
    from menura.storage import Recovered, Storage


class Pause(Protocol):
    """Whether clients may come (`listening`), and whether they may stay (`running`)."""

    listening: bool
    running: bool

    def suspend(self) -> None: ...

    async def resume(self) -> None: ...

    async def stop(self) -> None: ...

    async def start(self) -> None: ...


class Backend(Protocol):
    """A broker, as `menura.broker.Broker` is one. All of it is used in the loop's thread only."""

    node: Node
    config: Config
    listeners: list[Listener]
    storage: Storage | None
    recovered: Recovered | None
    failure: str | None
    started_ms: int
    """When it was started: milliseconds since 1970."""

    @property
    def pause(self) -> Pause: ...

    shovels: Shovels
    statistics: Statistics
    lag: LoopLag
    reloads: int
    reloads_refused: int

    @property
    def application(self) -> Application:
        """What answers HTTP requests."""

    def shut_down(self) -> None:
        """Ask whoever runs this broker to stop it."""

    def begin_anew(self) -> None:
        """Forget everything; then there is what a new data directory begins with."""

    def end_of_work(self) -> None:
        """Something was changed from outside: let consumers have what there is for them, and the disk know."""
