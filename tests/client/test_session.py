"""The client's machine against the broker's, in memory and in any chunking."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.seeds import first_seed

from menura.client.deliveries import Deliveries
from menura.client.login import Login
from menura.client.session import ClientSession, ClosedError
from menura.core import content as packed
from menura.core.node import Node
from menura.core.peers import Peer, Surroundings
from menura.protocols.amqp import wire
from menura.protocols.amqp.session import Session


def no_log(*words: object) -> None:
    pass


class Pair:
    """Both machines, and what passes between them."""

    def __init__(self, login: Login | None = None, chance: random.Random | None = None, **peer: Any) -> None:
        self.node = Node(random.Random(1).randbytes)
        self.node.add_user("guest", "guest")
        self.node.users.permit("guest", "/")
        self.server = Session(Surroundings(self.node, Peer(**peer), no_log, lambda: None))
        self.client = ClientSession(login or Login(), lambda: None, 0.0)
        self.ends: list[ClosedError] = []
        self.client.on_end = self.ends.append
        self._chance = chance
        self.run()

    def run(self) -> None:
        """Let them talk until neither has anything to say."""
        while (there := self.client.flush()) + (back := self.server.flush()):
            for receive, data in ((self.server.receive, there), (self.client.receive, back)):
                at = 0
                while at < len(data):
                    step = self._chance.choice([1, 3, 50, 5000]) if self._chance else len(data)
                    receive(data[at : at + step])
                    at += step

    def ask(self, method: str, **arguments: Any) -> Any:
        answers: list[Any] = []
        self.client.request(1, method, answers.append, **arguments)
        self.run()
        (answer,) = answers
        return answer


def test_it_logs_in_and_says_goodbye() -> None:
    pair = Pair(Login(name="lyre"))
    assert pair.client.open
    assert [connected.name for connected in pair.node.presence.connections] == ["lyre"]
    assert pair.client.server["product"] == "RabbitMQ"
    pair.client.close()
    pair.run()
    assert pair.client.finished
    assert [str(reason) for reason in pair.ends] == ["closed"]
    assert not pair.node.presence.connections


@pytest.mark.parametrize(
    ("login", "code", "reason"),
    [
        (Login(password="wrong"), 403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN."),
        (Login(vhost="nowhere"), 530, "NOT_ALLOWED - vhost nowhere not found"),
        (Login(mechanism="EXTERNAL"), 503, ""),
    ],
)
def test_a_login_that_is_refused_is_the_reason_of_the_end(login: Login, code: int, reason: str) -> None:
    pair = Pair(login)
    pair.server.lost()
    pair.client.lost()
    assert not pair.client.open
    (end,) = pair.ends
    assert str(end).startswith(reason)
    assert end.code in (code, 0)


def test_a_part_of_the_broker_needs_no_password_and_may_do_everything() -> None:
    pair = Pair(Login(mechanism="EXTERNAL"), internal=True)
    assert pair.client.open
    assert pair.ask("channel.open").name == "channel.open-ok"
    assert pair.ask("queue.declare", queue="q").name == "queue.declare-ok"
    assert [connected.user for connected in pair.node.presence.connections] == ["none"]


def test_nobody_else_may_log_in_without_a_password() -> None:
    for peer in ({}, {"local": True}, {"subject": ""}, {"subject": "none"}):
        pair = Pair(Login(mechanism="EXTERNAL"), **peer)
        assert not pair.client.open


def test_a_channel_that_is_closed_is_the_answer_to_who_waits() -> None:
    pair = Pair()
    pair.ask("channel.open")
    answer = pair.ask("queue.declare", queue="nowhere", passive=True)
    assert (answer.name, answer.reply_code) == ("channel.close", 404)
    assert pair.ask("channel.open").name == "channel.open-ok"


def test_a_silent_server_is_given_up_and_a_silent_client_says_that_it_is_there() -> None:
    pair = Pair(Login(heartbeat_seconds=10))
    pair.client.tick(6.0)
    assert pair.client.flush() == wire.HEARTBEAT
    pair.client.tick(20.0)
    assert not pair.client.finished
    pair.client.tick(21.0)
    assert pair.client.finished
    assert [str(reason) for reason in pair.ends] == ["no heartbeat for 20 s"]


def test_what_is_left_unread_is_not_silence() -> None:
    pair = Pair(Login(heartbeat_seconds=10))
    pair.client.paused = True
    pair.client.tick(100.0)
    pair.client.paused = False
    pair.client.tick(119.0)
    assert not pair.client.finished


@pytest.mark.parametrize(
    "garbage", [b"AMQP\x00\x01\x00\x00", b"\x01\0\0\0\0\0\x04\0\x0a\0\x63\xce", b"HTTP/1.1 400 Bad"]
)
def test_a_server_that_speaks_something_else_is_the_reason_of_the_end(garbage: bytes) -> None:
    client = ClientSession(Login(), lambda: None, 0.0)
    ends: list[ClosedError] = []
    client.on_end = ends.append
    client.receive(garbage)
    assert client.finished
    assert "not AMQP 0-9-1" in str(ends[0])


@pytest.mark.parametrize(("offered", "asked"), [(8, None), (9, None), (4095, None), (0, 100), (131072, 4095)])
def test_messages_are_not_cut_into_frames_shorter_than_the_protocol_allows(offered: int, asked: int | None) -> None:
    client = ClientSession(Login(frame_bytes_max=asked), lambda: None, 0.0)
    ends: list[ClosedError] = []
    client.on_end = ends.append
    client.receive(wire.frame(0, "connection.tune", channel_max=0, frame_max=offered, heartbeat=0))
    assert client.finished
    assert "no frames of more than" in str(ends[0])


def test_a_defect_of_whoever_takes_deliveries_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    pair = Pair(Login(name="lyre"))
    pair.client.on_deliveries = lambda run: [][0]
    pair.ask("channel.open")
    pair.ask("queue.declare", queue="q")
    pair.ask("basic.consume", queue="q", no_ack=True)
    pair.client.send(wire.frame(1, "basic.publish", routing_key="q") + wire.header_frame(1, 0))
    pair.run()
    assert pair.client.finished
    assert "IndexError" in caplog.text


def transcript() -> bytes:
    """What a server says to a consumer who publishes to itself, from its first octet on."""
    pair = Pair()
    heard: list[bytes] = []
    receive = pair.client.receive

    def listen(data: bytes) -> None:
        heard.append(data)
        receive(data)

    pair.client.receive = listen  # type: ignore[method-assign]
    pair.ask("channel.open")
    pair.ask("queue.declare", queue="q")
    pair.ask("confirm.select")
    pair.ask("basic.consume", queue="q", no_ack=True)
    for size in (0, 5, 5, 5, 9):
        frames = wire.header_frame(1, size) + (wire.body_frame(1, bytes(size)) if size else b"")
        pair.client.send(wire.frame(1, "basic.publish", routing_key="q") + frames)
    pair.ask("queue.declare", queue="nowhere", passive=True)
    pair.client.close()
    pair.run()
    server = Session(Surroundings(pair.node, Peer(), no_log, lambda: None))
    client = ClientSession(Login(), lambda: None, 0.0)
    opening = b""
    while data := client.flush():
        server.receive(data)
        opening += (answer := server.flush())
        client.receive(answer)
    return opening + b"".join(heard)


@pytest.mark.parametrize("seed", range(first_seed(), first_seed() + 20))
def test_whatever_a_server_says_is_read_or_ends_the_connection(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    said = transcript()
    for _ in range(20):
        data = bytearray(said)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data))
            if chance.random() < 0.7:
                data[at] = chance.choice([0, 1, 0x7F, 0xCE, 0xFF, chance.randrange(256)])
            else:
                del data[at : at + chance.randrange(1, 9)]
        client = ClientSession(Login(), lambda: None, 0.0)
        for method in ("channel.open", "queue.declare"):
            client.request(1, method, lambda answer: None)
        at = 0
        while at < len(data):
            step = chance.choice([1, 30, 3000])
            client.receive(bytes(data[at : at + step]))
            at += step
        client.flush()
    assert caplog.text == "", f"seed {seed}"


@pytest.mark.parametrize("seed", range(first_seed(), first_seed() + 10))
def test_deliveries_and_confirms_in_any_chunks(seed: int) -> None:
    chance = random.Random(seed)
    pair = Pair(chance=chance)
    got: list[bytes] = []
    confirmed: list[int] = []

    def take(run: Deliveries) -> None:
        got.extend(packed.body_of(content) for content in run.contents())

    def confirm(tag: int, multiple: bool, taken: bool) -> None:
        assert taken
        confirmed.extend(range(len(confirmed) + 1, tag + 1) if multiple else [tag])

    pair.client.on_deliveries = take
    pair.client.on_confirm = confirm
    pair.ask("channel.open")
    pair.ask("queue.declare", queue="q")
    pair.ask("confirm.select")
    pair.ask("basic.consume", queue="q", no_ack=True)
    bodies = [bytes(chance.choice([0, 5, 5, 5, 300])) for _ in range(200)]
    for body in bodies:
        frames = wire.header_frame(1, len(body)) + (wire.body_frame(1, body) if body else b"")
        pair.client.send(wire.frame(1, "basic.publish", routing_key="q") + frames)
    pair.run()
    assert got == bodies, f"seed {seed}"
    assert sorted(confirmed) == list(range(1, 201)), f"seed {seed}"
