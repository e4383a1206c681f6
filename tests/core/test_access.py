"""Users, passwords, permissions and topic permissions."""

from __future__ import annotations

import base64
import hashlib

import pytest

from menura.core.access import Access, Users, Verb
from menura.core.errors import AccessRefused, AuthenticationFailed, NotFound, PreconditionFailed
from menura.core.passwords import ALGORITHMS, SALT_BYTES, Algorithm, hash_password


@pytest.fixture
def users() -> Users:
    users = Users()
    users.add("ann", "secret", b"salt")
    return users


def allowed(access: Access, verb: Verb, name: str) -> bool:
    try:
        access.require(verb, "exchange", name)
    except AccessRefused:
        return False
    return True


def topic_allowed(access: Access, verb: Verb, exchange: str, key: str) -> bool:
    try:
        access.require_topic(verb, exchange, key)
    except AccessRefused:
        return False
    return True


# Passwords


def test_a_password_hash_is_the_salt_and_the_digest_of_salt_and_password() -> None:
    salt = b"\x90\x8d\xc6\x0a"
    raw = base64.b64decode(hash_password("tëst12", salt))
    assert raw[:SALT_BYTES] == salt
    assert raw[SALT_BYTES:] == hashlib.sha256(salt + "tëst12".encode()).digest()


def test_a_known_hash_is_the_one_expected() -> None:
    # The worked example of RabbitMQ's documentation of password hashing: salt 908DC60A, password test12.
    assert hash_password("test12", bytes.fromhex("908DC60A")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_only_the_right_password_is_accepted(users: Users) -> None:
    assert users.authenticate("ann", "secret").name == "ann"
    for name, password in (("ann", "Secret"), ("ann", ""), ("bob", "secret"), ("ann", "secret ")):
        with pytest.raises(AuthenticationFailed, match=f"user '{name}' - invalid credentials"):
            users.authenticate(name, password)


def test_a_user_without_password_cannot_log_in_with_one(users: Users) -> None:
    users.add("bob", "", b"salt")
    for password in ("", "anything"):
        with pytest.raises(AuthenticationFailed):
            users.authenticate("bob", password)


def test_a_user_added_again_keeps_the_permissions(users: Users) -> None:
    users.permit("ann", "/")
    users.add("ann", "other", b"pepp", frozenset({"monitoring"}))
    assert users.get("ann").tags == {"monitoring"}
    assert users.authenticate("ann", "other").permissions.keys() == {"/"}
    with pytest.raises(AuthenticationFailed):
        users.authenticate("ann", "secret")


def test_tags_and_passwords_change_without_each_other(users: Users) -> None:
    users.set_tags("ann", ["monitoring"])
    assert users.authenticate("ann", "secret").tags == {"monitoring"}
    users.set_password("ann", "other", b"pepp")
    assert users.authenticate("ann", "other").tags == {"monitoring"}
    users.clear_password("ann")
    for password in ("other", "secret", ""):
        with pytest.raises(AuthenticationFailed):
            users.authenticate("ann", password)


@pytest.mark.parametrize(("name", "algorithm"), ALGORITHMS.items())
def test_a_hash_made_elsewhere_is_kept_as_it_is_and_its_password_is_right(
    users: Users, name: str, algorithm: Algorithm
) -> None:
    made = hash_password("pässword", b"salt", algorithm)
    for given in ("", name):
        user = users.add_hashed("bob", made, frozenset({"management"}), given)
        assert (user.password_hash, user.hashing_algorithm, user.tags) == (made, name, {"management"})
        assert users.authenticate("bob", "pässword") is user
        with pytest.raises(AuthenticationFailed):
            users.authenticate("bob", "password")
    users.set_password_hash("ann", made)
    assert users.authenticate("ann", "pässword").name == "ann"


def test_the_empty_hash_is_that_of_a_user_who_cannot_log_in_with_a_password(users: Users) -> None:
    assert users.add_hashed("bob", "").hashing_algorithm == "rabbit_password_hashing_sha256"
    for password in ("", "x"):
        with pytest.raises(AuthenticationFailed):
            users.authenticate("bob", password)


@pytest.mark.parametrize(
    ("password_hash", "algorithm", "complaint"),
    [
        ("no base64!", "", "not base64"),
        ("c2FsdA==", "", "has 4 octets instead of 20 or 36 or 68"),
        (hash_password("x", b"salt"), "rabbit_password_hashing_sha512", "has 36 octets instead of 68"),
        (hash_password("x", b"salt"), "rot13", "unknown password hashing algorithm 'rot13'"),
    ],
)
def test_what_is_no_hash_is_refused_and_changes_nothing(
    users: Users, password_hash: str, algorithm: str, complaint: str
) -> None:
    with pytest.raises(PreconditionFailed, match=complaint):
        users.add_hashed("bob", password_hash, algorithm=algorithm)
    assert "bob" not in users
    with pytest.raises(PreconditionFailed, match=complaint):
        users.set_password_hash("ann", password_hash, algorithm)
    assert users.authenticate("ann", "secret")


def test_nobody_can_be_called_what_the_broker_calls_who_may_use_its_files(users: Users) -> None:
    for add in (lambda: users.add("menura-local", "secret", b"salt"), lambda: users.add_hashed("menura-local", "")):
        with pytest.raises(PreconditionFailed, match=r"'menura-local' is what .*: take another name"):
            add()
    assert [user.name for user in users] == ["ann"]


def test_topic_permissions_are_removed_one_by_one_or_for_a_virtual_host(users: Users) -> None:
    for vhost, exchange in (("/", "a"), ("/", "b"), ("v", "a")):
        users.permit_topics("ann", vhost, exchange, "^w", "^r")
    users.forbid_topics("ann", "/", "a")
    assert users.get("ann").topic_permissions.keys() == {("/", "b"), ("v", "a")}
    users.forbid_topics("ann", "/")
    assert users.get("ann").topic_permissions.keys() == {("v", "a")}
    assert topic_allowed(Access(users, "ann", "/"), Verb.WRITE, "b", "anything")


def test_removing_or_asking_for_a_missing_user_is_refused(users: Users) -> None:
    for ask in (
        users.remove,
        users.get,
        lambda name: users.permit(name, "/"),
        lambda name: users.forbid(name, "/"),
        users.clear_password,
        lambda name: users.set_tags(name, ()),
        lambda name: users.forbid_topics(name, "/"),
    ):
        with pytest.raises(NotFound, match="no user 'bob'"):
            ask("bob")


# Permissions


def test_each_verb_has_its_own_pattern(users: Users) -> None:
    users.permit("ann", "/", "^c", "^w", "^r")
    access = Access(users, "ann", "/")
    for verb in Verb:
        assert [name for name in ("c1", "w1", "r1") if allowed(access, verb, name)] == [f"{verb.value[0]}1"]


def test_patterns_search_anywhere_in_the_name(users: Users) -> None:
    users.permit("ann", "/", "mid", "mid$", "^mid")
    access = Access(users, "ann", "/")
    assert allowed(access, Verb.CONFIGURE, "a-mid-b")
    assert not allowed(access, Verb.WRITE, "a-mid-b")
    assert not allowed(access, Verb.READ, "a-mid-b")


def test_the_empty_pattern_allows_nothing(users: Users) -> None:
    users.permit("ann", "/", "", "", "")
    access = Access(users, "ann", "/")
    assert not any(allowed(access, verb, name) for verb in Verb for name in ("", "a", "amq.default"))


def test_the_default_exchange_goes_by_a_name_of_its_own(users: Users) -> None:
    users.permit("ann", "/", "", "^amq\\.default$", "")
    access = Access(users, "ann", "/")
    assert allowed(access, Verb.WRITE, "")
    users.permit("ann", "/", "", "^$|^other$", "")
    with pytest.raises(AccessRefused) as refused:
        access.require(Verb.WRITE, "exchange", "")
    assert str(refused.value) == "write access to exchange 'amq.default' in vhost '/' refused for user 'ann'"


def test_permissions_are_those_of_one_virtual_host(users: Users) -> None:
    users.permit("ann", "one")
    assert allowed(Access(users, "ann", "one"), Verb.READ, "q")
    assert not allowed(Access(users, "ann", "two"), Verb.READ, "q")
    assert not allowed(Access(users, "bob", "one"), Verb.READ, "q")


def test_a_pattern_that_does_not_compile_is_refused_and_changes_nothing(users: Users) -> None:
    users.permit("ann", "/")
    before = users.version
    for wrong in (("(", "", ""), ("", "[", ""), ("", "", "*")):
        with pytest.raises(PreconditionFailed, match="invalid regular expression"):
            users.permit("ann", "/", *wrong)
    with pytest.raises(PreconditionFailed):
        users.permit_topics("ann", "/", "amq.topic", "", "(")
    assert users.version == before
    assert allowed(Access(users, "ann", "/"), Verb.READ, "q")
    assert users.get("ann").topic_permissions == {}


def test_remembered_decisions_are_dropped_when_permissions_change(users: Users) -> None:
    users.permit("ann", "/")
    access = Access(users, "ann", "/")
    assert allowed(access, Verb.READ, "q")
    users.permit("ann", "/", read="^other$")
    assert not allowed(access, Verb.READ, "q")
    users.permit("ann", "/")
    assert allowed(access, Verb.READ, "q")
    users.forbid("ann", "/")
    assert not allowed(access, Verb.READ, "q")
    users.permit("ann", "/")
    users.remove("ann")
    assert not allowed(access, Verb.READ, "q")


def test_decisions_are_remembered_within_a_limit(users: Users) -> None:
    users.permit("ann", "/", read="[02468]$")
    access = Access(users, "ann", "/")
    for n in range(10_000):
        assert allowed(access, Verb.READ, f"q{n}") is (n % 2 == 0)
        assert len(access._decisions) <= 4097


def test_may_answers_without_refusing(users: Users) -> None:
    users.permit("ann", "/", read="^q$")
    access = Access(users, "ann", "/")
    assert access.may(Verb.READ, "q")
    assert not access.may(Verb.READ, "r")


# Topic permissions


def test_without_topic_permissions_every_key_is_allowed(users: Users) -> None:
    access = Access(users, "ann", "/")
    assert topic_allowed(access, Verb.WRITE, "amq.topic", "any.key")


def test_topic_permissions_narrow_one_exchange_of_one_virtual_host(users: Users) -> None:
    users.permit_topics("ann", "/", "amq.topic", "^out\\.", "^in\\.")
    access = Access(users, "ann", "/")
    assert topic_allowed(access, Verb.WRITE, "amq.topic", "out.a")
    assert not topic_allowed(access, Verb.WRITE, "amq.topic", "in.a")
    assert topic_allowed(access, Verb.READ, "amq.topic", "in.a")
    assert not topic_allowed(access, Verb.READ, "amq.topic", "out.a")
    assert topic_allowed(access, Verb.WRITE, "other", "in.a")
    assert topic_allowed(Access(users, "ann", "two"), Verb.WRITE, "amq.topic", "in.a")


def test_an_empty_topic_pattern_allows_no_key(users: Users) -> None:
    users.permit_topics("ann", "/", "amq.topic", "", ".*")
    with pytest.raises(AccessRefused) as refused:
        Access(users, "ann", "/").require_topic(Verb.WRITE, "amq.topic", "a.b")
    assert str(refused.value) == (
        "write access to topic 'a.b' in exchange 'amq.topic' in vhost '/' refused for user 'ann'"
    )


def test_user_and_virtual_host_are_filled_in_and_are_no_expressions() -> None:
    users = Users()
    users.add("a.b", "secret", b"salt")
    users.permit_topics("a.b", "v+", "amq.topic", "^{username}\\.{vhost}$", "^{vhost}$")
    access = Access(users, "a.b", "v+")
    assert topic_allowed(access, Verb.WRITE, "amq.topic", "a.b.v+")
    assert not topic_allowed(access, Verb.WRITE, "amq.topic", "axb.v+")
    assert not topic_allowed(access, Verb.READ, "amq.topic", "vv")
    assert topic_allowed(access, Verb.READ, "amq.topic", "v+")


def test_changed_topic_permissions_count_at_once(users: Users) -> None:
    access = Access(users, "ann", "/")
    before = access.version
    users.permit_topics("ann", "/", "amq.topic", "^a$", "^a$")
    assert not topic_allowed(access, Verb.WRITE, "amq.topic", "b")
    assert access.version > before
    users.permit_topics("ann", "/", "amq.topic", "^b$", "^a$")
    assert topic_allowed(access, Verb.WRITE, "amq.topic", "b")


def test_a_permission_that_allows_nothing_is_shown_as_it_was_given() -> None:
    users = Users()
    users.add("ann", "x", b"salt")
    users.permit("ann", "/", "", "^a", "")
    permission = users.get("ann").permissions["/"]
    assert (permission.configure.source, permission.write.source, permission.read.source) == ("", "^a", "")
    assert not Access(users, "ann", "/").may(Verb.READ, "a")
