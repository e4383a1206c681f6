"""Exchanges that choose one queue by chance."""

from __future__ import annotations

from pamqp.commands import Exchange, Queue
from tests.conformance.answers import UNBOUND, channel_error, returned
from tests.conformance.wire import EXCHANGE_DECLARED, Client

RANDOM = "x-random"


def test_a_message_goes_to_one_queue_each_as_likely_as_the_other(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x, RANDOM)
    for queue in (q, q2):
        c.queue(queue)
        c.bind(queue, x, "any key")
    for n in range(400):
        c.publish("the same key", b"%d" % n, exchange=x)
    one, other = c.bodies(q), c.bodies(q2)
    assert sorted([*one, *other], key=int) == [b"%d" % n for n in range(400)]
    assert [sorted(one, key=int), sorted(other, key=int)] == [one, other], "a queue keeps the order"
    assert 120 < len(one) < 280


def test_a_queue_bound_twice_gets_two_shares(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x, RANDOM)
    for queue, key in ((q, "a"), (q, "b"), (q2, "a")):
        if key == "a":
            c.queue(queue)
        c.bind(queue, x, key)
    for _ in range(600):
        c.publish("k", exchange=x)
    assert 320 < len(c.bodies(q)) < 480
    assert 120 < len(c.bodies(q2)) < 280


def test_a_copy_is_not_made_for_further_keys(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x, RANDOM)
    for queue in (q, q2):
        c.queue(queue)
        c.bind(queue, x)
    for _ in range(20):
        c.publish("k", exchange=x, headers={"CC": ["l", "m"]})
    assert len(c.bodies(q)) + len(c.bodies(q2)) == 20


def test_who_is_unbound_gets_nothing_more(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x, RANDOM)
    for queue in (q, q2):
        c.queue(queue)
        c.bind(queue, x)
    c.ask(Queue.Unbind(queue=q, exchange=x, routing_key=""), UNBOUND)
    for _ in range(20):
        c.publish("k", exchange=x)
    assert [len(c.bodies(q)), len(c.bodies(q2))] == [0, 20]
    c.ask(Queue.Unbind(queue=q2, exchange=x, routing_key=""), UNBOUND)
    c.publish("k", exchange=x, mandatory=True)
    c.expect(returned(key="k", exchange="x"))


def test_every_message_is_chosen_for_behind_a_fanout_too(c: Client, q: str, q2: str, x: str, y: str) -> None:
    c.exchange(x, "fanout")
    c.exchange(y, RANDOM)
    c.bind_exchange(y, x)
    for queue in (q, q2):
        c.queue(queue)
        c.bind(queue, y)
    for _ in range(100):
        c.publish("k", exchange=x)
    one, other = len(c.bodies(q)), len(c.bodies(q2))
    assert one + other == 100
    assert min(one, other) > 10


def test_a_random_exchange_is_compared_like_any_other(c: Client, x: str) -> None:
    c.exchange(x, RANDOM)
    c.exchange(x, RANDOM, argument=1)
    text = "inequivalent arg 'type' for exchange 'x' in vhost '/': received 'fanout' but current is ''x-random''"
    c.ask(
        Exchange.Declare(exchange=x, exchange_type="fanout"),
        channel_error(406, text, Exchange.Declare),
    )


def test_a_local_random_exchange_can_be_declared(c: Client, x: str) -> None:
    c.send(Exchange.Declare(exchange=x, exchange_type="x-local-random"))
    c.expect_differing(EXCHANGE_DECLARED)
