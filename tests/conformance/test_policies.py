"""Policies: what they change in queues and exchanges that are there already, and which of several counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pamqp.commands import Basic, Confirm, Queue
from tests.conformance.administration import Administration
from tests.conformance.answers import EMPTY, confirmed, declared, delivered, got, no_queue, returned
from tests.conformance.conftest import Connect, Names
from tests.conformance.deaths import Graveyard
from tests.conformance.test_queue_expiry import Witness
from tests.conformance.wire import Client

SOON, LATE = 50, 60_000


class Policies:
    """Policies of one test, for one thing each; they are cleared when it ends."""

    def __init__(self, administration: Administration, name: Names) -> None:
        self._administration = administration
        self._name = name
        self._set: set[tuple[str, bool]] = set()

    def set(
        self, about: str, definition: dict[str, Any], *, named: str = "p", operator: bool = False, **options: Any
    ) -> None:
        name = self._name(named)
        self._set.add((name, operator))
        verb = self._administration.set_operator_policy if operator else self._administration.set_policy
        assert verb("/", name, f"^{about}$", definition, **options) == ""

    def clear(self, named: str = "p", *, operator: bool = False) -> None:
        name = self._name(named)
        self._set.remove((name, operator))
        verb = self._administration.clear_operator_policy if operator else self._administration.clear_policy
        assert verb("/", name) == ""

    def clear_all(self) -> None:
        for name, operator in list(self._set):
            self.clear(name.removesuffix(self._name.suffix), operator=operator)


@pytest.fixture
def policies(administration: Administration, name: Names) -> Iterator[Policies]:
    policies = Policies(administration, name)
    yield policies
    policies.clear_all()


Keeps = Callable[[str], int]


@pytest.fixture
def keeps(c: Client) -> Keeps:
    """How many of six messages a queue keeps; it is empty afterwards."""

    def count(queue: str) -> int:
        for _ in range(6):
            c.publish(queue)
        return len(c.bodies(queue))

    return count


# -- living queues and exchanges ---------------------------------------------------------------------------


def test_a_policy_shortens_a_queue_at_once(c: Client, grave: Graveyard, policies: Policies, q: str) -> None:
    c.queue(q)
    for body in (b"1", b"2", b"3"):
        c.publish(q, body)
    policies.set(q, {"max-length": 1, "dead-letter-exchange": "", "dead-letter-routing-key": grave.queue})
    grave.expect(q, "maxlen", b"1", b"2")
    assert c.bodies(q) == [b"3"]


def test_a_queue_without_its_policy_is_as_before(c: Client, policies: Policies, keeps: Keeps, q: str) -> None:
    c.queue(q)
    policies.set(q, {"max-length": 1})
    assert keeps(q) == 1
    policies.clear()
    assert keeps(q) == 6


def test_a_policy_is_there_before_the_queue(c: Client, policies: Policies, keeps: Keeps, q: str) -> None:
    policies.set(q, {"max-length": 1})
    c.queue(q)
    assert keeps(q) == 1


def test_a_policy_may_be_changed(c: Client, policies: Policies, keeps: Keeps, q: str) -> None:
    c.queue(q)
    policies.set(q, {"max-length": 1})
    policies.set(q, {"max-length": 3})
    assert keeps(q) == 3


def test_a_policy_does_not_make_a_queue_another_one(c: Client, policies: Policies, q: str) -> None:
    c.queue(q)
    policies.set(q, {"max-length": 1})
    c.ask(Queue.Declare(queue=q, exclusive=True), declared())


def test_messages_sent_under_a_policy_have_its_time(c: Client, grave: Graveyard, policies: Policies, q: str) -> None:
    c.queue(q, **grave.to_here)
    c.publish(q, b"before")
    c.ask(Basic.Get(queue=q), got(1, b"before"))
    policies.set(q, {"message-ttl": SOON})
    c.publish(q, b"under")
    grave.expect(q, "expired", b"under")
    policies.clear()
    c.send(Basic.Reject(1, requeue=True))
    c.publish(q, b"after")
    assert c.bodies(q) == [b"before", b"after"]


def test_a_policy_makes_a_queue_refuse(c: Client, policies: Policies, q: str) -> None:
    c.queue(q)
    c.ask(Confirm.Select(), "1 Confirm.SelectOk()")
    policies.set(q, {"max-length": 0, "overflow": "reject-publish"})
    c.publish(q)
    c.expect("1 Basic.Nack(delivery_tag=1, ...)")
    policies.clear()
    c.publish(q)
    c.expect(confirmed(2))


def test_a_policy_makes_an_unused_queue_expire(c: Client, connect: Connect, policies: Policies, q: str) -> None:
    c.queue(q)
    policies.set(q, {"expires": SOON})
    Witness(connect().login().open_channel(), q).wait()
    c.ask(Basic.Get(queue=q), no_queue(Basic.Get))


def test_a_policy_buries_what_is_rejected(c: Client, grave: Graveyard, policies: Policies, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Basic.Get(queue=q), got(1))
    policies.set(q, {"dead-letter-exchange": "", "dead-letter-routing-key": grave.queue})
    c.send(Basic.Reject(1, requeue=False))
    grave.expect(q, "rejected", b"m")


def test_a_policy_gives_an_exchange_an_alternate_one(c: Client, policies: Policies, q: str, x: str, y: str) -> None:
    c.queue(q)
    c.exchange(x)
    c.exchange(y, "fanout")
    c.bind(q, y)
    policies.set(x, {"alternate-exchange": y})
    c.publish("k", exchange=x, mandatory=True)
    c.ask(Basic.Get(queue=q), got(1, exchange="x", key="k"))
    policies.clear()
    c.publish("k", exchange=x, mandatory=True)
    c.expect(returned(exchange="x", key="k"))


# -- which one counts --------------------------------------------------------------------------------------


def test_of_two_policies_the_one_of_higher_priority_counts(c: Client, policies: Policies, keeps: Keeps, q: str) -> None:
    c.queue(q)
    policies.set(q, {"max-length": 1}, named="low", priority=1)
    policies.set(q, {"max-length": 3}, named="high", priority=2)
    assert keeps(q) == 3
    policies.clear("high")
    assert keeps(q) == 1


def test_two_policies_are_not_merged(c: Client, policies: Policies, keeps: Keeps, q: str) -> None:
    c.queue(q)
    policies.set(q, {"max-length": 1}, named="low", priority=1)
    policies.set(q, {"message-ttl": LATE}, named="high", priority=2)
    assert keeps(q) == 6


@pytest.mark.parametrize(("of_queue", "of_policy", "kept"), [(4, 2, 2), (2, 4, 2)])
def test_the_smaller_number_of_argument_and_policy_counts(
    c: Client, policies: Policies, keeps: Keeps, q: str, of_queue: int, of_policy: int, kept: int
) -> None:
    policies.set(q, {"max-length": of_policy})
    c.queue(q, **{"x-max-length": of_queue})
    assert keeps(q) == kept


@pytest.mark.parametrize(("of_queue", "of_policy"), [(LATE, SOON), (SOON, LATE)])
def test_the_shorter_time_of_argument_and_policy_counts(
    c: Client, grave: Graveyard, policies: Policies, q: str, of_queue: int, of_policy: int
) -> None:
    policies.set(q, {"message-ttl": of_policy})
    c.queue(q, **{"x-message-ttl": of_queue}, **grave.to_here)
    c.publish(q)
    grave.expect(q, "expired", b"m")


def test_a_word_of_an_argument_counts_more_than_a_policys(c: Client, policies: Policies, q: str) -> None:
    policies.set(q, {"overflow": "reject-publish"})
    c.queue(q, **{"x-overflow": "drop-head", "x-max-length": 1})
    c.publish(q, b"1")
    c.publish(q, b"2")
    assert c.bodies(q) == [b"2"]


def test_the_graveyard_of_the_arguments_counts_more_than_a_policys(
    c: Client, grave: Graveyard, policies: Policies, q: str, q2: str
) -> None:
    policies.set(q, {"dead-letter-exchange": "", "dead-letter-routing-key": q2})
    c.queue(q, **grave.to_here, **{"x-max-length": 0})
    c.publish(q)
    grave.expect(q, "maxlen", b"m")


def test_an_argument_and_a_policy_complement_each_other(
    c: Client, grave: Graveyard, policies: Policies, q: str
) -> None:
    policies.set(q, {"dead-letter-routing-key": grave.queue})
    c.queue(q, **{"x-dead-letter-exchange": "", "x-max-length": 0})
    c.publish(q)
    grave.expect(q, "maxlen", b"m")


def test_a_dead_letter_key_alone_buries_nothing(c: Client, grave: Graveyard, policies: Policies, q: str) -> None:
    policies.set(q, {"dead-letter-routing-key": grave.queue})
    c.queue(q, **{"x-max-length": 0})
    c.publish(q)
    c.ask(Basic.Get(queue=q), EMPTY)
    grave.expect_none(c)


def test_the_alternate_exchange_of_the_arguments_counts_more_than_a_policys(
    c: Client, policies: Policies, q: str, q2: str, x: str, y: str, z: str
) -> None:
    for queue, exchange in ((q, y), (q2, z)):
        c.ask(Queue.Declare(queue=queue, exclusive=True), "1 Queue.DeclareOk(...)")
        c.exchange(exchange, "fanout")
        c.bind(queue, exchange)
    policies.set(x, {"alternate-exchange": z})
    c.exchange(x, **{"alternate-exchange": y})
    c.publish("k", exchange=x)
    assert (c.bodies(q), c.bodies(q2)) == ([b"m"], [])


# -- operators ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("users", "operators", "kept"), [(4, 2, 2), (1, 2, 1), (None, 2, 2)])
def test_an_operator_policy_limits_a_policy(
    c: Client, policies: Policies, keeps: Keeps, q: str, users: int | None, operators: int, kept: int
) -> None:
    c.queue(q)
    policies.set(q, {"max-length": operators}, named="o", operator=True)
    if users is not None:
        policies.set(q, {"max-length": users})
    assert keeps(q) == kept


@pytest.mark.parametrize(("of_queue", "kept"), [(4, 2), (1, 1)])
def test_an_operator_policy_limits_arguments(
    c: Client, policies: Policies, keeps: Keeps, q: str, of_queue: int, kept: int
) -> None:
    policies.set(q, {"max-length": 2}, operator=True)
    c.queue(q, **{"x-max-length": of_queue})
    assert keeps(q) == kept


def test_a_policy_and_an_operator_policy_are_merged(c: Client, grave: Graveyard, policies: Policies, q: str) -> None:
    c.queue(q)
    policies.set(q, {"dead-letter-exchange": "", "dead-letter-routing-key": grave.queue})
    policies.set(q, {"max-length": 0}, operator=True)
    c.publish(q)
    grave.expect(q, "maxlen", b"m")


# -- what they apply to ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("apply_to", "kept"), [("queues", 1), ("all", 1), ("exchanges", 6)])
def test_a_policy_applies_to_what_it_says(
    c: Client, policies: Policies, keeps: Keeps, q: str, apply_to: str, kept: int
) -> None:
    c.queue(q)
    policies.set(q, {"max-length": 1}, apply_to=apply_to)
    assert keeps(q) == kept


def test_a_pattern_matches_anywhere_in_a_name(
    c: Client, administration: Administration, keeps: Keeps, name: Names, q: str
) -> None:
    c.queue(q)
    assert administration.set_policy("/", name("p"), name.suffix[:-1], {"max-length": 1}) == ""
    try:
        assert keeps(q) == 1
    finally:
        assert administration.clear_policy("/", name("p")) == ""


def test_a_queue_named_by_the_broker_has_policies_too(c: Client, policies: Policies, keeps: Keeps) -> None:
    c.send(Queue.Declare(queue="", exclusive=True))
    _, method, _, _ = c.method()
    policies.set(method.queue, {"max-length": 1})
    assert keeps(method.queue) == 1


def test_a_consumer_is_not_disturbed_by_a_policy(c: Client, policies: Policies, q: str) -> None:
    c.queue(q)
    c.consume(q)
    c.publish(q)
    c.expect(delivered(1))
    policies.set(q, {"max-length": 0, "message-ttl": 0})
    c.publish(q)
    c.expect(delivered(2))
    c.send(Basic.Ack(2, multiple=True))
    c.expect_nothing(q)
