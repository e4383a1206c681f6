"""What a node counts, whoever did it."""

from __future__ import annotations

from tests.core.domain import Receiver, consume

from menura.core.counting import SAMPLE_SECONDS, Counts, Rates
from menura.core.node import Node
from menura.core.peers import Peer
from menura.core.presence import Connected, Remembered
from menura.core.routing import Route
from menura.core.run import Run


def a_node() -> Node:
    return Node(lambda count: bytes(count))


def publish(node: Node, queue: str, count: int) -> None:
    node.vhosts["/"].publish(Route("", queue), Run(Route("", queue), [b"m"] * count, count, 1, False))


def test_a_publish_counts_once_and_once_more_for_every_queue_that_takes_it() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    for name in ("one", "two"):
        vhost.bind("amq.fanout", vhost.declare_queue(name), "", {})
    run = Run(Route("amq.fanout", ""), [b"m"] * 3, 3, 1, False)
    vhost.publish(run.route, run)
    assert node.counts == Counts(published=3, queued=6)


def test_no_count_falls_when_what_has_counted_is_deleted() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue, receiver = vhost.declare_queue("q"), Receiver()
    consumer = consume(queue, receiver, prefetch=5)
    publish(node, "q", 5)
    (delivery,) = receiver.deliveries
    delivery.give_back()
    queue.unsubscribe(consumer)
    consume(queue, receiver, prefetch=2)
    vhost.dispatch()
    receiver.deliveries[-1].settle()
    counts = Counts(published=5, queued=5, delivered=7, redelivered=2, settled=2)
    assert node.counts == counts
    vhost.remove_queue(queue)
    assert node.counts == counts
    vhost.declare_exchange("x", "fanout")
    vhost.publish(Route("x", ""), Run(Route("x", ""), [b"m"], 1, 1, False))
    vhost.delete_exchange("x")
    assert node.counts.published == 6
    node.delete_vhost("/")
    assert node.counts == counts._replace(published=6)


def test_a_rate_is_what_was_added_between_the_last_two_samples() -> None:
    node = a_node()
    node.vhosts["/"].declare_queue("q")
    node.sample(100.0)
    assert node.history.rates == Rates()
    publish(node, "q", 50)
    node.sample(100.0 + SAMPLE_SECONDS / 2)
    assert len(node.history.samples) == 1, "too early for another sample"
    node.sample(100.0 + SAMPLE_SECONDS)
    assert node.history.rates == Rates(published=50 / SAMPLE_SECONDS, queued=50 / SAMPLE_SECONDS)
    node.sample(100.0 + 3 * SAMPLE_SECONDS)
    assert node.history.rates == Rates()


def test_the_overview_adds_up_who_is_here_and_what_waits() -> None:
    node = a_node()
    vhost = node.vhosts["/"]
    queue = vhost.declare_queue("q")
    publish(node, "q", 4)
    queue.take(1)
    run = Run(Route("", "kept"), [b"m"], 1, 1, True)
    vhost.retained.keep(run)
    here = Connected("a protocol", Peer("127.0.0.1:1"), "guest", "/", subscriptions=lambda: 2)
    away = Remembered("client", "/", lambda: False, lambda: 3)
    node.presence.arrive(here)
    node.presence.remember(away)
    overview = node.overview()
    assert (overview.connections, overview.sessions, overview.subscriptions) == (1, 1, 5)
    assert (overview.ready, overview.ready_bytes, overview.unsettled, overview.retained) == (3, 3, 2, 1)
    assert overview.queues == 2, "what is retained is kept in a queue"
    node.presence.leave(here)
    node.presence.leave(here)
    node.presence.forget(away)
    overview = node.overview()
    assert (overview.connections, overview.sessions, overview.subscriptions) == (0, 0, 0)
    assert (overview.connections_opened, overview.connections_closed) == (1, 1)
