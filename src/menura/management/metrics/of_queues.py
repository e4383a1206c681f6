"""Groups about queues, exchanges and virtual hosts."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from menura.core.arguments import queue_type
from menura.management.metrics.exposition import labels
from menura.management.metrics.groups import CLUSTER, Group, Scope, counter, gauge, handed_out

if TYPE_CHECKING:
    from menura.core.exchange import Exchange
    from menura.core.queue import Queue
    from menura.core.vhost import VHost


# -- queues ------------------------------------------------------------------------------------------------------


def queues(scope: Scope) -> Iterator[Queue | None]:
    """The queues of a page. Now and then None, where many are passed over."""
    for vhost in scope.vhosts:
        for number, queue in enumerate(list(vhost.queues.values())):
            if scope.wants(queue.name):
                yield queue
            elif not number % 100:
                yield None


def _labels(queue: Queue) -> str:
    return labels(vhost=queue.vhost.name, queue=queue.name)


COARSE = Group(
    (
        gauge("queue_messages_ready", "Messages that wait in a queue", attrgetter("ready_count")),
        gauge(
            "queue_messages_unacked",
            "Messages that consumers have and have not acknowledged",
            attrgetter("unsettled_count"),
        ),
        gauge(
            "queue_messages",
            "Messages that wait, and those that are unacknowledged",
            lambda queue: queue.ready_count + queue.unsettled_count,
        ),
    ),
    queues,
    _labels,
    shared=True,
)
_CONSUMERS = gauge("queue_consumers", "Consumers of a queue", lambda queue: len(queue.consumers.all))
CONSUMERS = Group((_CONSUMERS,), queues, _labels, shared=True)
FINE = Group(
    (
        _CONSUMERS,
        gauge(
            "queue_messages_ram",
            "Messages of a queue that are in memory",
            lambda queue: queue.ready_count + queue.unsettled_count - queue.paged_count,
        ),
        gauge(
            "queue_messages_ram_bytes",
            "Octets of messages of a queue that are in memory",
            lambda queue: queue.ready_bytes + queue.unsettled_bytes - queue.paged_bytes,
        ),
        gauge(
            "queue_messages_ready_ram",
            "Waiting messages that are in memory",
            lambda queue: queue.ready_count - queue.paged_count,
        ),
        gauge(
            "queue_messages_unacked_ram",
            "Unacknowledged messages, which all are in memory",
            attrgetter("unsettled_count"),
        ),
        gauge(
            "queue_messages_bytes",
            "Octets of all messages of a queue",
            lambda queue: queue.ready_bytes + queue.unsettled_bytes,
        ),
        gauge("queue_messages_ready_bytes", "Octets of the messages that wait", attrgetter("ready_bytes")),
        gauge(
            "queue_messages_unacked_bytes",
            "Octets of the messages that are unacknowledged",
            attrgetter("unsettled_bytes"),
        ),
        gauge(
            "queue_messages_paged_out",
            "Waiting messages that are in the journal alone",
            attrgetter("paged_count"),
        ),
        gauge(
            "queue_messages_paged_out_bytes",
            "Octets of messages that are in the journal alone",
            attrgetter("paged_bytes"),
        ),
        counter(
            "queue_disk_reads_total",
            "Messages of a queue that were read back from the journal",
            attrgetter("disk_reads"),
        ),
        counter(
            "queue_disk_writes_total",
            "Messages of a queue that were handed to the journal",
            attrgetter("disk_writes"),
        ),
    ),
    queues,
    _labels,
    shared=True,
)
DELIVERY = Group(
    handed_out("queue"),
    queues,
    _labels,
    view=lambda queue: queue.taken(),
    shared=True,
)
PUBLISHED = Group(
    (counter("queue_messages_published_total", "Messages put into a queue", attrgetter("published")),),
    queues,
    _labels,
    shared=True,
)


def _typed(queue: Queue) -> str:
    return f'{_labels(queue)},queue_type="rabbit_{queue_type(queue.arguments)}_queue",membership="leader"'


TYPES = Group(
    (gauge("queue_info", "1 for each queue, with what it is", lambda queue: 1),), queues, _typed, labelled=True
)


# -- exchanges and virtual hosts ---------------------------------------------------------------------------------


def _exchanges(scope: Scope) -> Iterator[tuple[VHost, Exchange]]:
    for vhost in scope.vhosts:
        for exchange in list(vhost.exchanges.values()):
            yield vhost, exchange


def _exchange_labels(each: tuple[VHost, Exchange]) -> str:
    vhost, exchange = each
    return labels(vhost=vhost.name, exchange=exchange.name)


def _with_type(each: tuple[VHost, Exchange]) -> str:
    vhost, exchange = each
    return labels(vhost=vhost.name, exchange=exchange.name, type=exchange.kind)


EXCHANGES = Group(
    (
        counter("exchange_messages_published_total", "Messages published to an exchange", attrgetter("publish")),
        counter(
            "exchange_messages_unroutable_returned_total",
            "Those that were returned for want of a route",
            attrgetter("return_unroutable"),
        ),
        counter(
            "exchange_messages_unroutable_dropped_total",
            "Those that were dropped for want of a route",
            attrgetter("drop_unroutable"),
        ),
    ),
    _exchanges,
    _exchange_labels,
    view=lambda each: each[1].sent(),
)
EXCHANGE_NAMES = Group(
    (gauge("exchange_name", "1 for each exchange", lambda each: 1),), _exchanges, _with_type, prefix=CLUSTER
)
EXCHANGE_BINDINGS = Group(
    (gauge("exchange_bindings", "Bindings that begin at an exchange", lambda each: len(each[1].bindings)),),
    _exchanges,
    _with_type,
    prefix=CLUSTER,
)
VHOSTS = Group(
    (gauge("vhost_status", "1 for each virtual host", lambda vhost: 1),),
    lambda scope: scope.vhosts,
    lambda vhost: labels(vhost=vhost.name),
    prefix=CLUSTER,
)
