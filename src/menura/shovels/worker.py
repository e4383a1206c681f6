"""One shovel at work: connects to both brokers, makes the ends ready, lets the relay move messages, and again.

Whatever ends a link (either connection, a channel, the consumer) ends both connections, and the next attempt begins
after the reconnect delay, or never if that is 0. The reason is kept as the state, and logged when it is another one
than before: a broker that is away for a night is two lines, not thousands. A shovel that has moved all it was to move
deletes its own parameter.

States: starting, running, flow (the destination reads slowly), blocked (it has said that it wants nothing), terminated.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from menura.client.connection import Client
from menura.client.session import ClosedError
from menura.client.uris import BrokerAddress
from menura.shovels.definition import Definition
from menura.shovels.ends import consume, publish_frame, ready_destination, ready_source
from menura.shovels.relay import Relay
from menura.shovels.rewriting import Rewriting

Connect = Callable[[BrokerAddress, str], Awaitable[Client]]
_log = logging.getLogger("menura.shovels")
FAILED, RUNS, DONE = ({"event": f"shovel.{what}"} for what in ("failed", "running", "done"))
_ENDS = {"basic.cancel": "the consumer was cancelled by the server: its queue is gone"}


class Worker:
    """Runs from `start` to `stop`. `on_change` is told of every new state, `on_done` that all has been moved."""

    def __init__(self, vhost: str, name: str, definition: Definition, cluster_name: str, connect: Connect) -> None:
        self.vhost = vhost
        self.name = name
        self.definition = definition
        self.state = "starting"
        self.reason = ""
        self.since = time.time()
        self.moved = 0
        self.source_uri = self.destination_uri = ""
        self.on_change: Callable[[], None] = lambda: None
        self.on_done: Callable[[], None] = lambda: None
        self._cluster_name = cluster_name
        self._connect = connect
        self._relay: Relay | None = None
        self._task: asyncio.Task[None] | None = None
        self._clients: list[Client] = []
        self._logged = ""

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"shovel {self.name}")

    async def stop(self) -> None:
        """End, and wait until both connections are closed: what was not settled is in its queue again then."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for client in self._clients:
            await client.ended

    # -- what it looks like ------------------------------------------------------------------------------------

    @property
    def forwarded(self) -> int:
        """How many messages it has sent on since it was started."""
        return self.moved + (self._relay.forwarded if self._relay is not None else 0)

    @property
    def pending(self) -> int:
        return self._relay.pending if self._relay is not None else 0

    @property
    def remaining(self) -> int | None:
        return self._relay.remaining if self._relay is not None else None

    @property
    def flow(self) -> str:
        """Of a running one: running, flow or blocked."""
        relay = self._relay
        if relay is None or not relay.source.paused:
            return "running"
        return "blocked" if relay.blocked else "flow"

    def _become(self, state: str, reason: str = "") -> None:
        self.state, self.reason, self.since = state, reason, time.time()
        self.on_change()

    # -- life ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._link()
            except ClosedError as error:
                self._fail(str(error))
            except Exception as defect:
                _log.exception("shovel '%s' in virtual host '%s': defect", self.name, self.vhost, extra=FAILED)
                self._fail(f"defect: {type(defect).__name__}")
            else:
                return
            delay = self.definition.reconnect_seconds
            if not delay:
                return
            await asyncio.sleep(delay)
            self._become("starting")

    def _fail(self, reason: str) -> None:
        if reason != self._logged:
            self._logged = reason
            _log.warning("shovel '%s' in virtual host '%s' stopped: %s", self.name, self.vhost, reason, extra=FAILED)
        self._become("terminated", reason)

    async def _link(self) -> None:
        """Connect, and move messages until all are moved. ClosedError when something breaks."""
        self._clients.clear()
        try:
            await self._move()
        finally:
            if self._relay is not None:
                self.moved += self._relay.forwarded
                self._relay = None
            for client in self._clients:
                client.session.close()

    async def _move(self) -> None:
        wanted = self.definition
        source, self.source_uri = await self._reach("source", wanted.source_uris)
        destination, self.destination_uri = await self._reach("destination", wanted.destination_uris)
        with _said_of("destination"):
            await ready_destination(destination, wanted)
        with _said_of("source"):
            queue, waiting = await ready_source(source, wanted)
            remaining = waiting if wanted.delete_after == "queue-length" else wanted.delete_after
            limit = remaining if isinstance(remaining, int) else None
            if limit == 0:
                self._finish()
                return
            over = asyncio.get_running_loop().create_future()
            self._relay = self._new_relay(source, destination, limit, over)
            await consume(source, queue, wanted)
        self._logged = ""
        _log.info("shovel '%s' in virtual host '%s' runs", self.name, self.vhost, extra=RUNS)
        self._become("running")
        reason = await over
        if reason is not None:
            raise reason
        self._finish()

    async def _reach(self, which: str, uris: tuple[str, ...]) -> tuple[Client, str]:
        """A connection to one of several brokers, the first in any order that is there."""
        failure = ClosedError(f"{which}: no URI")
        for uri in random.sample(uris, len(uris)):
            address = BrokerAddress.parse(uri)
            try:
                client = await self._connect(address, f"Shovel {self.name}")
            except ClosedError as error:
                failure = ClosedError(f"{which} {address.shown}: {error}", error.code)
            else:
                self._clients.append(client)
                return client, address.shown
        raise failure

    def _new_relay(
        self, source: Client, destination: Client, limit: int | None, over: asyncio.Future[ClosedError | None]
    ) -> Relay:
        wanted = self.definition
        rewriting = Rewriting(
            wanted.publish_properties,
            self._forwarded() if wanted.forward_headers else None,
            time.time if wanted.timestamp_header else None,
        )
        relay = Relay(
            source.session,
            destination.session,
            wanted.ack_mode,
            partial(publish_frame, wanted),
            rewriting if rewriting.needed else None,
            limit,
            asyncio.get_running_loop().call_later,
        )

        def end(reason: ClosedError | None = None) -> None:
            if not over.done():
                over.set_result(reason)

        relay.on_all = end
        for which, client in (("source", source), ("destination", destination)):
            client.on_end = partial(_tell, end, which)
            client.session.on_method = partial(self._heard, relay, end, which)
        return relay

    def _heard(
        self, relay: Relay, end: Callable[[ClosedError | None], None], which: str, channel: int, method: Any
    ) -> None:
        """What a server says unasked: its consumer or its channel is gone, or it wants nothing for now."""
        if method.name == "channel.close":
            end(ClosedError(f"{which}: {method.reply_text}", method.reply_code))
        elif method.name in _ENDS:
            end(ClosedError(f"{which}: {_ENDS[method.name]}"))
        elif method.name in ("connection.blocked", "connection.unblocked") and which == "destination":
            relay.blocked = (method.reason or "blocked") if method.name == "connection.blocked" else ""
            relay.look()
            self.on_change()

    def _forwarded(self) -> dict[str, str]:
        """What it says of itself in the header `x-shovelled`."""
        return {
            "shovelled-by": self._cluster_name,
            "shovel-type": "dynamic",
            "shovel-name": self.name,
            "shovel-vhost": self.vhost,
            "src-uri": self.source_uri,
            "dest-uri": self.destination_uri,
            **self.definition.ends("-"),
        }

    def _finish(self) -> None:
        _log.info("shovel '%s' in virtual host '%s' has moved all it was to move", self.name, self.vhost, extra=DONE)
        self._become("terminated", "all messages were moved")
        self.on_done()


def _tell(end: Callable[[ClosedError | None], None], which: str, reason: ClosedError) -> None:
    end(ClosedError(f"{which}: {reason}", reason.code))


@contextmanager
def _said_of(which: str) -> Iterator[None]:
    """Puts in front of what a server says which of the two it is."""
    try:
        yield
    except ClosedError as error:
        raise ClosedError(f"{which}: {error}", error.code) from None
