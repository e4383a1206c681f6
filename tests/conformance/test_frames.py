"""Frames that are not as they should be, and content that does not follow its method."""

from __future__ import annotations

import struct

import pytest
from pamqp.commands import Basic, Channel, Queue
from tests.conformance.answers import connection_error, declared, got
from tests.conformance.conftest import Connect
from tests.conformance.frames import (
    BODY,
    HEADER,
    HEARTBEAT,
    METHOD,
    long,
    on,
    qos,
    raw_frame,
    raw_header,
    raw_method,
    short,
)
from tests.conformance.wire import Client

NOT_A_HEADER = "expected content header for class 60, got non content header frame instead"
NOT_A_BODY = "expected content body, got non content body frame instead"
NOT_A_METHOD = "expected method frame, got non method frame instead"


# -- frames ------------------------------------------------------------------------------------------------


def test_a_frame_ends_with_its_end_octet(c: Client) -> None:
    frame = raw_frame(METHOD, 1, struct.pack(">HHIHB", 60, 10, 0, 0, 0), end=b"\xcd")
    c.ask(frame, connection_error(501, "type 1, all octets = <<...>>: {invalid_frame_end_marker,...205}"))


@pytest.mark.parametrize("kind", [0, 4, 9, 255])
def test_there_are_four_kinds_of_frames(c: Client, kind: int) -> None:
    c.ask(raw_frame(kind, 1, b"x"), connection_error(501, f'type {kind}, all octets = <<"x">>: unknown_frame'))


def test_a_heartbeat_is_empty(c: Client) -> None:
    c.ask(raw_frame(HEARTBEAT, 0, b"abc"), connection_error(501, 'type 8, all octets = <<"abc">>: unknown_frame'))


@pytest.mark.parametrize("payload", [b"", b"\x00\x3c\x00"])
def test_a_method_has_a_class_and_an_id(c: Client, payload: bytes) -> None:
    c.ask(raw_frame(METHOD, 1, payload), connection_error(501, "type 1, all octets = <<...>>: unknown_frame"))


def test_a_content_header_has_a_class_and_a_size(c: Client) -> None:
    c.send(Basic.Publish(), raw_frame(HEADER, 1, b"\x00\x3c\x00\x00"))
    c.expect(connection_error(501, "type 2, all octets = <<0,60,0,0>>: unknown_frame"))


@pytest.mark.parametrize("size", [4088, 4089, 4096])
def test_a_frame_may_be_a_little_too_long(connect: Connect, q: str, size: int) -> None:
    client = connect().login(frame_max=4096).open_channel()
    client.queue(q)
    client.send(Basic.Publish(routing_key=q), raw_header(size), raw_frame(BODY, 1, b"x" * size))
    assert client.bodies(q) == [b"x" * size]


@pytest.mark.parametrize("size", [4097, 100_000_000, 0xFFFFFFFF])
def test_a_frame_that_is_much_too_long_is_refused_before_it_has_come(connect: Connect, size: int) -> None:
    client = connect().login(frame_max=4096).open_channel()
    client.send(raw_frame(BODY, 1, b"x", end=b"", size=size))
    client.expect(connection_error(501, f"type 3, all octets = <<>>: {{frame_too_large,{size},4088}}"))


# -- content -----------------------------------------------------------------------------------------------


def test_a_publish_is_followed_by_a_header_not_a_body(c: Client) -> None:
    c.send(Basic.Publish(routing_key="k"), raw_frame(BODY, 1, b"x"))
    c.expect(connection_error(505, NOT_A_HEADER, Basic.Publish))


def test_a_publish_is_followed_by_a_header_not_a_method(c: Client) -> None:
    c.send(Basic.Publish(routing_key="k"), qos(1))
    c.expect(connection_error(505, NOT_A_HEADER, Basic.Publish))


def test_a_publish_is_followed_by_a_header_of_its_class(c: Client) -> None:
    c.send(Basic.Publish(routing_key="k"), raw_header(1, class_id=50))
    text = "expected content header for class 60, got one for class 50 instead"
    c.expect(connection_error(505, text, Basic.Publish))


def test_a_header_is_followed_by_a_body_not_a_header(c: Client) -> None:
    c.send(Basic.Publish(routing_key="k"), raw_header(5), raw_header(5))
    c.expect(connection_error(505, NOT_A_BODY, Basic.Publish))


def test_a_body_goes_on_until_it_is_whole(c: Client) -> None:
    c.send(Basic.Publish(routing_key="k"), raw_header(5), raw_frame(BODY, 1, b"xx"), qos(1))
    c.expect(connection_error(505, NOT_A_BODY, Basic.Publish))


def test_a_channel_cannot_even_be_closed_amid_content(c: Client) -> None:
    c.send(Basic.Publish(routing_key="k"), raw_header(5), Channel.Close(200, "", 0, 0))
    c.expect(connection_error(505, NOT_A_BODY, Basic.Publish))


@pytest.mark.parametrize("frame", [raw_header(1), raw_frame(BODY, 1, b"x")], ids=["header", "body"])
def test_content_follows_a_method(c: Client, frame: bytes) -> None:
    c.ask(frame, connection_error(505, NOT_A_METHOD))


def test_nothing_follows_a_whole_body(c: Client) -> None:
    body = raw_frame(BODY, 1, b"x")
    c.send(Basic.Publish(routing_key="k"), raw_header(1), body, body)
    c.expect(connection_error(505, NOT_A_METHOD))


def test_nothing_follows_the_header_of_an_empty_body(c: Client) -> None:
    c.send(Basic.Publish(routing_key="k"), raw_header(0), raw_frame(BODY, 1, b""))
    c.expect(connection_error(505, NOT_A_METHOD))


def test_content_on_a_channel_that_was_not_opened(c: Client) -> None:
    c.ask(raw_header(1, channel=7), connection_error(505, NOT_A_METHOD))


def test_a_body_may_have_empty_pieces(c: Client, q: str) -> None:
    c.queue(q)
    pieces = (raw_frame(BODY, 1, piece) for piece in (b"", b"a", b"", b"b"))
    c.send(Basic.Publish(routing_key=q), raw_header(2), *pieces)
    c.ask(Basic.Get(queue=q), got(1, b"ab"))


def test_heartbeats_and_other_channels_do_not_disturb_content(c: Client, q: str) -> None:
    c.open_channel(2)
    c.queue(q)
    heartbeat = raw_frame(HEARTBEAT, 0, b"")
    elsewhere = on(2, Basic.Cancel("none"))
    c.send(Basic.Publish(routing_key=q), heartbeat, elsewhere, raw_header(2), elsewhere, raw_frame(BODY, 1, b"a"))
    c.send(heartbeat, elsewhere, raw_frame(BODY, 1, b"b"))
    c.expect(*["2 Basic.CancelOk(consumer_tag='none')"] * 3)
    c.ask(Basic.Get(queue=q), got(1, b"ab"))


def test_content_may_mingle_with_that_of_other_channels(c: Client, q: str) -> None:
    c.open_channel(2)
    c.queue(q)
    parts = zip(
        (on(1, Basic.Publish(routing_key=q)), raw_header(2), raw_frame(BODY, 1, b"a"), raw_frame(BODY, 1, b"b")),
        (on(2, Basic.Publish(routing_key=q)), raw_header(2, 2), raw_frame(BODY, 2, b"c"), raw_frame(BODY, 2, b"d")),
        strict=True,
    )
    c.send(*(frame for pair in parts for frame in pair))
    c.send(Basic.Cancel("none"), channel=2)
    c.expect("2 Basic.CancelOk(consumer_tag='none')")
    assert sorted(c.bodies(q)) == [b"ab", b"cd"]


def test_a_reserved_property_flag_is_ignored(c: Client, q: str) -> None:
    c.queue(q)
    c.send(Basic.Publish(routing_key=q), raw_header(0, flags=2))
    c.ask(Basic.Get(queue=q), got(1, b""))


def test_a_body_is_not_longer_than_announced(c: Client) -> None:
    c.send(Basic.Publish(routing_key="k"), raw_header(3), raw_frame(BODY, 1, b"xxxx"), Basic.Cancel("none"))
    c.expect_differing(connection_error(501, "...", Basic.Publish))


def test_properties_are_as_their_flags_say(c: Client) -> None:
    c.send(Basic.Publish(routing_key="k", mandatory=True), raw_header(0, flags=0x8000))
    c.expect_differing(connection_error(502, "...", Basic.Publish))


# -- methods -----------------------------------------------------------------------------------------------


def test_a_method_cut_short(c: Client) -> None:
    c.ask(raw_method(50, 10, b"\0\0\x05ab"), connection_error(501, "cannot decode <<0,0,5,97,98>>", Queue.Declare))


def test_a_method_with_something_behind_it(c: Client) -> None:
    c.ask(qos(1)[:-1].replace(b"\x00\x0b\x00\x3c", b"\x00\x0d\x00\x3c") + b"xx\xce", "0 Connection.Close(501, ...")


@pytest.mark.parametrize(("class_id", "method_id"), [(99, 10), (50, 99), (0, 0)])
def test_an_unknown_method(c: Client, class_id: int, method_id: int) -> None:
    c.send(raw_method(class_id, method_id))
    c.expect_differing("0 Connection.Close(503, 'COMMAND_INVALID - ...")


def test_access_request_is_granted(c: Client) -> None:
    ticket = raw_method(30, 10, short("/data") + b"\x1f")
    c.send(ticket, Basic.Cancel("none"))
    c.expect(f"0 {raw_method(30, 11, bytes((0, 1)))!r}", "1 Basic.CancelOk(consumer_tag='none')")


# -- strings and tables ------------------------------------------------------------------------------------


def declare(q: str | bytes, table: bytes = long(b"")) -> bytes:
    """queue.declare of an exclusive queue."""
    return raw_method(50, 10, b"\0\0" + short(q) + b"\x04" + table)


def test_a_queue_name_is_utf_8(c: Client) -> None:
    c.ask(declare(b"\xff\xfe"), connection_error(501, "Malformed UTF-8 in shortstr"))


def test_an_exchange_name_is_utf_8(c: Client) -> None:
    method = raw_method(40, 10, b"\0\0" + short(b"\xff") + short("direct") + b"\0" + long(b""))
    c.ask(method, connection_error(501, "Malformed UTF-8 in shortstr"))


def test_a_consumer_tag_is_utf_8(c: Client, q: str) -> None:
    c.queue(q)
    method = raw_method(60, 20, b"\0\0" + short(q) + short(b"\xff") + b"\0" + long(b""))
    c.ask(method, connection_error(501, "Malformed UTF-8 in shortstr"))


@pytest.mark.parametrize("octets", [b"\xc3", b"\xc0\x80", b"a\x80"])
def test_utf_8_is_well_formed(c: Client, octets: bytes) -> None:
    c.ask(declare(octets), connection_error(501, "Malformed UTF-8 in shortstr"))


GOOD_TABLES = {
    "every type": b"".join(
        short(letter) + letter.encode() + value
        for letter, value in {
            "t": b"\1",
            "b": b"\xff",
            "B": b"\xff",
            "s": b"\xff\xff",
            "u": b"\xff\xff",
            "I": b"\xff" * 4,
            "i": b"\xff" * 4,
            "l": b"\xff" * 8,
            "L": b"\xff" * 8,
            "f": bytes(4),
            "d": bytes(8),
            "D": b"\2\0\0\0\7",
            "S": long(b"text"),
            "x": long(b"octets"),
            "A": long(b"b\1V"),
            "F": long(short("k") + b"V"),
            "T": bytes(8),
            "V": b"",
        }.items()
    ),
    "a boolean of 7": short("k") + b"t\x07",
    "a long string that is not UTF-8": short("k") + b"S" + long(b"\xff"),
    "the same key twice": short("k") + b"b\1" + short("k") + b"b\2",
    "a key of 255 octets": short("k" * 255) + b"b\1",
    "an empty key": short("") + b"b\1",
}


@pytest.mark.parametrize("entries", GOOD_TABLES.values(), ids=GOOD_TABLES)
def test_a_table_with_something_unusual_is_fine(c: Client, q: str, entries: bytes) -> None:
    c.ask(declare(q, long(entries)), declared())


def test_a_table_longer_than_its_method(c: Client, q: str) -> None:
    c.ask(declare(q, struct.pack(">I", 50)), connection_error(501, "cannot decode <<...", Queue.Declare))


BAD_TABLES = {
    "an unknown type": short("k") + b"Z\0\0",
    "a key longer than the table": b"\x10ab",
    "a value longer than the table": short("k") + b"I\0\0",
    "a string longer than the table": short("k") + b"S" + struct.pack(">I", 9) + b"abc",
    "a table within longer than the table": short("k") + b"F" + struct.pack(">I", 9),
    "an array longer than the table": short("k") + b"A" + struct.pack(">I", 0xFFFFFFFF),
    "no type": short("k"),
}


@pytest.mark.parametrize("entries", BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_table_that_cannot_be_read_ends_the_connection(c: Client, q: str, entries: bytes) -> None:
    c.send(declare(q, long(entries)))
    c.expect_differing("0 Connection.Close(50...")


def test_the_broker_survives_a_table_nested_a_thousand_deep(c: Client, connect: Connect, q: str) -> None:
    entries = b""
    for _ in range(1000):
        entries = short("k") + b"F" + long(entries)
    c.send(declare(q, long(entries)))
    assert c.line().startswith((declared(), "0 Connection.Close(501, "))
    connect().login().open_channel()
