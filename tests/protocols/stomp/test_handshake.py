"""CONNECT: who may come in, which version is spoken, what is refused and how."""

from __future__ import annotations

import pytest
from tests.protocols.memory import make_node
from tests.protocols.stomp.memory import Client, commands, frame

from menura.core.peers import Peer
from menura.protocols.stomp.limits import Identity, StompLimits

LOGIN = {"login": "guest", "passcode": "guest"}
FAR = Peer("far", loopback=False)


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("1.0", "1.0"), ("1.1", "1.1"), ("1.0,1.1,1.2", "1.2"), ("1.2,1.0", "1.2"), ("1.1, 2.0", "1.1"), (None, "1.0")],
)
def test_the_highest_version_both_know_is_spoken(command: str, asked: str | None, spoken: str) -> None:
    client = Client()
    headers = LOGIN if asked is None else {**LOGIN, "accept-version": asked}
    (answer,) = client.send(frame(command, headers))
    assert answer.command == "CONNECTED"
    assert answer["version"] == spoken
    assert answer["server"] == "RabbitMQ/4.2.0"
    assert answer["session"].startswith("session-")
    assert answer["heart-beat"] == "0,0"
    assert client.session.reading
    assert not client.session.finished


REFUSALS = {
    "no common version": ({"accept-version": "2.0"}, "Version mismatch", "Supported versions are 1.0,1.1,1.2\n"),
    "no login": ({"login": None}, "Bad CONNECT", "Access refused: 'login' and 'passcode' are required\n"),
    "a wrong password": ({"passcode": "no"}, "Bad CONNECT", "Access refused for user 'guest'\n"),
    "no password": ({"passcode": None}, "Bad CONNECT", "Access refused for user 'guest'\n"),
    "no such user": ({"login": "x"}, "Bad CONNECT", "Access refused for user 'x'\n"),
    "no such virtual host": ({"host": "no"}, "Bad CONNECT", "Virtual host 'no' access denied"),
    "a virtual host of others": ({"host": "theirs"}, "Bad CONNECT", "Virtual host 'theirs' access denied"),
    "one heart-beat": ({"heart-beat": "1"}, "Bad CONNECT", "heart-beat '1' is not a pair of numbers\n"),
    "a negative heart-beat": ({"heart-beat": "-1,0"}, "Bad CONNECT", "heart-beat '-1,0' is not a pair of numbers\n"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_connection_is_refused(name: str) -> None:
    changes, message, detail = REFUSALS[name]
    client = Client()
    client.node.add_vhost("theirs")
    headers = {**LOGIN, "accept-version": "1.2", **changes}
    present = {key: value for key, value in headers.items() if value is not None}
    assert client.fails(frame("CONNECT", present)) == (message, detail)


def test_guest_is_let_in_from_this_machine_only() -> None:
    assert Client(peer=FAR).fails(frame("CONNECT", LOGIN)) == ("Bad CONNECT", "non-loopback access denied")


def test_without_a_login_one_is_guest_where_that_is_allowed_and_near() -> None:
    identity = Identity(anonymous=True)
    near, far = Client(identity=identity), Client(identity=identity, peer=FAR)
    assert commands(near.send(frame("CONNECT"))) == ["CONNECTED"]
    assert near.session.user == "guest"
    assert far.fails(frame("CONNECT"))[0] == "Bad CONNECT"


def test_a_certificate_stands_for_a_login() -> None:
    node = make_node()
    node.add_user("alice", "secret")
    node.users.permit("alice", "/")
    alice = Client(node, peer=Peer("x", False, True, "alice"))
    assert commands(alice.send(frame("STOMP", {"accept-version": "1.2"}))) == ["CONNECTED"]
    assert alice.session.user == "alice"
    bob = Client(node, peer=Peer("x", False, True, "bob"))
    assert bob.fails(frame("CONNECT")) == ("Bad CONNECT", "Access refused for user 'bob'\n")


def test_the_server_and_the_default_virtual_host_are_settings() -> None:
    node = make_node()
    node.add_vhost("v")
    node.users.permit("guest", "v")
    client = Client(node, identity=Identity(server="Menura/1", vhost="v"))
    (answer,) = client.send(frame("CONNECT", LOGIN))
    assert answer["server"] == "Menura/1"
    assert client.session.vhost.name == "v"


@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE", "DISCONNECT", "GET / HTTP/1.1"])
def test_nothing_else_is_heard_before_the_login(command: str) -> None:
    assert Client().fails(frame(command)) == ("Illegal command", "You must log in using CONNECT first")


def test_one_logs_in_once() -> None:
    client = Client().connect()
    assert client.fails(frame("CONNECT", LOGIN)) == ("Illegal command", "You are logged in already")


def test_a_login_that_does_not_come_is_not_waited_for() -> None:
    client = Client(limits=StompLimits(handshake_seconds_max=10))
    client.feed(b"CONNECT\nlogin:g")
    assert client.tick(9.5) == b""
    assert not client.session.finished
    assert client.tick(0.5) == b""
    assert client.session.finished
    assert client.log == [("warning", "memory: closed: no CONNECT within the time allowed")]
    assert client.node.memory.used_bytes == 0


def test_frames_may_follow_connect_at_once() -> None:
    client = Client()
    login = frame("CONNECT", {**LOGIN, "accept-version": "1.2"})
    answers = client.send(login + frame("BEGIN", {"transaction": "a\\cb", "receipt": "a\\cb"}))
    assert commands(answers) == ["CONNECTED", "RECEIPT"]
    assert answers[1]["receipt-id"] == "a:b"


# -- heart-beats ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("0,0", "0,0"), ("4000,6000", "6000,4000"), ("1,999", "1000,1000"), ("2500,0", "0,2000"), ("0, 5000", "5000,0")],
)
def test_heart_beats_are_as_the_client_offers_and_wants_them(asked: str, answered: str) -> None:
    (answer,) = Client().send(frame("CONNECT", {**LOGIN, "heart-beat": asked}))
    assert answer["heart-beat"] == answered


def test_a_heart_beat_is_sent_when_nothing_else_was() -> None:
    client = Client().connect(**{"heart-beat": "0,10000"})
    assert [client.tick(2.5) for _ in range(5)] == [b"", b"\n", b"", b"\n", b""]
    client.feed(frame("BEGIN", {"transaction": "t", "receipt": "1"}))
    assert client.session.flush()
    assert [client.tick(2.5) for _ in range(2)] == [b"", b"\n"]


def test_a_client_whose_heart_has_stopped_is_cut_off() -> None:
    client = Client().connect(**{"heart-beat": "10000,0"})
    client.tick(15)
    client.feed(b"\n")
    client.tick(20)
    assert not client.session.finished
    client.tick(0.5)
    assert client.session.finished
    assert client.log[-1] == ("warning", "memory (guest@/): closed: no heart-beat for 20 s")


def test_without_heart_beats_silence_is_no_reason_to_close() -> None:
    client = Client().connect()
    assert client.tick(1e6) == b""
    assert not client.session.finished


# -- goodbyes ------------------------------------------------------------------------------------------------


def test_disconnect_is_the_end_and_its_receipt_the_last_word() -> None:
    client = Client().connect()
    answers = client.send(frame("DISCONNECT", {"receipt": "bye"}) + frame("SEND", {"destination": "/queue/q"}))
    assert [(answer.command, answer["receipt-id"]) for answer in answers] == [("RECEIPT", "bye")]
    assert client.session.finished
    assert not client.node.vhosts["/"].queues
    client.session.lost()
    assert client.log[-1] == ("info", "memory (guest@/): closed by the client")


def test_a_lost_connection_is_noted() -> None:
    client = Client().connect()
    client.session.lost()
    assert client.log[-1] == ("warning", "memory (guest@/): client unexpectedly closed the connection")


def test_a_broker_that_stops_says_so() -> None:
    client, stranger = Client().connect(), Client()
    client.session.stop()
    stranger.session.stop()
    (answer,) = client.take()
    assert answer.command == "ERROR"
    assert answer["message"] == "connection_forced"
    assert answer.body == b"broker forced connection closure with reason 'shutdown'"
    assert client.session.finished
    assert stranger.session.finished
    assert stranger.take() == []
