"""Frames that are not on the hot path: each goes to its channel, or to the connection.

Channel 0 is the connection itself. Until the handshake is over it is the only one there is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from menura.core.access import Access, FullAccess
from menura.core.errors import NotAllowed
from menura.core.limits import check_channel_limit
from menura.core.presence import Connected
from menura.protocols.amqp import wire
from menura.protocols.amqp.channel import Channel
from menura.protocols.amqp.errors import REASONS, AmqpError, shown, translate, unexpected, unknown
from menura.protocols.amqp.reporting import Report
from menura.protocols.amqp.spec import (
    FRAME_BODY,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_OVERHEAD_BYTES,
    PROTOCOL,
)
from menura.protocols.amqp.wire import WireError

if TYPE_CHECKING:
    from menura.protocols.amqp.handshake import Handshake
    from menura.protocols.amqp.session import Session

_SHORT_PAYLOAD_BYTES = 128


def take_method(session: Session, number: int, payload: bytes) -> None:
    """Carry out one method frame."""
    method = decode(payload)
    if session.close_sent and method.name not in ("connection.close", "connection.close-ok"):
        return
    if number == 0:
        _connection_method(session, method)
        return
    if session.handshake is not None:
        raise unexpected(FRAME_METHOD, payload)
    channel = session.channels.get(number)
    if channel is None:
        if method.name != "channel.open":
            raise AmqpError("CHANNEL_ERROR", "expected 'channel.open'", method.ids)
        _open_channel(session, number)
        return
    try:
        channel.method(method)
    except AmqpError as error:
        if error.method == (0, 0):
            error.method = method.ids
        error.channel = channel
        raise
    except REASONS as reason:
        raise translate(reason, method.ids, channel) from reason


def take_content(session: Session, kind: int, number: int, payload: bytes) -> None:
    """Take a frame that is no method: heartbeat, content header, content body."""
    malformed = (kind == FRAME_HEARTBEAT and payload) or (kind == FRAME_HEADER and len(payload) < 14)
    if malformed or kind not in (FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT):
        raise unknown(kind, payload)
    if session.close_sent or (kind == FRAME_HEARTBEAT and not number):
        return
    if kind == FRAME_HEARTBEAT or not number:
        raise unexpected(kind, payload)
    channel = session.channels.get(number)
    if channel is not None and channel.closing:
        return
    if channel is None or channel.content is None:
        raise AmqpError("UNEXPECTED_FRAME", "expected method frame, got non method frame instead")
    take = channel.content.header if kind == FRAME_HEADER else channel.content.body
    take(channel, payload)


def _open_channel(session: Session, number: int) -> None:
    if session.channels_max and len(session.channels) >= session.channels_max:
        raise AmqpError(
            "NOT_ALLOWED",
            f"number of channels opened ({len(session.channels)}) has reached the negotiated channel_max "
            f"({session.channels_max})",
        )
    try:
        check_channel_limit(session.node, session.user)
    except NotAllowed as reason:
        raise translate(reason) from reason
    session.channels[number] = Channel(session, number)
    if session.here is not None:
        session.here.channel_count += 1
        session.node.presence.channel(session.here, True)
    session.node.events.channel("created", session.here, number)
    session.send(wire.frame(number, "channel.open-ok", reserved_1=b""))


# -- methods of channel 0 ------------------------------------------------------------------------------------


def _connection_method(session: Session, method: Any) -> None:
    name = method.name
    if session.handshake is not None and not session.close_sent:
        _shake_hands(session, session.handshake, method)
    elif name == "connection.close":
        session.shut()
        session.send(wire.frame(0, "connection.close-ok"))
        session.closing = True
        session.log("info", "closed by the client", "connection.closed")
    elif name == "connection.close-ok":
        session.closing = True
    elif name == "connection.update-secret":
        # A password says who connects, not how long: there is nothing to renew, and so nothing to refuse.
        session.send(wire.frame(0, "connection.update-secret-ok"))
    else:
        raise AmqpError("CHANNEL_ERROR", "unexpected method in connection state running", method.ids)


def _shake_hands(session: Session, handshake: Handshake, method: Any) -> None:
    try:
        answer = handshake.method(method)
    except REASONS as reason:
        raise translate(reason, method.ids) from reason
    session.capabilities = handshake.capabilities
    if handshake.vhost is None:
        if handshake.state == "OPEN":
            session.frame_bytes_max = handshake.frame_bytes_max or 0xFFFFFFFF
        body_bytes_max = session.frame_bytes_max - FRAME_OVERHEAD_BYTES
        session.single_body_bytes_max = min(body_bytes_max, session.limits.message_bytes_max)
        session.send(answer)
        return
    session.handshake = None
    session.deadline = None
    session.user = handshake.user
    session.vhost = handshake.vhost
    rights = FullAccess if handshake.nobody else Access
    session.access = rights(session.node.users, session.user, session.vhost.name)
    session.client_properties = handshake.client_properties
    session.channels_max = handshake.channels_max
    session.heartbeat_seconds = handshake.heartbeat_seconds
    session.name = f"{session.peer.address} ({session.user}@{session.vhost.name})"
    session.here = _connected(session, handshake.mechanism)
    session.node.presence.arrive(session.here)
    session.send(answer)
    session.log("info", "opened", "connection.opened")


def _connected(session: Session, mechanism: str) -> Connected:
    name = session.client_properties.get("connection_name")
    said = name if isinstance(name, str) else ""
    return Connected(
        PROTOCOL,
        session.peer,
        session.user,
        session.vhost.name,
        said,
        session.node.agenda.wall_ms,
        lambda: sum(len(channel.consumers) for channel in session.channels.values()),
        end=session.send_away,
        report=Report(session, mechanism),
    )


# -- decoding ------------------------------------------------------------------------------------------------


def _decode(payload: bytes) -> Any:
    return wire.decode_method(payload)[1]


# Clients repeat themselves (basic.get, basic.qos, redeclarations), and methods are immutable.
_decode_short = lru_cache(maxsize=1024)(_decode)


def decode(payload: bytes) -> Any:
    """A method frame's payload as the method's arguments."""
    if len(payload) < 4:
        raise unknown(FRAME_METHOD, payload)
    try:
        return (_decode_short if len(payload) <= _SHORT_PAYLOAD_BYTES else _decode)(payload)
    except WireError as error:
        if error.kind.startswith("unknown"):
            raise AmqpError("COMMAND_INVALID", "unimplemented method", error.ids) from None
        if error.kind == "bad-utf8":
            raise AmqpError("FRAME_ERROR", "Malformed UTF-8 in shortstr") from None
        raise AmqpError("FRAME_ERROR", f"cannot decode {shown(payload[4:])}", error.ids) from None
