"""x-expires: a queue that nobody uses goes away after its lease.

Whether a queue is still there is asked with mandatory messages, which do not renew its lease. Instead of
letting time pass, a test waits for the end of a second queue, the witness, with a lease that is longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pamqp import base
from pamqp.commands import Basic, Channel, Confirm, Queue
from tests.conformance.answers import EMPTY, declared, got, no_queue
from tests.conformance.conftest import Connect
from tests.conformance.deaths import Graveyard
from tests.conformance.frames import content
from tests.conformance.wire import ANSWER_SECONDS_MAX, Client, Sendable

SHORT = 200
LEASE = 1000
ATTEMPTS = 10
PAUSE_SECONDS = 0.1


def declare(c: Client, queue: str, lease_ms: int, *then: Sendable, exclusive: bool = False, **arguments: str) -> None:
    """Declare a queue, and send more in the same breath, so that it has no time to expire in between."""
    method = Queue.Declare(queue=queue, exclusive=exclusive, arguments={"x-expires": lease_ms, **arguments})
    c.send(method, *then)
    assert "DeclareOk" in c.line()


class Witness:
    """Sees a queue go, without using it."""

    def __init__(self, client: Client, queue: str) -> None:
        self._client, self._queue = client, queue
        client.ask(Confirm.Select(), "1 Confirm.SelectOk()")

    def gone(self) -> bool:
        self._client.publish(self._queue, b"", mandatory=True)
        returned = "Basic.Return" in self._client.line()
        if returned:
            self._client.line()
        return returned

    def wait(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while not self.gone():
            meanwhile()
            assert time.monotonic() < deadline, "the queue does not expire"


@pytest.fixture
def other(connect: Connect) -> Client:
    return connect().login().open_channel()


def test_an_unused_queue_expires(c: Client, other: Client, q: str) -> None:
    declare(c, q, SHORT)
    Witness(other, q).wait()
    c.ask(Basic.Get(queue=q), no_queue(Basic.Get))


def test_publishing_is_no_use(c: Client, other: Client, q: str) -> None:
    declare(c, q, SHORT)
    Witness(other, q).wait(meanwhile=lambda: c.publish(q))


def test_an_exclusive_queue_expires_too(c: Client, other: Client, q: str) -> None:
    declare(c, q, SHORT, exclusive=True)
    Witness(other, q).wait()
    c.ask(Queue.Declare(queue=q, passive=True), no_queue(Queue.Declare))


USES = [
    (lambda q: Basic.Get(queue=q), EMPTY),
    (lambda q: Queue.Declare(queue=q, arguments={"x-expires": LEASE}), declared()),
    (lambda q: Queue.Declare(queue=q, passive=True), declared()),
]


def used_for(c: Client, queue: str, use: base.Frame, answer: str, seconds: float) -> bool:
    """Use a queue again and again; False if this was not often enough to tell anything."""
    begin = renewed = time.monotonic()
    while renewed < begin + seconds:
        asked = time.monotonic()
        c.send(use)
        if c.line() != answer:
            assert time.monotonic() - renewed >= LEASE / 1000, "the queue expired before its lease"
            c.send(Channel.CloseOk())
            c.open_channel()
            return False
        renewed = asked
        assert c.line_or_silence(PAUSE_SECONDS) == "silence"
    return True


@pytest.mark.parametrize(("use", "answer"), USES, ids=["get", "declare", "passive declare"])
def test_a_use_renews_the_lease(c: Client, q: str, use: Callable[[str], base.Frame], answer: str) -> None:
    for _ in range(ATTEMPTS):
        declare(c, q, LEASE)
        if used_for(c, q, use(q), answer, seconds=2.5 * LEASE / 1000):
            return
    pytest.fail("this machine is too slow to renew anything in time")


def test_a_queue_with_a_consumer_does_not_expire(c: Client, other: Client, q: str, q2: str) -> None:
    declare(c, q, SHORT, Basic.Consume(queue=q, consumer_tag="c"))
    c.expect("1 Basic.ConsumeOk(consumer_tag='c')")
    declare(c, q2, 3 * SHORT)
    Witness(other, q2).wait()
    c.ask(Queue.Declare(queue=q, passive=True), declared(consumers=1))


def test_a_queue_expires_when_its_last_consumer_has_gone(c: Client, other: Client, q: str) -> None:
    declare(c, q, SHORT, Basic.Consume(queue=q, consumer_tag="c"))
    c.expect("1 Basic.ConsumeOk(consumer_tag='c')")
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    Witness(other, q).wait()


def test_messages_in_somebodys_hands_do_not_keep_a_queue(c: Client, other: Client, q: str) -> None:
    declare(c, q, SHORT, Basic.Publish(routing_key=q), content(b"m"), Basic.Get(queue=q))
    c.expect(got(1))
    Witness(other, q).wait()
    c.send(Basic.Ack(1))
    c.ask(Basic.Get(queue=q), no_queue(Basic.Get))


def test_the_messages_of_an_expired_queue_are_not_dead_lettered(
    c: Client, other: Client, grave: Graveyard, q: str
) -> None:
    declare(c, q, SHORT, Basic.Publish(routing_key=q), content(b"m"), **grave.to_here)
    Witness(other, q).wait()
    grave.expect_none(other)
