"""What prefetch limits mean to consumers that do not acknowledge."""

from __future__ import annotations

from pamqp.commands import Basic, Queue
from tests.conformance.answers import QOS_OK, declared, delivered
from tests.conformance.frames import qos
from tests.conformance.wire import Client


def test_a_global_limit_that_is_reached_holds_for_those_who_do_not_acknowledge(c: Client, q: str, q2: str) -> None:
    c.queue(q)
    c.ask(Queue.Declare(queue=q2, exclusive=True), declared("q2"))
    c.ask(qos(1, shared=True), QOS_OK)
    c.consume(q)
    c.consume(q2, "n", no_ack=True)
    c.publish(q)
    c.expect(delivered(1))
    c.publish(q2)
    c.expect_nothing(q2)
    c.ask(Basic.Ack(1), delivered(2, to="n", key="q2"))
