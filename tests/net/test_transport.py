"""Real sockets: peers that talk nonsense, say half of it, never read, come in crowds, or publish too much."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.net.peer import DEADLINE_SECONDS, Peer, eventually
from tests.protocols.amqp.memory import (
    HEADER,
    HEARTBEAT,
    Basic,
    Confirm,
    Connection,
    Queue,
    ack,
    handshake,
    method,
    publish,
)

from menura import Broker
from menura.net.transport import Connection as Carrier

MB = 1 << 20


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def carrier_of(broker: Broker, peer: Peer) -> Carrier:
    """The broker's end of this socket."""
    name = "{}:{}".format(*peer.socket.getsockname())
    (found,) = [c for c in list(broker._tick.connections) if c.session.peer.address == name]  # type: ignore[attr-defined]
    return found


# -- strangers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("octets", [b"AMQP\x00\x01\x00\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + bytes(300)])
def test_another_protocol_is_told_ours_and_let_go(broker: Broker, octets: bytes) -> None:
    with Peer(broker.amqp_port) as peer:
        peer.send(octets)
        assert peer.rest() == HEADER


def test_garbage_after_the_header_ends_the_connection(broker: Broker) -> None:
    with Peer(broker.amqp_port) as peer:
        peer.send(HEADER + b"\xff" * 100)
        peer.expect("Connection.Start")
        assert peer.ended()


def test_a_handshake_may_come_octet_by_octet(broker: Broker) -> None:
    with Peer(broker.amqp_port) as peer:
        for octet in handshake():
            peer.send(bytes((octet,)))
        peer.expect("Connection.OpenOk")


def test_clients_that_vanish_amid_everything_leave_nothing(broker: Broker) -> None:
    greeting = handshake() + method(Queue.Declare(0, "mine", exclusive=True))
    for size in (0, 3, 8, 100, len(handshake()), len(greeting)):
        with Peer(broker.amqp_port) as peer:
            peer.send(greeting[:size])
    eventually(lambda: not broker._tick.connections, "connections gone")
    assert not broker.node.vhosts["/"].queues


def test_two_hundred_connections_at_once_are_served(broker: Broker) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(broker.amqp_port)) for _ in range(200)]
        for number, peer in enumerate(peers):
            peer.connect()
            peer.call(Queue.Declare(0, f"q{number}", exclusive=True))
            peer.call(Confirm.Select())
        for number, peer in enumerate(peers):
            peer.send(publish(f"q{(number + 1) % 200}", b"%d" % number))
        for peer in peers:
            assert peer.expect("Basic.Ack").delivery_tag == 1
        for number, peer in enumerate(peers):
            assert peer.call(Queue.Purge(0, f"q{number}")).message_count == 1
            peer.call(Connection.Close(200, "", 0, 0), 0)
            assert peer.ended()
    eventually(lambda: not broker._tick.connections, "connections gone")
    assert not broker.node.vhosts["/"].queues
    assert broker.node.memory.used_bytes == 0


# -- slow readers --------------------------------------------------------------------------------------------


def test_a_consumer_that_never_reads_costs_little_and_disturbs_nobody(broker: Broker) -> None:
    """200 MB go past it."""
    body, count = b"m" * 100_000, 2000
    with Peer(broker.amqp_port, receive_bytes=4096) as slow, Peer(broker.amqp_port) as quick:
        quick.connect().call(Queue.Declare(0, "q"))
        slow.connect().call(Basic.Consume(0, "q", "slow", no_ack=True))
        quick.call(Basic.Consume(0, "q", "quick", no_ack=True))
        carrier = carrier_of(broker, slow)
        most = 0

        def publish_all() -> None:
            nonlocal most
            with Peer(broker.amqp_port) as publisher:
                publisher.connect().call(Confirm.Select())
                octets = publish("q", body) * 20
                for _ in range(count // 20):
                    publisher.send(octets)
                    while publisher.expect("Basic.Ack").delivery_tag % 20:
                        pass
                    most = max(most, carrier.transport.get_write_buffer_size() + carrier.session.output.size_bytes)  # type: ignore[attr-defined]
                    publisher.call(Basic.Qos())

        publisher = threading.Thread(target=publish_all)
        publisher.start()
        # All but what fits into the buffers on the way to the slow one.
        for _ in range(count - 100):
            quick.expect("Basic.Deliver")
        publisher.join()
        print(f"{most / MB:.1f} MB at most are kept for the consumer that does not read")
        assert most < 8 * MB


def test_a_client_that_asks_and_never_reads_is_not_read_from_for_ever(broker: Broker) -> None:
    with Peer(broker.amqp_port, receive_bytes=4096) as rude, Peer(broker.amqp_port) as other:
        rude.connect()
        carrier = carrier_of(broker, rude)
        asked = 0
        octets = publish("nobody", b"m" * 1000, mandatory=True) * 100
        rude.socket.settimeout(0.2)
        try:
            while asked < 200 * MB:
                asked += rude.socket.send(octets)
        except TimeoutError:
            pass
        assert asked < 100 * MB, "its own writes must block"
        eventually(lambda: not carrier.transport.is_reading(), "not read from")
        assert carrier.transport.get_write_buffer_size() < 32 * MB
        other.connect()
        assert other.call(Queue.Declare(0, "q")).queue == "q"
        rude.socket.settimeout(10)
        returned = 0
        while returned * 1000 < asked * 0.9 - 2000:
            returned += rude.next().name == "Basic.Return"
        eventually(carrier.transport.is_reading, "read from again")


# -- memory --------------------------------------------------------------------------------------------------


def test_publishers_block_at_their_socket_and_go_on_when_consumers_have_drained() -> None:
    with (
        Broker(memory_bytes_max=5 * MB) as broker,
        Peer(broker.amqp_port) as publisher,
        Peer(broker.amqp_port) as consumer,
        Peer(broker.amqp_port) as bystander,
    ):
        publisher.connect().call(Queue.Declare(0, "q"))
        consumer.connect()
        bystander.connect()
        count, sent = 1000, threading.Event()
        octets = b"".join(publish("q", b"%04d" % number + b"m" * 20_000) for number in range(count))

        def publish_all() -> None:
            publisher.send(octets)
            sent.set()

        writer = threading.Thread(target=publish_all)
        writer.start()
        assert publisher.expect("Connection.Blocked").reason
        assert bystander.call(Queue.Declare(0, "other")).queue == "other"
        assert not sent.is_set()
        assert broker.node.memory.used_bytes < 7 * MB
        consumer.call(Basic.Qos(prefetch_count=50))
        consumer.send(method(Basic.Consume(0, "q", "c")))
        for number in range(count):
            answer = consumer.expect("Basic.Deliver")
            assert answer.body is not None
            assert int(answer.body[:4]) == number
            consumer.send(ack(answer.delivery_tag))
        writer.join()
        publisher.expect("Connection.Unblocked")
        publisher.call(Connection.Close(200, "", 0, 0), 0)
        eventually(lambda: broker.node.memory.used_bytes == 0, "nothing held")


def test_a_broker_with_a_blocked_publisher_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("menura.broker.STOP_SECONDS_MAX", 1000)
    broker = Broker(memory_bytes_max=1)
    with Peer(broker.__enter__().amqp_port) as publisher:
        publisher.connect().call(Queue.Declare(0, "q"))
        publisher.send(publish("q"))
        publisher.expect("Connection.Blocked")
        stopper = threading.Thread(target=broker.__exit__, args=(None, None, None))
        stopper.start()
        assert publisher.expect("Connection.Close").reply_code == 320
        publisher.send(method(Connection.CloseOk(), 0))
        assert publisher.ended()
        stopper.join(DEADLINE_SECONDS)
        assert not stopper.is_alive()


# -- heartbeats ----------------------------------------------------------------------------------------------


def test_heartbeats_come_and_silence_is_noticed(broker: Broker) -> None:
    with Peer(broker.amqp_port) as silent, Peer(broker.amqp_port) as alive:
        silent.connect(seconds=1)
        alive.connect(seconds=1)
        start = time.monotonic()
        beats = 0
        while beats < 6 or len(broker._tick.connections) > 1:
            assert alive.next().name == "Heartbeat"
            beats += 1
            alive.send(HEARTBEAT)
        assert time.monotonic() - start > 0.3 * beats, "one in half a second"
        while octets := silent.read():
            assert octets == HEARTBEAT * (len(octets) // 8)
        assert alive.call(Queue.Declare(0, "q")).queue == "q"


# -- the end -------------------------------------------------------------------------------------------------


def test_a_client_that_writes_on_behind_its_goodbye_hears_the_answer(broker: Broker) -> None:
    """Some clients close on channel 0 while other channels still have much to say."""
    with Peer(broker.amqp_port) as peer:
        peer.connect()
        peer.send(method(Connection.Close(200, "", 0, 0), 0) + publish("", b"m" * 1000) * 8000)
        peer.expect("Connection.CloseOk")
        assert peer.socket.recv(1) == b""
        peer.send(HEARTBEAT)
    eventually(lambda: not broker._tick._lingering, "the socket closed")


def test_a_client_that_does_not_hang_up_is_cut_off(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("menura.net.transport.LINGER_SECONDS", 0.5)
    with Peer(broker.amqp_port) as peer:
        peer.connect().call(Connection.Close(200, "", 0, 0), 0)
        eventually(lambda: not broker._tick.connections and not broker._tick._lingering, "the socket closed")


@pytest.mark.parametrize("new_loop", [None, asyncio.SelectorEventLoop])
def test_a_client_that_resets_its_connection_is_no_defect(
    new_loop: type[asyncio.SelectorEventLoop] | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Amid the words that would have ended it, and on either event loop."""
    if new_loop is not None:
        monkeypatch.setattr("menura.broker.loop_factory", lambda: new_loop)
    with Broker(listen=["mqtt://127.0.0.1:0"]) as broker:
        port = broker.listeners[0].port
        for _ in range(50):
            with Peer(port) as peer:
                peer.send(b"nothing MQTT knows of")
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        eventually(lambda: [record.levelname for record in caplog.records].count("ERROR") >= 50, "all judged")
        eventually(lambda: not broker._tick.connections and not broker._tick._lingering, "connections gone")
    assert not [record for record in caplog.records if record.exc_info]


def test_a_session_that_fails_at_the_clock_takes_nobody_with_it(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with Peer(broker.amqp_port) as failing, Peer(broker.amqp_port) as other:
        failing.connect()
        other.connect(seconds=1)
        carrier_of(broker, failing).session.heartbeat_seconds = "one"  # type: ignore[attr-defined]
        assert failing.ended()
        other.expect("Heartbeat")
    assert "connection dropped: defect in the broker" in caplog.text


def test_a_broker_stops_at_once_while_a_client_does_not_hang_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would never, if it waited for that: see the deadline of tests."""
    monkeypatch.setattr("menura.broker.STOP_SECONDS_MAX", 1000)
    monkeypatch.setattr("menura.net.transport.LINGER_SECONDS", 1000)
    with ExitStack() as stack, Broker() as broker:
        peer = stack.enter_context(Peer(broker.amqp_port))
        peer.connect().call(Connection.Close(200, "", 0, 0), 0)
