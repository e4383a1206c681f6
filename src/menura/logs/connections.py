"""The log of one connection: what its session says, with who it is."""

from __future__ import annotations

import logging
from typing import Any

from menura.core.peers import Peer

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR, "defect": logging.ERROR}
_log = logging.getLogger("menura")


class ConnectionLog:
    """What a session is given to log with (`core.peers.Surroundings`); knows the session once it is made."""

    __slots__ = ("_peer", "_scheme", "session")

    def __init__(self, peer: Peer, scheme: str) -> None:
        self._peer = peer
        self._scheme = scheme
        self.session: Any = None

    def __call__(self, level: str, line: str, event: str = "connection.notice") -> None:
        number = _LEVELS[level]
        if _log.isEnabledFor(number):
            extra = {"event": event, "fields": self._fields()}
            _log.log(number, "%s", line, exc_info=level == "defect", extra=extra)

    def _fields(self) -> dict[str, Any]:
        fields = {"connection": self._peer.address, "protocol": self._scheme}
        session = self.session
        fields["prefix"] = f"{getattr(session, 'name', self._peer.address)}: "
        if user := getattr(session, "user", ""):
            fields["user"] = user
        if (vhost := getattr(session, "vhost", None)) is not None:
            fields["vhost"] = vhost.name
        return fields
