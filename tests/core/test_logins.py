"""Who is let in, from where."""

from __future__ import annotations

import pytest

from menura.core.access import Users
from menura.core.attempts import AttemptLimits
from menura.core.errors import AuthenticationFailed
from menura.core.logins import Logins
from menura.core.peers import Peer

NEAR, FAR = Peer("127.0.0.1:5000"), Peer("192.0.2.1:5000", loopback=False)


class Clock:
    now = 0.0


@pytest.fixture
def logins() -> Logins:
    users = Users()
    users.add("guest", "guest", b"salt")
    users.add("ann", "secret", b"salt")
    logins = Logins(users, lambda: Clock.now)
    logins.attempts.set_limits(AttemptLimits(2, 10))
    return logins


def test_a_loopback_user_is_good_on_this_machine_only(logins: Logins) -> None:
    assert logins.log_in(NEAR, "guest", "guest").name == "guest"
    with pytest.raises(AuthenticationFailed, match="user 'guest' can only connect via localhost") as refusal:
        logins.log_in(FAR, "guest", "guest")
    assert refusal.value.near_only
    assert logins.log_in(FAR, "ann", "secret").name == "ann"


def test_who_is_a_loopback_user_can_be_chosen(logins: Logins) -> None:
    logins.loopback_users = frozenset(("ann",))
    assert logins.log_in(FAR, "guest", "guest")
    with pytest.raises(AuthenticationFailed, match="can only connect"):
        logins.log_in(FAR, "ann", "secret")


def test_after_too_many_failures_even_the_right_password_has_to_wait(logins: Logins) -> None:
    for _ in range(2):
        with pytest.raises(AuthenticationFailed, match="invalid credentials"):
            logins.log_in(FAR, "ann", "wrong")
    with pytest.raises(AuthenticationFailed, match="user 'ann' - too many failed logins: not looked at for 5 s"):
        logins.log_in(FAR, "ann", "secret")
    Clock.now += 5
    assert logins.log_in(FAR, "ann", "secret").name == "ann"


def test_attacks_from_elsewhere_do_not_lock_guest_out_at_home(logins: Logins) -> None:
    for number in range(200):
        with pytest.raises(AuthenticationFailed):
            logins.log_in(Peer(f"198.51.100.{number}:1", loopback=False), "guest", "guess")
        with pytest.raises(AuthenticationFailed):
            logins.log_in(Peer(f"127.0.0.1:{number}"), f"user{number}", "guess")
    assert logins.log_in(NEAR, "guest", "guest").name == "guest"


def test_a_user_known_otherwise_needs_no_password_but_has_to_exist(logins: Logins) -> None:
    assert logins.known("ann").name == "ann"
    with pytest.raises(AuthenticationFailed, match="user 'bob' - does not exist"):
        logins.known("bob")
