"""Frames as RFC 6455 draws them, in any chunking, good and bad."""

from __future__ import annotations

import struct
from random import Random

import pytest
from tests.net.websocket_peer import MASK, frame

from menura.net.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, FrameReader, closing, encode


def reader(*, text: bool = True, frame_bytes_max: int = 1 << 20) -> FrameReader:
    return FrameReader(text=text, frame_bytes_max=frame_bytes_max)


def read(octets: bytes, **settings: int) -> tuple[bytes, FrameReader]:
    found = reader(**settings)
    return found.take(octets), found


def code_of(ending: bytes) -> int:
    assert ending[0] == 0x80 | CLOSE
    return int.from_bytes(ending[2:4])


# -- golden: section 5.7 ------------------------------------------------------------------------------------------


def test_the_masked_hello_of_section_5_7() -> None:
    found = read(bytes.fromhex("818537fa213d7f9f4d5158"))
    assert found[0] == b"Hello"
    assert not found[1].ending


def test_the_masked_pong_of_section_5_7_is_taken_without_an_answer() -> None:
    payload, found = read(bytes.fromhex("8a8537fa213d7f9f4d5158"))
    assert (payload, found.pongs, found.ending) == (b"", [], b"")


@pytest.mark.parametrize(
    ("opcode", "length", "expected"),
    [
        (TEXT, 5, "8105"),
        (BINARY, 0, "8200"),
        (BINARY, 125, "827d"),
        (BINARY, 126, "827e007e"),
        (BINARY, 256, "827e0100"),
        (BINARY, 65535, "827effff"),
        (BINARY, 65536, "827f0000000000010000"),
    ],
)
def test_a_message_is_one_unmasked_frame_with_the_shortest_length(opcode: int, length: int, expected: str) -> None:
    payload = b"x" * length
    assert encode(opcode, payload) == bytes.fromhex(expected) + payload


def test_a_close_frame_has_a_code_and_a_reason() -> None:
    assert closing(1002, "why") == b"\x88\x05\x03\xeawhy"


# -- the stream ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_every_form_of_length_is_read(length: int) -> None:
    payload = Random(length).randbytes(length)
    assert read(frame(BINARY, payload))[0] == payload


def test_a_ping_amid_the_fragments_of_a_message_is_answered_with_its_payload() -> None:
    octets = frame(TEXT, b"Hel", final=False) + frame(PING, b"!") + frame(CONTINUATION, b"lo") + frame(BINARY, b"\xff")
    payload, found = read(octets)
    assert (payload, found.pongs, found.ending) == (b"Hello\xff", [b"\x8a\x01!"], b"")


def test_the_payload_of_a_long_frame_is_handed_on_as_it_arrives() -> None:
    payload = Random(7).randbytes(100_000)
    octets = frame(BINARY, payload)
    found = reader()
    assert len(found.take(octets[:50_000])) == 50_000 - 14
    assert found.take(octets[50_000:]) == payload[50_000 - 14 :]


def stream(seed: int) -> tuple[bytes, bytes, list[bytes]]:
    """Messages of both kinds in fragments, with empty ones and pings in between."""
    chance = Random(seed)
    octets, payload, pongs = [], [], []
    for _ in range(30):
        text = chance.random() < 0.5
        body = ("é€😀x" * chance.randrange(60)).encode() if text else chance.randbytes(chance.randrange(300))
        cuts = sorted(chance.randrange(len(body) + 1) for _ in range(chance.randrange(4)))
        parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        for at, part in enumerate(parts):
            opcode = CONTINUATION if at else TEXT if text else BINARY
            octets.append(frame(opcode, part, final=at == len(parts) - 1, mask=chance.randbytes(4)))
            if chance.random() < 0.2:
                octets.append(frame(PING, part[:125], mask=chance.randbytes(4)))
                pongs.append(encode(PONG, part[:125]))
        payload.append(body)
    return b"".join(octets), b"".join(payload), pongs


@pytest.mark.parametrize("seed", range(20))
def test_the_chunking_of_the_input_makes_no_difference(seed: int) -> None:
    octets, payload, pongs = stream(seed)
    chance = Random(seed)
    for longest in (1, 2, 3, 7, 64, 1000, len(octets)):
        found, taken, at = reader(), b"", 0
        while at < len(octets):
            step = chance.randint(1, longest)
            taken += found.take(octets[at : at + step])
            at += step
        assert (taken, found.pongs, found.ending) == (payload, pongs, b""), f"seed {seed}, chunks up to {longest}"


# -- the end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9bye", b"\x0f\xa0", b"\x13\x87x"])
def test_a_close_frame_is_answered_with_its_code(payload: bytes) -> None:
    taken, found = read(frame(BINARY, b"last") + frame(CLOSE, payload) + frame(BINARY, b"too late"))
    assert taken == b"last"
    assert found.ending == bytes([0x80 | CLOSE, len(payload)]) + payload
    assert not found.complaint
    assert found.take(frame(BINARY, b"later still")) == b""


VIOLATIONS = [
    pytest.param(1002, frame(BINARY, b"x", reserved=0x40), id="5.2 RSV1 without an extension"),
    pytest.param(1002, frame(BINARY, b"x", reserved=0x20), id="5.2 RSV2"),
    pytest.param(1002, frame(BINARY, b"x", reserved=0x10), id="5.2 RSV3"),
    pytest.param(1002, frame(3, b"x"), id="5.2 reserved data opcode"),
    pytest.param(1002, frame(7, b"x"), id="5.2 last reserved data opcode"),
    pytest.param(1002, frame(11), id="5.2 reserved control opcode"),
    pytest.param(1002, frame(15), id="5.2 last reserved control opcode"),
    pytest.param(1002, b"\x82\x01x", id="5.1 unmasked frame"),
    pytest.param(1002, b"\x82\xfe\x00\x7d" + MASK + b"x" * 125, id="5.2 length of 16 bits where 7 do"),
    pytest.param(1002, b"\x82\xff" + struct.pack(">Q", 65535) + MASK, id="5.2 length of 64 bits where 16 do"),
    pytest.param(1002, b"\x82\xff" + struct.pack(">Q", 1 << 63) + MASK, id="5.2 length of more than 63 bits"),
    pytest.param(1002, frame(PING, b"x" * 126), id="5.5 control frame of 126 octets"),
    pytest.param(1002, frame(PING, b"x", final=False), id="5.5 control frame in fragments"),
    pytest.param(1002, frame(CLOSE, b"x"), id="5.5.1 close frame of one octet"),
    pytest.param(1002, frame(CLOSE, b"\x03\xe7"), id="7.4 code 999"),
    pytest.param(1002, frame(CLOSE, b"\x03\xed"), id="7.4.1 code 1005 is never sent"),
    pytest.param(1002, frame(CLOSE, b"\x03\xee"), id="7.4.1 code 1006 is never sent"),
    pytest.param(1002, frame(CLOSE, b"\x13\x88"), id="7.4.2 code 5000"),
    pytest.param(1007, frame(CLOSE, b"\x03\xe8\xff"), id="5.5.1 reason that is not UTF-8"),
    pytest.param(1002, frame(CONTINUATION, b"x"), id="5.4 continuation of nothing"),
    pytest.param(1002, frame(BINARY, b"x", final=False) + frame(BINARY, b"y"), id="5.4 message in a message"),
    pytest.param(1007, frame(TEXT, b"\xff"), id="8.1 text that is not UTF-8"),
    pytest.param(1007, frame(TEXT, b"\xe2\x82"), id="8.1 text that ends within a character"),
    pytest.param(1007, frame(TEXT, b"\xe2", final=False) + frame(CONTINUATION, b"x"), id="8.1 over two fragments"),
    pytest.param(1009, b"\x82\xff" + struct.pack(">Q", (1 << 20) + 1) + MASK, id="7.4.1 frame that is too big"),
]


@pytest.mark.parametrize(("code", "octets"), VIOLATIONS)
@pytest.mark.parametrize("step", [1, 1000])
def test_a_violation_ends_the_connection_with_its_code(code: int, octets: bytes, step: int) -> None:
    found, taken = reader(), b""
    sent = frame(BINARY, b"before") + octets + frame(BINARY, b"behind")
    for at in range(0, len(sent), step):
        taken += found.take(sent[at : at + step])
    assert taken.startswith(b"before")
    assert b"behind" not in taken
    assert code_of(found.ending) == code
    assert found.complaint


def test_a_text_message_where_only_binary_ones_are_taken_is_1003() -> None:
    payload, found = read(frame(TEXT, b"text"), text=False)
    assert (payload, code_of(found.ending)) == (b"", 1003)


def test_a_frame_is_refused_by_its_header_before_its_payload_has_come() -> None:
    header = frame(BINARY, b"x" * 1001)[:8]
    assert code_of(read(header, frame_bytes_max=1000)[1].ending) == 1009
    assert read(frame(BINARY, b"x" * 1000), frame_bytes_max=1000)[0] == b"x" * 1000


@pytest.mark.parametrize("seed", range(40))
def test_spoiled_frames_end_alike_in_any_chunking(seed: int) -> None:
    chance = Random(seed)
    octets = bytearray(stream(seed)[0])
    for _ in range(chance.randint(1, 4)):
        octets[chance.randrange(len(octets))] = chance.randrange(256)
    whole = reader()
    expected = whole.take(bytes(octets))
    for longest in (1, 5, 200):
        found, taken, at = reader(), b"", 0
        while at < len(octets):
            step = chance.randint(1, longest)
            taken += found.take(bytes(octets[at : at + step]))
            at += step
        # Of text that is not UTF-8, what came in earlier reads has been handed on.
        assert taken.startswith(expected), f"seed {seed}"
        assert (found.ending, found.pongs) == (whole.ending, whole.pongs), f"seed {seed}"
