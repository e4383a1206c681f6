"""AMQP 0-9-1 as a load generator needs it: whole messages and acknowledgements, encoded ahead.

A client's codec, apart from the broker's own on purpose: the tool measures any broker, so it must not agree
with one of them by construction. Everything here is pure (values to bytes, bytes to values) and works on
channel 1, the only one a load connection opens. Decoding is limited to what a generator looks at: where a
message ends, so that later ones of the same size are counted by dividing, and why the broker closed.
"""

import struct
from collections.abc import Mapping, Sequence
from functools import cache

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, HEADER, BODY = 1, 2, 3
END = b"\xce"
FRAME_BYTES_DEFAULT = 131_072

Index = tuple[int, int]  # class id, method id

CONNECTION_START, CONNECTION_START_OK = (10, 10), (10, 11)
CONNECTION_TUNE, CONNECTION_TUNE_OK = (10, 30), (10, 31)
CONNECTION_OPEN, CONNECTION_OPEN_OK = (10, 40), (10, 41)
CONNECTION_CLOSE, CONNECTION_CLOSE_OK = (10, 50), (10, 51)
CHANNEL_OPEN, CHANNEL_OPEN_OK = (20, 10), (20, 11)
CHANNEL_CLOSE = (20, 40)
EXCHANGE_DECLARE, EXCHANGE_DECLARE_OK = (40, 10), (40, 11)
EXCHANGE_DELETE, EXCHANGE_DELETE_OK = (40, 20), (40, 21)
QUEUE_DECLARE, QUEUE_DECLARE_OK = (50, 10), (50, 11)
QUEUE_BIND, QUEUE_BIND_OK = (50, 20), (50, 21)
QUEUE_DELETE, QUEUE_DELETE_OK = (50, 40), (50, 41)
BASIC_QOS, BASIC_QOS_OK = (60, 10), (60, 11)
BASIC_CONSUME, BASIC_CONSUME_OK = (60, 20), (60, 21)
BASIC_PUBLISH = (60, 40)
BASIC_DELIVER = (60, 60)
BASIC_GET = (60, 70)
BASIC_GET_EMPTY = (60, 72)
BASIC_ACK = (60, 80)
BASIC_REJECT = (60, 90)
CONFIRM_SELECT, CONFIRM_SELECT_OK = (85, 10), (85, 11)

ACK_BYTES = 21
_ACK_HEAD = struct.pack(">BHIHH", METHOD, 1, ACK_BYTES - 8, *BASIC_ACK)
_REJECT_HEAD = struct.pack(">BHIHH", METHOD, 1, ACK_BYTES - 8, *BASIC_REJECT)
_ACK_TAIL_EACH, _ACK_TAIL_RANGE = b"\x00" + END, b"\x01" + END
_ACKS_PER_PACK = 64


def frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + END


def method(index: Index, arguments: bytes = b"", channel: int = 1) -> bytes:
    return frame(METHOD, struct.pack(">HH", *index) + arguments, channel)


def short_string(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data


def long_string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


Value = str | bool | int | dict[str, bool]


def table(values: Mapping[str, Value]) -> bytes:
    return long_string(b"".join(short_string(name) + _field(value) for name, value in values.items()))


NO_ARGUMENTS: Mapping[str, Value] = {}


def _field(value: Value) -> bytes:
    if isinstance(value, bool):
        return b"t" + bytes((value,))
    if isinstance(value, int):
        return b"I" + struct.pack(">i", value)
    if isinstance(value, str):
        return b"S" + long_string(value.encode())
    return b"F" + table({**value})


def properties(
    *,
    headers: bytes | None = None,
    delivery_mode: int | None = None,
    priority: int | None = None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
    expiration: str | None = None,
    message_id: str | None = None,
    timestamp_s: int | None = None,
) -> bytes:
    """The property flags and values of a content header; `headers` is an encoded table."""
    fields = (
        (13, headers),
        (12, None if delivery_mode is None else bytes((delivery_mode,))),
        (11, None if priority is None else bytes((priority,))),
        (10, None if correlation_id is None else short_string(correlation_id)),
        (9, None if reply_to is None else short_string(reply_to)),
        (8, None if expiration is None else short_string(expiration)),
        (7, None if message_id is None else short_string(message_id)),
        (6, None if timestamp_s is None else struct.pack(">Q", timestamp_s)),
    )
    flags = sum(1 << bit for bit, value in fields if value is not None)
    return struct.pack(">H", flags) + b"".join(value for _, value in fields if value is not None)


def queue_declare(name: str, *, durable: bool = False, arguments: Mapping[str, Value] = NO_ARGUMENTS) -> bytes:
    """The arguments of queue.declare; those of other methods follow."""
    return b"\x00\x00" + short_string(name) + bytes((durable << 1,)) + table(arguments)


def queue_bind(queue: str, exchange: str, key: str) -> bytes:
    return b"\x00\x00" + b"".join(map(short_string, (queue, exchange, key))) + b"\x00" + table({})


def queue_delete(name: str) -> bytes:
    return b"\x00\x00" + short_string(name) + b"\x00"


def publish(
    exchange: str, key: str, body: bytes, props: bytes = b"\x00\x00", frame_bytes: int = FRAME_BYTES_DEFAULT
) -> bytes:
    """All frames of one message; the body cut into frames of at most `frame_bytes`."""
    arguments = b"\x00\x00" + short_string(exchange) + short_string(key) + b"\x00"
    return method(BASIC_PUBLISH, arguments) + content(body, props, frame_bytes)


def content(body: bytes, props: bytes, frame_bytes: int = FRAME_BYTES_DEFAULT) -> bytes:
    header = frame(HEADER, struct.pack(">HHQ", 60, 0, len(body)) + props)
    room = frame_bytes - 8
    return header + b"".join(frame(BODY, body[at : at + room]) for at in range(0, len(body), room))


def ack_range(tag: int) -> bytes:
    """One basic.ack for everything up to `tag`."""
    return _ACK_HEAD + struct.pack(">Q", tag) + _ACK_TAIL_RANGE


def ack_each(first: int, count: int) -> bytes:
    """`count` basic.acks of one message each, tags from `first`; packed many at a time (some 50 ns each)."""
    return _settle_each(_ACK_HEAD, first, count)


def reject_each(first: int, count: int) -> bytes:
    """The same with basic.reject, for messages that are not to come back."""
    return _settle_each(_REJECT_HEAD, first, count)


def _settle_each(head: bytes, first: int, count: int) -> bytes:
    parts = []
    while count > 0:
        run = min(count, _ACKS_PER_PACK)
        packer, arguments = _packer(head, run)
        arguments[1::3] = range(first, first + run)
        parts.append(packer.pack(*arguments))
        first += run
        count -= run
    return b"".join(parts)


@cache
def _packer(head: bytes, count: int) -> tuple[struct.Struct, list[bytes | int]]:
    layout = f"{len(head)}sQ{len(_ACK_TAIL_EACH)}s"
    return struct.Struct(">" + layout * count), [head, 0, _ACK_TAIL_EACH] * count


def message_end(data: bytes | memoryview, start: int = 0) -> int | None:
    """Where the message (method, header, body frames) that begins at `start` ends, or None if cut short."""
    header = _frame_end(data, start)
    if header is None or len(data) < header + 19:
        return None
    remaining: int = struct.unpack_from(">Q", data, header + 11)[0]
    end = _frame_end(data, header)
    while end is not None and remaining > 0:
        start = end
        end = _frame_end(data, start)
        if end is not None:
            remaining -= end - start - 8
    return end


def _frame_end(data: bytes | memoryview, start: int) -> int | None:
    if len(data) < start + 7:
        return None
    end: int = start + 8 + struct.unpack_from(">I", data, start + 3)[0]
    return end if end <= len(data) else None


def text_field(encoded: bytes, name: str) -> str | None:
    """The value of a string field of an encoded table, found by its name without decoding the rest."""
    _, found, rest = encoded.partition(short_string(name) + b"S")
    if not found or len(rest) < 4:
        return None
    length: int = struct.unpack_from(">I", rest)[0]
    return rest[4 : 4 + length].decode(errors="replace")


def close_reason(data: bytes | memoryview) -> str | None:
    """The code and text if `data` begins with a connection.close or channel.close, else None."""
    if len(data) < 14 or data[0] != METHOD:
        return None
    if struct.unpack_from(">HH", data, 7) not in (CONNECTION_CLOSE, CHANNEL_CLOSE):
        return None
    code: int = struct.unpack_from(">H", data, 11)[0]
    text = bytes(data[14 : 14 + data[13]]).decode(errors="replace")
    return f"{code} {text}"


def keys_of(prefix: str, count: int) -> Sequence[str]:
    """Different routing keys of one length, so that every delivery has the same size."""
    return [f"{prefix}{number:06d}" for number in range(count)]
