"""The answers of the round trip's server."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from menura.bench import wire
from menura.bench.rpc import answer_all


def request(correlation_id: str, reply_to: str, body: bytes) -> bytes:
    arguments = b"\x01c" + struct.pack(">Q", 1) + b"\x00\x00\x03rpc"
    props = wire.properties(correlation_id=correlation_id, reply_to=reply_to)
    return wire.method(wire.BASIC_DELIVER, arguments) + wire.content(body, props)


names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
requests = st.lists(st.tuples(names, names, st.binary(min_size=1, max_size=300)), max_size=6)


@given(requests=requests, cut=st.integers(0, 400))
def test_each_whole_request_gets_its_body_back_under_its_id(requests: list[tuple[str, str, bytes]], cut: int) -> None:
    stream = b"".join(request(*one) for one in requests)
    first, used = answer_all(stream[:cut], methods := {})
    second, _ = answer_all(stream[used:], methods)
    expected = [
        wire.publish("", reply_to, body, wire.properties(correlation_id=correlation_id))
        for correlation_id, reply_to, body in requests
    ]
    assert first + second == b"".join(expected)
