"""PUBACK, PUBREC, PUBREL and PUBCOMP: the steps of QoS 1 and 2 (section 4.3).

An identifier nobody knows is no reason to end a connection: after a crash each side may know of less than the other.
Version 5 has a code for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.protocols.mqtt import spec, wire
from menura.protocols.mqtt.errors import violation

if TYPE_CHECKING:
    from menura.protocols.mqtt.session import Session

_FAILURE = 0x80


def puback(session: Session, body: bytes) -> None:
    id, _ = wire.read_answer(body, session.version, spec.PUBACK)
    pubacks(session, [id])


def pubacks(session: Session, ids: list[int]) -> None:
    """PUBACK for each of these identifiers."""
    inflight = session.client.ids.inflight
    known = []
    for id in dict.fromkeys(ids):
        flight = inflight.get(id)
        if flight is not None:
            if flight.qos != 1:
                raise violation("PUBACK for a message of QoS 2")
            known.append(id)
    session.client.ids.settle(known)


def pubrec(session: Session, body: bytes) -> None:
    ids = session.client.ids
    id, code = wire.read_answer(body, session.version, spec.PUBREC)
    flight = ids.inflight.get(id)
    if flight is not None and flight.qos != 2:
        raise violation("PUBREC for a message of QoS 1")
    if code >= _FAILURE:
        if flight is not None:
            ids.settle((id,))
        return
    if flight is not None:
        ids.release(id)
        # Were the message sent again after this, the client would take it for another one.
        session.acknowledge(wire.answer(spec.PUBREL, id))
        return
    unknown = session.version == spec.V5 and id not in ids.released
    session.acknowledge(wire.answer(spec.PUBREL, id, spec.PACKET_IDENTIFIER_NOT_FOUND if unknown else 0))


def pubrel(session: Session, body: bytes) -> None:
    id, _ = wire.read_answer(body, session.version, spec.PUBREL)
    known = session.client.ids.forget_received(id)
    unknown = not known and session.version == spec.V5
    session.acknowledge(wire.answer(spec.PUBCOMP, id, spec.PACKET_IDENTIFIER_NOT_FOUND if unknown else 0))


def pubcomp(session: Session, body: bytes) -> None:
    id, _ = wire.read_answer(body, session.version, spec.PUBCOMP)
    session.client.ids.complete(id)
