"""From the protocol header to connection.open-ok, and what ends it early."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pamqp.commands import Channel, Connection, Queue
from tests.conformance.answers import connection_error
from tests.conformance.conftest import Connect
from tests.conformance.frames import HEARTBEAT, PROTOCOL_HEADER, long, on, plain, raw_frame, raw_method, short
from tests.conformance.wire import CLOSED, Client

TUNE = "0 Connection.Tune(channel_max=2047, frame_max=131072, heartbeat=60)"
CLOSE = Connection.Close(200, "", 0, 0)
OPEN_OK = "0 Connection.OpenOk()"
REFUSED = connection_error(
    403, "Login was refused using authentication mechanism PLAIN. For details see the broker logfile."
)


def test_connection_start_names_capabilities_and_mechanisms(connect: Connect) -> None:
    start = connect().start()
    assert (start.version_major, start.version_minor) == (0, 9)
    assert sorted(start.mechanisms.split()) == ["AMQPLAIN", "PLAIN"]
    assert start.locales == "en_US"
    properties = start.server_properties
    assert properties["product"] == "RabbitMQ"
    assert {"version", "platform", "copyright", "information", "cluster_name"} <= properties.keys()
    assert properties["capabilities"] == dict.fromkeys(
        [
            "publisher_confirms",
            "exchange_exchange_bindings",
            "basic.nack",
            "consumer_cancel_notify",
            "connection.blocked",
            "consumer_priorities",
            "authentication_failure_close",
            "per_consumer_qos",
            "direct_reply_to",
        ],
        True,
    )


def test_the_header_of_0_9_is_as_good_as_that_of_0_9_1(connect: Connect) -> None:
    client = connect()
    client.send(b"AMQP\x01\x01\x00\x09")
    client.expect("0 Connection.Start(version_major=0, version_minor=9, ...")


WRONG_HEADERS = [
    b"AMQP\x00\x00\x09\x00",
    b"AMQP\x00\x00\x09\x02",
    b"AMQP\x00\x00\x0a\x00",
    b"AMQP\x00\x01\x00\x00",
    b"AMQP\x02\x01\x00\x00",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"12345678",
]


@pytest.mark.parametrize("header", WRONG_HEADERS)
def test_a_wrong_protocol_header_is_answered_with_the_right_one(connect: Connect, header: bytes) -> None:
    client = connect()
    client.send(header)
    client.expect("AMQP 0 9 1", CLOSED)


def test_the_header_of_0_8_is_wrong(connect: Connect) -> None:
    client = connect()
    client.send(b"AMQP\x01\x01\x08\x00")
    client.expect_differing("AMQP 0 9 1", CLOSED)


def test_the_header_may_come_in_pieces(connect: Connect) -> None:
    client = connect()
    for octet in PROTOCOL_HEADER:
        client.send(bytes([octet]))
    client.expect("0 Connection.Start(...")


# -- login -------------------------------------------------------------------------------------------------


def amqplain(**entries: str) -> bytes:
    """The response of the AMQPLAIN mechanism: a table without its length."""
    return b"".join(short(name) + b"S" + long(value.encode()) for name, value in entries.items())


def start_ok(mechanism: str, response: bytes) -> bytes:
    return raw_method(10, 11, long(b"") + short(mechanism) + long(response) + short("en_US"), channel=0)


def test_a_client_logs_in_with_plain(connect: Connect) -> None:
    client = connect()
    client.start()
    client.send(client.start_ok("PLAIN"), channel=0)
    client.expect(TUNE)


def test_a_client_logs_in_with_amqplain(connect: Connect) -> None:
    client = connect()
    client.start()
    client.send(start_ok("AMQPLAIN", amqplain(LOGIN=client.user, PASSWORD=client.password)))
    client.expect(TUNE)


def test_a_heartbeat_may_come_before_login(connect: Connect) -> None:
    client = connect()
    client.start()
    client.send(raw_frame(HEARTBEAT, 0, b""), client.start_ok(), channel=0)
    client.expect(TUNE)


@pytest.mark.parametrize(
    ("user", "password"), [("guest", "wrong"), ("nobody", "guest"), ("guest", ""), ("", "guest"), ("", "")]
)
def test_a_refused_login_is_explained_to_a_client_that_understands(connect: Connect, user: str, password: str) -> None:
    client = connect()
    client.start()
    client.send(client.start_ok(response=plain(user, password)), channel=0)
    client.expect(REFUSED)


def tuning(connect: Connect) -> Client:
    """A client that is to say tune-ok next."""
    client = connect()
    client.start()
    client.send(client.start_ok(), channel=0)
    client.expect(TUNE)
    return client


def opening(connect: Connect, channel_max: int = 2047, frame_max: int = 131072) -> Client:
    """A client that has just sent tune-ok."""
    client = tuning(connect)
    client.send(Connection.TuneOk(channel_max, frame_max, 0), channel=0)
    return client


# -- what is cut off ---------------------------------------------------------------------------------------

Say = Callable[[Client], bytes]
BEFORE_LOGIN: dict[str, Say] = {
    "a wrong password from a client that would not understand an answer": lambda client: on(
        0, client.start_ok(response=plain("guest", "wrong"), capabilities={})
    ),
    "an unknown mechanism": lambda client: start_ok("NONSENSE", b""),
    "a mechanism in small letters": lambda client: on(0, client.start_ok("plain")),
    "EXTERNAL without TLS": lambda client: start_ok("EXTERNAL", b""),
    "ANONYMOUS where it is not allowed": lambda client: start_ok("ANONYMOUS", b""),
    "PLAIN without a response": lambda client: start_ok("PLAIN", b""),
    "PLAIN without NULs": lambda client: start_ok("PLAIN", b"guest"),
    "PLAIN without a password": lambda client: start_ok("PLAIN", b"\0guest"),
    "PLAIN with too many NULs": lambda client: start_ok("PLAIN", b"\0guest\0guest\0"),
    "AMQPLAIN without a password": lambda client: start_ok("AMQPLAIN", amqplain(LOGIN="guest")),
    "AMQPLAIN without a table": lambda client: start_ok("AMQPLAIN", b"xyz"),
    "AMQPLAIN without a response": lambda client: start_ok("AMQPLAIN", b""),
    "tune-ok": lambda client: on(0, Connection.TuneOk(0, 0, 0)),
    "open": lambda client: on(0, Connection.Open("/")),
    "close": lambda client: on(0, CLOSE),
    "a method of a channel": lambda client: on(1, Queue.Declare(queue="q")),
    "a bad end octet": lambda client: raw_frame(1, 0, b"\x00\x0a\x00\x0b", end=b"\x00"),
    "an unknown kind of frame": lambda client: raw_frame(9, 0, b""),
    "start-ok cut short": lambda client: raw_method(10, 11, b"\0\0", channel=0),
    "a frame longer than 8192 octets": lambda client: raw_frame(1, 0, b"x", end=b"", size=9000),
}
WHILE_TUNING: dict[str, Say] = {
    "start-ok again": lambda client: on(0, client.start_ok()),
    "open before tune-ok": lambda client: on(0, Connection.Open("/")),
    "close before tune-ok": lambda client: on(0, CLOSE),
}


def test_what_does_not_belong_before_open_is_cut_off_without_an_answer(connect: Connect) -> None:
    clients = {}
    for what, say in BEFORE_LOGIN.items():
        clients[what] = client = connect()
        client.start()
        client.send(say(client))
    for what, say in WHILE_TUNING.items():
        clients[what] = client = tuning(connect)
        client.send(say(client))
    deadline = time.monotonic() + 8
    answers = {}
    for what, client in clients.items():
        answers[what] = client.line_or_silence(max(deadline - time.monotonic(), 0.1))
    assert answers == dict.fromkeys(clients, CLOSED)


def test_a_client_that_does_not_get_on_is_cut_off_after_10_seconds(connect: Connect) -> None:
    began = time.monotonic()
    silent, stuck, half = connect(), connect(), connect()
    stuck.send(PROTOCOL_HEADER)
    stuck.expect("0 Connection.Start(...")
    half.send(PROTOCOL_HEADER[:5])
    for client in (silent, stuck, half):
        assert client.line(seconds=40) == CLOSED
    assert time.monotonic() - began > 8


# -- tune and open -----------------------------------------------------------------------------------------


WRONG_LIMITS = [
    (2048, 131072, "channel_max = 2048 is higher than the maximum allowed value (2047)"),
    (0, 131072, "channel_max = 0 (no limit) is higher than the maximum allowed value (2047)"),
    (2047, 131073, "frame_max = 131073 is higher than the maximum allowed value (131072)"),
    (2047, 0, "frame_max = 0 (no limit) is higher than the maximum allowed value (131072)"),
    (2047, 4095, "frame_max = 4095 is lower than the minimum allowed value (4096)"),
]


def test_limits_beyond_those_offered_are_not_allowed(connect: Connect) -> None:
    expected = [connection_error(530, f"negotiated {why}", Connection.TuneOk) for _, _, why in WRONG_LIMITS]
    clients = [opening(connect, channel_max, frame_max) for channel_max, frame_max, _ in WRONG_LIMITS]
    for client, line in zip(clients, expected, strict=True):
        client.expect_differing(line)


@pytest.mark.parametrize(("channel_max", "frame_max"), [(1, 4096), (2047, 131072)])
def test_limits_within_those_offered_are_allowed(connect: Connect, channel_max: int, frame_max: int) -> None:
    client = opening(connect, channel_max, frame_max)
    client.send(Connection.Open(client.vhost), channel=0)
    client.expect(OPEN_OK)


def test_a_virtual_host_must_exist(connect: Connect) -> None:
    client = opening(connect)
    client.send(Connection.Open("no such host"), channel=0)
    client.expect(connection_error(530, "vhost no such host not found", Connection.Open))


def test_the_empty_name_is_not_the_default_virtual_host(connect: Connect) -> None:
    client = opening(connect)
    client.send(Connection.Open(""), channel=0)
    client.expect(connection_error(530, "vhost  not found", Connection.Open))


@pytest.mark.parametrize("method", [CLOSE, Connection.TuneOk(0, 0, 0)], ids=lambda method: method.name)
def test_only_open_may_follow_tune_ok(connect: Connect, method: Connection.TuneOk) -> None:
    client = opening(connect)
    client.send(method, channel=0)
    client.expect(connection_error(504, "unexpected method in connection state opening", type(method)))


def test_a_channel_cannot_be_opened_before_the_connection(connect: Connect) -> None:
    client = opening(connect)
    client.send(Channel.Open())
    client.expect(connection_error(505, "type 1, all octets = <<...>>"))


def test_login_tune_and_open_may_be_sent_at_once(connect: Connect) -> None:
    client = connect()
    client.send(
        PROTOCOL_HEADER,
        client.start_ok(),
        Connection.TuneOk(2047, 131072, 0),
        Connection.Open(client.vhost),
        on(1, Channel.Open()),
        channel=0,
    )
    client.expect("0 Connection.Start(...", TUNE, OPEN_OK, "1 Channel.OpenOk()")
