"""The client for coroutines: connects, and waits for answers.

Errors of either side come as ClosedError, whatever the reason; an attempt to connect that takes too long is one too.
Sockets are driven by the transport and the tick that drive those of clients.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from menura.client.login import Login
from menura.client.session import ClientSession, ClosedError
from menura.client.uris import BrokerAddress
from menura.net.transport import Connection, Tick

CONNECT_SECONDS_MAX = 30.0


class Client:
    """An open connection."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the connection is over."""
        self.reason: ClosedError | None = None
        self.on_end: Callable[[ClosedError], None] = lambda reason: None
        self._waiting: set[asyncio.Future[Any]] = set()
        session.on_end = self._end

    def _end(self, reason: ClosedError) -> None:
        self.reason = reason
        if not self.ended.done():
            self.ended.set_result(None)
        for future in self._waiting:
            if not future.done():
                future.set_exception(reason)
        self._waiting.clear()
        self.on_end(reason)

    async def call(self, channel: int, method: str, /, **arguments: Any) -> Any:
        """Send a method and wait for its answer. ClosedError if the channel, or the connection, ends instead."""
        answer = await self.wait(lambda done: self.session.request(channel, method, done, **arguments))
        if answer.name == "channel.close":
            raise ClosedError(answer.reply_text, answer.reply_code)
        return answer

    async def wait(self, begin: Callable[[Callable[[Any], None]], None]) -> Any:
        """Wait for what is handed to the function that `begin` is given."""
        if self.reason is not None:
            raise self.reason
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(answer: Any = None) -> None:
            if not future.done():
                future.set_result(answer)

        self._waiting.add(future)
        try:
            begin(done)
            return await future
        finally:
            self._waiting.discard(future)

    async def close(self) -> None:
        """Say goodbye, and wait until all is over."""
        self.session.close()
        await self.ended


async def connect(tick: Tick, address: BrokerAddress, name: str) -> Client:
    """A connection to another broker, open and logged in."""
    login = login_of(address, name)
    tls = tls_context(address) if address.scheme == "amqps" else None
    patience = _patience_seconds(address)
    try:
        async with asyncio.timeout(patience):
            sock = await _reach(address)
            return await connect_socket(tick, sock, login, tls, _server_name(address))
    except OSError as error:  # those of time and of TLS are among them
        raise ClosedError(_why(error, patience)) from None


async def connect_socket(
    tick: Tick, sock: socket.socket, login: Login, tls: ssl.SSLContext | None = None, server_name: str = ""
) -> Client:
    """A connection through a socket that is connected already, and is closed with it."""
    loop = asyncio.get_running_loop()
    opened = asyncio.Event()
    made: list[Client] = []

    def make(connection: Connection) -> ClientSession:
        session = ClientSession(login, connection.wake, loop.time())
        made.append(Client(session))
        session.on_open = opened.set
        made[0].on_end = lambda reason: opened.set()
        connection.wake()
        return session

    attempt = loop.create_task(_carry(sock, lambda: Connection(tick, make), tls, server_name))
    try:
        await asyncio.shield(attempt)
        await opened.wait()
    except BaseException:
        await _give_up(attempt, sock, made)
        raise
    client = made[0]
    client.on_end = lambda reason: None
    if client.reason is not None:
        raise client.reason
    return client


async def _reach(address: BrokerAddress) -> socket.socket:
    """A socket that is connected to the broker; the last of the errors if none of its addresses answers."""
    loop = asyncio.get_running_loop()
    failure: OSError = ConnectionRefusedError()
    for family, kind, protocol, _, place in await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, place)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _carry(
    sock: socket.socket, new: Callable[[], Connection], tls: ssl.SSLContext | None, server_name: str
) -> None:
    loop = asyncio.get_running_loop()
    if sock.family == socket.AF_UNIX:
        await loop.create_unix_connection(new, sock=sock)
    else:
        await loop.create_connection(new, sock=sock, ssl=tls, server_hostname=server_name if tls else None)


async def _give_up(attempt: asyncio.Task[None], sock: socket.socket, made: list[Client]) -> None:
    """End a connection that is not open yet.

    Never by cancelling it on its way to the loop, which would close it without telling its session: it is let through,
    with a socket that has nothing more to say.
    """
    if not attempt.done():
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        await asyncio.wait([attempt])
    if not attempt.cancelled():
        attempt.exception()
    if made:
        made[0].session.hang_up("given up")
    else:
        sock.close()


def login_of(address: BrokerAddress, name: str) -> Login:
    return Login(
        user=address.user or "guest",
        password="guest" if address.password is None else address.password,
        vhost=address.vhost,
        mechanism="EXTERNAL" if address.settings.get("auth_mechanism", "").lower() == "external" else "PLAIN",
        name=name,
        heartbeat_seconds=address.number("heartbeat"),
        channels_max=address.number("channel_max"),
        frame_bytes_max=address.number("frame_max"),
    )


def _patience_seconds(address: BrokerAddress) -> float:
    milliseconds = address.number("connection_timeout")
    return CONNECT_SECONDS_MAX if not milliseconds else milliseconds / 1000


def _why(error: OSError, patience: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {patience:g} s"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error.strerror or error)


# -- TLS ---------------------------------------------------------------------------------------------------------


def tls_context(address: BrokerAddress) -> ssl.SSLContext:
    """What the settings of an address ask for; a server is verified unless they say `verify=verify_none`."""
    settings = address.settings
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if settings.get("cacertfile"):
            context.load_verify_locations(settings["cacertfile"])
        else:
            context.load_default_certs()
        if settings.get("certfile"):
            context.load_cert_chain(settings["certfile"], settings.get("keyfile"), settings.get("password", ""))
    except (OSError, ssl.SSLError) as error:
        raise ClosedError(f"certificate: {error}") from None
    if settings.get("verify") == "verify_none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _server_name(address: BrokerAddress) -> str:
    name = address.settings.get("server_name_indication", "")
    return address.host if name in ("", "disable") else name
