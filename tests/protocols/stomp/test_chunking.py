"""What a client is answered does not depend on how its octets were cut into reads.

Deliveries go to another connection, since their place among the answers of this one is not promised.
"""

from __future__ import annotations

import zlib

import pytest
from tests.protocols.memory import assert_balanced, assert_empty_after_all, chunkings, make_node
from tests.protocols.stomp.memory import Client, decode, frame, send

from menura.protocols.stomp.limits import StompLimits

LIMITS = StompLimits(frame_bytes_max=5000, head_bytes_max=600, connect_bytes_max=300, header_count_max=12)


def connect(version: str = "1.2") -> bytes:
    return frame("CONNECT", {"accept-version": version, "login": "guest", "passcode": "guest"})


HELLO = connect() + b"\n"
RUN = b"".join(send("/queue/q", b"%05d" % number, receipt=str(number)) for number in range(20))
PLAIN = send("/queue/q", b"same") * 10
CONVERSATION = b"".join(
    (
        RUN,
        PLAIN,
        b"".join(send("/queue/q", b"y" * n, k="v") + b"\n" * (n % 3) for n in range(12)),
        b"".join(frame("SEND", {"destination": "/queue/q"}, b"z" * n) for n in (0, 1, 4000, 3)),
        frame("SEND", {"destination": "/topic/a.b", "content-length": 7}, b"\0\n\n\0\0\n\0"),
        b"\n\r\n\0\n",
        send("/exchange/amq.fanout", b"", receipt="f"),
        frame("BEGIN", {"transaction": "t", "receipt": "begin"}),
        b"".join(send("/queue/q", b"tx", transaction="t", receipt=f"t{n}") for n in range(3)),
        send("/queue/q", b"outside"),
        frame("COMMIT", {"transaction": "t", "receipt": "commit"}),
        frame("SUBSCRIBE", {"id": "never", "destination": "/queue/other", "ack": "client", "receipt": "s"}),
        frame("UNSUBSCRIBE", {"id": "never", "receipt": "u"}),
        frame("DISCONNECT", {"receipt": "bye"}),
        RUN,
    )
)
CR_LF = connect().replace(b"\n", b"\r\n") + CONVERSATION.replace(b"\nSEND\n", b"\nSEND\r\n")

SCRIPTS = {
    "a long conversation": HELLO + CONVERSATION,
    "a long conversation in 1.0": connect("1.0") + CONVERSATION,
    "a long conversation in 1.1": connect("1.1") + CONVERSATION,
    "lines with carriage returns": CR_LF,
    "a wrong password": frame("CONNECT", {"login": "guest", "passcode": "no"}) + RUN,
    "no common version": frame("CONNECT", {"accept-version": "3"}) + RUN,
    "a frame before the login": RUN + HELLO,
    "another protocol": b"AMQP\0\0\x09\x01" + RUN,
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "octets without end before the login": b"x" * 400,
    "an unknown command": HELLO + RUN + frame("FOO", {"receipt": "x"}) + RUN,
    "an unknown destination amid a run": HELLO + RUN + send("/nowhere", receipt="n") + RUN,
    "a wrong header amid a run": HELLO + PLAIN + send("/queue/q", priority="x") + PLAIN,
    "an exchange that is not there": HELLO + PLAIN + send("/exchange/x/k") + PLAIN,
    "an undefined escape": HELLO + PLAIN + b"SEND\ndestination:/queue/q\na:\\x\n\n\0" + PLAIN,
    "no blank line": HELLO + PLAIN + b"SEND\ndestination:/queue/q\0" + PLAIN,
    "no NUL behind the body": HELLO + PLAIN + b"SEND\ndestination:/queue/q\ncontent-length:1\n\nab\0" + PLAIN,
    "no NUL behind a known body": HELLO + PLAIN + PLAIN[:-1] + b"x" + PLAIN,
    "too long a body": HELLO + PLAIN + send("/queue/q", b"x" * 6000) + PLAIN,
    "too long a body without length": HELLO + PLAIN + frame("SEND", {"destination": "/queue/q"}, b"x" * 6000),
    "too long a head": HELLO + PLAIN + send("/queue/q", a="x" * 600) + PLAIN,
    "too many headers": HELLO + PLAIN + send("/queue/q", **{f"h{n}": n for n in range(20)}) + PLAIN,
    "a frame that never ends": HELLO + PLAIN + send("/queue/q", b"x" * 4000)[:-1],
    "an acknowledgement of nothing": HELLO + RUN + frame("ACK", {"id": "T_1@@x@@1"}) + RUN,
    "a queue that cannot be": HELLO + PLAIN + send("/queue/amq.x") + PLAIN,
}


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    """The answer, what a subscriber elsewhere got, and the state things are left in."""
    node = make_node()
    other = Client(node).connect()
    other.subscribe("/topic/#", "t")
    other.subscribe("/exchange/amq.fanout", "f")
    client = Client(node, limits=LIMITS)
    client.feed(*pieces)
    octets = client.session.flush()
    delivered = other.session.flush()
    assert_balanced(node)
    left = {
        queue.name: (queue.ready_count, queue.ready_bytes, queue.unsettled_count, queue.published)
        for queue in node.vhosts["/"].queues.values()
    }
    state = client.session.finished, client.session.reading, left, client.log
    client.session.lost()
    other.session.lost()
    assert_empty_after_all(node)
    return octets, delivered, state


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_answer_does_not_depend_on_the_cutting(name: str) -> None:
    seed = zlib.crc32(name.encode())
    expected = None
    for how, pieces in chunkings(SCRIPTS[name], seed):
        got = outcome(pieces)
        if expected is None:
            expected = got
        assert got == expected, f"{name}, cut {how}"


@pytest.mark.parametrize("name", [name for name in SCRIPTS if "conversation" in name or "carriage" in name])
def test_a_long_conversation_ends_well(name: str) -> None:
    octets, delivered, _ = outcome([SCRIPTS[name]])
    assert isinstance(octets, bytes)
    assert isinstance(delivered, bytes)
    answers = decode(octets, "1.2")
    assert answers[0].command == "CONNECTED"
    assert {answer.command for answer in answers[1:]} == {"RECEIPT"}
    assert answers[-1]["receipt-id"] == "bye"
    assert len(decode(delivered, "1.2")) == 2


@pytest.mark.parametrize("cut", range(1, len(RUN), 7))
def test_two_reads_cut_anywhere_in_a_run_keep_every_message(cut: int) -> None:
    client = Client().connect()
    client.feed(RUN[:cut], RUN[cut:])
    assert len(client.take()) == 20
    answers = client.subscribe("/queue/q")
    assert [answer.body for answer in answers] == [b"%05d" % number for number in range(20)]
