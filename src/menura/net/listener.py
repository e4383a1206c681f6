"""Listening sockets, named by URL: scheme://host:port, with TLS settings in the query.

`amqps://0.0.0.0:5671?cert=server.pem&key=server.key&ca=clients.pem&verify=required` asks clients for a certificate;
without `ca` none is asked for, with it `verify` may be `optional` (default) or `required`; `min` is the lowest version.
What the URL leaves out is taken from the settings all listeners have in common, if it names no certificate of its own.
Port 0 takes a free one. The path is that of a WebSocket, and `origin` names the pages that may use it (see
`net.origins`); schemes that no page uses ignore both. `unix:///some/where.sock` is a socket in the file system, for
this user's programs only.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from menura.net.certificates import CertificateError, Certificates, check_settings
from menura.net.peering import is_loopback
from menura.net.port import Session
from menura.net.tls import TlsProtocol
from menura.net.transport import Connection, Tick

BACKLOG = 4096
WEBSOCKET_PATH = "/ws"
UNIX = "unix"


class ListenError(Exception):
    """A listener cannot be opened; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and under which TLS settings (empty: none)."""

    scheme: str
    host: str
    port: int
    tls: tuple[tuple[str, str], ...] = ()
    path: str = ""
    origins: tuple[str, ...] = ()

    @classmethod
    def parse(cls, url: str, ports: dict[str, int]) -> Address:
        """From a URL; `ports` has the schemes that are known and their standard ports."""
        try:
            parts = urlsplit(url if "//" in url else f"{url}//")
        except ValueError as error:
            raise ListenError(f"{url}: {error}") from None
        if parts.scheme not in ports:
            known = ", ".join(sorted(ports))
            raise ListenError(f"{url}: unknown scheme; known are {known}: such as amqp://127.0.0.1:5672")
        try:
            port = ports[parts.scheme] if parts.port is None else parts.port
        except ValueError:
            raise ListenError(f"{url}: a port is a number from 0 to 65535") from None
        tls = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        origins = tuple(filter(None, tls.pop("origin", "").split(",")))
        try:
            check_settings(tls)
        except CertificateError as error:
            raise ListenError(f"{url}: {error}") from None
        if "verify" in tls and "cert" in tls and "ca" not in tls:
            raise ListenError(f"{url}: verify needs a ca to verify with: add &ca=FILE")
        path = (parts.path.rstrip("/") or WEBSOCKET_PATH) if "+" in parts.scheme else ""
        if parts.scheme == UNIX:
            path = unquote(parts.path)
            if not path or parts.netloc:
                raise ListenError(f"{url}: name a file: unix:///run/menura.sock")
        return cls(parts.scheme, parts.hostname or "127.0.0.1", port, tuple(sorted(tls.items())), path, origins)

    def tls_settings(self, common: Mapping[str, str]) -> dict[str, str]:
        """Its own, on top of those that all have in common unless it has a certificate of its own."""
        own = dict(self.tls)
        return {**(common if "cert" not in own else {"min": common.get("min", "1.2")}), **own}

    def certificates(self, common: Mapping[str, str]) -> Certificates:
        """What the settings ask for."""
        try:
            return Certificates(f"{self.scheme}://{self.host}:{self.port}", self.tls_settings(common))
        except CertificateError as error:
            raise ListenError(f"{self.scheme}://{self.host}: {error}") from None


@dataclass(slots=True)
class Listener:
    """An open listener. `port` is the one it really has."""

    address: Address
    port: int
    server: asyncio.Server
    certificates: Certificates | None = None

    @property
    def place(self) -> str:
        """Host, port, and the path if it has one."""
        if self.address.scheme == UNIX:
            return self.address.path
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        return f"{host}:{self.port}{self.address.path}"

    @property
    def exposed(self) -> bool:
        """Whether other machines may reach it."""
        address = self.address
        return address.scheme != UNIX and address.host != "localhost" and not is_loopback(address.host)

    @property
    def url(self) -> str:
        return f"{self.address.scheme}://{self.place}"

    @property
    def websocket_url(self) -> str:
        """What the client of a WebSocket calls it; empty for others."""
        scheme = self.address.scheme.partition("+")[2]
        return f"{scheme}://{self.place}" if scheme else ""


async def listen(
    address: Address,
    tls: bool,
    tick: Tick,
    make: Callable[[Connection], Session],
    common_tls: Mapping[str, str] | None = None,
) -> Listener:
    """Open a listener whose connections carry the sessions that `make` builds."""
    if address.tls and not tls:
        raise ListenError(f"{address.scheme}:// takes no TLS settings; did you mean {address.scheme}s://?")
    certificates = address.certificates(common_tls or {}) if tls else None

    def new() -> Connection:
        return Connection(tick, make)

    def accepted() -> asyncio.BaseProtocol:
        return new() if certificates is None else TlsProtocol(tick, new, certificates.context)

    loop = asyncio.get_running_loop()
    if address.scheme == UNIX:
        server = await loop.create_unix_server(accepted, sock=_local_socket(address.path), backlog=BACKLOG)
        return Listener(address, 0, server)
    server = await _bound(address, accepted, start_serving=True)
    return Listener(address, server.sockets[0].getsockname()[1], server, certificates)


async def check_free(address: Address) -> None:
    """Find out whether there can be a listener, without being one. Raises ListenError."""
    if address.scheme != UNIX:
        (await _bound(address, asyncio.Protocol, start_serving=False)).close()


async def _bound(
    address: Address, accepted: Callable[[], asyncio.BaseProtocol], *, start_serving: bool
) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(
            accepted, address.host, address.port, backlog=BACKLOG, start_serving=start_serving
        )
    except OSError as error:
        place = f"[{address.host}]" if ":" in address.host else address.host
        why = _why(error, address.port)
        raise ListenError(f"cannot listen on {address.scheme}://{place}:{address.port}: {why}") from None


def _local_socket(path: str) -> socket.socket:
    """A socket in the file system that only its owner can connect to, bound there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        if _answers(path):
            raise OSError(errno.EADDRINUSE, "")
        sock.bind(path)
    except OSError as error:
        sock.close()
        raise ListenError(f"cannot listen on {UNIX}://{path}: {_why(error)}") from None
    finally:
        os.umask(mask)
    return sock


def _answers(path: str) -> bool:
    """Whether somebody listens there. What a process that was killed has left behind is removed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            return False
        except ConnectionRefusedError:
            os.unlink(path)
            return False
    return True


def _why(error: OSError, port: int = 0) -> str:
    if error.errno == errno.EACCES:
        return "permission denied. Choose a port from 1024 on, or let the broker's user have this one."
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address. Choose one that it has; 0.0.0.0 stands for all of them."
    if error.errno != errno.EADDRINUSE:
        return f"{error.strerror or error}."
    if not port:
        return "the address is in use. Is another broker running there? Choose another name with --listen."
    return (
        f"port {port} is in use, by another broker perhaps: `ss -ltnp sport = :{port}` shows by whom. "
        "Stop that one, or choose another port with --listen."
    )
