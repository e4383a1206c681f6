"""Messages are moved, copied, replayed and deleted: what goes where, what stays, and that all sums stay exact."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.domain import Receiver, a_vhost, consume, message, numbered, publish, take_all
from tests.core.kept import Kept, live, notes
from tests.core.test_browsing import PRIORITIES, bodies, numbers, peek, put

from menura.core import fields
from menura.core.content import pack
from menura.core.errors import NotFound
from menura.core.moving import ToExchange, ToQueue, Transfer, copy, delete, move, origin, replay
from menura.core.ports import Published, Settled
from menura.core.properties import Properties
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.selecting import Selection
from menura.core.vhost import VHost


@pytest.fixture
def vhost() -> VHost:
    return a_vhost()


@pytest.fixture
def q(vhost: VHost) -> Queue:
    return vhost.declare_queue("q")


@pytest.fixture
def r(vhost: VHost) -> Queue:
    return vhost.declare_queue("r")


def done(transfer: Transfer) -> tuple[int, int, int]:
    """Done, unrouted, refused."""
    while transfer.step():
        pass
    return transfer.result[2:]


def arguments(**values: Any) -> dict[str, bytes]:
    return {name.replace("_", "-"): fields.encode_value(value) for name, value in values.items()}


def nothing_is_left(vhost: VHost) -> bool:
    for queue in vhost.queues.values():
        take_all(queue)
        assert (queue.ready_bytes, queue._paged_count, queue._paged_bytes) == (0, 0, 0)
        assert queue.rules is None or queue.rules.body_bytes == 0
    return vhost.memory.used_bytes == 0


# -- where to ------------------------------------------------------------------------------------------------


def test_a_queue_gets_messages_with_the_names_they_were_published_under(vhost: VHost, q: Queue, r: Queue) -> None:
    vhost.bind("amq.topic", q, "#", {})
    publish(vhost, "amq.topic", "a.b", range(10))
    assert done(move(q, ToQueue(vhost, r), Selection(skip=2, count=3))) == (3, 0, 0)
    found = peek(r)
    assert numbers(found) == [2, 3, 4]
    assert {(seen.exchange, seen.routing_keys) for seen in found.messages} == {("amq.topic", ("a.b",))}
    assert numbers(peek(q)) == [0, 1, 5, 6, 7, 8, 9]
    assert (q.ready_count, r.ready_count) == (7, 3)
    assert nothing_is_left(vhost)


def test_an_exchange_gets_messages_with_their_keys_or_another(vhost: VHost, q: Queue, r: Queue) -> None:
    vhost.bind("amq.topic", r, "a.*", {})
    for key in ("a.1", "b.1"):
        vhost.bind("amq.direct", q, key, {})
        publish(vhost, "amq.direct", key, [1, 2])
    assert done(move(q, ToExchange(vhost, "amq.topic", None))) == (2, 2, 0)
    assert {seen.routing_keys for seen in peek(r).messages} == {("a.1",)}
    assert {seen.routing_keys for seen in peek(q).messages} == {("b.1",)}
    assert done(move(q, ToExchange(vhost, "amq.topic", "a.2"))) == (2, 0, 0)
    assert numbers(peek(r)) == [1, 2, 1, 2]
    assert nothing_is_left(vhost)


def test_a_copy_leaves_the_queue_as_it_was(vhost: VHost, q: Queue, r: Queue) -> None:
    publish(vhost, "", "q", range(6))
    assert done(copy(q, ToQueue(vhost, r), Selection(positions=[1, 4]))) == (2, 0, 0)
    assert (numbers(peek(q)), numbers(peek(r))) == ([*range(6)], [1, 4])
    assert done(copy(q, ToQueue(vhost, q))) == (6, 0, 0)
    assert numbers(peek(q)) == [*range(6), *range(6)]
    assert nothing_is_left(vhost)


def test_what_is_moved_into_its_own_queue_goes_behind(vhost: VHost, q: Queue) -> None:
    publish(vhost, "", "q", range(5))
    assert done(move(q, ToQueue(vhost, q), Selection(positions=[0, 2]))) == (2, 0, 0)
    assert take_all(q) == [1, 3, 4, 0, 2]
    assert vhost.memory.used_bytes == 0


def test_what_comes_after_the_end_was_taken_out_has_a_position_of_its_own(vhost: VHost, q: Queue) -> None:
    route = Route("", "q")
    vhost.publish(route, numbered(route, [0, 1, 2]))
    assert done(delete(q, Selection(positions=[2]))) == (1, 0, 0)
    vhost.publish(route, numbered(route, [3]))
    assert [(seen.position, seen.body[7]) for seen in peek(q).messages] == [(0, 0), (1, 1), (3, 3)]


def test_deleted_messages_are_gone_and_are_no_dead_letters(vhost: VHost, r: Queue) -> None:
    queue = vhost.declare_queue(
        "d", arguments=arguments(x_dead_letter_exchange="", x_dead_letter_routing_key="r", x_max_length_bytes=10_000)
    )
    publish(vhost, "", "d", range(10))
    assert done(delete(queue, Selection(positions=[3, 4, 9]))) == (3, 0, 0)
    assert numbers(peek(queue)) == [0, 1, 2, 5, 6, 7, 8]
    assert queue.rules is not None
    assert queue.rules.body_bytes == 7 * 8
    assert r.ready_count == 0
    assert nothing_is_left(vhost)


def test_what_is_not_there_is_not_found_before_anything_happens(vhost: VHost, q: Queue, r: Queue) -> None:
    publish(vhost, "", "q", [1])
    to_r = ToQueue(vhost, r)
    vhost.remove_queue(r)
    for destination in (ToExchange(vhost, "missing", None), to_r):
        with pytest.raises(NotFound):
            move(q, destination)
    assert numbers(peek(q)) == [1]


def test_a_destination_that_goes_meanwhile_keeps_what_it_got_and_ends_the_move(
    monkeypatch: pytest.MonkeyPatch, vhost: VHost, q: Queue, r: Queue
) -> None:
    monkeypatch.setattr("menura.core.browsing.STEP_MESSAGES_MAX", 2)
    publish(vhost, "", "q", range(5))
    transfer = move(q, ToQueue(vhost, r))
    assert transfer.step()
    assert numbers(peek(r)) == [0, 1]
    vhost.remove_queue(r)
    with pytest.raises(NotFound):
        transfer.step()
    assert numbers(peek(q)) == [2, 3, 4]


def test_messages_that_are_with_consumers_are_left_alone(vhost: VHost, q: Queue, r: Queue) -> None:
    publish(vhost, "", "q", range(5))
    position, run, _ = q.take(2)
    assert done(move(q, ToQueue(vhost, r))) == (3, 0, 0)
    q.requeue(position, run)
    assert (numbers(peek(q)), numbers(peek(r))) == ([0, 1], [2, 3, 4])


def test_consumers_get_what_is_moved_to_their_queue(vhost: VHost, q: Queue, r: Queue) -> None:
    receiver = Receiver()
    publish(vhost, "", "q", range(5))
    consume(r, receiver, prefetch=2)
    assert done(move(q, ToQueue(vhost, r))) == (5, 0, 0)
    vhost.agenda.tick(0)
    assert receiver.numbers() == [0, 1]
    receiver.deliveries[0].settle()
    vhost.dispatch()
    assert receiver.numbers()[:3] == [0, 1, 2]


# -- the rules there -----------------------------------------------------------------------------------------


def test_what_is_moved_in_takes_the_place_of_its_priority(vhost: VHost, q: Queue) -> None:
    ranked = vhost.declare_queue("p", arguments=PRIORITIES)
    for number, priority in enumerate([1, 9, 1, 5]):
        put(vhost, "q" if number < 2 else "p", number.to_bytes(8, "big"), priority=priority)
    assert done(move(q, ToQueue(vhost, ranked))) == (2, 0, 0)
    assert take_all(ranked) == [1, 3, 2, 0]


def test_messages_of_all_priorities_are_moved_in_their_order(vhost: VHost, q: Queue) -> None:
    ranked = vhost.declare_queue("p", arguments=PRIORITIES)
    for number in range(30):
        put(vhost, "p", number.to_bytes(8, "big"), priority=number % 3)
    assert done(move(ranked, ToQueue(vhost, q), Selection(properties={"priority": 1}))) == (10, 0, 0)
    assert numbers(peek(q)) == list(range(1, 30, 3))
    assert done(move(ranked, ToQueue(vhost, q), Selection(count=12))) == (12, 0, 0)
    assert numbers(peek(q))[10:] == [*range(2, 30, 3), 0, 3]
    assert nothing_is_left(vhost)


def test_the_time_to_live_begins_again(vhost: VHost, q: Queue, r: Queue) -> None:
    limited = vhost.declare_queue("t", arguments=arguments(x_message_ttl=1000))
    put(vhost, "q", b"own", expiration="500")
    put(vhost, "q", b"none")
    vhost.agenda.tick(0.4)
    assert done(move(q, ToQueue(vhost, limited))) == (2, 0, 0)
    vhost.agenda.tick(0.8)
    assert bodies(peek(limited)) == [b"own", b"none"]
    vhost.agenda.tick(0.95)
    assert bodies(peek(limited)) == [b"none"]
    assert done(move(limited, ToQueue(vhost, r))) == (1, 0, 0)
    assert [seen.due_ms for seen in peek(r).messages] == [0]
    assert nothing_is_left(vhost)


@pytest.mark.parametrize("by", ["queue", "exchange"])
@pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx"])
def test_a_full_queue_ends_the_move_and_the_rest_stays_in_place(vhost: VHost, q: Queue, by: str, overflow: str) -> None:
    full = vhost.declare_queue("f", arguments=arguments(x_max_length=3, x_overflow=overflow))
    publish(vhost, "", "q", range(10))
    q.requeue(*q.take(1)[:2])
    destination = ToQueue(vhost, full) if by == "queue" else ToExchange(vhost, "", "f")
    assert done(move(q, destination, Selection(positions=[0, 1, 3, 4, 5, 8]))) == (3, 0, 3)
    assert numbers(peek(full)) == [0, 1, 3]
    assert [(seen.position, seen.redelivered) for seen in peek(q).messages] == [
        (position, False) for position in (2, 4, 5, 6, 7, 8, 9)
    ]
    assert vhost.take_refused() == 0
    assert nothing_is_left(vhost)


def test_a_queue_that_drops_from_its_head_does_so_into_the_queue_the_messages_come_from(vhost: VHost) -> None:
    source = vhost.declare_queue("s", arguments=arguments(x_max_length=4, x_dead_letter_exchange=""))
    small = vhost.declare_queue(
        "small",
        arguments=arguments(x_max_length=1, x_dead_letter_exchange="", x_dead_letter_routing_key="s"),
    )
    publish(vhost, "", "s", range(4))
    assert done(move(source, ToQueue(vhost, small))) == (4, 0, 0)
    assert numbers(peek(small)) == [3]
    assert numbers(peek(source)) == [0, 1, 2]
    assert nothing_is_left(vhost)


def test_the_count_of_returns_begins_again(vhost: VHost, r: Queue) -> None:
    quorum = vhost.declare_queue("quorum", durable=True, arguments=arguments(x_queue_type="quorum"))
    publish(vhost, "", "quorum", [1, 2])
    quorum.requeue(*quorum.take(1)[:2])
    assert peek(quorum).messages[0].properties.headers == {"x-delivery-count": 1}
    assert done(move(quorum, ToQueue(vhost, r))) == (2, 0, 0)
    assert not any(seen.properties.headers for seen in peek(r).messages)
    assert nothing_is_left(vhost)


@pytest.mark.parametrize("persistent", [False, True])
def test_delayed_messages_are_seen_in_the_order_of_their_time_and_can_be_called_off(persistent: bool) -> None:
    kept = live()
    vhost = kept.vhost
    q, r = vhost.declare_queue("q", durable=True), vhost.declare_queue("r", durable=True)
    vhost.declare_exchange("later", "x-delayed-message", durable=True, arguments=arguments(x_delayed_type="fanout"))
    vhost.bind("later", q, "", {})
    for number, delay in enumerate([3000, 1000, 2000, 4000]):
        put(vhost, "k", number.to_bytes(8, "big"), "later", persistent=persistent, headers={"x-delay": delay})
    pending = vhost.queues["amq.delayed.later"]
    found = peek(pending)
    assert [(number, seen.due_ms) for number, seen in zip(numbers(found), found.messages, strict=True)] == [
        (1, 1000), (2, 2000), (0, 3000), (3, 4000),
    ]  # fmt: skip
    assert numbers(peek(pending, skip=1, count=1)) == [2]
    assert done(delete(pending, Selection(positions=[2]))) == (1, 0, 0)
    assert done(move(pending, ToQueue(vhost, r), Selection(positions=[3]))) == (1, 0, 0)
    assert numbers(peek(pending)) == [1, 0]
    vhost.agenda.tick(10)
    assert (numbers(peek(q)), numbers(peek(r)), pending.ready_count) == ([1, 0], [3], 0)
    assert nothing_is_left(vhost)


# -- replay --------------------------------------------------------------------------------------------------


def with_graveyard(vhost: VHost, name: str, **more: Any) -> Queue:
    return vhost.declare_queue(
        name, arguments=arguments(x_dead_letter_exchange="", x_dead_letter_routing_key="dead", **more)
    )


def let_die(queue: Queue) -> None:
    while queue.ready_count:
        queue.reject(*queue.take(100)[:2])


def test_dead_letters_go_back_to_where_they_were_published(vhost: VHost) -> None:
    dead = vhost.declare_queue("dead")
    first, second = with_graveyard(vhost, "first"), with_graveyard(vhost, "second")
    vhost.bind("amq.topic", first, "a.*", {})
    publish(vhost, "amq.topic", "a.b", [1, 2])
    publish(vhost, "", "second", [3])
    for queue in (first, second):
        let_die(queue)
    assert dead.ready_count == 3
    assert done(replay(dead)) == (3, 0, 0)
    assert (numbers(peek(first)), numbers(peek(second)), dead.ready_count) == ([1, 2], [3], 0)
    [seen, _] = peek(first).messages
    assert (seen.exchange, seen.routing_keys) == ("amq.topic", ("a.b",))
    assert seen.properties.headers is not None
    assert "x-death" in seen.properties.headers, "the history stays"
    assert nothing_is_left(vhost)


def test_without_its_exchange_or_binding_a_dead_letter_goes_to_the_queue_it_died_in(vhost: VHost) -> None:
    dead = vhost.declare_queue("dead")
    queue = with_graveyard(vhost, "q")
    vhost.declare_exchange("gone", "fanout")
    for exchange in ("gone", "amq.direct"):
        vhost.bind(exchange, queue, "k", {})
        publish(vhost, exchange, "k", [1])
    let_die(queue)
    vhost.delete_exchange("gone")
    vhost.unbind("amq.direct", queue, "k", {})
    assert done(replay(dead)) == (2, 0, 0)
    assert {seen.routing_keys for seen in peek(queue).messages} == {("q",)}


def test_what_never_died_or_came_from_nowhere_stays(vhost: VHost) -> None:
    dead = vhost.declare_queue("dead")
    queue = with_graveyard(vhost, "q")
    publish(vhost, "", "q", [1])
    let_die(queue)
    vhost.remove_queue(queue)
    publish(vhost, "", "dead", [2])
    put(vhost, "dead", (3).to_bytes(8, "big"), headers={"x-death": [{"queue": 1}]})
    put(vhost, "dead", (4).to_bytes(8, "big"), headers={"x-death": "text"})
    assert done(replay(dead)) == (0, 4, 0)
    assert numbers(peek(dead)) == [1, 2, 3, 4]
    assert nothing_is_left(vhost)


def test_the_newest_death_counts() -> None:
    deaths = [
        {"exchange": "x", "queue": "second", "routing-keys": ["a", "b"]},
        {"exchange": "", "queue": "first", "routing-keys": ["first"]},
    ]
    assert origin(message(1)) is None
    assert origin(pack(Properties(headers={"x-death": deaths}).encode(), b"")) == ("x", ("a", "b"), "second")


# -- the journal ---------------------------------------------------------------------------------------------


def two_durable() -> Kept:
    kept = live()
    for name in ("q", "r"):
        kept.vhost.declare_queue(name, durable=True)
    return kept


def test_a_message_is_in_the_new_place_and_gone_from_the_old_in_one_write() -> None:
    kept = two_durable()
    q, r = kept.vhost.queues.values()
    publish(kept.vhost, "", "q", [1, 2, 3], persistent=True)
    assert done(move(q, ToQueue(kept.vhost, r), Selection(positions=[0, 2]))) == (2, 0, 0)
    assert notes(kept)[1:] == [
        (
            Published([(r.id, 0)], "", ("q",), [message(1)]),
            Settled(q.id, 0, 0),
            Published([(r.id, 1)], "", ("q",), [message(3)]),
            Settled(q.id, 2, 2),
        )
    ]


@pytest.mark.parametrize("priorities", [False, True])
def test_what_is_in_the_journal_alone_is_moved_and_the_rest_of_it_stays_there(
    monkeypatch: pytest.MonkeyPatch, priorities: bool
) -> None:
    monkeypatch.setattr("menura.core.backlog.RESIDENT_BYTES_MAX", 500)
    monkeypatch.setattr("menura.core.paging._READ_MESSAGES_MAX", 7)
    kept = two_durable()
    vhost = kept.vhost
    if priorities:
        vhost.remove_queue(vhost.queues["q"])
        vhost.declare_queue("q", durable=True, arguments=PRIORITIES)
    q, r = vhost.queues["q"], vhost.queues["r"]
    publish(vhost, "", "q", range(100), persistent=True)
    publish(vhost, "", "q", range(100, 200), persistent=True)
    wanted = [position for position in range(200) if position % 10 in (3, 4)]
    assert done(move(q, ToQueue(vhost, r), Selection(positions=wanted))) == (40, 0, 0)
    assert done(delete(q, Selection(skip=150))) == (10, 0, 0)
    left = [number for number in range(200) if number not in wanted][:150]
    assert (numbers(peek(q)), numbers(peek(r))) == (left, wanted)
    assert q._paged_count > 0
    assert kept.messages(q) == dict(zip(left, left, strict=True))
    kept = kept.next_life()
    q, r = kept.vhost.queues["q"], kept.vhost.queues["r"]
    assert (numbers(peek(q)), numbers(peek(r))) == (left, wanted)
    assert nothing_is_left(kept.vhost)
    assert kept.messages(q) == {}


def test_nothing_is_written_for_what_was_never_to_last() -> None:
    kept = two_durable()
    q, r = kept.vhost.queues.values()
    publish(kept.vhost, "", "q", [1, 2, 3])
    done(move(q, ToQueue(kept.vhost, r)))
    assert notes(kept) == []
    assert numbers(peek(r)) == [1, 2, 3]
