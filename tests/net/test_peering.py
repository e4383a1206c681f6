"""What is told of a connection's socket and its TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.clients.certificates import Authorities
from tests.net.peer import Peer, eventually
from tests.protocols.amqp.memory import Connection, method

from menura import Broker
from menura.core.descriptions import SocketCounts
from menura.core.presence import Connected
from menura.net.peering import _distinguished, tls_state

CLOSE = method(Connection.Close(200, "", 0, 0), 0)


def seen(broker: Broker) -> Connected:
    (connected,) = broker._call(lambda: list(broker.node.presence.connections))
    return connected


def test_octets_are_counted_by_reads_and_writes_both_ways() -> None:
    with Broker() as broker, Peer(broker.amqp_port) as peer:
        peer.connect()
        connected = seen(broker)
        before = broker._call(connected.socket)
        assert (before.received_bytes > 0, before.sent_bytes > 0, before.pending_bytes) == (True, True, 0)
        peer.send(CLOSE)
        peer.expect("Connection.CloseOk")
        after = broker._call(connected.socket)
        assert (after.received_bytes - before.received_bytes, after.reads - before.reads) == (len(CLOSE), 1)
        assert (after.sent_bytes - before.sent_bytes, after.writes - before.writes) == (12, 1)
        assert SocketCounts(*after).flooded is False


def test_a_connection_knows_both_its_ends() -> None:
    with Broker() as broker, Peer(broker.amqp_port) as peer:
        peer.connect()
        connected = seen(broker)
        assert connected.address == "{}:{} -> 127.0.0.1:{}".format(*peer.socket.getsockname(), broker.amqp_port)
        assert (connected.peer.websocket, connected.peer.tls_state()) == (False, None)


def test_a_tls_connection_tells_what_was_agreed_on_and_whose_certificate_it_was(tmp_path: Path) -> None:
    authorities = Authorities()
    with Broker(listen=[f"amqps://127.0.0.1:0?{authorities.query(tmp_path)}"]) as broker:
        port = broker.listeners[0].port
        with Peer(port, authorities.context("guest")) as peer:
            peer.connect()
            connected = seen(broker)
            state = broker._call(connected.peer.tls_state)
            assert state is not None
            name, _, bits = peer.socket.cipher()  # type: ignore[attr-defined]
            assert (state.protocol, state.cipher, state.bits) == (peer.socket.version(), name, bits)  # type: ignore[attr-defined]
            assert state.subject.startswith("CN=guest,OU=")
            assert "O=trustme" in state.issuer
            start, _, end = state.validity.partition(" - ")
            assert start < end
            assert (start[-1], len(start), len(end)) == ("Z", 20, 20)
        eventually(lambda: not broker._tick.connections, "the peer is gone")


def test_a_tls_connection_without_a_certificate_says_so(tmp_path: Path) -> None:
    authorities = Authorities()
    with Broker(listen=[f"amqps://127.0.0.1:0?{authorities.query(tmp_path)}"]) as broker:
        with Peer(broker.listeners[0].port, authorities.context()) as peer:
            peer.connect()
            state = broker._call(seen(broker).peer.tls_state)
            assert state is not None
            assert (state.subject, state.issuer, state.validity) == ("", "", "")
        eventually(lambda: not broker._tick.connections, "the peer is gone")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ((), ""),
        (((("countryName", "AU"),), (("commonName", "lyre"),)), "CN=lyre,C=AU"),
        (((("commonName", "a,b+c"), ("userId", "u")),), r"CN=a\,b\+c+UID=u"),
        (((("commonName", "#x "),),), r"CN=\#x\ "),
        (((("emailAddress", "a@b"),),), "emailAddress=a@b"),
    ],
)
def test_names_are_written_as_rfc_4514_has_them(names: Any, text: str) -> None:
    assert _distinguished(names) == text


def test_a_transport_without_tls_has_none() -> None:
    class Plain:
        def get_extra_info(self, name: str) -> None:
            return None

    assert tls_state(Plain()) is None  # type: ignore[arg-type]
