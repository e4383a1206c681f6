"""CONNECT (or STOMP): who it is, which virtual host, which version, how often hearts beat.

The version is the highest that both know; a client that names none speaks 1.0. Heart-beats are whatever the client
offers and wants, in whole seconds. A failed login is told from other refusals, but not why it failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from menura.core.attempts import host_of
from menura.core.errors import AuthenticationFailed, NotAllowed
from menura.core.node import Node
from menura.core.peers import Peer
from menura.core.vhost import VHost
from menura.protocols.stomp.errors import StompError
from menura.protocols.stomp.frames import DIALECTS, VERSIONS, Dialect, shown
from menura.protocols.stomp.limits import Identity, StompLimits

COMMANDS = frozenset(("CONNECT", "STOMP"))


class Opened(NamedTuple):
    """What a connection is from now on. `send_seconds` and `receive_seconds`: 0 for no heart-beats that way."""

    user: str
    vhost: VHost
    dialect: Dialect
    send_seconds: int
    receive_seconds: int


def connect(headers: Mapping[str, str], node: Node, peer: Peer, identity: Identity, limits: StompLimits) -> Opened:
    dialect = _negotiated(headers)
    user = _counted(headers, node, peer, identity)
    name = headers.get("host", identity.vhost)
    try:
        vhost = node.enter(user, name)
    except NotAllowed:
        raise StompError("Bad CONNECT", f"Virtual host '{shown(name)}' access denied") from None
    receive_seconds, send_seconds = _heartbeats(headers, limits)
    return Opened(user, vhost, dialect, send_seconds, receive_seconds)


def mechanism(headers: Mapping[str, str], peer: Peer) -> str:
    """How the user of a CONNECT has logged in, in the words of other protocols."""
    if "login" in headers:
        return "PLAIN"
    return "EXTERNAL" if peer.subject else "ANONYMOUS"


def _counted(headers: Mapping[str, str], node: Node, peer: Peer, identity: Identity) -> str:
    """The user who logs in; whether it worked is counted."""
    host, name = host_of(peer.address), headers.get("login", peer.subject or "")
    try:
        user = _authenticated(headers, node, peer, identity)
    except StompError:
        node.login_counts.note("stomp", host, name, False)
        raise
    node.login_counts.note("stomp", host, user, True)
    return user


def _negotiated(headers: Mapping[str, str]) -> Dialect:
    asked = {version.strip() for version in headers.get("accept-version", "1.0").split(",")}
    for version in reversed(VERSIONS):
        if version in asked:
            return DIALECTS[version]
    raise StompError("Version mismatch", f"Supported versions are {','.join(VERSIONS)}\n")


def _authenticated(headers: Mapping[str, str], node: Node, peer: Peer, identity: Identity) -> str:
    login = headers.get("login")
    if login is None:
        login = peer.subject or ("guest" if identity.anonymous and peer.loopback else None)
        if login is None:
            raise StompError("Bad CONNECT", "Access refused: 'login' and 'passcode' are required\n")
        try:
            return node.logins.known(login).name
        except AuthenticationFailed:
            raise _refused(login) from None
    try:
        return node.logins.log_in(peer, login, headers.get("passcode", "")).name
    except AuthenticationFailed as failure:
        if failure.near_only:
            raise StompError("Bad CONNECT", "non-loopback access denied") from failure
        raise _refused(login) from failure


def _refused(login: str) -> StompError:
    return StompError("Bad CONNECT", f"Access refused for user '{shown(login)}'\n")


def _heartbeats(headers: Mapping[str, str], limits: StompLimits) -> tuple[int, int]:
    """Seconds between the client's heart-beats, and between ours."""
    text = headers.get("heart-beat", "0,0")
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 16 for part in parts):
        raise StompError("Bad CONNECT", f"heart-beat '{shown(text)}' is not a pair of numbers\n")
    offered, wanted = (_seconds(int(part), limits) for part in parts)
    return offered, wanted


def _seconds(milliseconds: int, limits: StompLimits) -> int:
    return min(max(milliseconds // 1000, 1), limits.heartbeat_seconds_max) if milliseconds else 0
