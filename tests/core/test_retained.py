"""The last message of each routing key: what is kept, what patterns find, what it costs, and what comes back."""

from __future__ import annotations

import random

import pytest
from tests.core.domain import a_vhost, number_of, numbered, operations
from tests.core.kept import live

from menura.core.exchange import Binding
from menura.core.exchanges import KINDS
from menura.core.queue import Queue
from menura.core.retained import QUEUE
from menura.core.routing import Route
from menura.core.vhost import VHost


def keep(vhost: VHost, key: str, number: int) -> None:
    vhost.retained.keep(numbered(Route("amq.topic", key), [number], persistent=True))


def found(vhost: VHost, pattern: str) -> dict[str, int]:
    runs = list(vhost.retained.match(pattern))
    assert len({run.route.key for run in runs}) == len(runs), "one key twice"
    return {run.route.key: number_of(run.contents[0]) for run in runs}


def test_the_last_message_of_a_key_is_kept() -> None:
    vhost = a_vhost()
    for number in range(3):
        keep(vhost, "a.b", number)
    keep(vhost, "a", 7)
    assert found(vhost, "a.b") == {"a.b": 2}
    assert found(vhost, "#") == {"a": 7, "a.b": 2}
    assert vhost.retained.count == 2
    assert vhost.queues[QUEUE].unsettled_count == 2


def test_what_is_dropped_is_gone_and_weighs_nothing() -> None:
    vhost = a_vhost()
    for key in ("a.b", "a.b.c", "x"):
        keep(vhost, key, 1)
    for key in ("a.b", "a.b.c", "x", "x", "never", "a"):
        vhost.retained.drop(key)
    assert found(vhost, "#") == {}
    assert vhost.retained.count == 0
    assert vhost.memory.used_bytes == 0
    assert not vhost.retained._root.children


@pytest.mark.parametrize("seed", range(10))
def test_a_pattern_finds_the_keys_that_a_binding_with_it_would_take(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    vhost = a_vhost()
    words = ["a", "b", "", "c"]
    keys = {".".join(chance.choices(words, k=chance.randrange(1, 5))) for _ in range(60)} - {""}
    for number, key in enumerate(sorted(keys)):
        keep(vhost, key, number)
    for _ in range(60):
        pattern = ".".join(chance.choices([*words, "*", "#"], k=chance.randrange(1, 5)))
        exchange = KINDS["topic"]("t")
        queue = Queue(vhost, "q")
        if pattern:
            exchange.add(Binding(exchange, queue, pattern, {}))
            assert set(found(vhost, pattern)) == {key for key in keys if queue in exchange.match(key, {})}, pattern


def test_a_match_costs_what_it_finds() -> None:
    costs = []
    for size in (100, 2000):
        vhost = a_vhost()
        for number in range(size):
            keep(vhost, f"device.{number}.state", number)
        costs.append(operations(lambda vhost=vhost: found(vhost, "device.7.#")))  # type: ignore[misc]
    assert costs[0] == costs[1]


def test_what_is_kept_survives_a_restart_and_the_later_message_wins() -> None:
    kept = live()
    for number in range(5):
        keep(kept.vhost, f"key.{number % 2}", number)
    keep(kept.vhost, "gone", 9)
    kept.vhost.retained.drop("gone")
    kept.flush()
    for _ in range(2):
        kept = kept.next_life()
        assert found(kept.vhost, "#") == {"key.0": 4, "key.1": 3}
        assert kept.vhost.queues[QUEUE].unsettled_count == 2
    keep(kept.vhost, "key.0", 10)
    kept.flush()
    assert found(kept.next_life().vhost, "#") == {"key.0": 10, "key.1": 3}


def test_two_messages_of_one_key_after_a_crash_leave_the_later_one() -> None:
    kept = live()
    keep(kept.vhost, "k", 1)
    keep(kept.vhost, "other", 2)
    queue = kept.vhost.queues[QUEUE]
    kept.vhost.append(queue, numbered(Route("amq.topic", "k"), [3], persistent=True))
    kept.flush()
    kept = kept.next_life()
    assert found(kept.vhost, "#") == {"k": 3, "other": 2}
    kept.flush()
    assert sorted(kept.messages(kept.vhost.queues[QUEUE]).values()) == [2, 3]


def test_when_somebody_deletes_the_queue_it_begins_anew() -> None:
    vhost = a_vhost()
    keep(vhost, "a", 1)
    vhost.remove_queue(vhost.queues[QUEUE])
    keep(vhost, "b", 2)
    assert found(vhost, "#") == {"b": 2}
    vhost.retained.drop("b")
    assert vhost.memory.used_bytes == 0


def test_what_clients_send_to_the_queue_by_its_name_is_not_retained() -> None:
    kept, route = live(), Route("", QUEUE)
    keep(kept.vhost, "a", 1)
    kept.vhost.publish(route, numbered(route, [8], persistent=True))
    keep(kept.vhost, "a", 2)
    assert found(kept.vhost, "#") == {"a": 2}
    kept.vhost.publish(route, numbered(route, [9], persistent=True))
    kept.flush()
    kept = kept.next_life()
    assert found(kept.vhost, "#") == {"a": 2}
    kept.flush()
    assert list(kept.messages(kept.vhost.queues[QUEUE]).values()) == [2]
