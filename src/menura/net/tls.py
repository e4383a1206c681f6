"""From an accepted socket to an encrypted connection.

The loops' own TLS servers keep a socket to themselves until its handshake is over; no loop can be closed meanwhile.
Here the standard library's TLS protocol is put on a plain socket that the `Tick` knows from the first moment, so that
stopping can end it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from asyncio import sslproto
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from menura.net.transport import Connection, Tick

HANDSHAKE_SECONDS_MAX = 10.0
_log = logging.getLogger("menura")


if TYPE_CHECKING:

    class _SSLProtocol(asyncio.BufferedProtocol):
        def __init__(self, *arguments: object, **options: object) -> None: ...

else:
    _SSLProtocol = sslproto.SSLProtocol


class TlsProtocol(_SSLProtocol):
    """Octets of a plain socket to those of a `Connection`, which it tells of its transport once there is one."""

    def __init__(self, tick: Tick, new: Callable[[], Connection], context: ssl.SSLContext) -> None:
        self._tick = tick
        waiter = tick.loop.create_future()
        waiter.add_done_callback(self._shaken)
        super().__init__(
            tick.loop, new(), context, waiter, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS_MAX
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._plain = cast(asyncio.Transport, transport)
        self._tick.handshakes.add(self._plain)
        super().connection_made(transport)

    def _shaken(self, waiter: asyncio.Future[None]) -> None:
        self._tick.handshakes.discard(self._plain)
        if not waiter.cancelled() and (error := waiter.exception()) is not None:
            host, port, *_ = self._plain.get_extra_info("peername") or ("", 0)
            extra = {"event": "tls.refused", "fields": {"connection": f"{host}:{port}"}}
            _log.warning("%s:%d: closed: TLS handshake: %s", host, port, error, extra=extra)
