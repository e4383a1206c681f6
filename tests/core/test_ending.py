"""What does not outlive an end, forgotten in a node that goes on: the same as what the next life of it would find."""

from __future__ import annotations

import random

import pytest
from tests.core.domain import publish, take_all
from tests.core.kept import Kept, durable_part, live
from tests.core.test_browsing import PRIORITIES, numbers, peek
from tests.seeds import first_seed

from menura.core.ending import forget_all, forget_transient


@pytest.fixture
def kept() -> Kept:
    return live()


def left(kept: Kept) -> dict[str, list[int]]:
    return {name: take_all(queue) for name, queue in sorted(kept.vhost.queues.items())}


def test_messages_that_are_not_persistent_are_forgotten_and_the_order_stays(kept: Kept) -> None:
    kept.vhost.declare_queue("q", durable=True)
    for number in range(12):
        publish(kept.vhost, "", "q", [number], persistent=number % 3 == 0)
    forget_transient(kept.node)
    assert kept.vhost.queues["q"].ready_count == 4
    assert left(kept) == {"q": [0, 3, 6, 9]}
    assert kept.node.memory.used_bytes == 0


def test_what_has_been_handed_out_and_returned_counts_too(kept: Kept) -> None:
    queue = kept.vhost.declare_queue("q", durable=True)
    publish(kept.vhost, "", "q", [1, 2], persistent=False)
    publish(kept.vhost, "", "q", [3], persistent=True)
    position, run, _ = queue.take(1)  # type: ignore[misc]
    queue.requeue(position, run)
    forget_transient(kept.node)
    assert left(kept) == {"q": [3]}


def test_queues_and_exchanges_that_are_not_durable_are_forgotten(kept: Kept) -> None:
    vhost = kept.vhost
    for durable in (True, False):
        vhost.declare_queue(f"queue {durable}", durable=durable)
        vhost.declare_exchange(f"exchange {durable}", "fanout", durable=durable)
    for source in (True, False):
        for target in (True, False):
            vhost.bind(f"exchange {source}", vhost.queues[f"queue {target}"], "", {})
    forget_transient(kept.node)
    assert list(vhost.queues) == ["queue True"]
    assert "exchange False" not in vhost.exchanges
    assert "amq.topic" in vhost.exchanges
    publish(vhost, "exchange True", "", [1], persistent=True)
    assert left(kept) == {"queue True": [1]}


@pytest.mark.parametrize("number", range(6))
def test_it_is_the_same_as_another_life(number: int) -> None:
    seed = first_seed() + number
    print(f"seed {seed}")
    choose = random.Random(seed)
    kept = live()
    for at in range(4):
        arguments = PRIORITIES if choose.random() < 0.3 else {}
        kept.vhost.declare_queue(f"q{at}", durable=choose.random() < 0.7, arguments=arguments)
    for message in range(60):
        publish(kept.vhost, "", f"q{choose.randrange(4)}", [message], persistent=choose.random() < 0.5)
    kept.flush()
    forget_transient(kept.node)
    kept.flush()
    again = kept.next_life()
    assert seen(kept) == seen(again)


def seen(kept: Kept) -> dict[str, list[int]]:
    """What is in each queue, left there."""
    return {name: numbers(peek(queue)) for name, queue in sorted(kept.vhost.queues.items())}


def test_everything_is_forgotten_and_the_next_life_knows_of_nothing(kept: Kept) -> None:
    node = kept.node
    empty = durable_part(live().node)
    node.add_vhost("v")
    node.describe_vhost("v", protected=True)
    node.add_user("ann", "pw")
    node.users.permit("ann", "v")
    node.parameters.set_global("mine", 1)
    kept.vhost.declare_queue("q", durable=True)
    kept.vhost.policies.set("p", {"pattern": "x", "definition": {"max-length": 1}, "priority": 0, "apply-to": "all"})
    publish(kept.vhost, "", "q", [1], persistent=True)
    forget_all(node)
    kept.flush()
    assert durable_part(node) == empty
    assert durable_part(kept.next_life().node) == empty
    assert node.memory.used_bytes == 0
