"""The STOMP scenario, very short, against a real broker, and what it rests on."""

import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import menura
from menura.bench import SCENARIOS, BenchError, BrokerClosedError
from menura.bench.connection import Address
from menura.bench.flow import Publisher, pump
from menura.bench.scenarios import run_here
from menura.bench.stomp import StompConnection, Subscriber, error_of, frame

SHORT = {"seconds": 0.2, "warmup_seconds": 0.05}


@pytest.fixture(scope="module")
def broker() -> Iterator[menura.Broker]:
    with menura.Broker(listen=["stomp://127.0.0.1:0"]) as broker:
        yield broker


@pytest.fixture
def address(broker: menura.Broker) -> Address:
    return Address.parse(broker.url("stomp"), "stomp")


def test_a_stream_has_a_rate_and_leaves_no_queue(broker: menura.Broker) -> None:
    result = run_here(SCENARIOS["stomp-128"].settings(url=broker.url("stomp"), window=2_000, **SHORT))
    assert result.metrics[0].name == "rate"
    assert result.metrics[0].value > 0
    deadline = time.monotonic() + 20
    while any(name.startswith("menura-bench") for name in list(broker.node.vhosts["/"].queues)):
        assert time.monotonic() < deadline
        with StompConnection(Address.parse(broker.url("stomp"), "stomp")):
            pass  # a round trip: the broker has had its turn


def test_wrong_credentials_are_named(broker: menura.Broker) -> None:
    url = broker.url("stomp").replace("guest:guest", "guest:wrong")
    with pytest.raises(BrokerClosedError, match="Bad CONNECT"):
        run_here(SCENARIOS["stomp-128"].settings(url=url, **SHORT))


def test_an_absent_broker_is_named(unused_url: str) -> None:
    with pytest.raises(BenchError, match="nothing answers"):
        run_here(SCENARIOS["stomp-128"].settings(url=unused_url.replace("amqp://", "stomp://"), **SHORT))


def test_a_publisher_whose_frame_is_refused_says_why(address: Address) -> None:
    with StompConnection(address) as sending:
        publisher = Publisher(sending, [frame("SEND", {"destination": "/exchange/no-such/key"}, b"x")])
        with pytest.raises(BrokerClosedError, match="no-such"):
            pump(publisher, [], 1 << 60, lambda: False)


def test_what_was_not_sent_is_an_error(address: Address) -> None:
    with StompConnection(address) as receiving, StompConnection(address) as sending:
        receiving.subscribe("compared")
        subscriber = Subscriber(receiving, [b"one", b"two"])
        sends = [
            frame("SEND", {"destination": "/amq/queue/compared"}, body) for body in (b"one", b"two", b"one", b"six")
        ]
        with pytest.raises(BenchError, match="not what was sent"):
            pump(Publisher(sending, sends, limit=4), [subscriber], 10, lambda: subscriber.received >= 4)


@given(
    bodies=st.lists(st.binary(min_size=3, max_size=3).filter(lambda body: b"\0" not in body), min_size=1),
    data=st.data(),
)
def test_messages_are_counted_however_they_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(
        frame("MESSAGE", {"message-id": str(number)}, body) + b"\n" for number, body in enumerate(bodies, 98)
    )
    cut = data.draw(st.integers(1, len(stream)))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subscriber = Subscriber(Line(ours), bodies)
        for part in filter(None, (stream[:cut], stream[cut:])):
            theirs.sendall(part)
            subscriber.on_readable()
    assert subscriber.received == len(bodies)


class Line(StompConnection):
    """A socket without a handshake."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock


def test_frames_are_as_the_specification_has_them() -> None:
    assert frame("SEND", {"destination": "/queue/a:b"}, b"hi") == (
        b"SEND\ndestination:/queue/a\\cb\ncontent-length:2\n\nhi\0"
    )
    assert frame("CONNECT", {"host": "a:b"}) == b"CONNECT\nhost:a:b\n\n\0"


@pytest.mark.parametrize("before", [b"", b"\n", b"MESSAGE\n\nbody\0\n"])
def test_an_error_is_found_behind_what_came_before(before: bytes) -> None:
    assert error_of(before + b"ERROR\nmessage:not found\nversion:1.2\n\nno queue\n\0") == "not found no queue"


def test_an_error_in_a_body_is_none() -> None:
    assert error_of(b"MESSAGE\n\nan ERROR\n\0") is None
