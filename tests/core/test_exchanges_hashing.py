"""The ring: who owns a value, how even the shares are, what moves when somebody comes or goes, and what never does."""

from __future__ import annotations

import statistics
from collections import Counter

import pytest
from benchmarks.hashing import CHART, COUNTS, shares, svg
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.core.domain import a_vhost, numbered, operations, publish, run_of, take_all
from tests.core.kept import Kept, live

from menura.core import fields
from menura.core.content import pack
from menura.core.errors import PreconditionFailed
from menura.core.exchange import Exchange
from menura.core.exchanges.consistent_hash import WEIGHT_MAX, WEIGHTS_MAX
from menura.core.exchanges.modulus_hash import phash2
from menura.core.exchanges.ring import POINTS, Ring
from menura.core.properties import Properties
from menura.core.routing import Route
from menura.core.vhost import VHost

VALUES = [b"value %d" % n for n in range(5_000)]
NAMES = [f"queue {n}" for n in range(6)]


def ring_of(names: list[str], weights: dict[str, int] | None = None) -> Ring[str]:
    ring: Ring[str] = Ring()
    for name in names:
        ring.add(name, name, (weights or {}).get(name, 1))
    return ring


def owners(ring: Ring[str], values: list[bytes] = VALUES) -> list[str | None]:
    return [ring.member(value) for value in values]


# -- the ring ------------------------------------------------------------------------------------------------


def test_an_empty_ring_belongs_to_nobody() -> None:
    ring: Ring[str] = Ring()
    assert ring.member(b"value") is None
    ring.add("a", "a", 1)
    assert ring.member(b"value") == "a"
    ring.remove("a")
    assert ring.member(b"value") is None


def test_the_owners_are_those_they_have_always_been() -> None:
    """In every process, version of Python and byte order: a moved value would be an update that loses its order."""
    ring = ring_of(["queue a", "queue b", "queue c", "queue d"])
    assert [(ring.member(value) or "")[-1] for value in VALUES[:40]] == list(OWNERS)


OWNERS = "bbdabbdddcabbadccdddcdacccaadbdbdbbbacbb"


@given(st.permutations(NAMES), st.dictionaries(st.sampled_from(NAMES), st.integers(1, 5)))
def test_the_order_of_arrival_means_nothing(names: list[str], weights: dict[str, int]) -> None:
    assert owners(ring_of(names, weights), VALUES[:200]) == owners(ring_of(NAMES, weights), VALUES[:200])


@pytest.mark.parametrize("count", COUNTS)
def test_the_shares_are_even(count: int) -> None:
    found = shares(count)
    assert statistics.pstdev(found) < 0.09
    assert 0.7 < min(found)
    assert max(found) < 1.3


@pytest.mark.parametrize("count", COUNTS)
def test_one_that_leaves_moves_its_own_share_and_no_more(count: int) -> None:
    names = [f"queue {n}" for n in range(count)]
    ring = ring_of(names)
    before = owners(ring)
    ring.remove(names[0])
    after = owners(ring)
    moved = [at for at, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    assert moved == [at for at, owner in enumerate(before) if owner == names[0]]
    assert 0.5 < len(moved) * count / len(VALUES) < 1.6
    ring.add(names[0], names[0], 1)
    assert owners(ring) == before


def test_the_chart_in_the_documents_is_that_of_this_ring() -> None:
    assert CHART.read_text(encoding="utf-8") == svg()


def test_what_one_leaves_is_spread_over_the_others() -> None:
    names = [f"queue {n}" for n in range(10)]
    ring = ring_of(names)
    before = owners(ring)
    ring.remove(names[0])
    heirs = Counter(new for old, new in zip(before, owners(ring), strict=True) if old == names[0])
    assert heirs.keys() == set(names[1:])
    assert max(heirs.values()) < 0.35 * heirs.total()


@pytest.mark.parametrize("weight", [2, 5, 20])
def test_a_weight_is_a_share_in_proportion(weight: int) -> None:
    ring = ring_of(NAMES, {NAMES[0]: weight})
    share = owners(ring).count(NAMES[0]) / len(VALUES)
    assert share == pytest.approx(weight / (len(NAMES) - 1 + weight), rel=0.2)


def test_who_gains_weight_keeps_what_it_had() -> None:
    light, heavy = owners(ring_of(NAMES)), owners(ring_of(NAMES, {NAMES[2]: 4}))
    changes = {(old, new) for old, new in zip(light, heavy, strict=True) if old != new}
    assert {new for _, new in changes} == {NAMES[2]}
    assert {old for old, _ in changes} == set(NAMES) - {NAMES[2]}


class RingAgainstAPlainOne(RuleBasedStateMachine):
    """Whoever comes and goes: a value belongs to the member whose point is next, found the slow way."""

    def __init__(self) -> None:
        super().__init__()
        self.ring: Ring[str] = Ring()
        self.weights: dict[str, int] = {}

    @rule(name=st.sampled_from(NAMES), weight=st.integers(1, 3))
    def come_or_go(self, name: str, weight: int) -> None:
        if self.weights.pop(name, None) is not None:
            self.ring.remove(name)
        else:
            self.weights[name] = weight
            self.ring.add(name, name, weight)

    @rule()
    def look(self) -> None:
        fresh = ring_of(sorted(self.weights), self.weights)
        assert owners(self.ring, VALUES[:50]) == owners(fresh, VALUES[:50])
        assert len(self.ring._points) == POINTS * sum(self.weights.values())


TestRingAgainstAPlainOne = RingAgainstAPlainOne.TestCase


def test_looking_costs_the_same_however_many_there_are() -> None:
    costs = []
    for count in (2, 200):
        ring = ring_of([f"queue {n}" for n in range(count)])
        ring.member(b"settled")
        costs.append(operations(lambda ring=ring: ring.member(b"value")))  # type: ignore[misc]
    assert costs[1] == costs[0]


def test_a_ring_is_put_together_once_however_many_come() -> None:
    ring = ring_of([f"queue {n}" for n in range(50)])
    assert ring._points == []
    ring.member(b"value")
    assert len(ring._points) == 50 * POINTS


# -- the exchange --------------------------------------------------------------------------------------------


def bound(vhost: VHost, names: list[str], exchange: str = "x", key: str = "1", **arguments: str) -> Exchange:
    encoded = {name.replace("_", "-"): fields.encode_value(value) for name, value in arguments.items()}
    made = vhost.declare_exchange(exchange, "x-consistent-hash", durable=True, arguments=encoded)
    for name in names:
        vhost.bind(exchange, vhost.declare_queue(name, durable=True), key, {})
    return made


def placed(vhost: VHost) -> dict[str, list[int]]:
    """Where the numbers from 0 to 299 lie, published under themselves as keys."""
    for n in range(300):
        assert publish(vhost, "x", str(n), [n]) == []
    return {name: take_all(queue) for name, queue in vhost.queues.items()}


def test_each_key_has_its_queue() -> None:
    vhost = a_vhost()
    bound(vhost, NAMES)
    held = placed(vhost)
    assert sorted(n for numbers in held.values() for n in numbers) == list(range(300))
    assert all(held.values())
    assert placed(vhost) == held


def test_queues_have_the_same_keys_after_a_restart() -> None:
    kept: Kept = live()
    bound(kept.vhost, NAMES[::-1])
    held = placed(kept.vhost)
    assert placed(kept.next_life().vhost) == held


def test_exchanges_with_the_same_queues_agree() -> None:
    vhost = a_vhost()
    bound(vhost, NAMES)
    held = placed(vhost)
    vhost.delete_exchange("x")
    bound(vhost, NAMES[::-1])
    assert placed(vhost) == held


def test_a_queue_of_the_same_name_gets_the_same_share() -> None:
    vhost = a_vhost()
    bound(vhost, NAMES)
    held = placed(vhost)
    vhost.remove_queue(vhost.queues[NAMES[3]])
    vhost.bind("x", vhost.declare_queue(NAMES[3]), "1", {})
    assert placed(vhost) == held


def test_a_route_remembers_the_choice_by_its_key() -> None:
    vhost = a_vhost()
    bound(vhost, NAMES)
    route = Route("x", "k")
    vhost.publish(route, numbered(route, [1]))
    assert not route.special
    assert len(route.queues) == 1


def test_a_run_is_divided_by_header_and_keeps_its_order() -> None:
    vhost = a_vhost()
    bound(vhost, NAMES, hash_header="h")
    route = Route("x", "k")
    contents = [pack(Properties(headers={"h": n % 7}).encode(), b"%d" % n) for n in range(100)]
    assert vhost.publish(route, run_of(route, contents)) == []
    at = {content: number for number, content in enumerate(contents)}
    seen: dict[int, str] = {}
    for name, queue in vhost.queues.items():
        held = []
        while queue.ready_count:
            held += [at[content] for content in queue.take(100)[1].contents]
        assert held == sorted(held)
        for number in held:
            assert seen.setdefault(number % 7, name) == name


def test_the_oldest_binding_of_a_queue_counts_until_it_goes() -> None:
    vhost = a_vhost()
    exchange = bound(vhost, NAMES[:2])
    queue = vhost.queues[NAMES[0]]
    held = placed(vhost)
    vhost.bind("x", queue, "100", {})
    assert placed(vhost) == held
    vhost.unbind("x", queue, "1", {})
    assert len(placed(vhost)[NAMES[0]]) > 270
    vhost.bind("x", queue, "1", {})
    vhost.unbind("x", queue, "100", {})
    assert placed(vhost) == held
    vhost.unbind("x", queue, "1", {})
    assert placed(vhost)[NAMES[1]] == list(range(300))
    assert exchange.kind == "x-consistent-hash"


def test_weights_have_a_limit_each_and_in_sum() -> None:
    vhost = a_vhost()
    bound(vhost, [f"q{n}" for n in range(WEIGHTS_MAX // WEIGHT_MAX)], key=str(WEIGHT_MAX))
    queue = vhost.declare_queue("one more")
    with pytest.raises(PreconditionFailed, match=f"^The binding key must not exceed {WEIGHT_MAX}$"):
        vhost.bind("x", queue, str(WEIGHT_MAX + 1), {})
    with pytest.raises(
        PreconditionFailed, match=f"^The binding keys of exchange 'x' must not exceed {WEIGHTS_MAX} in sum$"
    ):
        vhost.bind("x", queue, "1", {})
    with pytest.raises(PreconditionFailed, match="in sum"):
        vhost.bind("x", vhost.queues["q0"], "1", {})
    vhost.bind("x", vhost.queues["q0"], str(WEIGHT_MAX), {})  # as before
    vhost.unbind("x", vhost.queues["q1"], str(WEIGHT_MAX), {})
    vhost.bind("x", queue, "1", {})


def test_the_modulus_is_that_of_erlang() -> None:
    """Values of `erlang:phash2(Keys, 1 bsl 32)`, seen with OTP 25."""
    seen = {
        ("k",): 2013669284,
        ("",): 440873397,
        ("hello world this is long key",): 1812955060,
        ("a", "b"): 3761191278,
        ("123456789012",): 1093323749,
    }
    assert {keys: phash2(keys) for keys in seen} == seen
