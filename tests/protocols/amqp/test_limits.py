"""Each limit of a connection, held on both of its sides."""

from __future__ import annotations

import pytest
from tests.protocols.amqp.memory import (
    Basic,
    Channel,
    Client,
    Connection,
    closed,
    content,
    method,
    names,
    publish,
)

from menura.protocols.amqp.limits import AmqpLimits

TO_Q = method(Basic.Publish(0, "", "q"))


def test_channels_max() -> None:
    client = Client().connect((1, 2, 3), channel_max=3)
    assert closed(client.send(method(Channel.Open(), 4)))[:2] == (0, 530)


def test_a_channel_that_is_closed_makes_room_for_another() -> None:
    client = Client().connect((1, 2, 3), channel_max=3)
    client.call(Channel.Close(0, "", 0, 0), 2)
    assert client.call(Channel.Open(), 3000).name == "Channel.OpenOk"


def test_channels_max_counts_channels_not_numbers() -> None:
    assert Client().connect((65535,), channel_max=1).session.channels.keys() == {65535}


@pytest.mark.parametrize("frame_max", [4096, 131072])
def test_frame_bytes_max_is_held_with_the_room_that_rabbitmq_gives(frame_max: int) -> None:
    body = b"y" * (frame_max + 100)
    header = content(body, frame_bytes_max=1 << 20)[:22]

    def said(size: int) -> bytes:
        return TO_Q + header + b"\x03\x00\x01" + size.to_bytes(4, "big") + body[:size] + b"\xce"

    client = Client().connect(frame_max=frame_max)
    assert client.send(said(frame_max)) == []
    client = Client().connect(frame_max=frame_max)
    (answer,) = client.send(said(frame_max + 1))
    assert (answer.channel, answer.reply_code) == (0, 501)
    assert answer.reply_text.endswith(f"{{frame_too_large,{frame_max + 1},{frame_max - 8}}}")


def test_a_lying_length_is_refused_as_soon_as_it_is_seen() -> None:
    client = Client().connect()
    assert closed(client.send(b"\x03\x00\x01\xff\xff\xff\xff\x00"))[:2] == (0, 501)


@pytest.mark.parametrize("size_max", [100, 200_000])
@pytest.mark.parametrize("known", [False, True])
def test_message_bytes_max(size_max: int, known: bool) -> None:
    client = Client(limits=AmqpLimits(message_bytes_max=size_max)).connect().declare("q")
    if known:
        client.send(publish("q"))
    assert client.send(publish("q", b"m" * size_max)) == []
    answers = client.send(publish("q", b"m" * (size_max + 1)) + publish("q"))
    assert closed(answers) == (1, 406, 60_040)
    assert answers[0].reply_text.endswith(f"message size {size_max + 1} is larger than configured max size {size_max}")
    client.send(method(Channel.CloseOk()) + method(Channel.Open()))
    assert client.depth("q") == 1 + known
    assert client.send(publish("q", b"again")) == []


def test_publishes_max() -> None:
    client = Client(limits=AmqpLimits(publishes_max=10)).connect().declare("q")
    for number in range(100):
        client.feed(publish(f"none{number}") + publish("q"))
        assert len(client.session.publishes) <= 10
    assert client.depth("q") == 100


def test_output_bytes_max_is_where_writing_stops() -> None:
    client = Client(limits=AmqpLimits(output_bytes_max=1000)).connect()
    while client.session.writable:
        client.feed(method(Basic.Qos()))
    assert 1000 <= client.session.output.size_bytes < 1012
    client.take()
    assert client.session.writable


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (method(Basic.Qos(prefetch_size=1)), 540),
        (method(Basic.Publish(0, "", "q", False, True)), 540),
        (method(Channel.Flow(False)), 540),
        (method(Basic.Recover(False)), 540),
        (method(Channel.Open()), 504),
        (method(Basic.Qos(), 9), 504),
        (content(b"x"), 505),
        (content(b"x", 9), 505),
        (b"\x08\x00\x01\x00\x00\x00\x00\xce", 505),
        (b"\x08\x00\x00\x00\x00\x00\x01x\xce", 501),
        (b"\x01\x00\x01\x00\x00\x00\x02\x00\x3c\xce", 501),
        (b"\x01\x00\x01\x00\x00\x00\x05\x00\x3c\x00\x0a\x00\xce", 501),
        (b"\x01\x00\x01\x00\x00\x00\x04\x00\x63\x00\x0a\xce", 503),
        (method(Basic.Cancel("\x00")).replace(b"\x01\x00\x00\xce", b"\x01\xff\x00\xce"), 501),
    ],
)
def test_what_cannot_be_ends_the_connection_and_only_it(said: bytes, code: int) -> None:
    client = Client().connect().declare("q")
    other = Client(client.node).connect()
    answers = client.send(said)
    assert closed(answers)[:2] == (0, code)
    assert len(answers[0].reply_text.encode()) <= 255
    assert names(client.send(method(Connection.CloseOk(), 0))) == []
    assert client.session.closing
    assert other.depth("q") == 0
