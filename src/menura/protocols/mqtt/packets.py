"""Packets that are not on the hot path: each goes to its function. The first one must be CONNECT."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from menura.core.access import Access
from menura.core.attempts import host_of
from menura.core.errors import AuthenticationFailed, Refusal
from menura.core.presence import Connected
from menura.core.tallies import Tallies
from menura.protocols.mqtt import answering, spec, subscribing, wills, wire
from menura.protocols.mqtt.errors import MqttError, malformed, violation
from menura.protocols.mqtt.handshake import Login, answer_properties, check, client_for, log_in
from menura.protocols.mqtt.limits import SHORT_BYTES
from menura.protocols.mqtt.outbox import Outbox
from menura.protocols.mqtt.reporting import Report

if TYPE_CHECKING:
    from menura.protocols.mqtt.session import Session
    from menura.protocols.mqtt.wire import Connect


def take_packet(session: Session, first: int, body: bytes) -> None:
    """Carry out one packet. Raises MqttError."""
    kind = first >> 4
    if not session.connected:
        _connect(session, body)
        return
    if len(body) > session.limits.control_bytes_max:
        raise MqttError(spec.PACKET_TOO_LARGE, f"a packet of type {kind} with {len(body)} octets")
    if kind == spec.CONNECT:
        raise violation("a second CONNECT")
    handler = _PACKETS.get(kind)
    if handler is None:
        raise violation(f"a packet of type {kind} from a client")
    # Version 3.1 has no use for flags in other packets than PUBLISH; a client that repeats itself may say so.
    if first & 15 != spec.FLAGS[kind] and session.version != spec.V3_1:
        raise malformed(f"flags {first & 15:#x} of a packet of type {kind}")
    handler(session, body)


def _logged_in(session: Session, connect: Connect) -> Login:
    """Whether it was let in is counted; a virtual host that it may not enter is another matter."""
    peer, counts = session.peer, session.node.login_counts
    name = (connect.user or peer.subject or "").rpartition(":")[2]
    try:
        login = log_in(session.node, peer, session.limits, connect)
    except AuthenticationFailed:
        counts.note("mqtt", host_of(peer.address), name, False)
        raise
    except Refusal:
        counts.note("mqtt", host_of(peer.address), name, True)
        raise
    counts.note("mqtt", host_of(peer.address), login.user, True)
    session.mechanism = "PLAIN" if connect.user is not None else "EXTERNAL" if peer.subject else "ANONYMOUS"
    return login


def _connect(session: Session, body: bytes) -> None:
    """Section 3.1."""
    session.version = wire.version_of(body)
    connect = wire.read_connect(body)
    session.peer_packet_bytes_max = connect.properties.get("maximum_packet_size", session.peer_packet_bytes_max)
    check(connect, session.limits)
    session.user, session.vhost = _logged_in(session, connect)
    session.access = Access(session.node.users, session.user, session.vhost.name)
    session.client_id = connect.client_id or session.node.unique_name("auto-")
    session.name = f"{session.peer.address} ({session.client_id}: {session.user}@{session.vhost.name})"
    protocol = f"MQTT {spec.VERSIONS[session.version]}"
    _settle_limits(session, connect)
    found = answer_properties(session, connect) if session.version == spec.V5 else wire.NO_PROPERTIES
    session.require_room(wire.connack(session.version, 0, True, found))
    client, present = client_for(session, connect, session.client_id)
    session.here = Connected(
        protocol,
        session.peer,
        session.user,
        session.vhost.name,
        session.client_id,
        session.node.agenda.wall_ms,
        end=session.send_away,
        report=Report(session),
    )
    session.tallies = Tallies(session.vhost.register, protocol)
    session.node.presence.arrive(session.here)
    session.connected = True
    session.will = connect.will
    if connect.will is not None:
        wills.keep(client, session.user, connect.will)
    session.client = client
    # A client of an older version may have a session in which such a subscription was made.
    session.marking = session.version == spec.V5 or any(each.no_local for each in client.subscriptions.values())
    session.deadline = None
    session.promise()
    session.send(wire.connack(session.version, 0, present, found))
    for id in client.ids.released:
        session.send(wire.answer(spec.PUBREL, id))
    inflight_max = min(int(connect.properties.get("receive_maximum", 65535)), session.limits.inflight_max)
    client.attach(session, Outbox(session, client), inflight_max)
    session.log("info", "connected", "connection.opened")


def _settle_limits(session: Session, connect: Connect) -> None:
    limits, found = session.limits, connect.properties
    session.packet_bytes_max = limits.packet_bytes_max
    session.short_bytes_max = min(SHORT_BYTES, limits.packet_bytes_max)
    session.aliases_max = min(found.get("topic_alias_maximum", 0), limits.topic_aliases_max)
    session.keep_alive_seconds = connect.keep_alive_seconds
    if session.version == spec.V5 and limits.keep_alive_seconds_max:
        session.keep_alive_seconds = min(session.keep_alive_seconds, limits.keep_alive_seconds_max)


def _pingreq(session: Session, body: bytes) -> None:
    if body:
        raise malformed("a PINGREQ with a body")
    session.send(wire.PINGRESP)


def _disconnect(session: Session, body: bytes) -> None:
    """Section 3.14."""
    code, found = wire.read_disconnect(body, session.version)
    seconds = found.get("session_expiry_interval")
    if seconds is not None:
        if seconds and not session.client.expiry_seconds:
            raise violation("a session that was to end with the connection cannot be prolonged")
        session.client.set_expiry(seconds)
    if code == spec.NORMAL_DISCONNECTION:
        session.will = None
    session.log("info", "disconnected by the client", "connection.closed")
    session.leave()
    session.closing = True


def _auth(session: Session, body: bytes) -> None:
    wire.read_disconnect(body, session.version, spec.AUTH)
    raise violation("AUTH without an authentication method")


_PACKETS: dict[int, Callable[[Session, bytes], None]] = {
    spec.PUBACK: answering.puback,
    spec.PUBREC: answering.pubrec,
    spec.PUBREL: answering.pubrel,
    spec.PUBCOMP: answering.pubcomp,
    spec.SUBSCRIBE: subscribing.subscribe,
    spec.UNSUBSCRIBE: subscribing.unsubscribe,
    spec.PINGREQ: _pingreq,
    spec.DISCONNECT: _disconnect,
    spec.AUTH: _auth,
}
