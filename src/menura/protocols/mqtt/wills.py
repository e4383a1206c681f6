"""Wills: what is published for a client whose connection ends badly (sections 3.1.2.5 and 3.1.3.2.2).

The will of a session that is kept is written to the disk with the session, before CONNACK, and taken back when it has
been published or will not be. So one that waits for its delay outlives the broker, and so does that of a client whose
connection the broker's own end has broken: both wait from the start on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.access import Access
from menura.protocols.mqtt import spec, wire
from menura.protocols.mqtt.errors import MqttError
from menura.protocols.mqtt.publishing import publish_will
from menura.protocols.mqtt.wire import Will

if TYPE_CHECKING:
    from menura.protocols.mqtt.client import Client

DELAY = "will_delay_interval"


def keep(client: Client, user: str, will: Will) -> None:
    """Write the will of a user down, if the client outlives its connection."""
    client.ids.keep_will(_encode(user, will))


def leave(client: Client, access: Access, will: Will | None) -> None:
    """The connection is gone, and well so if there is no will left."""
    if will is None:
        client.ids.forget_will()
    else:
        client.leave_will(lambda: publish_will(client, access, will), will.properties.get(DELAY, 0))


def restore(client: Client) -> None:
    """A broker that starts has found a client: the delay of its will begins."""
    octets = client.ids.kept_will()
    if octets is None:
        return
    try:
        user, will = _decode(octets)
    except MqttError:  # somebody has published to the queue of notes: no reason not to start
        client.ids.forget_will()
        return
    leave(client, Access(client.node.users, user, client.vhost.name), will)


def _encode(user: str, will: Will) -> bytes:
    found = wire.properties(will.properties)
    texts = (wire.binary(each) for each in (user.encode(), will.topic.encode(), will.payload))
    return b"".join((bytes((will.qos << 1 | will.retain,)), found, *texts))


def _decode(octets: bytes) -> tuple[str, Will]:
    end = len(octets)
    found, at = wire.read_properties(octets, 1, end, spec.WILL)
    user, at = wire.read_text(octets, at, end)
    topic, at = wire.read_text(octets, at, end)
    payload, _ = wire.read_binary(octets, at, end)
    return user, Will(topic, payload, octets[0] >> 1, bool(octets[0] & 1), found)
