"""Input that is no frame, too much, or never ends: one ERROR frame with a sentence, a line in the log, the end."""

from __future__ import annotations

import pytest
from tests.protocols.memory import assert_empty_after_all
from tests.protocols.stomp.memory import Client, bodies, frame, send

from menura.protocols.stomp.limits import StompLimits

LIMITS = StompLimits(
    frame_bytes_max=2000, head_bytes_max=500, header_count_max=8, header_bytes_max=200, connect_bytes_max=300
)
MALFORMED = {
    "a header without a colon": (b"SEND\ndestination\n\n\0", "'destination' is not a header\n"),
    "a header without a name": (b"SEND\n:x\n\n\0", "':x' is not a header\n"),
    "a header with a blank first": (b"SEND\ndestination:/queue/q\n \n\n\0", "' ' is not a header\n"),
    "octets that are not UTF-8": (b"SEND\na:\xff\n\n\0", "headers must be UTF-8\n"),
    "a carriage return in a header": (b"SEND\na:b\rc\n\n\0", "carriage return within a header\n"),
    "an undefined escape": (b"SEND\na:\\t\n\n\0", "undefined escape sequence '\\t' in a header\n"),
    "an escape cut short": (b"SEND\na:b\\\n\n\0", "undefined escape sequence '\\' in a header\n"),
    "an undefined escape in a name": (b"SEND\n\\a:1\n\n\0", "undefined escape sequence '\\a' in a header\n"),
    "no blank line": (b"SEND\ndestination:/queue/q\0", "no blank line before the NUL\n"),
    "a NUL in a header": (b"SEND\na:\0b\n\n\0", "no blank line before the NUL\n"),
    "too many headers": (b"SEND\n" + b"a:b\n" * 9 + b"\n\0", "more than 8 headers\n"),
    "too long a header": (b"SEND\na:" + b"x" * 250 + b"\n\n\0", "header 'a' is too long\n"),
    "too long a head": (b"SEND\na:" + b"x" * 600, "command and headers are longer than 500 octets\n"),
    "a command without end": (b"X" * 600, "command and headers are longer than 500 octets\n"),
    "a body shorter than it says": (
        b"SEND\ndestination:/queue/q\ncontent-length:2\n\nabc\0", "no NUL behind a body of 2 octets\n"
    ),
    "a body too long": (
        b"SEND\ndestination:/queue/q\ncontent-length:3000\n\n", "frame is longer than 2000 octets\n"
    ),
    "a body without end": (b"SEND\ndestination:/queue/q\n\n" + b"x" * 2100, "frame is longer than 2000 octets\n"),
    "a body without end of another frame": (b"ACK\nid:1\n\n" + b"x" * 2100, "frame is longer than 2000 octets\n"),
    "an announced body of another frame": (
        b"ACK\nid:1\ncontent-length:9999999\n\n", "frame is longer than 2000 octets\n"
    ),
    "a length that is none": (b"ACK\ncontent-length:x\n\n\0", "content-length 'x' is not a number\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_input_ends_the_connection_with_a_sentence(name: str) -> None:
    octets, sentence = MALFORMED[name]
    client = Client(limits=LIMITS).connect()
    other = Client(client.node).connect()
    other.subscribe("/queue/other")
    assert client.fails(send("/queue/other", b"before") + octets) == ("Malformed frame", sentence)
    assert client.log[-1] == ("error", f"memory (guest@/): closed: Malformed frame: {sentence.strip()}")
    assert client.send(send("/queue/other", b"after")) == []
    assert bodies(other.send(send("/queue/other", b"undisturbed"))) == [b"before", b"undisturbed"]
    other.session.lost()
    client.session.lost()
    assert_empty_after_all(client.node)


@pytest.mark.parametrize("command", ["FOO", "send", "MESSAGE", "CONNECTED", "RECEIPT", "ERROR", "GET / HTTP/1.1", " "])
def test_a_command_that_is_none_is_refused(command: str) -> None:
    got = Client().connect().fails(frame(command, {"destination": "/queue/q"}))
    assert got == ("Bad command", f'Could not interpret command "{command}"\n')


def test_what_a_peer_sent_is_shown_short_and_printable() -> None:
    _, detail = Client().connect().fails(b"\x1b[2J\x07" + b"x" * 200 + b"\n\n\0")
    assert detail == f'Could not interpret command "?[2J?{"x" * 75}"\n'


@pytest.mark.parametrize(
    "octets",
    [b"\x16\x03\x01\x02\x00\x01\x00" + b"z" * 400, b"AMQP\0\0\x09\x01", b"x" * 400, b"CONNECT\n" + b"a:b\n" * 100],
)
def test_a_stranger_that_speaks_something_else_is_told_so_early(octets: bytes) -> None:
    message, _ = Client(limits=LIMITS).fails(octets)
    assert message == "Malformed frame"


def test_the_limits_themselves_are_allowed() -> None:
    client = Client(limits=LIMITS).connect()
    client.subscribe("/queue/q")
    lead = b"SEND\ndestination:/queue/q\n"
    octets = [
        lead + b"".join(b"h%d:x\n" % number for number in range(7)) + b"\n1\0",
        lead + b"h:" + b"x" * 198 + b"\n\n2\0",
        lead + b"\n" + b"x" * (2000 - len(lead) - 1) + b"\0",
        (head := lead + b"content-length:1950\n\n") + b"y" * 1950 + b"\0",
    ]
    assert len(head) + 1950 <= 2000
    assert [len(body) for body in bodies(client.send(*octets))] == [1, 1, 2000 - len(lead) - 1, 1950]


def test_what_has_arrived_of_a_frame_weighs_on_the_memory_account() -> None:
    client = Client().connect()
    client.feed(b"SEND\ndestination:/queue/q\ncontent-length:100000\n\n", b"x" * 50_000)
    held = client.node.memory.used_bytes
    assert held > 50_000
    client.session.lost()
    assert client.node.memory.used_bytes == 0


def test_an_endless_body_in_small_reads_is_looked_at_once() -> None:
    """The work for each read must not grow with what has arrived before."""
    client = Client().connect()
    client.feed(b"SEND\ndestination:/queue/q\n\n")
    unread = client.session.unread
    assert [unread.add(b"x" * 100) for _ in range(2000)] == [None] * 2000
    whole = unread.add(b"\0")
    assert whole is not None
    assert len(whole) == len(b"SEND\ndestination:/queue/q\n\n") + 200_001


def test_a_flood_of_heart_beats_costs_nothing() -> None:
    client = Client().connect()
    client.feed(b"\n" * 1_000_000)
    assert client.take() == []
    assert len(client.session.unread) == 0
    assert client.node.memory.used_bytes == 0
