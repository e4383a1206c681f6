"""What a client is told only once it is certain, and in which order: answers, confirms, commits and goodbyes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.kept import NotedJournal
from tests.protocols.amqp.memory import (
    HEARTBEAT,
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
    method,
    names,
    publish,
)
from tests.protocols.memory import assert_balanced, assert_empty_after_all, make_node

from menura.core.ports import Published, Settled
from menura.store.memory import MemoryCatalog

CLOSE = method(Connection.Close(200, "", 0, 0), 0)


class Kept:
    """Clients of one node, whose disk does something only when it is told to."""

    def __init__(self) -> None:
        self.catalog, self.journal = MemoryCatalog(), NotedJournal()
        self.node = make_node(journal=self.journal, catalog=self.catalog)
        self.flush()

    def flush(self) -> None:
        self.catalog.flush()
        self.journal.flush()

    def client(self, **settings: Any) -> Client:
        return Client(self.node, **settings).connect((1, 2))


@pytest.fixture
def kept() -> Kept:
    """With a durable exchange, a durable queue, and a binding between them, all certain."""
    kept = Kept()
    client = kept.client()
    client.feed(method(Exchange.Declare(0, "x", "fanout", durable=True)))
    client.feed(method(Queue.Declare(0, "q", durable=True)), method(Queue.Bind(0, "q", "x", "")))
    client.feed(method(Exchange.Declare(0, "y", "fanout", durable=True)))
    kept.flush()
    assert len(client.take()) == 4
    return kept


def acks(answers: list[Answer]) -> list[tuple[int, int, bool]]:
    return [(answer.channel, answer.delivery_tag, answer.multiple) for answer in answers if answer.name == "Basic.Ack"]


# -- definitions ---------------------------------------------------------------------------------------------

CHANGES = {
    "Queue.DeclareOk": Queue.Declare(0, "new", durable=True),
    "Queue.BindOk": Queue.Bind(0, "q", "y", "k"),
    "Queue.UnbindOk": Queue.Unbind(0, "q", "x", ""),
    "Queue.DeleteOk": Queue.Delete(0, "q"),
    "Exchange.DeclareOk": Exchange.Declare(0, "new", "topic", durable=True),
    "Exchange.BindOk": Exchange.Bind(0, "y", "x", "k"),
    "Exchange.DeleteOk": Exchange.Delete(0, "x"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_confirmed_once_it_is_certain(kept: Kept, name: str) -> None:
    client = kept.client()
    assert client.send(method(CHANGES[name])) == []
    kept.journal.flush()
    assert client.take() == []
    wakes = client.wakes
    kept.catalog.flush()
    assert client.wakes > wakes
    assert names(client.take()) == [name]


def test_the_end_of_a_binding_between_exchanges_is_confirmed_once_it_is_certain(kept: Kept) -> None:
    client = kept.client()
    client.feed(method(Exchange.Bind(0, "y", "x", "k")))
    kept.flush()
    assert names(client.take()) == ["Exchange.BindOk"]
    assert client.send(method(Exchange.Unbind(0, "y", "x", "k"))) == []
    kept.flush()
    assert names(client.take()) == ["Exchange.UnbindOk"]


@pytest.mark.parametrize("name", CHANGES)
def test_another_client_that_asks_for_the_same_waits_too(kept: Kept, name: str) -> None:
    """What it is told is there, or gone, must not come back otherwise after a crash."""
    one, two = kept.client(), kept.client()
    assert one.send(method(CHANGES[name])) == two.send(method(CHANGES[name])) == []
    kept.catalog.flush()
    assert names(one.take()) == names(two.take()) == [name]


@pytest.mark.parametrize("name", ["Queue.DeclareOk", "Exchange.DeclareOk", "Queue.BindOk", "Exchange.BindOk"])
def test_what_is_certain_already_is_confirmed_at_once(kept: Kept, name: str) -> None:
    client = kept.client()
    client.feed(method(CHANGES[name]))
    kept.flush()
    client.take()
    assert names(client.send(method(CHANGES[name]))) == [name]


def test_what_is_transient_is_confirmed_at_once(kept: Kept) -> None:
    client = kept.client()
    octets = method(Queue.Declare(0, "t")) + method(Queue.Bind(0, "t", "x", "")) + method(Queue.Delete(0, "t"))
    octets += method(Queue.Declare(0, "mine", durable=True, exclusive=True))
    assert names(client.send(octets)) == ["Queue.DeclareOk", "Queue.BindOk", "Queue.DeleteOk", "Queue.DeclareOk"]


def test_without_an_answer_nothing_waits_for_the_change(kept: Kept) -> None:
    client = kept.client()
    client.feed(method(Queue.Declare(0, "new", durable=True, nowait=True)))
    assert names(client.send(method(Basic.Qos(0, 1)))) == ["Basic.QosOk"]


def test_everything_behind_a_held_answer_waits_with_it_whatever_the_channel(kept: Kept) -> None:
    client = kept.client()
    before = names(client.send(method(Basic.Qos(0, 1)) + method(Queue.Declare(0, "new", durable=True))))
    assert before == ["Basic.QosOk"]
    octets = method(Basic.Qos(0, 1), 2) + method(Queue.Declare(0, "new", passive=True)) + method(Channel.Open(), 3)
    assert client.send(octets) == []
    assert client.send(method(Channel.Close(0, "", 0, 0), 2)) == []
    kept.catalog.flush()
    answers = client.take()
    assert [(answer.channel, answer.name) for answer in answers] == [
        (1, "Queue.DeclareOk"),
        (2, "Basic.QosOk"),
        (1, "Queue.DeclareOk"),
        (3, "Channel.OpenOk"),
        (2, "Channel.CloseOk"),
    ]


def test_other_connections_do_not_wait(kept: Kept) -> None:
    one, two = kept.client(), kept.client()
    assert one.send(method(Queue.Declare(0, "new", durable=True))) == []
    assert names(two.send(method(Queue.Declare(0, "new", passive=True)))) == ["Queue.DeclareOk"]


def test_each_answer_goes_as_soon_as_its_own_change_is_certain(kept: Kept) -> None:
    client = kept.client()
    client.send(method(Queue.Declare(0, "one", durable=True)))
    first = kept.catalog.changed
    client.send(method(Queue.Declare(0, "two", durable=True)) + method(Basic.Qos(0, 1)))
    kept.catalog.committed = first
    kept.catalog.on_committed(first)
    assert [answer.queue for answer in client.take()] == ["one"]
    kept.catalog.flush()
    assert names(client.take()) == ["Queue.DeclareOk", "Basic.QosOk"]


def test_an_answer_waits_for_messages_that_were_published_before_it(kept: Kept) -> None:
    """The count it tells must not be more than there is after a crash."""
    client = kept.client()
    client.send(publish("q", delivery_mode=2))
    assert client.send(method(Queue.Declare(0, "q", durable=True))) == []
    kept.journal.flush()
    (answer,) = client.take()
    assert answer.message_count == 1


def test_deliveries_behind_a_held_answer_keep_their_order(kept: Kept) -> None:
    client, other = kept.client(), kept.client()
    client.consume("q")
    other.send(publish("q", b"1"))
    assert bodies(client.take()) == [b"1"]
    assert client.send(method(Queue.Declare(0, "new", durable=True))) == []
    for body in (b"2", b"3"):
        other.send(publish("q", body, delivery_mode=2))
        assert client.take() == []
    assert client.send(method(Basic.Qos(0, 5))) == []
    other.send(publish("q", b"4"))
    kept.flush()
    answers = client.take()
    assert names(answers) == ["Queue.DeclareOk", *["Basic.Deliver"] * 2, "Basic.QosOk", "Basic.Deliver"]
    assert bodies(answers) == [b"2", b"3", b"4"]
    assert [answer.delivery_tag for answer in answers if answer.body is not None] == [2, 3, 4]
    assert client.send(ack(4, multiple=True)) == []
    assert_balanced(kept.node)


def test_the_end_of_a_consumer_is_told_behind_the_held_answer(kept: Kept) -> None:
    client = kept.client()
    client.consume("q")
    assert client.send(method(Queue.Delete(0, "q"))) == []
    kept.catalog.flush()
    assert names(client.take()) == ["Queue.DeleteOk", "Basic.Cancel"]


def test_a_channel_that_fails_says_so_behind_the_held_answer(kept: Kept) -> None:
    client = kept.client()
    octets = method(Queue.Declare(0, "new", durable=True)) + method(Queue.Declare(0, "none", passive=True))
    assert client.send(octets) == []
    kept.catalog.flush()
    assert names(client.take()) == ["Queue.DeclareOk", "Channel.Close"]


# -- confirms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("catalog_first", [True, False])
def test_a_confirm_waits_for_the_message_and_for_its_queue(kept: Kept, catalog_first: bool) -> None:
    client = kept.client()
    client.call(Confirm.Select())
    client.feed(method(Queue.Declare(0, "new", durable=True, nowait=True)))
    assert client.send(publish("new", delivery_mode=2) * 2) == []
    flushes = [kept.catalog.flush, kept.journal.flush]
    flushes[not catalog_first]()
    assert client.take() == []
    flushes[catalog_first]()
    assert acks(client.take()) == [(1, 2, True)]


def test_a_confirm_waits_for_a_queue_that_somebody_else_has_just_declared(kept: Kept) -> None:
    one, two = kept.client(), kept.client()
    two.call(Confirm.Select())
    assert one.send(method(Queue.Declare(0, "new", durable=True))) == []
    assert two.send(publish("new", delivery_mode=2)) == []
    kept.journal.flush()
    assert two.take() == []
    kept.catalog.flush()
    assert acks(two.take()) == [(1, 1, False)]


def test_messages_behind_those_that_wait_are_confirmed_with_them_and_others_at_once(kept: Kept) -> None:
    client = kept.client()
    client.call(Confirm.Select())
    client.call(Confirm.Select(), 2)
    assert acks(client.send(publish("q", delivery_mode=2) + publish("q", channel=2))) == [(2, 1, False)]
    assert acks(client.send(publish("nowhere", delivery_mode=2) + publish("q", delivery_mode=2))) == []
    kept.journal.flush()
    assert acks(client.take()) == [(1, 3, True)]


def test_confirms_go_as_far_as_the_disk_has_come(kept: Kept) -> None:
    client = kept.client()
    client.call(Confirm.Select())
    assert client.send(publish("q", delivery_mode=2)) == []
    first = kept.journal.appended
    assert client.send(publish("q", delivery_mode=2) * 2) == []
    kept.journal.durable = first
    kept.journal.on_durable(first)
    assert acks(client.take()) == [(1, 1, False)]
    kept.journal.flush()
    assert acks(client.take()) == [(1, 3, True)]


def test_who_waits_for_a_confirm_is_woken_when_it_is_due(kept: Kept) -> None:
    client = kept.client()
    client.call(Confirm.Select())
    client.send(publish("q", delivery_mode=2))
    wakes = client.wakes
    kept.journal.flush()
    assert client.wakes == wakes + 1
    client.take()
    kept.client().send(publish("q", delivery_mode=2))
    kept.journal.flush()
    assert client.wakes == wakes + 1, "there is nothing more for it"


def test_a_confirm_goes_behind_held_answers(kept: Kept) -> None:
    client = kept.client()
    client.call(Confirm.Select())
    assert client.send(method(Queue.Declare(0, "new", durable=True)) + publish("q") + publish("q")) == []
    kept.catalog.flush()
    assert names(client.take()) == ["Queue.DeclareOk", "Basic.Ack"]


def test_a_returned_message_comes_before_its_confirm_when_both_are_held(kept: Kept) -> None:
    client = kept.client()
    client.call(Confirm.Select())
    octets = publish("q", b"1", delivery_mode=2) + publish("no", b"2", mandatory=True, delivery_mode=2)
    answers = client.send(octets)
    assert (names(answers), bodies(answers)) == (["Basic.Return"], [b"2"])
    assert client.send(method(Queue.Declare(0, "new", durable=True)) + publish("no", b"3", mandatory=True)) == []
    kept.flush()
    answers = client.take()
    assert (names(answers), bodies(answers)) == (["Queue.DeclareOk", "Basic.Return", "Basic.Ack"], [b"3"])
    assert acks(answers) == [(1, 3, True)]


# -- transactions --------------------------------------------------------------------------------------------


def test_the_end_of_a_commit_waits_for_the_disk(kept: Kept) -> None:
    client = kept.client()
    client.call(Tx.Select())
    assert client.send(publish("q", delivery_mode=2), method(Tx.Commit()), method(Basic.Qos(0, 1), 2)) == []
    kept.catalog.flush()
    assert client.take() == []
    kept.journal.flush()
    assert names(client.take()) == ["Tx.CommitOk", "Basic.QosOk"]


def test_a_commit_of_settlements_alone_waits_for_the_disk(kept: Kept) -> None:
    client = kept.client()
    client.send(publish("q", delivery_mode=2), method(Basic.Get(0, "q")))
    kept.flush()
    client.take()
    client.call(Tx.Select())
    assert client.send(ack(1) + method(Tx.Commit())) == []
    kept.journal.flush()
    assert names(client.take()) == ["Tx.CommitOk"]


@pytest.mark.parametrize("verb", [Tx.Commit, Tx.Rollback])
def test_the_end_of_a_transaction_without_consequence_comes_at_once(kept: Kept, verb: Any) -> None:
    client = kept.client()
    client.call(Tx.Select())
    assert names(client.send(publish("q") + method(verb()))) == [f"{verb.name}Ok"]


def test_a_commit_is_one_append(kept: Kept) -> None:
    """Messages of one route apart from each other, so that the queue puts them together."""
    client = kept.client()
    client.feed(method(Queue.Declare(0, "r", durable=True)))
    client.feed(b"".join(publish("q", b"%d" % number, delivery_mode=2) for number in range(3)))
    client.feed(method(Basic.Get(0, "q")) * 3)
    kept.flush()
    client.take()
    client.call(Tx.Select())
    before = len(kept.journal.notes)
    client.feed(publish("q", b"a", delivery_mode=2), publish("r", b"b", delivery_mode=2))
    client.feed(publish("q", b"c", delivery_mode=2) + publish("q", b"t"), publish("", b"d", exchange="x"))
    client.feed(ack(1) + method(Basic.Reject(2, False)) + method(Basic.Reject(3, True)))
    assert len(kept.journal.notes) == before
    client.feed(method(Tx.Commit()))
    (parts,) = kept.journal.notes[before:]
    q, r = (kept.node.vhosts["/"].queues[name].id for name in "qr")
    published = [(part.queues, len(part.contents)) for part in parts if isinstance(part, Published)]
    assert published == [([(q, 3)], 1), ([(r, 0)], 1), ([(q, 4)], 1)]
    settled = [part for part in parts if isinstance(part, Settled)]
    assert settled == [Settled(q, 0, 0), Settled(q, 1, 1)]
    assert kept.journal.held(q).ranges == [(2, 4)]
    kept.flush()
    assert names(client.take()) == ["Tx.CommitOk"]


def test_what_a_channel_does_after_a_commit_is_written_by_itself(kept: Kept) -> None:
    client = kept.client()
    client.call(Tx.Select())
    client.send(publish("q", delivery_mode=2), method(Tx.Commit()))
    before = len(kept.journal.notes)
    client.send(publish("q", channel=2, delivery_mode=2))
    assert [len(parts) for parts in kept.journal.notes[before:]] == [1]


# -- goodbyes ------------------------------------------------------------------------------------------------


def test_a_connection_is_closed_once_all_its_answers_have_gone(kept: Kept) -> None:
    client = kept.client()
    assert client.send(method(Queue.Declare(0, "new", durable=True)), CLOSE) == []
    assert not client.session.finished
    assert client.take() == []
    kept.catalog.flush()
    assert not client.session.finished
    assert names(client.take()) == ["Queue.DeclareOk", "Connection.CloseOk"]
    assert client.session.finished


def test_a_connection_without_open_answers_is_closed_at_once(kept: Kept) -> None:
    client = kept.client()
    client.feed(publish("q", delivery_mode=2))
    assert names(client.send(CLOSE)) == ["Connection.CloseOk"]
    assert client.session.finished


def test_a_peer_that_goes_while_an_answer_is_held_leaves_nothing_behind(kept: Kept) -> None:
    client = kept.client()
    client.send(publish("q", delivery_mode=2) + method(Basic.Get(0, "q")))
    assert client.send(method(Queue.Declare(0, "new", durable=True))) == []
    client.session.lost()
    kept.flush()
    client.take()
    assert_empty_after_all(kept.node)


def abandon(client: Client) -> list[Answer]:
    client.session.abandon()
    answers = client.take()
    assert not client.defects
    return answers


def test_when_the_disk_has_failed_nothing_held_goes_out(kept: Kept) -> None:
    client = kept.client()
    client.consume("q")
    client.feed(method(Basic.Qos(0, 7)), method(Queue.Declare(0, "new", durable=True)), method(Basic.Qos(0, 8), 2))
    kept.client().send(publish("q", b"held"))
    answers = abandon(client)
    assert names(answers) == ["Basic.QosOk", "Connection.Close"]
    assert (answers[1].reply_code, answers[1].class_id, answers[1].method_id) == (541, 0, 0)
    assert not client.session.finished
    assert client.send(method(Queue.Declare(0, "new", durable=True)) + publish("q")) == []
    assert client.send(method(Connection.CloseOk(), 0)) == []
    assert client.session.finished
    assert client.answers.whole


def test_when_the_disk_has_failed_what_is_not_on_it_is_refused_and_the_rest_confirmed(kept: Kept) -> None:
    client = kept.client()
    client.call(Confirm.Select())
    client.call(Confirm.Select(), 2)
    client.feed(publish("q", delivery_mode=2) * 2 + publish("q", channel=2))
    assert acks(client.take()) == [(2, 1, False)]
    kept.journal.flush()
    client.feed(publish("q", delivery_mode=2) + publish("q", channel=2))
    answers = abandon(client)
    assert names(answers) == ["Basic.Ack", "Basic.Nack", "Basic.Ack", "Connection.Close"]
    assert acks(answers) == [(1, 2, True), (2, 2, False)]
    assert (answers[1].delivery_tag, answers[1].multiple, answers[1].channel) == (3, True, 1)


def test_when_the_disk_has_failed_confirms_behind_a_held_answer_are_refused_too(kept: Kept) -> None:
    client = kept.client()
    client.call(Confirm.Select())
    client.feed(method(Queue.Declare(0, "new", durable=True)) + publish("new", delivery_mode=2))
    kept.journal.flush()
    assert client.take() == []
    assert names(abandon(client)) == ["Basic.Nack", "Connection.Close"]


def test_a_peer_that_does_not_answer_the_end_is_cut_off(kept: Kept) -> None:
    client = kept.client()
    assert names(abandon(client)) == ["Connection.Close"]
    client.tick(10)
    assert client.session.finished


def test_a_handshake_is_cut_off_when_the_disk_has_failed(kept: Kept) -> None:
    client = Client(kept.node)
    assert abandon(client) == []
    assert client.session.finished


def test_a_connection_that_is_already_closing_is_not_told_twice(kept: Kept) -> None:
    client = kept.client()
    client.session.stop()
    assert names(client.take()) == ["Connection.Close"]
    assert abandon(client) == []


def test_a_client_that_closes_while_an_answer_is_held_is_let_go_when_the_disk_has_failed(kept: Kept) -> None:
    client = kept.client()
    assert client.send(method(Queue.Declare(0, "new", durable=True)) + CLOSE) == []
    assert names(abandon(client)) == ["Connection.CloseOk"]
    assert client.session.finished


def test_a_connection_with_held_answers_goes_on_beating(kept: Kept) -> None:
    client = Client(kept.node).connect(seconds=10)
    client.send(method(Queue.Declare(0, "new", durable=True)) + method(Queue.Declare(0, "q", durable=True)))
    beats = 0
    for _ in range(4):
        client.session.tick(client.now + 6)
        client.now += 6
        beats += client.session.flush() == HEARTBEAT
        client.session.last_received = client.now
    assert beats == 4
    kept.flush()
    assert names(client.take()) == ["Queue.DeclareOk", "Queue.DeclareOk"]


# -- a disk that is behind -----------------------------------------------------------------------------------


@pytest.fixture
def behind(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """More than a thousand octets must not be underway to the disk; they are, from the end of this turn on."""
    monkeypatch.setattr("menura.core.keeping.BEHIND_BYTES", 1000)
    kept.client().send(publish("q", bytes(2000), delivery_mode=2))
    assert kept.node.keeper is not None
    kept.node.keeper.weigh()
    return kept


def test_a_publisher_is_not_read_from_while_the_disk_is_behind(behind: Kept) -> None:
    client = behind.client()
    assert client.session.reading
    client.send(publish("q", delivery_mode=2))
    assert not client.session.reading
    client.take()
    assert not client.session.reading
    wakes = client.wakes
    behind.journal.flush()
    assert client.wakes > wakes
    client.take()
    assert client.session.reading


def test_who_publishes_nothing_for_the_disk_goes_on_while_it_is_behind(behind: Kept) -> None:
    client = behind.client()
    assert names(client.send(publish("q") + publish("no", delivery_mode=2) + method(Basic.Get(0, "q")))) == [
        "Basic.GetOk"
    ]
    assert client.session.reading


def test_a_publisher_goes_on_only_when_the_disk_has_caught_up(behind: Kept) -> None:
    client = behind.client()
    client.send(publish("q", bytes(2000), delivery_mode=2))
    behind.journal.durable += 100
    behind.journal.on_durable(behind.journal.durable)
    client.take()
    assert not client.session.reading
    behind.journal.flush()
    client.take()
    assert client.session.reading


def test_confirms_go_to_a_publisher_that_waits_for_the_disk(behind: Kept) -> None:
    client = behind.client()
    client.call(Confirm.Select())
    assert client.send(publish("q", delivery_mode=2)) == []
    behind.journal.flush()
    assert acks(client.take()) == [(1, 1, False)]
    assert client.session.reading


def test_a_publisher_in_a_transaction_waits_for_the_disk_too(behind: Kept) -> None:
    client = behind.client()
    client.call(Tx.Select())
    client.send(publish("q", delivery_mode=2) + method(Tx.Commit()))
    assert not client.session.reading
    behind.journal.flush()
    assert names(client.take()) == ["Tx.CommitOk"]
    assert client.session.reading


def test_a_publisher_that_waits_is_heard_again_once_its_connection_is_to_end(behind: Kept) -> None:
    client = behind.client()
    client.send(publish("q", delivery_mode=2))
    client.session.stop()
    assert names(client.take()) == ["Connection.Close"]
    assert client.session.reading
