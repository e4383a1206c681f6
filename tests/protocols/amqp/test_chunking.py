"""What a client is answered does not depend on how its octets were cut into reads.

The scripts are said in one go, whatever the broker answers; the answers are collected at the end. Deliveries go to
another connection, since their place among the answers of this one is not promised.
"""

from __future__ import annotations

import zlib

import pytest
from tests.protocols.amqp.memory import (
    HEADER,
    HEARTBEAT,
    Basic,
    Channel,
    Client,
    Confirm,
    Connection,
    Exchange,
    Queue,
    Tx,
    ack,
    content,
    handshake,
    method,
    publish,
    start_ok,
    tune_ok,
)
from tests.protocols.memory import assert_balanced, assert_empty_after_all, chunkings, make_node

OPEN_1 = method(Channel.Open(), 1)
HELLO = handshake() + OPEN_1 + method(Queue.Declare(0, "q"))
TO_Q = method(Basic.Publish(0, "", "q"))
RUN = b"".join(publish("q", b"%05d" % number) for number in range(20))

SCRIPTS = {
    "a long conversation": b"".join(
        (
            handshake(frame_max=4096),
            OPEN_1,
            method(Channel.Open(), 7),
            method(Queue.Declare(0, "q")),
            method(Queue.Declare(0, "seen")),
            method(Exchange.Declare(0, "x", "topic")),
            method(Queue.Bind(0, "q", "x", "a.*")),
            method(Queue.Bind(0, "seen", "x", "#")),
            method(Confirm.Select()),
            RUN,
            publish("q", b"seven", 7),
            publish("q", b"seven", 7),
            b"".join(
                publish("a.b", b"y" * n, 1, "x", frame_bytes_max=4096, delivery_mode=2)
                for n in (0, 1, 4088, 4089, 9000, 3)
            ),
            publish("none", b"back", mandatory=True, headers={"k": [1, {"l": "m"}]}),
            publish("none", b"", mandatory=True, content_type="text/plain"),
            publish("q", b"props", headers={"CC": ["seen"], "BCC": ["q"]}, reply_to="r", expiration="60000"),
            publish("q", b"user", user_id="guest", priority=3, message_id="m", app_id="a"),
            HEARTBEAT,
            b"".join(publish("q", b"a" * (n % 3), delivery_mode=1 + n % 2) for n in range(12)),
            method(Basic.Get(0, "q")) * 9,
            ack(1) + ack(2) + ack(3) + ack(5),
            publish("q", b"between") + ack(6) + ack(7),
            method(Basic.Get(0, "q"), 7) * 3,
            method(Basic.Nack(2, True, True), 7),
            method(Basic.Reject(9, False)),
            method(Queue.Declare(0, "q", passive=True)),
            ack(0, 7, multiple=True),
            method(Basic.Recover(True)),
            method(Queue.Declare(0, "q", passive=True), 7),
            method(Tx.Select(), 7),
            publish("q", b"tx", 7) * 3,
            method(Tx.Commit(), 7),
            method(Queue.Purge(0, "q"), 7),
            method(Channel.Close(200, "", 0, 0), 7),
            method(Connection.Close(200, "", 0, 0), 0),
        )
    ),
    "a body in more frames than needed": HELLO
    + TO_Q
    + content(b"abcdef")[:22]
    + b"".join(content(piece)[22:] for piece in (b"ab", b"c", b"def"))
    + method(Basic.Get(0, "q")),
    "heartbeats amid content": HELLO
    + TO_Q
    + HEARTBEAT
    + content(b"x")[:22]
    + HEARTBEAT
    + content(b"x")[22:]
    + method(Basic.Get(0, "q")),
    "another channel amid content": HELLO
    + method(Channel.Open(), 2)
    + RUN
    + TO_Q
    + method(Basic.Get(0, "q"), 2)
    + content(b"x")[:22]
    + publish("q", b"z", 2)
    + method(Basic.Get(0, "q"), 2),
    "the wrong header": b"AMQP\x00\x01\x00\x00" + RUN,
    "a wrong password": HEADER + start_ok("PLAIN", "\0guest\0wrong") + tune_ok() + method(Connection.Open("/"), 0),
    "a wrong password, then close-ok": HEADER
    + start_ok("PLAIN", "\0guest\0wrong")
    + method(Connection.CloseOk(), 0)
    + RUN,
    "an unknown mechanism": HEADER + start_ok("NONE") + tune_ok(),
    "tuning too high": HEADER + start_ok() + tune_ok(0) + method(Connection.Open("/"), 0),
    "a virtual host that is not there": HEADER + start_ok() + tune_ok() + method(Connection.Open("no"), 0) + OPEN_1,
    "a channel error amid publishes": HELLO
    + RUN
    + publish("q", b"", exchange="no")
    + RUN
    + method(Channel.CloseOk())
    + OPEN_1
    + RUN
    + method(Queue.Declare(0, "q", passive=True)),
    "a channel error by properties amid publishes": HELLO
    + RUN
    + publish("q", b"", expiration="never")
    + RUN
    + method(Channel.CloseOk())
    + OPEN_1
    + method(Queue.Declare(0, "q", passive=True)),
    "an unknown delivery tag": HELLO
    + RUN
    + method(Basic.Get(0, "q")) * 5
    + ack(1)
    + ack(2)
    + ack(2)
    + ack(3)
    + method(Channel.CloseOk())
    + OPEN_1
    + method(Queue.Declare(0, "q", passive=True)),
    "a bad end octet of a method": HELLO + RUN + TO_Q[:-1] + b"\x00" + content(b"x") + RUN,
    "a bad end octet of a header": HELLO + RUN + TO_Q + content(b"00000")[:21] + b"\x00" + content(b"00000")[22:] + RUN,
    "a bad end octet of a body": HELLO + RUN + TO_Q + content(b"00000")[:-1] + b"\x00" + RUN,
    "a frame that is too long": HELLO + RUN + b"\x01\x00\x01\x7f\xff\xff\xff" + RUN,
    "a header that is too long": HELLO + RUN + TO_Q + b"\x02\x00\x01\x7f\xff\xff\xff" + content(b"x")[7:] + RUN,
    "an unknown frame": HELLO + RUN + b"\x05\x00\x01\x00\x00\x00\x00\xce" + RUN,
    "a method instead of the header": HELLO + RUN + TO_Q + method(Basic.Qos()) + RUN,
    "a publish instead of the header": HELLO + RUN + TO_Q + RUN,
    "a method instead of the body": HELLO + RUN + TO_Q + content(b"x")[:22] + method(Basic.Qos()),
    "an acknowledgement instead of the header": HELLO + RUN + method(Basic.Get(0, "q")) + TO_Q + ack(1),
    "an acknowledgement instead of the body": HELLO
    + RUN
    + method(Basic.Get(0, "q"))
    + TO_Q
    + content(b"x")[:22]
    + ack(1),
    "a known publish instead of the body": HELLO + RUN + TO_Q + content(b"y" * 300)[:22] + publish("q"),
    "a header twice": HELLO + RUN + TO_Q + content(b"x")[:22] * 2,
    "a body that is too long": HELLO + RUN + TO_Q + content(b"xx")[:22] + content(b"xxx")[22:] + RUN,
    "a body without a message": HELLO + RUN + content(b"x")[22:] + RUN,
    "channel.close instead of the body": HELLO
    + RUN
    + TO_Q
    + content(b"y" * 300)[:22]
    + method(Channel.Close(0, "", 0, 0)),
    "connection.close instead of the body": HELLO
    + RUN
    + TO_Q
    + content(b"y" * 300)[:22]
    + method(Connection.Close(0, "", 0, 0), 0),
    "properties cut short": HELLO
    + RUN
    + TO_Q
    + b"\x02\x00\x01\x00\x00\x00\x0e\x00\x3c\x00\x00"
    + bytes(8)
    + b"\x80\x00\xce",
    "headers that are no table": HELLO
    + RUN
    + TO_Q
    + b"\x02\x00\x01\x00\x00\x00\x13\x00\x3c\x00\x00"
    + bytes(8)
    + b"\x20\x00\x00\x00\x00\x01\x41\xce"
    + RUN,
}


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    """The answer, what a consumer elsewhere got, and the state things are left in."""
    node = make_node()
    other = Client(node).connect().declare("seen")
    other.consume("seen", no_ack=True)
    client = Client(node)
    client.feed(*pieces)
    octets = client.session.flush()
    delivered = other.session.flush()
    session = client.session
    assert_balanced(node)
    left = {
        queue.name: (queue.ready_count, queue.ready_bytes, queue.unsettled_count, queue.published, queue.next_position)
        for queue in node.vhosts["/"].queues.values()
    }
    state = session.closing, session.close_sent, session.reading, left, node.memory.used_bytes
    opened = {number: channel.closing for number, channel in session.channels.items()}
    client.session.lost()
    other.session.lost()
    assert_empty_after_all(node)
    return octets, delivered, state, opened


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_answer_does_not_depend_on_the_cutting(name: str) -> None:
    seed = zlib.crc32(name.encode())
    expected = None
    for how, pieces in chunkings(SCRIPTS[name], seed):
        got = outcome(pieces)
        if expected is None:
            expected = got
        assert got == expected, f"{name}, cut {how}"


def test_the_long_conversation_ends_well() -> None:
    octets, delivered, _, opened = outcome([SCRIPTS["a long conversation"]])
    assert isinstance(octets, bytes)
    assert octets.endswith(method(Connection.CloseOk(), 0))
    assert isinstance(delivered, bytes)
    assert delivered.count(b"\x00\x3c\x00\x3c") == 7
    assert opened == {}


@pytest.mark.parametrize("cut", range(1, 200))
def test_two_reads_cut_anywhere_in_a_run_keep_every_message(cut: int) -> None:
    client = Client().connect().declare("q")
    client.feed(RUN[:cut])
    client.feed(RUN[cut:])
    answers = client.send(method(Basic.Get(0, "q", True)) * 21)
    assert [answer.body for answer in answers] == [b"%05d" % number for number in range(20)] + [None]
