"""Who asks: the login that a request brings, or the file it came through."""

from __future__ import annotations

import base64
import binascii
import logging
import math
from typing import TYPE_CHECKING

from menura.core.attempts import host_of
from menura.core.errors import AuthenticationFailed
from menura.management.http.messages import HttpError
from menura.management.rights import local_user

if TYPE_CHECKING:
    from menura.core.access import User
    from menura.management.http.messages import Request

_REALM = 'Basic realm="RabbitMQ Management"'
_log = logging.getLogger("menura")


def who_asks(request: Request) -> User:
    """The user of a request. Raises HttpError."""
    return local_user() if request.peer.local else _from_header(request)


def _from_header(request: Request) -> User:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        raise _refused(request, "Not_Authorized")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        name, colon, password = base64.b64decode(token.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError
    except (ValueError, binascii.Error):
        raise _refused(request, "Login failed") from None
    return log_in(request, name, password)


def log_in(request: Request, name: str, password: str) -> User:
    """The user of a name and password. Raises HttpError; who has failed too often has to wait (429)."""
    node, peer = request.node, request.peer
    host = host_of(peer.address)
    try:
        user = node.logins.log_in(peer, name, password)
    except AuthenticationFailed as failure:
        node.login_counts.note("http", host, name, False)
        extra = {"event": "login.refused", "fields": {"connection": peer.address, "protocol": "http"}}
        _log.warning("%s: HTTP: login refused: %s", peer.address, failure, extra=extra)
        if failure.wait_seconds:
            wait = {"retry-after": str(math.ceil(failure.wait_seconds))}
            raise HttpError(429, "too_many_requests", "Too many failed logins", wait) from None
        reason = "User can only log in via localhost" if failure.near_only else "Login failed"
        raise _refused(request, reason) from None
    node.login_counts.note("http", host, name, True)
    return user


def _refused(request: Request, reason: str) -> HttpError:
    # A browser would ask for a login itself, where the pages have a form.
    challenge = {} if "x-menura-page" in request.headers else {"www-authenticate": _REALM}
    return HttpError(401, "not_authorized", reason, challenge)
