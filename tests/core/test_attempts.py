"""How often somebody may fail to log in, and whom that must not keep out."""

from __future__ import annotations

import pytest

from menura.core.attempts import AttemptLimits, Attempts, host_of, place_of
from menura.core.errors import AuthenticationFailed

FAR, FARTHER = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def attempts() -> Attempts:
    return Attempts(AttemptLimits(failures_max=3, window_seconds=60))


def refused(attempts: Attempts, address: str, user: str, now: float = 0) -> float:
    """Seconds to wait; 0 if the attempt is looked at."""
    try:
        attempts.check(address, user, now)
    except AuthenticationFailed as refusal:
        return refusal.wait_seconds
    return 0


def fail(attempts: Attempts, address: str, user: str, times: int, now: float = 0) -> None:
    for _ in range(times):
        attempts.failed(address, user, now)


def test_after_so_many_failures_an_attempt_is_not_looked_at_until_one_is_forgotten(attempts: Attempts) -> None:
    fail(attempts, FAR, "ann", 2)
    assert not refused(attempts, FAR, "ann")
    fail(attempts, FAR, "ann", 1)
    assert refused(attempts, FAR, "ann") == 20
    assert refused(attempts, FAR, "ann", 15) == 5
    assert not refused(attempts, FAR, "ann", 20)
    fail(attempts, FAR, "ann", 1, 20)
    assert refused(attempts, FAR, "ann", 20) == 20


def test_the_wait_never_gets_longer_than_the_window(attempts: Attempts) -> None:
    fail(attempts, FAR, "ann", 1000)
    assert refused(attempts, FAR, "ann") == 20
    assert not refused(attempts, FAR, "ann", 60)


def test_a_success_clears_what_one_has_failed_as_this_user(attempts: Attempts) -> None:
    fail(attempts, FAR, "ann", 2)
    attempts.succeeded(FAR, "ann", 0)
    fail(attempts, FAR, "ann", 2)
    assert not refused(attempts, FAR, "ann")


def test_an_address_that_tries_many_users_is_refused_for_all_of_them(attempts: Attempts) -> None:
    for number in range(15):
        fail(attempts, FAR, f"user{number}", 1)
    assert refused(attempts, FAR, "another")
    assert not refused(attempts, FARTHER, "another")


def test_having_one_password_does_not_help_to_guess_others(attempts: Attempts) -> None:
    for number in range(15):
        fail(attempts, FAR, f"user{number}", 1)
        attempts.succeeded(FAR, "mine", 0)
    assert refused(attempts, FAR, "another")
    assert not refused(attempts, FAR, "mine")


def test_a_user_who_is_tried_from_everywhere_is_refused_from_new_places_only(attempts: Attempts) -> None:
    attempts.succeeded(FARTHER, "ann", 0)
    for number in range(60):
        fail(attempts, f"198.51.100.{number}", "ann", 1)
    assert refused(attempts, FAR, "ann")
    assert not refused(attempts, FARTHER, "ann")
    assert not refused(attempts, FAR, "bob")


@pytest.mark.parametrize("here", ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""])
def test_on_this_machine_nobody_is_kept_out_by_what_others_did(attempts: Attempts, here: str) -> None:
    for number in range(100):
        fail(attempts, f"198.51.100.{number}", "guest", 3)
        fail(attempts, here, f"user{number}", 3)
    assert not refused(attempts, here, "guest")
    fail(attempts, here, "guest", 3)
    assert refused(attempts, here, "guest")


def test_an_ipv6_address_counts_by_its_network(attempts: Attempts) -> None:
    fail(attempts, "2001:db8:1:2::7", "ann", 3)
    assert refused(attempts, "2001:db8:1:2:ffff::1", "ann")
    assert not refused(attempts, "2001:db8:1:3::7", "ann")
    assert place_of("::ffff:192.0.2.1") == FAR
    assert place_of("::1") == "::1"


def test_a_flood_of_names_and_addresses_takes_a_bounded_amount_of_memory() -> None:
    attempts = Attempts(AttemptLimits(3, 60), entries_max=50)
    for number in range(1000):
        address = f"10.0.{number >> 8}.{number & 255}"
        attempts.failed(address, f"user{number}", 0)
        attempts.succeeded(address, f"user{number}", 0)
        attempts.failed(FAR, f"user{number}", 0)
    sizes = [len(counts._levels) for counts in (attempts._own, attempts._address, attempts._user)]
    assert [*sizes, len(attempts._welcome)] == [50, 50, 50, 50]
    assert refused(attempts, FAR, "another"), "who floods is not forgotten by it"


def test_a_limit_of_0_is_none() -> None:
    attempts = Attempts(AttemptLimits(failures_max=0))
    fail(attempts, FAR, "ann", 1000)
    assert not refused(attempts, FAR, "ann")


@pytest.mark.parametrize(
    ("address", "host"),
    [("192.0.2.1:5672", FAR), ("::1:5672", "::1"), ("[::1]:5672", "::1"), ("memory", "memory"), ("", "")],
)
def test_the_host_of_a_peer(address: str, host: str) -> None:
    assert host_of(address) == host


def test_a_long_name_is_remembered_by_its_beginning() -> None:
    attempts = Attempts(AttemptLimits(failures_max=1))
    attempts.failed("192.0.2.1", "n" * 60_000, 0.0)
    with pytest.raises(AuthenticationFailed) as refused:
        attempts.check("192.0.2.1", "n" * 60_000, 0.0)
    assert len(str(refused.value)) < 400
