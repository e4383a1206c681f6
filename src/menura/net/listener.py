"""Listening sockets, named by URL: scheme://host:port, with TLS settings in the query.

`amqps://0.0.0.0:5671?cert=server.pem&key=server.key&ca=clients.pem&verify=required` asks clients for a certificate;
without `ca` none is asked for, with it `verify` may be `optional` (default) or `required`. Port 0 takes a free one. The
path is that of a WebSocket, and `origin` names the pages that may open it (see `net.upgrade`); other schemes ignore
both.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from menura.net.port import Session
from menura.net.tls import TlsProtocol
from menura.net.transport import Connection, Tick

BACKLOG = 4096
WEBSOCKET_PATH = "/ws"
_TLS_KEYS = frozenset(("cert", "key", "ca", "verify"))


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
            raise ListenError(f"--listen {url}: {error}") from None
        if parts.scheme not in ports:
            raise ListenError(f"--listen {url}: unknown scheme; known are {', '.join(sorted(ports))}")
        try:
            port = ports[parts.scheme] if parts.port is None else parts.port
        except ValueError as error:
            raise ListenError(f"--listen {url}: {error}") from None
        tls = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        origins = tuple(filter(None, tls.pop("origin", "").split(",")))
        if unknown := set(tls) - _TLS_KEYS:
            raise ListenError(f"--listen {url}: unknown setting {', '.join(sorted(unknown))}")
        if tls.get("verify", "optional") not in ("optional", "required"):
            raise ListenError(f"--listen {url}: verify is optional or required")
        if "verify" in tls and "ca" not in tls:
            raise ListenError(f"--listen {url}: verify needs a ca to verify with: add &ca=FILE")
        path = (parts.path.rstrip("/") or WEBSOCKET_PATH) if "+" in parts.scheme else ""
        return cls(parts.scheme, parts.hostname or "127.0.0.1", port, tuple(sorted(tls.items())), path, origins)

    def context(self) -> ssl.SSLContext:
        """The TLS context the settings ask for."""
        tls = dict(self.tls)
        if "cert" not in tls:
            raise ListenError(f"{self.scheme}:// needs a certificate: add ?cert=FILE&key=FILE")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(tls["cert"], tls.get("key"))
            if "ca" in tls:
                context.load_verify_locations(tls["ca"])
                required = tls.get("verify") == "required"
                context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        except (OSError, ssl.SSLError) as error:
            raise ListenError(f"{self.scheme}://{self.host}: certificate: {error}") from None
        return context


@dataclass(slots=True)
class Listener:
    """An open listener. `port` is the one it really has."""

    address: Address
    port: int
    server: asyncio.Server

    @property
    def place(self) -> str:
        """Host, port, and the path if it has one."""
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        return f"{host}:{self.port}{self.address.path}"

    @property
    def url(self) -> str:
        return f"{self.address.scheme}://{self.place}"

    @property
    def websocket_url(self) -> str:
        """What the client of a WebSocket calls it; empty for others."""
        scheme = self.address.scheme.partition("+")[2]
        return f"{scheme}://{self.place}" if scheme else ""


async def listen(address: Address, tls: bool, tick: Tick, make: Callable[[Connection], Session]) -> Listener:
    """Open a listener whose connections carry the sessions that `make` builds."""
    if address.tls and not tls:
        raise ListenError(f"{address.scheme}:// takes no TLS settings; did you mean {address.scheme}s://?")
    context = address.context() if tls else None

    def new() -> Connection:
        return Connection(tick, make)

    def accepted() -> asyncio.BaseProtocol:
        return new() if context is None else TlsProtocol(tick, new, context)

    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(accepted, address.host, address.port, backlog=BACKLOG)
    except OSError as error:
        raise ListenError(f"cannot listen on {address.scheme}://{address.host}:{address.port}: {_why(error)}") from None
    return Listener(address, server.sockets[0].getsockname()[1], server)


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use. Is another broker running there? Choose another port with --listen."
    return f"{error.strerror or error}."


def peer_address(transport: asyncio.BaseTransport) -> tuple[str, int]:
    """Host and port of the other end; empty and 0 if it has gone already."""
    peername = transport.get_extra_info("peername")
    return (peername[0], peername[1]) if peername else ("", 0)


def is_loopback(host: str) -> bool:
    """Whether a peer's address says that it is on this machine."""
    return host.startswith("127.") or host in ("::1", "::ffff:127.0.0.1")


def peer_subject(certificate: Any) -> str | None:
    """The common name of a verified client certificate."""
    for name in (certificate or {}).get("subject", ()):
        for key, value in name:
            if key == "commonName":
                return str(value)
    return None
