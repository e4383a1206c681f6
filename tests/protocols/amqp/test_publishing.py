"""Messages in, messages out: runs, properties, sizes, channels, confirms, transactions and what ends them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.protocols.amqp.memory import (
    FRAME_BYTES_MAX,
    Answer,
    Basic,
    Channel,
    Client,
    Confirm,
    Connection,
    Exchange,
    Queue,
    Tx,
    ack,
    bodies,
    closed,
    content,
    method,
    names,
    publish,
)
from tests.protocols.memory import assert_balanced, make_node

from menura.store.memory import MemoryCatalog, MemoryJournal

TO_Q = method(Basic.Publish(0, "", "q"))
RUN = b"".join(publish("q", b"%05d" % number) for number in range(20))


def drain(client: Client, queue: str = "q", channel: int = 1) -> list[Answer]:
    """Everything that waits in a queue."""
    found = []
    while (answer := client.call(Basic.Get(0, queue, no_ack=True), channel)).name == "Basic.GetOk":
        found.append(answer)
    return found


# -- bodies and frames ---------------------------------------------------------------------------------------

SIZES = [0, 1, 4087, 4088, 4089, 8176, 8177, 100_000, FRAME_BYTES_MAX - 8, FRAME_BYTES_MAX - 7, 300_000]


@pytest.mark.parametrize("channel", [1, 2, 2047])
@pytest.mark.parametrize("to", [4096, FRAME_BYTES_MAX])
@pytest.mark.parametrize("by", [4096, FRAME_BYTES_MAX])
def test_bodies_of_any_size_pass_between_any_frame_sizes(by: int, to: int, channel: int) -> None:
    chance = random.Random(by * to * channel)
    sent = [chance.randbytes(size) for size in SIZES]
    publisher = Client().connect((channel,), frame_max=by)
    publisher.call(Queue.Declare(0, "q"), channel)
    getter = Client(publisher.node).connect((1,), frame_max=to)
    consumer = Client(publisher.node).connect({1, channel}, frame_max=to)
    publisher.send(*[publish("q", body, channel, frame_bytes_max=by, message_id="m") for body in sent * 2])
    assert bodies(drain(getter))[: len(sent)] == sent
    publisher.send(*[publish("q", body, channel, frame_bytes_max=by, message_id="m") for body in sent])
    delivered = consumer.send(method(Basic.Consume(0, "q", "c"), channel))
    assert bodies(delivered) == sent
    assert [answer.properties for answer in delivered[1:]] == [{"message_id": "m"}] * len(sent)
    assert consumer.answers.whole
    assert to - 4096 < consumer.answers.longest_frame_bytes <= to


def test_a_body_may_come_in_more_frames_than_needed_some_of_them_empty() -> None:
    client = Client().connect().declare("q")
    pieces = [content(piece)[22:] for piece in (b"ab", b"c", b"def")]
    empty = b"\x03\x00\x01\x00\x00\x00\x00\xce"
    client.send(TO_Q + content(b"abcdef")[:22] + empty + pieces[0] + empty + b"".join(pieces[1:]))
    assert bodies(drain(client)) == [b"abcdef"]


def test_frames_of_other_channels_may_stand_between_those_of_a_message() -> None:
    client = Client().connect((1, 2, 3)).declare("q")
    parts = [[publish("q", b"%d" % n * 10_000, n, frame_bytes_max=4096)] for n in (1, 2, 3)]
    frames = [split(part[0]) for part in parts]
    mixed = [frame for row in zip(*frames, strict=True) for frame in row]
    assert client.send(*mixed) == []
    assert sorted(bodies(drain(client))) == [b"1" * 10_000, b"2" * 10_000, b"3" * 10_000]


def split(octets: bytes) -> list[bytes]:
    frames = []
    while octets:
        size = int.from_bytes(octets[3:7], "big") + 8
        frames.append(octets[:size])
        octets = octets[size:]
    return frames


@pytest.mark.parametrize("said", [len(TO_Q), len(TO_Q) + 6, len(TO_Q) + 7, len(TO_Q) + 21, len(TO_Q) + 22])
def test_another_channel_is_answered_while_a_message_is_under_way(said: int) -> None:
    """Header and body may be as late as they like."""
    client = Client().connect((1, 2)).declare("q")
    client.send(RUN)
    octets = publish("q", b"y" * 1000)
    if said in (len(TO_Q), len(TO_Q) + 22):
        client.feed(octets[:said])
        assert names(client.send(method(Queue.Declare(0, "z"), 2))) == ["Queue.DeclareOk"]
        client.feed(octets[said:])
    else:
        client.feed(octets[:said])
        client.feed(octets[said:])
    assert bodies(drain(client))[20:] == [b"y" * 1000]


@pytest.mark.parametrize("said", [len(TO_Q), len(TO_Q) + 22])
def test_a_client_that_gives_up_amid_a_message_is_answered(said: int) -> None:
    client = Client().connect().declare("q")
    client.send(RUN)
    client.feed(publish("q", b"y" * 1000)[:said])
    assert names(client.send(method(Connection.Close(200, "", 0, 0), 0))) == ["Connection.CloseOk"]


# -- runs ----------------------------------------------------------------------------------------------------


KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"delivery_mode": 2},
    {"delivery_mode": 1},
    {"headers": {"n": 1}},
    {"headers": {}},
    {"headers": {"CC": ["none"]}},
    {"reply_to": "r"},
    {"user_id": "guest"},
    {"expiration": "99999"},
    {"content_type": "t", "priority": 9},
    {"correlation_id": "c" * 255},
)


def some_traffic(chance: random.Random, channel: int) -> tuple[bytes, list[tuple[bytes, dict[str, Any]]]]:
    """A stretch of publishes: the same properties and size many times over, then something else."""
    octets, expected = b"", []
    for _ in range(30):
        properties = chance.choice(KINDS)
        size = chance.choice((0, 1, 10, 10, 5000))
        for _ in range(chance.choice((1, 1, 2, 3, 17))):
            body = chance.randbytes(size)
            octets += publish("q", body, channel, frame_bytes_max=4096, **properties)
            expected.append((body, properties))
    return octets, expected


@pytest.mark.parametrize("channel", [1, 5])
@pytest.mark.parametrize("seed", range(4))
def test_runs_of_mixed_messages_arrive_in_order_and_unchanged(seed: int, channel: int) -> None:
    client = Client().connect({1, channel}, frame_max=4096)
    client.declare("q")
    octets, expected = some_traffic(random.Random(seed), channel)
    client.send(octets)
    assert [(answer.body, answer.properties) for answer in drain(client)] == expected
    assert client.node.memory.used_bytes == 0


def test_runs_of_several_channels_and_acknowledgements_keep_their_order() -> None:
    client = Client().connect((1, 2, 3)).declare("q", "other")
    chance = random.Random(7)
    octets, expected, tags = b"", [], 0
    client.send(b"".join(publish("other", b"o") for _ in range(50)))
    client.send(method(Basic.Get(0, "other")) * 50)
    for number in range(300):
        body = b"%d" % number
        octets += publish("q", body, chance.choice((1, 2, 3)))
        expected.append(body)
        if tags < 50 and chance.random() < 0.3:
            tags += 1
            octets += ack(tags)
    client.send(octets)
    assert client.depth("q") == 300
    assert client.node.vhosts["/"].queues["other"].unsettled_count == 50 - tags
    assert bodies(drain(client, channel=2)) == expected


def test_a_bad_end_octet_amid_identical_publishes_ends_the_connection_after_those_before_it() -> None:
    client = Client().connect().declare("q")
    size = len(publish("q", b"00000"))
    octets = bytearray(RUN)
    octets[size * 12 - 1] = 0
    assert closed(client.send(bytes(octets))) == (0, 501, 0)
    other = Client(client.node).connect()
    assert bodies(drain(other)) == [b"%05d" % number for number in range(11)]


def test_publishes_after_the_end_of_the_connection_do_not_count() -> None:
    client = Client().connect().declare("q")
    client.call(Confirm.Select())
    assert names(client.send(RUN)) == ["Basic.Ack"]
    assert closed(client.send(method(Channel.Open()) + RUN)) == (0, 504, 20_010)
    assert client.send(RUN) == []
    assert Client(client.node).connect().depth("q") == 20


def test_publishes_after_the_end_of_the_channel_do_not_count() -> None:
    client = Client().connect().declare("q")
    assert closed(client.send(RUN + publish("q", exchange="no") + RUN)) == (1, 404, 60_040)
    assert client.send(RUN) == []
    client.send(method(Channel.CloseOk()) + method(Channel.Open()))
    assert client.depth("q") == 20
    assert client.send(RUN) == []
    assert client.depth("q") == 40


def test_an_exchange_that_was_deleted_and_declared_anew_is_looked_at_anew() -> None:
    client = Client().connect().declare("q")
    client.call(Exchange.Declare(0, "x", "fanout"))
    client.call(Queue.Bind(0, "q", "x", ""))
    client.send(publish("", exchange="x"))
    client.call(Exchange.Delete(0, "x"))
    client.call(Exchange.Declare(0, "x", "fanout", internal=True))
    client.call(Queue.Bind(0, "q", "x", ""))
    assert closed(client.send(publish("", exchange="x"))) == (1, 403, 60_040)


def test_topic_permissions_hold_for_an_exchange_that_becomes_a_topic_exchange() -> None:
    node = make_node()
    node.users.permit_topics("guest", "/", "x", "^ok", "^ok")
    client = Client(node).connect()
    client.call(Exchange.Declare(0, "x", "fanout"))
    assert client.send(publish("secret", exchange="x")) == []
    client.call(Exchange.Delete(0, "x"))
    client.call(Exchange.Declare(0, "x", "topic"))
    assert closed(client.send(publish("secret", exchange="x"))) == (1, 403, 60_040)


def test_permissions_that_are_taken_away_hold_at_once() -> None:
    client = Client().connect().declare("q")
    assert client.send(RUN) == []
    client.node.users.permit("guest", "/", write="^$")
    assert closed(client.send(RUN)) == (1, 403, 60_040)
    assert Client(client.node).connect().depth("q") == 20


# -- properties with a meaning -------------------------------------------------------------------------------


def test_cc_and_bcc_are_routed_to_and_bcc_is_not_shown() -> None:
    client = Client().connect((1, 4)).declare("a", "b", "c")
    client.send(publish("a", b"m", 4, headers={"CC": ["b", "a"], "BCC": ["c"], "k": "v"}))
    for queue in ("a", "b", "c"):
        (answer,) = drain(client, queue)
        assert (answer.routing_key, answer.properties) == ("a", {"headers": {"CC": ["b", "a"], "k": "v"}})
    assert client.node.memory.used_bytes == 0


@pytest.mark.parametrize(
    "properties",
    [
        {"headers": {"CC": "b"}},
        {"headers": {"BCC": 1}},
        {"expiration": "soon"},
        {"expiration": "-1"},
        {"user_id": "somebody"},
        {"reply_to": "amq.rabbitmq.reply-to"},
    ],
)
@pytest.mark.parametrize("size", [1, 200_000])
def test_properties_that_cannot_be_end_the_channel(size: int, properties: dict[str, Any]) -> None:
    client = Client().connect().declare("q")
    assert closed(client.send(RUN + publish("q", b"m" * size, **properties) + RUN)) == (1, 406, 60_040)
    client.send(method(Channel.CloseOk()) + method(Channel.Open()))
    assert client.depth("q") == 20


def test_a_delivery_mode_that_is_none_ends_the_channel() -> None:
    client = Client().connect().declare("q")
    octets = publish("q", delivery_mode=2).replace(b"\x10\x00\x02\xce", b"\x10\x00\x07\xce")
    assert closed(client.send(octets)) == (1, 406, 60_040)


def test_a_reply_finds_the_channel_that_asked() -> None:
    asker = Client().connect().declare("service")
    asker.call(Basic.Consume(0, "amq.rabbitmq.reply-to", "r", False, True))
    asker.send(publish("service", b"question", reply_to="amq.rabbitmq.reply-to", correlation_id="7"))
    server = Client(asker.node).connect()
    (question,) = drain(server, "service")
    assert question.properties is not None
    address = question.properties["reply_to"]
    assert address.startswith("amq.rabbitmq.reply-to.")
    server.send(publish(address, b"answer", correlation_id="7"))
    (answer,) = asker.take()
    assert (answer.consumer_tag, answer.body, answer.properties) == ("r", b"answer", {"correlation_id": "7"})


# -- confirms ------------------------------------------------------------------------------------------------


def acks(answers: list[Answer]) -> list[tuple[int, int, bool]]:
    return [(a.channel, a.delivery_tag, a.multiple) for a in answers if a.name == "Basic.Ack"]


def test_confirms_count_from_select_and_say_multiple_for_several() -> None:
    client = Client().connect((1, 2)).declare("q")
    client.send(RUN)
    client.call(Confirm.Select())
    assert acks(client.send(publish("q"))) == [(1, 1, False)]
    assert acks(client.send(publish("q") * 3)) == [(1, 4, True)]
    assert acks(client.send(publish("q"))) == [(1, 5, False)]
    assert acks(client.send(publish("q", channel=2))) == []
    client.call(Confirm.Select(), 2)
    assert acks(client.send(publish("q", channel=2) + publish("q") * 2)) == [(2, 1, False), (1, 7, True)]


def test_every_kind_of_message_is_confirmed() -> None:
    client = Client().connect().declare("q")
    client.call(Confirm.Select())
    kinds = [
        publish("q"),
        publish("nowhere"),
        publish("q", delivery_mode=2),
        publish("q", headers={"a": 1}),
        publish("q", b"m" * 200_000),
        publish("q", b""),
        publish("", exchange="amq.headers"),
    ]
    for number, octets in enumerate(kinds, 1):
        assert acks(client.send(octets)) == [(1, number, False)]
    assert acks(client.send(*kinds)) == [(1, 14, True)]


def test_returns_come_before_their_confirm() -> None:
    client = Client().connect((3,))
    client.call(Confirm.Select(), 3)
    octets = publish("no", b"1", 3, mandatory=True) + publish("no", b"2", 3) + publish("no", b"3", 3, mandatory=True)
    answers = client.send(octets)
    assert names(answers) == ["Basic.Return", "Basic.Return", "Basic.Ack"]
    assert bodies(answers) == [b"1", b"3"]
    assert [(a.reply_code, a.reply_text, a.routing_key) for a in answers[:2]] == [(312, "NO_ROUTE", "no")] * 2
    assert acks(answers) == [(3, 3, True)]


def test_a_channel_that_fails_or_closes_confirms_what_it_took_first() -> None:
    client = Client().connect((1, 2)).declare("q")
    for channel in (1, 2):
        client.call(Confirm.Select(), channel)
    answers = client.send(publish("q") * 3 + publish("q", exchange="no") + publish("q") * 3)
    assert names(answers) == ["Basic.Ack", "Channel.Close"]
    assert acks(answers) == [(1, 3, True)]
    answers = client.send(publish("q", channel=2) * 3 + method(Channel.Close(0, "", 0, 0), 2))
    assert names(answers) == ["Basic.Ack", "Channel.CloseOk"]


def journalled(durable: bool = True) -> tuple[Client, MemoryJournal]:
    journal, catalog = MemoryJournal(), MemoryCatalog()
    client = Client(make_node(journal=journal, catalog=catalog)).connect((1, 2))
    client.send(method(Queue.Declare(0, "q", durable=durable)))
    catalog.flush()
    assert names(client.take()) == ["Queue.DeclareOk"] or not durable
    client.call(Confirm.Select())
    return client, journal


def test_persistent_messages_are_confirmed_only_once_they_are_durable() -> None:
    client, journal = journalled()
    assert acks(client.send(publish("q", delivery_mode=2) * 3)) == []
    assert acks(client.send(publish("q", delivery_mode=2))) == []
    journal.flush()
    assert acks(client.take()) == [(1, 4, True)]
    assert acks(client.send(publish("q", delivery_mode=2))) == []
    journal.flush()
    assert acks(client.take()) == [(1, 5, False)]


def test_transient_messages_do_not_overtake_the_confirms_of_persistent_ones() -> None:
    client, journal = journalled()
    assert acks(client.send(publish("q"))) == [(1, 1, False)]
    assert acks(client.send(publish("q", delivery_mode=2) + publish("q") * 2)) == []
    journal.flush()
    assert acks(client.take()) == [(1, 4, True)]
    assert acks(client.send(publish("q"))) == [(1, 5, False)]


def test_what_no_durable_queue_took_needs_no_disk() -> None:
    client, _ = journalled(durable=False)
    octets = publish("q", delivery_mode=2) + publish("no", delivery_mode=2)
    assert acks(client.send(octets)) == [(1, 2, True)]


def test_a_channel_that_fails_does_not_confirm_what_is_not_durable() -> None:
    client, journal = journalled()
    answers = client.send(publish("q", delivery_mode=2) + publish("q", exchange="no"))
    assert names(answers) == ["Channel.Close"]
    journal.flush()
    assert client.take() == []


def test_the_journal_knows_what_is_left() -> None:
    client, journal = journalled()
    client.send(publish("q", b"a", delivery_mode=2) * 3 + publish("q", b"t") + method(Basic.Get(0, "q", no_ack=True)))
    [queue] = journal.queues()
    assert journal.held(queue).ranges == [(1, 2)]


# -- transactions --------------------------------------------------------------------------------------------


def transactional() -> Client:
    client = Client().connect((1, 2)).declare("q")
    client.call(Tx.Select())
    return client


def test_publishes_of_a_transaction_happen_at_its_commit() -> None:
    client = transactional()
    assert client.send(RUN) == []
    assert client.depth("q") == 0
    assert client.call(Tx.Commit()).name == "Tx.CommitOk"
    assert bodies(drain(client, channel=2)) == [b"%05d" % number for number in range(20)]


def test_publishes_of_a_transaction_that_is_rolled_back_never_happen() -> None:
    client = transactional()
    client.send(RUN + method(Tx.Rollback()) + publish("q", b"one") + method(Tx.Commit()))
    assert bodies(drain(client, channel=2)) == [b"one"]


def test_settlements_of_a_transaction_happen_at_its_commit() -> None:
    client = transactional()
    queue = client.node.vhosts["/"].queues["q"]
    client.send(b"".join(publish("q", b"%d" % n, 2) for n in range(4)) + method(Basic.Get(0, "q")) * 4)
    client.send(ack(1) + method(Basic.Reject(2, True)) + method(Basic.Nack(3, False, False)))
    assert (queue.ready_count, queue.unsettled_count) == (0, 4)
    client.call(Tx.Commit())
    assert (queue.ready_count, queue.unsettled_count) == (1, 1)
    assert bodies(drain(client, channel=2)) == [b"1"]


def test_a_rollback_makes_settled_deliveries_outstanding_again() -> None:
    client = transactional()
    client.send(publish("q", b"a", 2) * 2 + method(Basic.Get(0, "q")) * 2 + ack(1) + ack(2))
    client.call(Tx.Rollback())
    client.send(ack(2) + ack(1))
    client.call(Tx.Commit())
    assert client.node.memory.used_bytes == 0


def test_a_channel_that_closes_amid_a_transaction_returns_what_it_had() -> None:
    client = transactional()
    client.send(publish("q", b"a", 2) * 2 + method(Basic.Get(0, "q")) * 2 + ack(1) + RUN)
    client.call(Channel.Close(0, "", 0, 0))
    assert [(a.body, a.redelivered) for a in drain(client, channel=2)] == [(b"a", True)] * 2
    assert_balanced(client.node)


def test_a_commit_that_fails_returns_what_was_to_be_settled() -> None:
    client = transactional()
    client.call(Exchange.Declare(0, "x", "direct"), 2)
    client.send(publish("q", b"a", 2) * 2 + method(Basic.Get(0, "q")) * 2)
    client.send(ack(1) + method(Basic.Reject(2, False)) + publish("q", exchange="x"))
    client.call(Exchange.Delete(0, "x"), 2)
    assert closed(client.send(method(Tx.Commit())))[:2] == (1, 404)
    assert [(a.body, a.redelivered) for a in drain(client, channel=2)] == [(b"a", True)] * 2
    assert client.node.memory.used_bytes == 0


def test_returns_of_a_transaction_come_before_the_end_of_its_commit() -> None:
    client = transactional()
    assert client.send(publish("no", b"x", mandatory=True)) == []
    assert names(client.send(method(Tx.Commit()))) == ["Basic.Return", "Tx.CommitOk"]


@pytest.mark.parametrize(("first", "second"), [(Tx.Select, Confirm.Select), (Confirm.Select, Tx.Select)])
def test_a_channel_is_transactional_or_confirms(first: Any, second: Any) -> None:
    client = Client().connect()
    client.call(first())
    assert closed(client.send(method(second())))[:2] == (1, 406)


@pytest.mark.parametrize("verb", [Tx.Commit, Tx.Rollback])
def test_without_select_there_is_no_transaction(verb: Any) -> None:
    assert closed(Client().connect().send(method(verb())))[:2] == (1, 406)
