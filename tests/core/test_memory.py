"""The memory account: charges, releases, the watermark and who is told."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.domain import a_vhost, message, numbered, publish, run_of, take_all

from menura.core.memory import MESSAGE_OVERHEAD_BYTES, RUN_OVERHEAD_BYTES, MemoryAccount
from menura.core.routing import Route
from menura.core.run import Run

ROUTE = Route("", "q")


def run_of_bytes(size_bytes: int) -> Run:
    """One message that is charged with exactly this many bytes."""
    return run_of(ROUTE, [bytes(size_bytes - MESSAGE_OVERHEAD_BYTES)])


def account_told(watermark_bytes: int) -> tuple[MemoryAccount, list[bool]]:
    account = MemoryAccount(watermark_bytes)
    told: list[bool] = []
    account.on_change.append(told.append)
    return account, told


def test_a_message_weighs_its_octets_and_a_constant() -> None:
    account = MemoryAccount()
    run = numbered(ROUTE, range(10), padding=100)
    account.charge(run)
    assert account.used_bytes == run.size_bytes + 10 * MESSAGE_OVERHEAD_BYTES
    account.release(run)
    assert account.used_bytes == 0


@given(st.integers(1, 20), st.integers(2, 5), st.randoms(use_true_random=False))
def test_a_run_of_several_queues_is_charged_once_until_the_last_message_of_the_last_queue_has_gone(
    count: int, queues: int, shuffled: object
) -> None:
    account = MemoryAccount()
    run = numbered(ROUTE, range(count))
    account.charge_shared(run, queues)
    charged = run.size_bytes + count * MESSAGE_OVERHEAD_BYTES
    pieces = [run.piece(at, at + 1) for at in range(count)] * queues
    shuffled.shuffle(pieces)  # type: ignore[attr-defined]
    for piece in pieces:
        assert account.used_bytes == charged
        account.release(piece)
    assert account.used_bytes == 0


def test_above_the_watermark_listeners_are_told_once() -> None:
    account, told = account_told(1000)
    account.charge(run_of_bytes(1000))
    assert not account.blocked
    account.charge(run_of_bytes(100))
    account.charge(run_of_bytes(100))
    account.charge_shared(run_of_bytes(100), 2)
    assert account.blocked
    assert told == [True]


def test_only_well_below_the_watermark_listeners_are_told_again() -> None:
    account, told = account_told(1000)
    runs = [run_of_bytes(900), run_of_bytes(60), run_of_bytes(60)]
    for run in runs:
        account.charge(run)
    account.release(runs[1])
    assert account.used_bytes == 960
    assert told == [True]
    account.release(runs[2])
    assert told == [True, False]
    assert not account.blocked
    account.charge(run_of_bytes(99))
    assert told == [True, False]
    account.charge(run_of_bytes(60))
    assert told == [True, False, True]


def test_a_shared_run_that_crosses_the_watermark_blocks_and_its_end_unblocks() -> None:
    account, told = account_told(1000)
    run = run_of_bytes(2000)
    account.charge_shared(run, 2)
    account.release(run)
    assert told == [True]
    account.release(run)
    assert told == [True, False]


def test_no_watermark_never_blocks() -> None:
    account, told = account_told(0)
    account.charge(run_of_bytes(1 << 20))
    account.charge_shared(run_of_bytes(1 << 20), 2)
    assert (account.blocked, told) == (False, [])


@pytest.mark.parametrize(("watermark_bytes", "blocked"), [(1000, False), (999, True), (1, True), (0, False)])
def test_a_new_watermark_counts_at_once(watermark_bytes: int, blocked: bool) -> None:
    account, told = account_told(2000)
    account.charge(run_of_bytes(1000))
    account.set_watermark(watermark_bytes)
    assert account.blocked is blocked
    assert told == [True] * blocked
    account.set_watermark(0)
    assert not account.blocked


def test_a_listener_may_leave_when_it_is_told() -> None:
    account, told = account_told(1000)

    def once(blocked: bool) -> None:
        account.on_change.remove(once)

    account.on_change.insert(0, once)
    account.charge(run_of_bytes(1001))
    assert told == [True]
    assert once not in account.on_change


def test_the_messages_of_a_run_are_charged_once_to_however_many_queues_it_goes() -> None:
    charged = []
    for queues in (1, 10):
        vhost = a_vhost()
        for n in range(queues):
            vhost.bind("amq.fanout", vhost.declare_queue(f"q{n}"), "", {})
        publish(vhost, "amq.fanout", "", range(100))
        charged.append(vhost.memory.used_bytes - queues * RUN_OVERHEAD_BYTES)
        for left, queue in zip(range(queues, 0, -1), vhost.queues.values(), strict=True):
            assert vhost.memory.used_bytes == charged[-1] + left * RUN_OVERHEAD_BYTES
            take_all(queue)
        assert vhost.memory.used_bytes == 0
    assert charged[0] == charged[1]


def test_the_account_is_not_far_below_what_is_really_held() -> None:
    vhost = a_vhost()
    vhost.bind("amq.topic", vhost.declare_queue("q"), "#", {})
    tracemalloc.start()
    try:
        for n in range(3000):
            route = Route("amq.topic", f"key.{n}")
            vhost.publish(route, run_of(route, [message(n)]))
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 2 * vhost.memory.used_bytes
