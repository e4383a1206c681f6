"""Frames, octet by octet, in each version."""

from __future__ import annotations

import pytest
from tests.protocols.stomp.memory import Client, bodies, commands, frame

from menura.protocols.stomp.errors import StompError
from menura.protocols.stomp.frames import CONNECTING, DIALECTS, encode_frame, parse_head
from menura.protocols.stomp.limits import StompLimits

VERSIONS = ("1.0", "1.1", "1.2")
AWKWARD = "back\\slash line\nend co:lon"
# Octets of a header `h` whose value is what stands beside it.
GOLDEN = {
    "1.0": {"h:a:b\\n": "a:b\\n", "h: a ": "a ", "h:\\t": "\\t"},
    "1.1": {"h:a\\cb\\\\n\\n": "a:b\\n\n", "h: a ": " a ", "h:a:b": "a:b", "h:\\r": "\r"},
    "1.2": {"h:a\\cb\\\\n\\n\\r": "a:b\\n\n\r", "h: a ": " a ", "h:a:b": "a:b", "\\h:": None, "\\ch:x": None},
}
CASES = [(version, line, value) for version, lines in GOLDEN.items() for line, value in lines.items() if value]


@pytest.mark.parametrize(("version", "line", "value"), CASES)
def test_a_header_is_read_as_its_version_escapes(version: str, line: str, value: str) -> None:
    assert parse_head(f"SEND\n{line}".encode(), DIALECTS[version], StompLimits()) == ("SEND", {"h": value})


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_names_are_escaped_too(version: str) -> None:
    assert parse_head(b"SEND\na\\cb:1", DIALECTS[version], StompLimits())[1] == {"a:b": "1"}
    assert encode_frame("MESSAGE", [("a:b", "c:d")], b"", DIALECTS[version]) == b"MESSAGE\na\\cb:c\\cd\n\n\0\n"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("sequence", ["\\t", "\\x", "\\", "\\ "])
def test_an_undefined_escape_sequence_is_fatal(version: str, sequence: str) -> None:
    with pytest.raises(StompError, match="undefined escape"):
        parse_head(f"SEND\nh:{sequence}".encode(), DIALECTS[version], StompLimits())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_frame_is_written_as_its_version_escapes(version: str) -> None:
    golden = {
        "1.0": b"MESSAGE\nh:back\\slash line\\nend co:lon\r\n\n\0\n",
        "1.1": b"MESSAGE\nh:back\\\\slash line\\nend co\\clon\r\n\n\0\n",
        "1.2": b"MESSAGE\nh:back\\\\slash line\\nend co\\clon\\r\n\n\0\n",
    }
    assert encode_frame("MESSAGE", [("h", AWKWARD + "\r")], b"", DIALECTS[version]) == golden[version]


def test_connected_is_not_escaped() -> None:
    assert encode_frame("CONNECTED", [("server", "a:\\b")], b"", CONNECTING) == b"CONNECTED\nserver:a:\\b\n\n\0\n"


def test_a_body_has_its_length_before_it_and_an_empty_one_has_none() -> None:
    assert encode_frame("ERROR", (), b"a\0b", CONNECTING) == b"ERROR\ncontent-length:3\n\na\0b\0\n"
    assert encode_frame("ERROR", (), b"", CONNECTING) == b"ERROR\n\n\0\n"


def test_of_a_header_given_twice_the_first_counts() -> None:
    assert parse_head(b"SEND\na:1\na:2\nb:\na:3", DIALECTS["1.2"], StompLimits())[1] == {"a": "1", "b": ""}


@pytest.mark.parametrize("version", VERSIONS)
def test_lines_may_end_with_carriage_return_and_line_feed(version: str) -> None:
    client = Client()
    login = frame("CONNECT", {"accept-version": version, "login": "guest", "passcode": "guest"})
    assert commands(client.send(login.replace(b"\n", b"\r\n"))) == ["CONNECTED"]
    client.version = version
    client.subscribe("/queue/q")
    assert bodies(client.send(b"SEND\r\ndestination:/queue/q\r\n\r\na\r\n\r\nb\0\r\n\r\n")) == [b"a\r\n\r\nb"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_header_survives_the_way_through_the_broker(version: str) -> None:
    sender = Client().connect("1.2")
    receiver = Client(sender.node).connect(version)
    receiver.subscribe("/queue/q")
    sender.feed(frame("SEND", {"destination": "/queue/q", "h\\c": "a\\\\b\\cc", "ünï": "çödé"}))
    (answer,) = receiver.take()
    assert answer["ünï"] == "çödé"
    assert ("h:" in answer.headers) is (version != "1.0")
    if version != "1.0":
        assert answer["h:"] == "a\\b:c"


def test_bodies_with_and_without_a_length() -> None:
    client = Client().connect()
    client.subscribe("/queue/q")
    octets = (
        frame("SEND", {"destination": "/queue/q"}, b"up to the NUL")
        + frame("SEND", {"destination": "/queue/q", "content-length": 5}, b"a\0b\0\0")
        + frame("SEND", {"destination": "/queue/q", "content-length": 0})
        + frame("SEND", {"destination": "/queue/q"})
        + frame("SEND", {"destination": "/queue/q", "content-length": " 3 "}, b"\0\0\0")
    )
    assert bodies(client.send(octets)) == [b"up to the NUL", b"a\0b\0\0", b"", b"", b"\0\0\0"]


def test_line_ends_and_nuls_between_frames_are_skipped() -> None:
    client = Client().connect()
    assert client.send(b"\n\r\n\0\n") == []
    client.subscribe("/queue/q")
    assert len(client.send(b"\n\n" + frame("SEND", {"destination": "/queue/q"}) + b"\n\n\n\r\n")) == 1
    assert len(client.session.unread) == 0


def test_frames_other_than_send_may_have_a_length_too() -> None:
    client = Client().connect()
    octets = frame("BEGIN", {"transaction": "t", "receipt": "1", "content-length": 2}, b"\0\0")
    assert commands(client.send(octets + frame("ABORT", {"transaction": "t", "receipt": "2"}))) == ["RECEIPT"] * 2


@pytest.mark.parametrize("version", VERSIONS)
def test_the_frames_of_a_conversation_are_these_octets(version: str) -> None:
    """Each version as a whole, in and out."""
    client = Client().connect(version)
    session = client.session.id
    client.feed(frame("SUBSCRIBE", {"id": "a", "destination": "/queue/q", "ack": "client", "receipt": "r:1"}))
    client.feed(b"SEND\ndestination:/queue/q\ncontent-type:text/plain\nk:v\n\nhello\0")
    ack = f"ack:T_a@@{session}@@1\n" if version == "1.2" else ""
    receipt = "r:1" if version == "1.0" else "r\\c1"
    if version != "1.0":
        client.version = version
    assert client.session.flush().decode() == (
        f"RECEIPT\nreceipt-id:{receipt}\n\n\0\n"
        "MESSAGE\nsubscription:a\ndestination:/queue/q\n"
        f"message-id:T_a@@{session}@@1\nredelivered:false\n{ack}content-type:text/plain\nk:v\n"
        "content-length:5\n\nhello\0\n"
    )
    client.feed(b"NONSENSE\nreceipt:x\n\n\0")
    assert client.session.flush() == (
        b"ERROR\nmessage:Bad command\ncontent-type:text/plain\nversion:1.0,1.1,1.2\nreceipt-id:x\n"
        b'content-length:39\n\nCould not interpret command "NONSENSE"\n\0\n'
    )
