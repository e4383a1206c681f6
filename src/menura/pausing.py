"""Closing a running broker to its clients and opening it again; the process, its data and its HTTP side stay.

`suspend` closes the listeners of clients, `resume` opens them again on the ports they had; who is connected stays.
`stop` sends clients away as well, ends shovels, and forgets what a restart would not have kept; `start` is the way
back. Connections over HTTP go on all the while: somebody has to be told to start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from menura.core.ending import forget_transient
from menura.core.node import Node
from menura.net.listener import UNIX, Address, Listener
from menura.net.transport import Connection, Tick
from menura.shovels.shovels import Shovels

_MANAGEMENT = frozenset(("http", "https", UNIX))
_GOODBYE_SECONDS_MAX = 3.0
_LOOK_SECONDS = 0.005


class Pause:
    """Whether clients may come, and whether they may stay."""

    def __init__(
        self,
        node: Node,
        listeners: list[Listener],
        listen: Callable[[Address], Awaitable[Listener]],
        tick: Tick,
        shovels: Shovels,
        start_shovels: Callable[[], None],
    ) -> None:
        self.listening = True
        self.running = True
        self._node = node
        self._all = listeners
        self._listen = listen
        self._tick = tick
        self._shovels = shovels
        self._start_shovels = start_shovels
        self._turn = asyncio.Lock()

    def suspend(self) -> None:
        """Let no more clients come."""
        if self.listening:
            self.listening = False
            for listener in self._listeners():
                listener.server.close()

    async def resume(self) -> None:
        """Let them come again. Raises ListenError if somebody has taken the port meanwhile."""
        if self.listening:
            return
        for listener in self._listeners():
            if not listener.server.is_serving():
                opened = await self._listen(replace(listener.address, port=listener.port))
                listener.server, listener.certificates = opened.server, opened.certificates
        self.listening = True

    async def stop(self) -> None:
        """Send all clients away, and be as after a restart, but closed."""
        async with self._turn:
            if not self.running:
                return
            self.running = False
            self.suspend()
            await self._shovels.stop()
            await self._end_connections()
            forget_transient(self._node)

    async def start(self) -> None:
        async with self._turn:
            if self.running:
                return
            await self.resume()
            self._start_shovels()
            self.running = True

    def _listeners(self) -> list[Listener]:
        return [listener for listener in self._all if listener.address.scheme not in _MANAGEMENT]

    async def _end_connections(self) -> None:
        for connection in self._clients():
            connection.session.stop()
            connection.wake()
        until = self._tick.loop.time() + _GOODBYE_SECONDS_MAX
        while clients := self._clients():
            if self._tick.loop.time() > until:
                for connection in clients:
                    connection.transport.abort()
            await asyncio.sleep(_LOOK_SECONDS)

    def _clients(self) -> list[Connection]:
        # Loaded by now: it was a request that led here.
        from menura.management.http.session import HttpSession

        return [each for each in self._tick.connections if not isinstance(each.session, HttpSession)]
