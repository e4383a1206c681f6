"""From the protocol header to connection.open-ok: every state with every input, logins, tuning and the deadline."""

from __future__ import annotations

import pytest
from tests.protocols.amqp.memory import (
    CAPABILITIES,
    HEADER,
    HEARTBEAT,
    Channel,
    Client,
    Connection,
    closed,
    content,
    handshake,
    method,
    names,
    start_ok,
    tune_ok,
)
from tests.protocols.memory import make_node

from menura.core.peers import Peer
from menura.protocols.amqp.limits import AmqpLimits, Identity

OPEN = method(Connection.Open("/"), 0)
# What has been said when a state is reached.
STATES = {
    "header": b"",
    "starting": HEADER,
    "tuning": HEADER + start_ok(),
    "opening": HEADER + start_ok() + tune_ok(),
    "running": HEADER + start_ok() + tune_ok() + OPEN,
}
INPUTS = {
    "header": HEADER,
    "start-ok": start_ok(),
    "tune-ok": tune_ok(),
    "open": OPEN,
    "close": method(Connection.Close(200, "bye", 0, 0), 0),
    "heartbeat": HEARTBEAT,
    "channel.open on 0": method(Channel.Open(), 0),
    "channel.open on 1": method(Channel.Open(), 1),
    "content": content(b"x"),
    "bad end": HEARTBEAT[:-1] + b"\x00",
    "unknown frame": b"\x04\x00\x00\x00\x00\x00\x00\xce",
    "unknown method": b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x63\xce",
    "garbage": b"GET / HTTP/1.1\r\nHost: lyre\r\n\r\n",
}
# The answer: a method, a reply code, nothing, "cut" (no word, socket closed after a moment), "refused" (the right
# header, socket closed).
TABLE = {
    "header": {**dict.fromkeys(INPUTS, "refused"), "header": "Connection.Start"},
    "starting": {**dict.fromkeys(INPUTS, "cut"), "start-ok": "Connection.Tune", "heartbeat": "nothing"},
    "tuning": {**dict.fromkeys(INPUTS, "cut"), "tune-ok": "nothing", "heartbeat": "nothing"},
    "opening": {
        **dict.fromkeys(INPUTS, "501"),
        "start-ok": "504",
        "tune-ok": "504",
        "open": "Connection.OpenOk",
        "close": "504",
        "heartbeat": "nothing",
        "channel.open on 0": "504",
        "channel.open on 1": "505",
        "content": "505",
        "unknown method": "503",
    },
    "running": {
        **dict.fromkeys(INPUTS, "501"),
        "start-ok": "504",
        "tune-ok": "504",
        "open": "504",
        "close": "Connection.CloseOk",
        "heartbeat": "nothing",
        "channel.open on 0": "504",
        "channel.open on 1": "Channel.OpenOk",
        "content": "505",
        "unknown method": "503",
    },
}


def reaction(client: Client, octets: bytes) -> str:
    """What a client is answered, in the words of the table."""
    client.feed(octets)
    answer = client.session.flush()
    if answer.startswith(b"AMQP"):
        assert answer == HEADER
        assert client.session.closing
        return "refused"
    answers = client.answers.feed(answer)
    if not answers and client.session.close_sent:
        assert not client.session.reading
        return "cut"
    if not answers:
        return "nothing"
    assert len(answers) == 1
    return str(answers[0].reply_code) if answers[0].name == "Connection.Close" else answers[0].name


@pytest.mark.parametrize(("state", "spoken", "expected"), [(s, i, TABLE[s][i]) for s in STATES for i in INPUTS])
def test_each_state_answers_each_input(state: str, spoken: str, expected: str) -> None:
    client = Client()
    client.send(STATES[state])
    assert reaction(client, INPUTS[spoken]) == expected


# After these nobody can tell where the next frame begins.
UNFRAMED = ("header", "bad end", "garbage")
ERRORS = [(s, i) for s in STATES for i in INPUTS if TABLE[s][i] in ("501", "503", "504", "505")]


@pytest.mark.parametrize(("state", "spoken"), [(s, i) for s, i in ERRORS if i in UNFRAMED])
def test_after_what_is_no_frame_nothing_is_heard(state: str, spoken: str) -> None:
    client = Client()
    client.send(STATES[state], INPUTS[spoken])
    assert client.send(method(Channel.Open(), 1), INPUTS[spoken], method(Connection.CloseOk(), 0)) == []
    assert not client.session.closing
    client.tick(3.1)
    assert client.session.closing


@pytest.mark.parametrize(("state", "spoken"), [(s, i) for s, i in ERRORS if i not in UNFRAMED])
def test_after_an_error_only_close_ok_is_heard(state: str, spoken: str) -> None:
    client = Client()
    client.send(STATES[state], INPUTS[spoken])
    assert client.session.close_sent
    assert client.send(method(Channel.Open(), 1) + HEARTBEAT) == []
    assert not client.session.closing
    client.send(method(Connection.CloseOk(), 0))
    assert client.session.closing


def test_a_client_that_does_not_confirm_the_close_is_cut_off_after_three_seconds() -> None:
    client = Client().connect()
    client.send(method(Channel.Open(), 0))
    client.tick(2.9)
    assert not client.session.closing
    client.tick(0.2)
    assert client.session.closing


@pytest.mark.parametrize("header", [b"AMQP\x00\x00\x09\x01", b"AMQP\x01\x01\x00\x09"])
def test_both_spellings_of_the_header_are_understood(header: bytes) -> None:
    assert names(Client().send(header)) == ["Connection.Start"]


@pytest.mark.parametrize("octets", [b"A", b"AMQ", b"AMQP\x00\x00\x09"])
def test_a_part_of_the_header_is_waited_for(octets: bytes) -> None:
    client = Client()
    assert client.send(octets) == []
    assert names(client.send(HEADER[len(octets) :])) == ["Connection.Start"]


@pytest.mark.parametrize("said", [b"", HEADER, STATES["tuning"], STATES["opening"], STATES["opening"] + OPEN[:-1]])
def test_a_handshake_that_takes_ten_seconds_is_cut_off(said: bytes) -> None:
    client = Client()
    client.send(said)
    assert client.tick(9.9) == []
    assert not client.session.closing
    assert client.tick(0.2) == []
    assert client.session.closing


def test_a_connected_client_has_no_deadline() -> None:
    client = Client().connect()
    client.tick(10_000)
    assert not client.session.closing


# -- logins --------------------------------------------------------------------------------------------------

AMQPLAIN = "\x05LOGINS\x00\x00\x00\x05guest\x08PASSWORDS\x00\x00\x00\x05guest"


@pytest.mark.parametrize(
    ("mechanism", "response"), [("PLAIN", "\0guest\0guest"), ("PLAIN", "x\0guest\0guest"), ("AMQPLAIN", AMQPLAIN)]
)
def test_the_right_password_is_let_in(mechanism: str, response: str) -> None:
    assert names(Client().send(HEADER + start_ok(mechanism, response))) == ["Connection.Start", "Connection.Tune"]


@pytest.mark.parametrize("response", ["\0guest\0wrong", "\0nobody\0wrong", "\0guest\0", "\0\0"])
def test_a_wrong_password_is_told_to_those_who_understand_it(response: str) -> None:
    client = Client()
    client.send(HEADER)
    assert closed(client.send(start_ok("PLAIN", response))) == (0, 403, 0)
    assert not any("wrong" in line for _, line in client.log), "the password must not be logged"
    assert "invalid credentials" in client.log[-1][1]


@pytest.mark.parametrize("response", ["guest\0s3cret", "\0guest\0s3cret\0", "s3cret"])
def test_a_response_that_is_none_is_not_logged(response: str) -> None:
    client = Client()
    client.send(HEADER + start_ok("PLAIN", response))
    assert client.log[-1][1].endswith(f"response of {len(response)} octets invalid")
    assert not any("s3cret" in line for _, line in client.log)


@pytest.mark.parametrize("capabilities", [{}, {**CAPABILITIES, "authentication_failure_close": False}])
def test_a_wrong_password_cuts_off_the_others_after_a_moment(capabilities: dict[str, bool]) -> None:
    client = Client()
    client.send(HEADER)
    assert client.send(start_ok("PLAIN", "\0guest\0wrong", capabilities)) == []
    assert not client.session.reading
    client.tick(0.5)
    assert not client.session.closing
    client.tick(3)
    assert client.session.closing


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("PLAIN", ""),
        ("PLAIN", "guest"),
        ("PLAIN", "\0guest"),
        ("PLAIN", "\0guest\0guest\0"),
        ("AMQPLAIN", ""),
        ("AMQPLAIN", "\x05LOGINS\x00\x00\x00\x05guest"),
        ("AMQPLAIN", "\xff\xff\xff"),
        ("plain", "\0guest\0guest"),
        ("EXTERNAL", ""),
        ("ANONYMOUS", ""),
        ("RABBIT-CR-DEMO", ""),
    ],
)
def test_a_login_that_is_none_is_cut_off(mechanism: str, response: str) -> None:
    client = Client()
    client.send(HEADER)
    assert reaction(client, start_ok(mechanism, response)) == "cut"


def test_guest_may_come_from_this_machine_only() -> None:
    client = Client(peer=Peer("10.0.0.1:999", loopback=False))
    client.send(HEADER)
    assert closed(client.send(start_ok())) == (0, 403, 0)


def test_anonymous_is_offered_where_it_is_allowed() -> None:
    client = Client(identity=Identity(anonymous=True))
    (start,) = client.send(HEADER)
    assert "ANONYMOUS" in start.mechanisms
    assert names(client.send(start_ok("ANONYMOUS", ""))) == ["Connection.Tune"]


def test_external_is_offered_to_those_who_showed_a_certificate() -> None:
    node = make_node()
    node.add_user("menura", "")
    node.users.permit("menura", "/")
    client = Client(node, peer=Peer("x", tls=True, subject="menura"))
    (start,) = client.send(HEADER)
    assert "EXTERNAL" in start.mechanisms
    client.send(start_ok("EXTERNAL", "") + tune_ok() + OPEN)
    assert client.session.user == "menura"


@pytest.mark.parametrize(("vhost", "user"), [("nope", "guest"), ("", "guest"), ("/", "other")])
def test_a_virtual_host_that_is_not_there_or_not_allowed_is_refused(vhost: str, user: str) -> None:
    node = make_node()
    node.add_user("other", "secret")
    response = "\0guest\0guest" if user == "guest" else "\0other\0secret"
    client = Client(node)
    client.send(HEADER + start_ok(response=response) + tune_ok())
    assert closed(client.send(method(Connection.Open(vhost), 0))) == (0, 530, 10_040)


# -- tuning --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel_max", "frame_max"), [(0, 131072), (2048, 131072), (2047, 0), (2047, 4095), (2047, 131073), (0, 0)]
)
def test_what_was_not_offered_cannot_be_chosen(channel_max: int, frame_max: int) -> None:
    client = Client()
    client.send(HEADER + start_ok())
    assert closed(client.send(tune_ok(channel_max, frame_max))) == (0, 530, 10_031)


@pytest.mark.parametrize(("channel_max", "frame_max"), [(1, 4096), (2047, 131072), (7, 65536)])
def test_less_than_was_offered_can_be_chosen(channel_max: int, frame_max: int) -> None:
    client = Client()
    client.send(handshake(channel_max=channel_max, frame_max=frame_max))
    assert (client.session.channels_max, client.session.frame_bytes_max) == (channel_max, frame_max)


def test_what_is_offered_is_what_is_configured() -> None:
    client = Client(limits=AmqpLimits(channels_max=9, frame_bytes_max=8192, heartbeat_seconds=5))
    tune = client.send(HEADER + start_ok())[1]
    assert (tune.channel_max, tune.frame_max, tune.heartbeat) == (9, 8192, 5)


def test_a_client_that_says_goodbye_is_answered_and_let_go() -> None:
    client = Client().connect((1, 2, 3))
    assert names(client.send(method(Connection.Close(200, "bye", 0, 0), 0))) == ["Connection.CloseOk"]
    assert client.session.closing
    assert not client.session.channels


def test_a_broker_that_stops_says_goodbye_to_connected_clients_and_hangs_up_on_others() -> None:
    connected, half = Client().connect(), Client()
    half.send(HEADER)
    connected.session.stop()
    half.session.stop()
    assert closed(connected.take()) == (0, 320, 0)
    assert half.take() == []
    assert half.session.closing
    connected.send(method(Connection.CloseOk(), 0))
    assert connected.session.closing
