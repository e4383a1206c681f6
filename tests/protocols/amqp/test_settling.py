"""Acknowledgements as they arrive: in runs, with gaps, out of order, twice, on several channels."""

from __future__ import annotations

import random

import pytest
from tests.protocols.amqp.memory import (
    Basic,
    Channel,
    Client,
    Confirm,
    ack,
    bodies,
    closed,
    content,
    method,
    names,
    publish,
)
from tests.protocols.memory import assert_balanced

BODIES = [b"%d" % number for number in range(10)]


def consumer_of(count: int = 10, prefetch: int = 0) -> Client:
    """A client whose channel 1 has been sent messages 0, 1, ... under tags 1, 2, ..."""
    client = Client().connect((1, 2)).declare("q")
    client.send(b"".join(publish("q", b"%d" % number, 2) for number in range(count)))
    client.call(Basic.Qos(0, prefetch))
    answers = client.send(method(Basic.Consume(0, "q", "c")))
    assert bodies(answers) == [b"%d" % n for n in range(count)][: prefetch or None]
    return client


def unsettled(client: Client) -> int:
    return client.node.vhosts["/"].queues["q"].unsettled_count


def returned(client: Client) -> list[bytes]:
    """What comes back once channel 1 is closed."""
    client.send(
        method(Channel.CloseOk()) if client.session.channels[1].closing else method(Channel.Close(200, "", 0, 0))
    )
    waiting = []
    while (answer := client.call(Basic.Get(0, "q", no_ack=True), 2)).name != "Basic.GetEmpty":
        assert answer.redelivered
        assert answer.body is not None
        waiting.append(answer.body)
    assert_balanced(client.node)
    return waiting


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        (list(range(1, 11)), []),
        ([1, 2, 3], list(range(3, 10))),
        ([1, 2, 4, 5, 9], [2, 5, 6, 7, 9]),
        ([10, 9, 8, 7, 6, 5, 4, 3, 2], [0]),
        ([1, 3, 5, 7, 9], [1, 3, 5, 7, 9]),
        ([5], [0, 1, 2, 3, 5, 6, 7, 8, 9]),
    ],
)
def test_single_acknowledgements_settle_what_they_name(tags: list[int], left: list[int]) -> None:
    client = consumer_of()
    assert client.send(b"".join(map(ack, tags))) == []
    assert returned(client) == [BODIES[number] for number in left]


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        ([1, 1], list(range(1, 10))),
        ([1, 2, 3, 2, 4], list(range(3, 10))),
        ([1, 2, 11, 3], list(range(2, 10))),
        ([9, 10, 11], list(range(8))),
        ([1, 2, 3, 3, 4, 5], list(range(3, 10))),
        ([0, 1], list(range(10))),
        ([4, 2**62, 5], [0, 1, 2, 4, 5, 6, 7, 8, 9]),
        ([1, 2, 2**62], list(range(2, 10))),
        ([2**62, 1, 2], list(range(10))),
    ],
)
def test_an_unknown_tag_closes_the_channel_and_what_came_before_it_counts(tags: list[int], left: list[int]) -> None:
    client = consumer_of()
    assert closed(client.send(b"".join(map(ack, tags)))) == (1, 406, 60_080)
    assert returned(client) == [BODIES[number] for number in left]


def test_a_tag_of_an_earlier_run_of_acknowledgements_is_unknown() -> None:
    client = consumer_of()
    client.send(ack(1) + ack(2))
    assert closed(client.send(ack(2))) == (1, 406, 60_080)


def test_multiple_settles_everything_up_to_the_tag_and_zero_everything() -> None:
    client = consumer_of()
    client.send(ack(2), ack(4, multiple=True))
    assert unsettled(client) == 6
    client.send(ack(0, multiple=True))
    assert unsettled(client) == 0
    assert client.send(ack(0, multiple=True)) == []


def test_runs_of_acknowledgements_of_two_channels_are_kept_apart() -> None:
    client = Client().connect((1, 2, 3)).declare("q")
    client.send(b"".join(publish("q", body, 3) for body in BODIES))
    for channel in (1, 2):
        client.send(*[method(Basic.Get(0, "q"), channel) for _ in range(5)])
    assert client.send(ack(1) + ack(2) + ack(1, 2) + ack(3) + ack(2, 2) + ack(3, 2)) == []
    assert unsettled(client) == 4
    assert closed(client.send(ack(4) + ack(4, 2) + ack(4) + ack(5, 2))) == (1, 406, 60_080)
    assert unsettled(client) == 0
    assert int(client.call(Basic.Get(0, "q"), 2).delivery_tag) == 6


def test_runs_of_acknowledgements_between_publishes_and_methods() -> None:
    client = consumer_of()
    answers = client.send(
        ack(1) + ack(2) + publish("other") + ack(3) + method(Confirm.Select()) + ack(4) + publish("other") + ack(5)
    )
    assert names(answers) == ["Confirm.SelectOk", "Basic.Ack"]
    assert unsettled(client) == 5


def test_a_prefetch_holds_over_runs_of_acknowledgements() -> None:
    client = consumer_of(10, prefetch=4)
    assert bodies(client.send(ack(1))) == [b"4"]
    assert bodies(client.send(ack(2) + ack(3) + ack(4))) == [b"5", b"6", b"7"]
    assert bodies(client.send(ack(8, multiple=True))) == [b"8", b"9"]
    assert unsettled(client) == 2


def test_rejected_messages_come_back_in_their_order() -> None:
    client = consumer_of()
    client.send(method(Basic.Cancel("c")))
    client.send(
        method(Basic.Nack(3, False, True)) + method(Basic.Reject(1, True)) + method(Basic.Nack(2, False, False))
    )
    assert [client.call(Basic.Get(0, "q", True), 2).body for _ in range(2)] == [b"0", b"2"]
    assert unsettled(client) == 7


def test_an_acknowledgement_amid_content_is_refused() -> None:
    client = consumer_of()
    client.feed(method(Basic.Publish(0, "", "q")) + content(b"z" * 200_000)[: 22 + 131072])
    assert closed(client.send(ack(1))) == (0, 505, 60_040)


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_single_acknowledgements_settles_everything(seed: int) -> None:
    client = consumer_of(200)
    tags = list(range(1, 201))
    random.Random(seed).shuffle(tags)
    octets = b"".join(map(ack, tags))
    assert client.send(octets[:1000], octets[1000:1021], octets[1021:]) == []
    assert unsettled(client) == 0
    assert client.node.memory.used_bytes == 0
    assert_balanced(client.node)
