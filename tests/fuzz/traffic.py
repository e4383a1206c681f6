"""Random conversations: frames that a client could send, and ways to spoil them.

`conversation` is made of frames that are valid one by one, in an order that often makes sense. `spoiled` changes a
few of them: bits, lengths, order, borders. Everything follows from the `Random` that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.protocols.amqp.memory import (
    HEADER,
    HEARTBEAT,
    Basic,
    Channel,
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
)

CHANNELS = (1, 1, 1, 2, 3)
QUEUES = ("a", "b", "durable", "private", "")
EXCHANGES = ("", "", "", "direct", "fanout", "topic", "headers", "amq.topic", "none", "loop")
KEYS = ("a", "b", "durable", "a.b", "#", "*.b", "")
TAGS = ("c", "d", "")
FRAME_MAX = 4096
EXTREMES = (0, 255, 2**16, 2**31, 2**32 + 1, 2**62, 2**63 - 1)

PROPERTIES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"delivery_mode": 2},
    {"delivery_mode": 1, "priority": 3},
    {"headers": {"x": 1, "deep": {"er": [1, "two", None]}}},
    {"headers": {"CC": ["b"], "BCC": ["durable"]}},
    {"headers": {"CC": "b"}},
    {"reply_to": "amq.rabbitmq.reply-to"},
    {"expiration": "1000"},
    {"expiration": "soon"},
    {"user_id": "guest"},
    {"user_id": "other"},
    {"content_type": "text/plain", "correlation_id": "c", "message_id": "m", "app_id": "a", "message_type": "t"},
)
ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"x-message-ttl": 1000},
    {"x-max-length": 5},
    {"x-max-length": -(2**62), "x-message-ttl": 2**62},
    {"x-max-priority": 5},
    {"x-dead-letter-exchange": "fanout"},
    {"x-single-active-consumer": True},
    {"x-expires": "never"},
    {"alternate-exchange": "fanout"},
    {"x-match": "any", "x": 1},
    {"x-priority": -3},
)


def _content(chance: Random, channel: int) -> bytes:
    size = chance.choice((0, 1, 5, 5, 5, 100, 4088, 4089, 12_000))
    return content(chance.randbytes(size), channel, FRAME_MAX, **chance.choice(PROPERTIES))


def _publishes(chance: Random, channel: int) -> bytes:
    """The same message a few times, as busy publishers do."""
    key, exchange = chance.choice(KEYS), chance.choice(EXCHANGES)
    mandatory, properties = chance.random() < 0.1, chance.choice(PROPERTIES)
    size = chance.choice((0, 1, 5, 100))
    return b"".join(
        publish(key, chance.randbytes(size), channel, exchange, mandatory, FRAME_MAX, **properties)
        for _ in range(chance.choice((1, 1, 2, 10)))
    )


def _acks(chance: Random, channel: int) -> bytes:
    first = chance.randrange(12)
    tags = list(range(first, first + chance.choice((1, 1, 3, 8))))
    if chance.random() < 0.2:
        chance.shuffle(tags)
    if chance.random() < 0.1:
        tags.insert(chance.randrange(len(tags) + 1), chance.choice(EXTREMES))
    return b"".join(ack(tag, channel) for tag in tags)


def _queue(c: Random) -> Any:
    return Queue.Declare(
        0,
        name := c.choice(QUEUES),
        c.random() < 0.1,
        name == "durable",
        name == "private",
        c.random() < 0.1,
        c.random() < 0.1,
        c.choice(ARGUMENTS) if c.random() < 0.3 else {},
    )


def _exchange(c: Random) -> Any:
    name = c.choice(EXCHANGES)
    kind = name if name in ("direct", "fanout", "topic", "headers") else c.choice(("topic", "fanout", "odd"))
    return Exchange.Declare(0, name, kind, c.random() < 0.1, False, c.random() < 0.1, c.random() < 0.1, False, {})


def _yes(c: Random) -> bool:
    return c.random() < 0.5


METHODS: tuple[Callable[[Random], Any], ...] = (
    _queue,
    _queue,
    _exchange,
    lambda c: Queue.Bind(0, c.choice(QUEUES), c.choice(EXCHANGES), c.choice(KEYS), False, c.choice(ARGUMENTS)),
    lambda c: Queue.Bind(0, c.choice(QUEUES), c.choice(EXCHANGES), c.choice(KEYS), False, {}),
    lambda c: Queue.Unbind(0, c.choice(QUEUES), c.choice(EXCHANGES), c.choice(KEYS), {}),
    lambda c: Queue.Purge(0, c.choice(QUEUES), _yes(c)),
    lambda c: Queue.Delete(0, c.choice(QUEUES), _yes(c), _yes(c), _yes(c)),
    lambda c: Exchange.Delete(0, c.choice(EXCHANGES), _yes(c), _yes(c)),
    lambda c: Exchange.Bind(0, c.choice(EXCHANGES), c.choice(EXCHANGES), c.choice(KEYS), False, {}),
    lambda c: Exchange.Unbind(0, c.choice(EXCHANGES), c.choice(EXCHANGES), c.choice(KEYS), False, {}),
    lambda c: Basic.Consume(0, c.choice(QUEUES), c.choice(TAGS), False, _yes(c), c.random() < 0.1, False, {}),
    lambda c: Basic.Consume(0, c.choice(QUEUES), c.choice(TAGS), False, False, False, _yes(c), c.choice(ARGUMENTS)),
    lambda c: Basic.Consume(0, "amq.rabbitmq.reply-to", c.choice(TAGS), False, True, False, False, {}),
    lambda c: Basic.Cancel(c.choice(TAGS), _yes(c)),
    lambda c: Basic.Get(0, c.choice(QUEUES), _yes(c)),
    lambda c: Basic.Get(0, c.choice(QUEUES), False),
    lambda c: Basic.Qos(0, c.randrange(4), _yes(c)),
    lambda c: Basic.Ack(c.randrange(12), _yes(c)),
    lambda c: Basic.Nack(c.randrange(12), _yes(c), _yes(c)),
    lambda c: Basic.Reject(c.randrange(12), _yes(c)),
    lambda c: Basic.Ack(c.choice(EXTREMES), _yes(c)),
    lambda c: Basic.Nack(c.choice(EXTREMES), _yes(c), _yes(c)),
    lambda c: Basic.Qos(0, c.choice((0, 1, 65535)), _yes(c)),
    lambda c: Basic.Recover(c.random() < 0.95),
    lambda c: Confirm.Select(_yes(c)),
    lambda c: Tx.Select(),
    lambda c: Tx.Commit(),
    lambda c: Tx.Rollback(),
    lambda c: Channel.Flow(True),
    lambda c: Channel.Close(200, "", 0, 0),
    lambda c: Basic.Publish(0, c.choice(EXCHANGES), c.choice(KEYS), _yes(c), False),
)


def _said(chance: Random) -> bytes:
    """One thing a client may say."""
    channel = chance.choice(CHANNELS)
    kind = chance.random()
    if kind < 0.4:
        return _publishes(chance, channel)
    if kind < 0.5:
        return _acks(chance, channel)
    if kind < 0.9:
        return method(chance.choice(METHODS)(chance), channel)
    if kind < 0.93:
        return method(Channel.CloseOk(), channel) + method(Channel.Open(), channel)
    if kind < 0.95:
        return HEARTBEAT
    if kind < 0.98:
        return method(Basic.Publish(0, "", "a"), channel) + _content(chance, channel)
    if kind < 0.985:
        return _content(chance, channel)
    if kind < 0.99:
        return method(Channel.Open(), channel)
    return chance.choice(
        (method(Connection.CloseOk(), 0), method(Connection.Close(200, "", 0, 0), 0), b"AMQP", start_ok())
    )


def frames_of(octets: bytes) -> list[bytes]:
    """The frames in some octets, as their lengths have it; a protocol header is one as well."""
    frames = []
    if octets.startswith(HEADER):
        frames.append(HEADER)
        octets = octets[len(HEADER) :]
    while octets:
        size = int.from_bytes(octets[3:7], "big") + 8
        frames.append(octets[:size])
        octets = octets[size:]
    return frames


def conversation(chance: Random) -> list[bytes]:
    """Frames of one client, protocol header first."""
    frames = frames_of(handshake(frame_max=FRAME_MAX, seconds=chance.choice((0, 0, 3))))
    frames += [method(Channel.Open(), channel) for channel in (1, 2, 3)]
    for name in ("a", "b"):
        frames.append(method(Queue.Declare(0, name)))
    for _ in range(chance.choice((3, 10, 40, 100))):
        frames += frames_of(_said(chance))
    return frames


# -- spoiling ------------------------------------------------------------------------------------------------


def _flip(chance: Random, frame: bytes) -> bytes:
    spoiled = bytearray(frame)
    for _ in range(chance.choice((1, 1, 2, 8))):
        spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
    return bytes(spoiled)


def _overwrite(chance: Random, frame: bytes) -> bytes:
    at = chance.randrange(len(frame))
    return (
        frame[:at]
        + chance.choice((b"\x00", b"\xff", b"\xce", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff"))
        + frame[at + 1 :]
    )


def _cut(chance: Random, frame: bytes) -> bytes:
    return frame[: chance.randrange(len(frame))]


def _lie(chance: Random, frame: bytes) -> bytes:
    """Another length than the true one, in the frame's head."""
    size = int.from_bytes(frame[3:7], "big")
    said = chance.choice((0, 1, size - 1, size + 1, size + 8, 4088, 4096, 4097, 1 << 31, (1 << 32) - 1))
    return frame[:3] + min(max(said, 0), (1 << 32) - 1).to_bytes(4, "big") + frame[7:]


def _resize(chance: Random, frame: bytes) -> bytes:
    """Other content, with a true length."""
    payload = bytearray(frame[7:-1])
    at = chance.randrange(len(payload) + 1)
    if chance.random() < 0.5:
        payload[at : at + chance.choice((1, 2, 4, 100))] = b""
    else:
        payload[at:at] = chance.randbytes(chance.choice((1, 2, 4, 100)))
    return frame[:3] + len(payload).to_bytes(4, "big") + bytes(payload) + frame[-1:]


def _retype(chance: Random, frame: bytes) -> bytes:
    return bytes((chance.choice((0, 1, 2, 3, 4, 8, 65, 255)),)) + frame[1:]


def _rechannel(chance: Random, frame: bytes) -> bytes:
    return frame[:1] + chance.choice((0, 1, 2, 4, 2047, 65535)).to_bytes(2, "big") + frame[3:]


def _unend(chance: Random, frame: bytes) -> bytes:
    return frame[:-1] + bytes((chance.randrange(256),))


SPOIL = (_flip, _flip, _flip, _overwrite, _cut, _lie, _resize, _resize, _retype, _rechannel, _unend)


def spoiled(chance: Random, frames: list[bytes], first: int = 0) -> list[bytes]:
    """The conversation with a few changes, none of them before frame `first`."""
    frames = list(frames)
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        if len(frames) <= first + 1:
            break
        at = chance.randrange(first, len(frames))
        other = chance.randrange(first, len(frames))
        kind = chance.random()
        if kind < 0.7:
            if len(frames[at]) >= 8:
                frames[at] = chance.choice(SPOIL)(chance, frames[at])
        elif kind < 0.76:
            frames.insert(at, frames[other])
        elif kind < 0.82:
            frames[at], frames[other] = frames[other], frames[at]
        elif kind < 0.88:
            del frames[at]
        elif kind < 0.96:
            left, right = frames[at], frames[other]
            frames[at] = left[: chance.randrange(len(left) + 1)] + right[chance.randrange(len(right) + 1) :]
        else:
            frames.insert(at, chance.randbytes(chance.choice((1, 7, 8, 100, 5000))))
    return frames
