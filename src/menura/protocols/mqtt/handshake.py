"""CONNECT: who it is, which virtual host, and which client to go on with (sections 3.1 and 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from menura.core.errors import AuthenticationFailed
from menura.core.node import DEFAULT_VHOST, Node
from menura.core.peers import Peer
from menura.core.vhost import VHost
from menura.protocols.mqtt import spec, wire
from menura.protocols.mqtt.client import NEVER, Client, clients_of
from menura.protocols.mqtt.errors import MqttError, violation
from menura.protocols.mqtt.limits import MqttLimits
from menura.protocols.mqtt.topics import is_topic, key_of
from menura.protocols.mqtt.wire import Connect, Properties

if TYPE_CHECKING:
    from menura.protocols.mqtt.session import Session


class Login(NamedTuple):
    user: str
    vhost: VHost


def log_in(node: Node, peer: Peer, limits: MqttLimits, connect: Connect) -> Login:
    """The user and virtual host of a CONNECT. Raises the core's reasons."""
    name, vhost = connect.user, DEFAULT_VHOST
    if name is None:
        if connect.password is not None:
            raise AuthenticationFailed("a password without a user name")
        return Login(*_enter(node, _anonymous(node, peer, limits), vhost))
    if ":" in name:
        vhost, _, name = name.rpartition(":")
    node.logins.require_near(peer, name)
    try:
        password = (connect.password or b"").decode()
    except UnicodeDecodeError:
        raise AuthenticationFailed(f"user '{name}' - invalid credentials") from None
    return Login(*_enter(node, node.logins.log_in(peer, name, password).name, vhost))


def _enter(node: Node, user: str, vhost: str) -> tuple[str, VHost]:
    return user, node.enter(user, vhost)


def _anonymous(node: Node, peer: Peer, limits: MqttLimits) -> str:
    """A client that gives no name: the one of its certificate, or the one that all such clients have."""
    name = peer.subject or limits.anonymous_user
    if not name:
        raise AuthenticationFailed("a user name is required")
    if peer.subject is None and not peer.loopback:
        raise AuthenticationFailed("only clients of this machine may come without a user name")
    return node.logins.known(name).name


def check(connect: Connect, limits: MqttLimits) -> None:
    """What can be said about a CONNECT without knowing anybody."""
    if "authentication_method" in connect.properties:
        raise MqttError(spec.BAD_AUTHENTICATION_METHOD, "enhanced authentication is not supported")
    if "authentication_data" in connect.properties:
        raise violation("authentication data without a method")
    if len(connect.client_id.encode()) > limits.client_id_bytes_max:
        raise MqttError(spec.CLIENT_IDENTIFIER_NOT_VALID, "client identifier too long")
    if not connect.client_id and (
        connect.version == spec.V3_1 or (connect.version == spec.V3_1_1 and not connect.clean)
    ):
        raise MqttError(spec.CLIENT_IDENTIFIER_NOT_VALID, "no client identifier")
    will = connect.will
    if will is not None and (not is_topic(will.topic) or len(key_of(will.topic).encode()) > limits.topic_bytes_max):
        raise MqttError(spec.TOPIC_NAME_INVALID, "the will's topic is none")
    if will is not None and not is_topic(will.properties.get("response_topic", "t")):
        raise violation("a response topic with wildcards")
    if will is not None and len(wire.encode_properties(will.properties)) > limits.properties_bytes_max:
        raise MqttError(spec.QUOTA_EXCEEDED, "too many properties of the will")


def expiry_of(connect: Connect) -> int:
    """Seconds for which the client is remembered once its connection is gone."""
    if connect.version == spec.V5:
        return int(connect.properties.get("session_expiry_interval", 0))
    return 0 if connect.clean else NEVER


def client_for(session: Session, connect: Connect, id: str) -> tuple[Client, bool]:
    """The client that this connection is for, and whether it was known. Takes over from its old connection."""
    node, vhost = session.node, session.vhost
    clients = clients_of(node, vhost)
    expiry_seconds = expiry_of(connect)
    client = clients.get(id)
    if client is not None and client.session is not None:
        client.session.taken_over()
        client = clients.get(id)
    if client is not None and connect.clean:
        client.end_with_will()
        client = None
    if client is not None:
        client.cancel_will()
        client.set_expiry(expiry_seconds)
        return client, True
    client = clients[id] = Client(node, vhost, id, expiry_seconds > 0)
    try:
        client.begin(expiry_seconds)
    except BaseException:
        del clients[id]
        raise
    return client, False


def answer_properties(session: Session, connect: Connect) -> Properties:
    """What CONNACK tells a client of version 5."""
    limits = session.limits
    found: Properties = {
        "receive_maximum": limits.receive_max,
        "maximum_packet_size": limits.packet_bytes_max,
        "topic_alias_maximum": limits.topic_aliases_max,
    }
    if not connect.client_id:
        found["assigned_client_identifier"] = session.client_id
    if session.keep_alive_seconds != connect.keep_alive_seconds:
        found["server_keep_alive"] = session.keep_alive_seconds
    return found
