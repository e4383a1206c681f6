"""Messages are looked at where they wait, and nothing changes by it: which are found, in which order, up to what."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.domain import a_vhost, numbered, publish, take_all
from tests.core.kept import Kept, live

from menura.core import properties
from menura.core.browsing import STEP_BYTES_MAX, Peek, Seeing
from menura.core.content import pack
from menura.core.errors import PreconditionFailed
from menura.core.line import BEGINNING, Mark
from menura.core.properties import Properties
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.selecting import PATTERN_BODY_BYTES_MAX, Selection
from menura.core.vhost import VHost

PRIORITIES = {"x-max-priority": b"b\x09"}


@pytest.fixture
def vhost() -> VHost:
    return a_vhost()


@pytest.fixture
def q(vhost: VHost) -> Queue:
    return vhost.declare_queue("q")


def put(vhost: VHost, key: str, body: bytes, exchange: str = "", persistent: bool = False, **fields: Any) -> None:
    content = pack(Properties(**fields).encode(), body)
    deadline_ms = int(fields["expiration"]) + vhost.agenda.wall_ms if "expiration" in fields else 0
    route = Route(exchange, key)
    vhost.publish(route, Run(route, [content], len(content), len(content), persistent, deadline_ms=deadline_ms))


def peek(queue: Queue, *, bounds: dict[str, Any] | None = None, **choice: Any) -> Seeing:
    look = Peek(queue, Selection(**choice), **(bounds or {}))
    while look.step():
        pass
    return look.result


def bodies(seeing: Seeing) -> list[bytes]:
    return [message.body for message in seeing.messages]


def numbers(seeing: Seeing) -> list[int]:
    return [int.from_bytes(body[:8], "big") for body in bodies(seeing)]


def state(queue: Queue) -> tuple[Any, ...]:
    memory = queue.vhost.memory.used_bytes
    waiting = [(place.position, len(place.waiting), type(place.waiting)) for place in queue.places]
    return queue.ready_count, queue.ready_bytes, queue._paged_count, queue._paged_bytes, memory, waiting


# -- what is told of a message -------------------------------------------------------------------------------


def test_a_message_is_told_with_all_that_is_known_of_it(vhost: VHost, q: Queue) -> None:
    vhost.agenda.epoch_ms = 1_000_000
    vhost.bind("amq.topic", q, "a.*", {})
    put(vhost, "a.b", b"hello", "amq.topic", headers={"n": 1}, content_type="text/plain", expiration="500")
    [message] = peek(q).messages
    assert message.position == 0
    assert not message.redelivered
    assert (message.exchange, message.routing_keys) == ("amq.topic", ("a.b",))
    assert message.properties == Properties(headers={"n": 1}, content_type="text/plain", expiration="500")
    assert (message.body, message.body_bytes, message.due_ms) == (b"hello", 5, 1_000_500)


def test_a_body_is_cut_where_that_is_asked_for(vhost: VHost, q: Queue) -> None:
    put(vhost, "q", b"0123456789")
    [message] = peek(q, bounds={"body_bytes_max": 4}).messages
    assert (message.body, message.body_bytes) == (b"0123", 10)


def test_properties_that_cannot_be_read_are_no_reason_to_stop(vhost: VHost, q: Queue) -> None:
    content = pack(b"\x80\x00\x05", b"body")
    with pytest.raises(properties.PropertiesError):
        Properties.decode(b"\x80\x00\x05")
    vhost.publish(Route("", "q"), Run(Route("", "q"), [content], len(content), len(content), False))
    assert bodies(peek(q)) == [b"body"]
    assert peek(q, headers={"n": ...}).messages == []


# -- order ---------------------------------------------------------------------------------------------------


def test_messages_are_told_in_the_order_in_which_they_would_go_out(vhost: VHost, q: Queue) -> None:
    publish(vhost, "", "q", range(5))
    position, run, _ = q.take(2)
    q.requeue(position, run)
    found = peek(q)
    assert numbers(found) == [0, 1, 2, 3, 4]
    assert [message.redelivered for message in found.messages] == [True, True, False, False, False]


def test_higher_priorities_come_first(vhost: VHost) -> None:
    queue = vhost.declare_queue("p", arguments=PRIORITIES)
    for number, priority in enumerate([1, 5, 1, 9, 5]):
        put(vhost, "p", number.to_bytes(8, "big"), priority=priority)
    found = peek(queue)
    assert numbers(found) == [3, 1, 4, 0, 2] == take_all(queue)
    assert [message.rank for message in found.messages] == [9, 5, 5, 1, 1]


@pytest.mark.parametrize("step_messages", [1, 3, 1000])
@pytest.mark.parametrize("priorities", [False, True])
def test_steps_of_any_size_find_the_same(monkeypatch: pytest.MonkeyPatch, step_messages: int, priorities: bool) -> None:
    monkeypatch.setattr("menura.core.browsing.STEP_MESSAGES_MAX", step_messages)
    vhost = a_vhost()
    queue = vhost.declare_queue("q", arguments=PRIORITIES if priorities else {})
    for number in range(0, 60, 6):
        publish(vhost, "", "q", range(number, number + 6))
        if number % 4:
            put(vhost, "q", number.to_bytes(8, "big"), priority=number % 9)
    expected = numbers(peek(queue))
    assert numbers(peek(queue, skip=7, count=20)) == expected[7:27]
    assert expected == take_all(queue)


def test_what_is_taken_and_returned_between_steps_is_found_once(monkeypatch: pytest.MonkeyPatch, q: Queue) -> None:
    monkeypatch.setattr("menura.core.browsing.STEP_MESSAGES_MAX", 4)
    publish(q.vhost, "", "q", range(10))
    look = Peek(q, Selection())
    assert look.step()
    position, run, _ = q.take(6)
    q.requeue(position, run)
    while look.step():
        pass
    assert numbers(look.result) == list(range(10))


@pytest.mark.parametrize("priorities", [False, True])
def test_what_comes_between_steps_is_not_looked_at(monkeypatch: pytest.MonkeyPatch, priorities: bool) -> None:
    monkeypatch.setattr("menura.core.browsing.STEP_MESSAGES_MAX", 2)
    vhost = a_vhost()
    queue = vhost.declare_queue("q", arguments=PRIORITIES if priorities else {})
    publish(vhost, "", "q", range(5))
    look = Peek(queue, Selection())
    steps = 0
    while look.step():
        publish(vhost, "", "q", [100 + steps])
        steps += 1
    assert numbers(look.result) == list(range(5))
    assert steps < 10


# -- which ---------------------------------------------------------------------------------------------------


def test_positions_find_single_messages(q: Queue) -> None:
    publish(q.vhost, "", "q", range(100))
    q.settle(*q.take(10)[:2])
    found = peek(q, positions=[5, 10, 50, 99, 1000])
    assert numbers(found) == [10, 50, 99]


def test_what_was_published_by_name_is_found(vhost: VHost, q: Queue) -> None:
    vhost.bind("amq.fanout", q, "", {})
    put(vhost, "q", b"direct")
    put(vhost, "k", b"fanned", "amq.fanout")
    assert bodies(peek(q, exchange="amq.fanout")) == [b"fanned"]
    assert bodies(peek(q, exchange="", routing_key="q")) == [b"direct"]
    assert bodies(peek(q, routing_key="other")) == []


def test_further_keys_count_as_routing_keys(vhost: VHost, q: Queue) -> None:
    route = Route("", "q", ("copied",))
    vhost.publish(route, numbered(route, [1]))
    assert numbers(peek(q, routing_key="copied")) == [1]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"n": 1}, [b"one"]),
        ({"n": ...}, [b"one", b"true"]),
        ({"n": True}, [b"true"]),
        ({"n": 1, "s": "x"}, [b"one"]),
        ({"n": 1, "s": "y"}, []),
        ({"missing": ...}, []),
    ],
)
def test_headers_are_equal_or_just_there(
    vhost: VHost, q: Queue, headers: dict[str, Any], expected: list[bytes]
) -> None:
    put(vhost, "q", b"one", headers={"n": 1, "s": "x"})
    put(vhost, "q", b"true", headers={"n": True})
    put(vhost, "q", b"none")
    assert bodies(peek(q, headers=headers)) == expected


def test_properties_are_equal_or_just_there(vhost: VHost, q: Queue) -> None:
    put(vhost, "q", b"a", message_id="1", priority=3)
    put(vhost, "q", b"b", message_id="2", priority=3)
    put(vhost, "q", b"c")
    assert bodies(peek(q, properties={"priority": 3, "message_id": "2"})) == [b"b"]
    assert bodies(peek(q, properties={"message_id": ...})) == [b"a", b"b"]


def test_bodies_are_searched(vhost: VHost, q: Queue) -> None:
    for body in (b"order 17", b"order 18", "Bestellung f\u00fcr 17".encode(), b"\xff\xfe"):
        put(vhost, "q", body)
    assert bodies(peek(q, body_contains=b"17")) == [b"order 17", "Bestellung f\u00fcr 17".encode()]
    assert bodies(peek(q, body_matches=r"^order \d+8$")) == [b"order 18"]
    assert bodies(peek(q, body_matches="f\u00fcr")) == ["Bestellung f\u00fcr 17".encode()]


def test_an_expression_that_would_search_for_ever_does_not(vhost: VHost, q: Queue) -> None:
    put(vhost, "q", b"a" * 5000 + b"!")
    assert bodies(peek(q, body_matches="(a+)+$")) == []


def test_an_expression_is_looked_for_in_the_beginning_of_a_body(vhost: VHost, q: Queue) -> None:
    put(vhost, "q", bytes(PATTERN_BODY_BYTES_MAX - 1) + b"!!")
    assert len(bodies(peek(q, body_matches="!"))) == 1
    assert bodies(peek(q, body_matches="!!")) == []
    assert len(bodies(peek(q, body_contains=b"!!"))) == 1


@pytest.mark.parametrize(
    "choice", [{"body_matches": "("}, {"properties": {"colour": 1}}, {"properties": {"headers": 1}}, {"count": -1}]
)
def test_a_choice_that_makes_no_sense_is_refused(q: Queue, choice: dict[str, Any]) -> None:
    with pytest.raises(PreconditionFailed):
        peek(q, **choice)


# -- going on ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bounds", [{"bytes_max": 40}, {"examined_max": 1}, {}])
def test_another_look_goes_on_where_one_has_ended(
    vhost: VHost, q: Queue, bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("menura.core.browsing.STEP_MESSAGES_MAX", 4)
    for number in range(20):
        put(vhost, "q", number.to_bytes(8, "big"))
    found: list[int] = []
    mark: Mark | None = BEGINNING
    while mark is not None:
        seeing = peek(q, bounds={**bounds, "after": mark}, count=7)
        assert seeing.messages or seeing.mark is None  # it cannot know that nothing follows
        found += numbers(seeing)
        mark = seeing.mark
    assert found == list(range(20))


def test_there_is_nothing_to_go_on_with_behind_the_last(vhost: VHost, q: Queue) -> None:
    put(vhost, "q", b"m")
    assert peek(q).mark is None
    assert peek(q, count=2).mark is None


# -- bounds --------------------------------------------------------------------------------------------------


def test_a_peek_ends_at_each_of_its_bounds(q: Queue) -> None:
    publish(q.vhost, "", "q", range(5000))
    assert len(peek(q, count=0).messages) == 0
    found = peek(q, count=3)
    assert (numbers(found), found.examined, found.complete) == ([0, 1, 2], 3, True)
    found = peek(q, bounds={"bytes_max": 20})
    assert (numbers(found), found.complete) == ([0, 1], False)
    found = peek(q, body_contains=b"no such", bounds={"examined_max": 2000})
    assert (found.messages, found.complete) == ([], False)
    assert 2000 <= found.examined < 5000
    found = peek(q)
    assert (numbers(found), found.complete) == (list(range(5000)), True)


def test_a_step_ends_with_its_octets_and_its_time(vhost: VHost, q: Queue) -> None:
    for _ in range(5):
        put(vhost, "q", bytes(STEP_BYTES_MAX // 2))
    look = Peek(q, Selection())
    assert look.step()
    assert look.result.examined == 2
    seconds = iter(range(1000))
    vhost.agenda.clock = lambda: next(seconds)
    look = Peek(q, Selection())
    assert [look.step() for _ in range(5)] == [True] * 5
    assert look.result.examined == 5


def test_a_queue_that_is_deleted_meanwhile_ends_the_walk(vhost: VHost, q: Queue) -> None:
    publish(vhost, "", "q", [1])
    look = Peek(q, Selection())
    vhost.remove_queue(q)
    assert not look.step()
    assert look.result.messages == []


def test_what_has_expired_is_not_there_any_more(vhost: VHost, q: Queue) -> None:
    put(vhost, "q", b"soon", expiration="100")
    put(vhost, "q", b"never")
    vhost.agenda.tick(0.05)
    assert bodies(peek(q)) == [b"soon", b"never"]
    now = vhost.agenda.now + 1
    vhost.agenda.clock = lambda: now
    assert bodies(peek(q)) == [b"never"]


# -- the journal ---------------------------------------------------------------------------------------------


def paged(monkeypatch: pytest.MonkeyPatch, count: int, arguments: dict[str, bytes] | None = None) -> tuple[Kept, Queue]:
    """A queue most of which is in the journal alone."""
    monkeypatch.setattr("menura.core.backlog.RESIDENT_BYTES_MAX", 500)
    monkeypatch.setattr("menura.core.paging._READ_MESSAGES_MAX", 7)
    kept = live()
    queue = kept.vhost.declare_queue("q", durable=True, arguments=arguments or {})
    for number in range(count):
        publish(kept.vhost, "", "q", [number], persistent=True)
    return kept, queue


@pytest.mark.parametrize("arguments", [{}, PRIORITIES])
def test_what_is_in_the_journal_alone_is_read_and_stays_there(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, bytes]
) -> None:
    _, queue = paged(monkeypatch, 100, arguments)
    assert queue._paged_count > 80
    before = state(queue)
    assert numbers(peek(queue)) == list(range(100))
    assert numbers(peek(queue, skip=50, count=2)) == [50, 51]
    assert state(queue) == before
    assert take_all(queue) == list(range(100))


def test_only_the_positions_asked_for_are_read_from_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    _, queue = paged(monkeypatch, 1000)
    found = peek(queue, positions=[900, 902])
    assert (numbers(found), found.examined) == ([900, 902], 3)


def test_a_million_messages_are_looked_at_in_bounded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    _, queue = paged(monkeypatch, 300)
    look = Peek(queue, Selection(body_contains=b"nothing has this"))
    steps = 0
    while look.step():
        steps += 1
    assert steps > 300 / 7 - 20
    assert look.result.examined == 300


# -- the first -----------------------------------------------------------------------------------------------


def test_the_head_is_what_leaves_first(vhost: VHost) -> None:
    for arguments in ({}, PRIORITIES):
        queue = vhost.declare_queue(f"head-{len(arguments)}", arguments=arguments)
        assert queue.head is None
        for number in range(3):
            put(vhost, queue.name, b"%d" % number, priority=number)
        while queue.ready_count:
            head = queue.head
            taken = queue.take(1)
            assert taken is not None
            assert taken[1].contents == [head]
        assert queue.head is None


def test_the_head_is_what_has_come_back(vhost: VHost, q: Queue) -> None:
    for number in range(3):
        put(vhost, "q", b"%d" % number)
    first = q.take(1)
    assert first is not None
    q.requeue(first[0], first[1])
    assert q.head == first[1].contents[0]


def test_a_head_in_the_journal_alone_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    _, queue = paged(monkeypatch, 100)
    while queue.head is not None:
        queue.take(1)
    assert queue.paged_count > 0
    assert queue.ready_count == queue.paged_count
