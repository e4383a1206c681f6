"""The composition root: builds core, sessions and listeners, starts and stops them in order.

`Broker` is the broker as an object. Used with `with`, it runs an event loop in a thread of its own; with
`async with`, in the running loop. Both are ready when the block is entered, and nothing is left when it has
been left. `menura serve` is the same object under signal handlers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

from menura import applying, voices
from menura.administration import Administration
from menura.applying import DefinitionsError
from menura.config import IN_MEMORY, Config
from menura.core.descriptions import SocketCounts, TlsState
from menura.core.ending import forget_all
from menura.core.node import Node
from menura.core.peers import Peer, Surroundings
from menura.logs.connections import ConnectionLog
from menura.management.lag import LoopLag
from menura.management.statistics import Statistics
from menura.management.statistics.process import gauges
from menura.net.certificates import LOOK_SECONDS
from menura.net.listener import UNIX, Address, Listener, ListenError, check_free, listen
from menura.net.peering import is_loopback, peer_address, peer_subject, server_address, tls_state
from menura.net.port import Session
from menura.net.transport import Connection, Tick
from menura.pausing import Pause
from menura.reaching import reach
from menura.shovels.shovels import Shovels
from menura.storage import Recovered, Storage
from menura.store.directory import is_new
from menura.store.errors import StoreError
from menura.store.recovery import Progress
from menura.version import __version__
from menura.voices import Voice

__all__ = ["Broker", "DefinitionsError", "ListenError", "StoreError", "check_listeners", "loop_factory"]

if TYPE_CHECKING:
    from menura.management.application import Application

SOCKET_NAME = "menura.sock"
# Of the system's structure for an address: 108 octets, the last a zero.
SOCKET_PATH_MAX = 107
LOCAL = "local socket"
STOP_SECONDS_MAX = 3.0
BEHIND_LOOK_SECONDS = 0.01
_log = logging.getLogger("menura")
Result = TypeVar("Result")


class Broker(Administration):
    """A running broker.

    `Broker()` listens on a free port of the loopback interface, knows the user guest with password guest and
    keeps nothing. Settings are those of `Config`; `listen` also takes a list.
    """

    def __init__(self, config: Config | None = None, *, listen: Iterable[str] | None = None, **settings: Any) -> None:
        config = config or Config(listen=("amqp://127.0.0.1:0",))
        if listen is not None:
            settings["listen"] = tuple(listen)
        self.config = replace(config, **settings)
        self.listeners: list[Listener] = []
        self.local: Listener | None = None
        """The socket in the data directory, through which `menura ctl` comes."""
        self.started_ms = 0
        self.reloads = self.reloads_refused = 0
        """How often settings were read again, and how often they were not fit to be followed."""
        self._certificates_at = 0.0
        self.node = self._new_node()
        self.storage: Storage | None = None
        self.recovered: Recovered | None = None
        self.failure: str | None = None
        """Why the broker had to stop by itself."""
        self.on_failure: Callable[[], None] = lambda: None
        self.progress: Progress | None = None
        """Told (octets done, octets in all) while a start reads the journal, in another thread."""
        if self.config.data == IN_MEMORY and not self.config.load_definitions:
            applying.welcome(self.node, self.config)
        self._thread: threading.Thread | None = None  # that of `with`
        self._home: threading.Thread | None = None  # that of the loop, while it runs

    # -- what clients need to know ---------------------------------------------------------------------------

    def url(self, scheme: str) -> str:
        """The URL of the first listener of this scheme: with the default user, or that of its WebSocket."""
        for listener in self.listeners:
            if listener.address.scheme == scheme:
                user, password = quote(self.config.default_user, ""), quote(self.config.default_password, "")
                return listener.websocket_url or f"{scheme}://{user}:{password}@{listener.place}/"
        raise LookupError(f"no {scheme} listener")

    @property
    def amqp_url(self) -> str:
        return self.url("amqp")

    @property
    def amqps_url(self) -> str:
        return self.url("amqps")

    @property
    def amqp_port(self) -> int:
        return next(listener.port for listener in self.listeners if listener.address.scheme == "amqp")

    # -- administration (the verbs are in `administration`) ------------------------------------------------------

    def _call(self, work: Callable[[], Result]) -> Result:
        """Run `work` in the loop's thread: at once if we are in it, otherwise by handing it over."""
        if self._home in (None, threading.current_thread()):
            return work()
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            # A policy may have moved messages, and all that was set is to be on the disk.
            self._do_what_is_due()

        self._loop.call_soon_threadsafe(run)
        return future.result()

    def _wait_for_disk(self) -> None:
        if self._home in (None, threading.current_thread()):
            return
        while self.failure is None and (keeper := self.node.keeper) is not None and keeper.behind:
            time.sleep(BEHIND_LOOK_SECONDS)

    def reconfigure(self, config: Config) -> list[str]:
        """Go on with other settings, as far as that is possible; the names of those that take a restart."""

        def work() -> list[str]:
            old = self.config
            self.config, late = applying.merged(old, config)
            applying.change(old, self.config, self.node, self.storage, self.listeners)
            self.reloads += 1
            return late

        return self._call(work)

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> Self:
        """Read the data directory, then open the listeners. Raises StoreError and ListenError."""
        self._loop = asyncio.get_running_loop()
        self._home = threading.current_thread()
        self.failure = None
        self._tick = Tick(self._loop, self._end_of_tick, self._clock, applying.busy_poll_seconds(self.config))
        self._timer: asyncio.TimerHandle | None = None
        self.lag = LoopLag(self._loop)
        self._set_clock()
        if self.config.data != IN_MEMORY or self.config.load_definitions:
            try:
                await self._open_storage()
            except BaseException:
                self._tick.stop()
                self._home = None
                raise
        # Not before: nothing falls due while there is only half of what there was.
        self.node.agenda.on_sooner = self._call_at
        try:
            self._clock(self._loop.time())
            voices.take_up(self.node)
            for url in self.config.listen:
                self.listeners.append(await self._listen(Address.parse(url, voices.STANDARD_PORTS)))
            await self._listen_locally()
            start_shovels = partial(self.shovels.start, partial(reach, self._tick, self._internal_session))
            start_shovels()
            self.pause = Pause(self.node, self.listeners, self._listen, self._tick, self.shovels, start_shovels)
            self.started_ms = int(time.time() * 1000)
            if self.config.statistics:
                self.statistics.start(self._loop.call_later)
                self.lag.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def _listen(self, address: Address) -> Listener:
        voice = voices.VOICES[address.scheme]
        if not address.origins:
            address = replace(address, origins=self.config.origins)
        return await listen(address, voice.tls, self._tick, self._maker(address, voice), self.config.common_tls)

    async def _listen_locally(self) -> None:
        """Open the socket of the data directory, where the length of its name allows that."""
        if self.storage is None:
            return
        path = self.storage.directory.path.resolve() / SOCKET_NAME
        if len(os.fsencode(path)) > SOCKET_PATH_MAX:
            _log.warning("%s: too long a name for a socket: menura ctl has to be told --url", path)
            return
        self.local = await self._listen(Address(UNIX, "", 0, path=str(path)))

    def _close_local(self) -> None:
        if self.local is not None:
            self.local.server.close()
            Path(self.local.address.path).unlink(missing_ok=True)
            self.local = None

    async def _open_storage(self) -> None:
        config = self.config
        if config.data == IN_MEMORY:
            applying.begin(self.node, config, first=True)
            return
        if is_new(config.data):
            # Whoever cannot serve anybody leaves nothing behind.
            check_listeners(config)
            for url in config.listen:
                await check_free(Address.parse(url, voices.STANDARD_PORTS))
        storage = Storage(
            config.data,
            version=__version__,
            sync=config.sync,
            disk_free_bytes_min=config.disk_free_bytes_min,
            # Confirms go out at once: somebody has been waiting for the disk.
            on_certain=self._tick.write_marked,
            on_failure=self._fail,
        )
        self.node = self._new_node()
        self._set_clock()
        self.recovered = await storage.open(self.node, self.progress)
        for damage in self.recovered.report.damages:
            (_log.info if damage.unfinished else _log.error)("%s", damage)
        try:
            applying.begin(self.node, config, first=self.recovered.first)
        except BaseException:
            storage.give_up()
            raise
        self.storage = storage
        storage.begin()

    def _new_node(self) -> Node:
        node = Node(os.urandom, watermark_bytes=self.config.watermark_bytes)
        applying.prepare(node, self.config)
        node.memory.on_change.append(self._memory_changed)
        node.alarms.on_change.append(self._alarms_changed)
        node.agenda.on_defect = _note_defect
        node.confirm_times.clock = time.perf_counter
        self.shovels = Shovels(node)
        self.statistics = Statistics(node, lambda: gauges(node, self.storage))
        return node

    def _fail(self, reason: str) -> None:
        """The disk can keep nothing more: take back what was not promised yet, and ask to be stopped."""
        self.failure = reason
        said = "the broker stops: %s Everything that was confirmed is on the disk."
        _log.critical(said, reason, extra={"event": "failure"})
        for connection in list(self._tick.connections):
            connection.session.abandon()
            connection.wake()
        self.on_failure()

    async def stop(self) -> None:
        """Say goodbye to clients, wait a moment for their answer, close everything."""
        await self.shovels.stop()
        for listener in self.listeners:
            listener.server.close()
        self._close_local()
        for handshake in list(self._tick.handshakes):
            handshake.abort()
        for connection in list(self._tick.connections):
            connection.session.stop()
            connection.wake()
        try:
            await asyncio.wait_for(self._tick.deserted.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            for connection in list(self._tick.connections):
                connection.transport.abort()
            await self._tick.deserted.wait()
        self._tick.stop()
        self.statistics.stop()
        self.lag.stop()
        if self._timer is not None:
            self._timer.cancel()
        self.listeners.clear()
        if self.storage is not None:
            self.storage.close()
            self.storage = None
        self._home = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="menura", daemon=True)
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self._thread.join()
            self._thread = None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._thread is not None
        with suppress(RuntimeError):  # the loop is closed already: see `failure`
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None
        if self._death is not None and error is None:
            raise self._death

    def _run(self, started: Future[None]) -> None:
        async def life() -> None:
            self._stopping = asyncio.Event()
            self.on_failure = self._stopping.set
            try:
                await self.start()
            except BaseException as error:
                started.set_exception(error)
                return
            started.set_result(None)
            await self._stopping.wait()
            await self.stop()

        self._death: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(life())
        except BaseException as error:
            self._death = error

    # -- inside ----------------------------------------------------------------------------------------------

    def _maker(self, address: Address, voice: Voice) -> Callable[[Connection], Session]:
        """What makes the session of a connection; one that begins with an upgrade to a WebSocket, where that is so."""
        session = partial(self._session, voice, address)
        rules = voice.rules
        if rules is None:
            return session

        def upgrade(connection: Connection) -> Session:
            # Loaded when the first client comes: most brokers never see one.
            from menura.net.upgrade import Place, Upgrade

            place = Place(address.path, address.origins, rules(), self.config.message_bytes_max)
            return Upgrade(connection, place, session, self._loop.time())

        return upgrade

    @cached_property
    def application(self) -> Application:
        """What answers HTTP requests. Loaded when the first one comes."""
        from menura.management.api import ALL
        from menura.management.application import Application

        return Application(self, ALL, self._loop.call_soon)

    def shut_down(self) -> None:
        """Ask whoever runs this broker to stop it."""
        self.on_failure()

    def begin_anew(self) -> None:
        """Forget everything; then there is what a new data directory begins with."""
        forget_all(self.node)
        applying.welcome(self.node, self.config)

    def end_of_work(self) -> None:
        """Something was changed from outside: consumers and the disk have to know."""
        self._do_what_is_due()

    def _session(self, voice: Voice, address: Address, connection: Connection) -> Session:
        transport = connection.transport
        host, port = peer_address(transport)
        peer = Peer(
            address=f"{host}:{port}" if host else LOCAL,
            loopback=is_loopback(host) or not host,
            tls=transport.get_extra_info("sslcontext") is not None,
            subject=peer_subject(transport.get_extra_info("peercert")),
            local=address.scheme == UNIX,
            server=server_address(transport),
            websocket=voice.rules is not None,
            socket=lambda: SocketCounts(*connection.counts()),
            tls_state=partial(_tls_state, transport),
        )
        log = ConnectionLog(peer, address.scheme)
        around = Surroundings(self.node, peer, log, connection.wake, self._loop.time())
        session = log.session = voice.session(around, self, address)
        return session

    def _internal_session(self, peer: Peer, connection: Connection) -> Session:
        """The session of a connection that this broker has made to itself."""
        log = ConnectionLog(peer, "amqp")
        around = Surroundings(self.node, peer, log, connection.wake, self._loop.time())
        session = log.session = voices.VOICES["amqp"].session(around, self, Address("amqp", "", 0))
        return session

    def _memory_changed(self, blocked: bool) -> None:
        memory = self.node.memory
        if blocked:
            _log.warning(
                "memory: %d MiB of messages held, more than the %d MiB allowed: publishers are blocked until "
                "consumers have caught up",
                memory.used_bytes >> 20,
                memory.watermark_bytes >> 20,
            )
            return
        _log.info("memory: %d MiB of messages held: publishers may go on", memory.used_bytes >> 20)

    def _alarms_changed(self, resource: str, short: bool) -> None:
        if self.node.alarms.blocked:
            return
        for connection in self._tick.connections:
            connection.session.unblock()

    def _set_clock(self) -> None:
        agenda = self.node.agenda
        agenda.clock = self._loop.time
        agenda.epoch_ms = int((time.time() - self._loop.time()) * 1000)

    def _clock(self, now: float) -> None:
        self._set_clock()
        self._look_at_certificates(now)
        self.node.sample(now)
        self._do_what_is_due()

    def _look_at_certificates(self, now: float) -> None:
        if now < self._certificates_at:
            return
        self._certificates_at = now + LOOK_SECONDS
        for listener in self.listeners:
            if listener.certificates is not None:
                listener.certificates.look()

    def _call_at(self, when: float) -> None:
        """Something is due then, before everything else that is."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._do_what_is_due)

    def _do_what_is_due(self) -> None:
        agenda = self.node.agenda
        try:
            agenda.tick(self._loop.time())
            for vhost in list(self.node.vhosts.values()):
                try:
                    vhost.dispatch()
                except Exception as defect:
                    _note_defect(defect)
            self._end_of_tick()
        finally:
            if agenda.next_due is not None:
                self._call_at(agenda.next_due)

    def _end_of_tick(self) -> bool:
        """Whether the disk is at work now."""
        if self.storage is None:
            return False
        self.storage.end_of_tick()
        return self.storage.busy


def check_listeners(config: Config) -> None:
    """Find out whether the listeners can be, without opening one. Raises ListenError."""
    for url in config.listen:
        address = Address.parse(url, voices.STANDARD_PORTS)
        if voices.VOICES[address.scheme].tls:
            address.certificates(config.common_tls)
        elif address.tls:
            raise ListenError(f"{address.scheme}:// takes no TLS settings; did you mean {address.scheme}s://?")


def _note_defect(defect: Exception) -> None:
    """What had its time went wrong; nobody waits for an answer."""
    _log.error("timer: defect in the broker", exc_info=defect, extra={"event": "defect"})


def _tls_state(transport: asyncio.BaseTransport) -> TlsState | None:
    state = tls_state(transport)
    return None if state is None else TlsState(*state)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, otherwise None for asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
