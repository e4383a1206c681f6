"""Exchanges that choose by chance, and one that remembers: what that does to runs, to memory and to a restart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.domain import a_vhost, message, number_of, numbered, numbers_of, publish, run_of, take_all
from tests.core.kept import live

from menura.core import fields
from menura.core.content import pack
from menura.core.errors import PreconditionFailed
from menura.core.exchange import Exchange
from menura.core.exchanges.recent_history import HISTORY_BYTES_MAX, LENGTH, LENGTH_DEFAULT, NO_STORE
from menura.core.memory import MemoryAccount
from menura.core.node import Node
from menura.core.properties import Properties
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.vhost import VHost

NAMES = ["a", "b", "c"]


def declare(vhost: VHost, kind: str, name: str = "x", **arguments: int | str) -> Exchange:
    encoded = {key.replace("_", "-"): fields.encode_value(value) for key, value in arguments.items()}
    return vhost.declare_exchange(name, kind, durable=True, arguments=encoded)


def history(vhost: VHost, length: int | None = None) -> Exchange:
    return declare(vhost, "x-recent-history", **({LENGTH: length} if length is not None else {}))


def a_queue(vhost: VHost, name: str, exchange: str = "x") -> Queue:
    queue = vhost.declare_queue(name, durable=True)
    vhost.bind(exchange, queue, "", {})
    return queue


def private(number: int) -> bytes:
    return pack(Properties(headers={NO_STORE: True}).encode(), number.to_bytes(8, "big"))


# -- by chance -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["x-random", "x-local-random"])
def test_a_run_is_divided_by_chance_and_keeps_its_order(kind: str) -> None:
    vhost = a_vhost()
    declare(vhost, kind)
    queues = [a_queue(vhost, name) for name in NAMES]
    assert publish(vhost, "x", "k", range(3000)) == []
    held = [numbers_of(queue.take(3000)[1]) for queue in queues]
    assert [queue.ready_count for queue in queues] == [0, 0, 0], "each got one run"
    assert sorted(number for numbers in held for number in numbers) == list(range(3000))
    assert held == [sorted(numbers) for numbers in held]
    assert all(900 < len(numbers) < 1100 for numbers in held)


def test_the_same_name_has_the_same_luck_again() -> None:
    """No source of randomness is asked, so that a simulation can be repeated."""
    luck = []
    for name in ("x", "x", "y"):
        vhost = a_vhost()
        declare(vhost, "x-random", name)
        queues = [a_queue(vhost, each, name) for each in NAMES]
        publish(vhost, name, "k", range(100))
        luck.append([take_all(queue) for queue in queues])
    assert luck[0] == luck[1] != luck[2]


def test_messages_that_go_to_more_than_one_queue_do_not_overtake_others() -> None:
    vhost = a_vhost()
    declare(vhost, "x-random")
    queues = [a_queue(vhost, name) for name in NAMES]
    every = vhost.declare_queue("every")
    vhost.bind("amq.fanout", vhost.exchange("x"), "", {})
    vhost.bind("amq.fanout", every, "", {})
    publish(vhost, "amq.fanout", "k", range(100))
    assert take_all(every) == list(range(100))
    held = [take_all(queue) for queue in queues]
    assert held == [sorted(numbers) for numbers in held]
    assert sum(map(len, held)) == 100


def test_what_one_of_the_queues_refuses_is_told_with_all_that_follows() -> None:
    vhost = a_vhost()
    declare(vhost, "x-random")
    limits = {"x-max-length": fields.encode_value(3), "x-overflow": fields.encode_value("reject-publish")}
    queues = [vhost.declare_queue(NAMES[0], arguments=limits), vhost.declare_queue(NAMES[1])]
    for queue in queues:
        vhost.bind("x", queue, "", {})
    publish(vhost, "x", "k", range(50))
    refused = vhost.take_refused()
    limited, other = (take_all(queue) for queue in queues)
    assert len(limited) == 3
    lost = set(range(50)) - {*limited, *other}
    assert min(lost) == 50 - refused


def test_a_local_random_exchange_is_for_classic_queues_and_the_empty_key() -> None:
    vhost = a_vhost()
    declare(vhost, "x-local-random")
    queue = vhost.declare_queue("q")
    quorum = vhost.declare_queue("r", durable=True, arguments={"x-queue-type": fields.encode_value("quorum")})
    refusals = (
        (queue, "k", "Non empty binding 'k' key not permitted"),
        (vhost.exchange("amq.fanout"), "", "Destination not found"),
        (quorum, "", "Queue type rabbit_quorum_queue not valid for this exchange type"),
        (quorum, "k", "Non empty binding 'k' key not permitted"),
    )
    for destination, key, why in refusals:
        with pytest.raises(PreconditionFailed, match=f"^{why}$"):
            vhost.bind("x", destination, key, {})
    vhost.bind("x", queue, "", {})
    assert publish(vhost, "x", "any key", [1]) == []


def test_chance_behind_headers_is_not_remembered() -> None:
    vhost = a_vhost()
    declare(vhost, "x-random")
    queues = [a_queue(vhost, name) for name in NAMES]
    vhost.bind("amq.headers", vhost.exchange("x"), "", {"n": fields.encode_value(1)})
    route = Route("amq.headers", "")
    content = pack(Properties(headers={"n": 1}).encode(), b"")
    assert vhost.publish(route, run_of(route, [content] * 100)) == []
    assert min(queue.ready_count for queue in queues) > 15
    assert route.answers == {}


# -- remembering ---------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=9), max_size=9), st.integers(1, 8))
def test_the_last_messages_are_handed_on_whatever_runs_they_came_in(runs: list[list[bool]], length: int) -> None:
    vhost = a_vhost()
    history(vhost, length)
    remembered: list[int] = []
    number = 0
    for run in runs:
        contents = []
        for hidden in run:
            number += 1
            contents.append(private(number) if hidden else message(number))
            remembered += [] if hidden else [number]
        route = Route("x", "k")
        assert len(vhost.publish(route, run_of(route, contents))) == len(run)
    assert take_all(a_queue(vhost, "q")) == remembered[-length:]
    vhost.remove_queue(vhost.queues["q"])
    vhost.delete_exchange("x")
    assert vhost.memory.used_bytes == 0


def test_a_history_behind_a_topic_exchange_comes_in_order_too() -> None:
    vhost = a_vhost()
    history(vhost)
    publish(vhost, "x", "a.b", range(5))
    queue = vhost.declare_queue("q")
    vhost.bind("amq.topic", queue, "a.*", {})
    vhost.bind("x", vhost.exchange("amq.topic"), "", {})
    assert take_all(queue) == list(range(5))


def test_a_history_is_kept_where_headers_choose() -> None:
    vhost = a_vhost()
    history(vhost)
    vhost.bind("amq.headers", vhost.exchange("x"), "", {"n": fields.encode_value(1)})
    route = Route("amq.headers", "")
    contents = [pack(Properties(headers={"n": n % 2}).encode(), n.to_bytes(8, "big")) for n in range(6)]
    vhost.publish(route, run_of(route, contents))
    assert take_all(a_queue(vhost, "q")) == [1, 3, 5]


def test_a_queue_may_add_to_its_run_without_changing_the_history() -> None:
    vhost = a_vhost()
    history(vhost)
    queue = a_queue(vhost, "q")
    route = Route("x", "k")
    for n in range(3):
        vhost.publish(route, numbered(route, [n]))
    assert take_all(queue) == [0, 1, 2]
    assert take_all(a_queue(vhost, "r")) == [0, 1, 2]
    assert take_all(a_queue(vhost, "s")) == [0, 1, 2]


def test_what_is_handed_on_is_as_durable_as_it_was() -> None:
    kept = live()
    history(kept.vhost)
    publish(kept.vhost, "x", "k", [1, 2], persistent=True)
    publish(kept.vhost, "x", "k", [3])
    queue = a_queue(kept.vhost, "q")
    kept.flush()
    assert sorted(kept.messages(queue).values()) == [1, 2]
    again = kept.next_life().vhost
    assert take_all(again.queues["q"]) == [1, 2]
    assert take_all(a_queue(again, "r")) == [], "the history itself is not kept"


def test_a_history_weighs_and_what_is_forgotten_does_not() -> None:
    memory = MemoryAccount()
    vhost = VHost("/", memory)
    history(vhost, 2)
    publish(vhost, "x", "k", [1, 2])
    full_bytes = memory.used_bytes
    assert full_bytes > 2 * len(message(1))
    publish(vhost, "x", "k", range(50))
    assert memory.used_bytes == full_bytes
    vhost.delete_exchange("x")
    assert memory.used_bytes == 0


def test_a_virtual_host_takes_its_histories_with_it() -> None:
    node = Node(bytes)
    history(node.add_vhost("v"))
    publish(node.vhosts["v"], "x", "k", [1, 2])
    assert node.memory.used_bytes > 0
    node.delete_vhost("v")
    assert node.memory.used_bytes == 0


def test_a_history_is_limited_in_bytes_however_long_it_may_be() -> None:
    vhost = a_vhost()
    history(vhost, 1 << 40)
    size_bytes = HISTORY_BYTES_MAX // 8
    for n in range(20):
        route = Route("x", "k")
        vhost.publish(route, numbered(route, [n], padding=size_bytes))
    assert vhost.memory.used_bytes <= HISTORY_BYTES_MAX
    held = take_all(a_queue(vhost, "q"))
    assert held == list(range(20))[-len(held) :]
    assert len(held) == 7


def test_histories_do_not_grow_when_memory_is_scarce() -> None:
    memory = MemoryAccount(watermark_bytes=100_000)
    vhost = VHost("/", memory)
    history(vhost, 1000)
    for n in range(1000):
        route = Route("x", "k")
        vhost.publish(route, numbered(route, [n], padding=1000))
    assert not memory.blocked
    assert 40_000 < memory.used_bytes < 60_000, "half of the watermark"
    newest = vhost.exchange("x").recorded()[-1]
    assert number_of(newest.contents[-1]) == 999


def test_a_length_that_is_not_given_is_twenty() -> None:
    vhost = a_vhost()
    history(vhost)
    publish(vhost, "x", "k", range(100))
    assert len(take_all(a_queue(vhost, "q"))) == LENGTH_DEFAULT == 20
