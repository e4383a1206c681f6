"""What is on each page: which families, and whether objects are told apart.

`/metrics` has the sums of all objects, `/metrics/per-object` each object, `/metrics/detailed` the groups that were
asked for. The names of groups, and of families, are those of RabbitMQ's plugin.
"""

from __future__ import annotations

import platform
import resource
from collections import Counter
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING

from menura.core.node import NAME
from menura.management.metrics import of_clients, of_node, of_queues
from menura.management.metrics.exposition import COUNTER, GAUGE, UNTYPED, Column, Page, labels
from menura.management.metrics.groups import DETAILED, PREFIX, Group, Scope, each_object, sums
from menura.management.metrics.of_menura import add_own
from menura.management.metrics.of_protocols import add_letters, add_protocols
from menura.management.statistics.process import resident_bytes

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.node import Node
    from menura.management.backend import Backend

GROUPS: Mapping[str, tuple[Group, ...]] = {
    "connection_churn_metrics": (of_node.CHURN,),
    "node_coarse_metrics": (of_node.USED,),
    "node_metrics": (of_node.LIMITS,),
    "node_persister_metrics": (of_node.DISK,),
    "auth_attempt_metrics": (of_node.LOGINS,),
    "auth_attempt_detailed_metrics": (of_node.LOGIN_SOURCES,),
    "queue_coarse_metrics": (of_queues.COARSE,),
    "queue_consumer_count": (of_queues.CONSUMERS,),
    "queue_metrics": (of_queues.FINE,),
    "queue_delivery_metrics": (of_queues.DELIVERY,),
    "channel_queue_exchange_metrics": (of_queues.PUBLISHED,),
    "exchange_metrics": (of_queues.EXCHANGES,),
    "channel_metrics": (of_clients.CHANNELS,),
    "channel_exchange_metrics": (of_clients.SENT, of_clients.CONFIRMED),
    "channel_queue_metrics": (of_clients.TAKEN,),
    "connection_coarse_metrics": (of_clients.OCTETS,),
    "connection_metrics": (of_clients.PACKETS,),
    "vhost_status": (of_queues.VHOSTS,),
    "exchange_names": (of_queues.EXCHANGE_NAMES,),
    "exchange_bindings": (of_queues.EXCHANGE_BINDINGS,),
}
"""What can be asked of `/metrics/detailed`, by `family`."""

_ONLY_DETAILED = frozenset(("queue_consumer_count", "vhost_status", "exchange_names", "exchange_bindings"))
_WITH_TYPES = frozenset(("queue_coarse_metrics", "queue_consumer_count", "queue_metrics"))

PROCESS = (
    Column("process_start_time_seconds", GAUGE, "When the broker was started, in seconds since 1970"),
    Column("process_cpu_seconds_total", COUNTER, "Time that processors have spent on the process"),
)
ALARMS = (
    ("disk", Column("alarms_free_disk_space_watermark", UNTYPED, "1 while publishers are blocked for want of disk")),
    ("memory", Column("alarms_memory_used_watermark", UNTYPED, "1 while publishers are blocked for want of memory")),
    ("files", Column("alarms_file_descriptor_limit", UNTYPED, "Always 0: files are no reason to block publishers")),
)
TOTALS = (
    Column("connections", GAUGE, "Connections that are open"),
    Column("channels", GAUGE, "Channels that are open"),
    Column("consumers", GAUGE, "Consumers that are here"),
    Column("queues", GAUGE, "Queues"),
)
BUILD = Column("build_info", UNTYPED, "1, with versions: the first is what clients are told")
IDENTITY = Column("identity_info", UNTYPED, "1, with the names of the node")
MEMORY = (
    Column("memory_binary_heap_bytes", GAUGE, "Memory that messages take, with what belongs to them"),
    Column("memory_management_stats_db_bytes", GAUGE, "Memory that histories take, as of the last minute"),
    Column("memory_other_system_bytes", GAUGE, "All other memory of the process"),
)
Work = Generator[None, None, None]


def aggregated(page: Page, scope: Scope) -> Work:
    _add_process(page, scope)
    for name, groups in GROUPS.items():
        # These would be the sums of `auth_attempt_metrics`.
        for group in () if name in _ONLY_DETAILED or name == "auth_attempt_detailed_metrics" else groups:
            yield from sums(page, scope, group, PREFIX)
    yield from _add_totals(page, scope, "aggregated")


def per_object(page: Page, scope: Scope) -> Work:
    _add_process(page, scope)
    for name, groups in GROUPS.items():
        for group in () if name in _ONLY_DETAILED else groups:
            yield from each_object(page, scope, group, PREFIX)
    yield from each_object(page, scope, of_queues.TYPES, PREFIX)
    yield from _add_totals(page, scope, "per-object")


def detailed(page: Page, scope: Scope, families: list[str]) -> Work:
    wanted = [name for name in GROUPS if name in families]
    if "queue_metrics" in wanted and "queue_consumer_count" in wanted:
        wanted.remove("queue_consumer_count")
    for name in wanted:
        for group in GROUPS[name]:
            yield from each_object(page, scope, group, DETAILED)
    if not _WITH_TYPES.isdisjoint(wanted):
        yield from each_object(page, scope, of_queues.TYPES, DETAILED)
    _add_names(page, scope.backend, "detailed")


def memory_breakdown(page: Page, scope: Scope) -> Work:
    held = scope.node.memory.used_bytes
    histories = scope.backend.statistics.sampler.size_bytes
    others = max(0, resident_bytes() - held - histories)
    for column, value in zip(MEMORY, (held, histories, others), strict=True):
        page.value(PREFIX, column, value)
    _add_names(page, scope.backend, "memory-breakdown")
    yield


def _add_process(page: Page, scope: Scope) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    page.value("", PROCESS[0], scope.backend.started_ms / 1000)
    page.value("", PROCESS[1], round(usage.ru_utime + usage.ru_stime, 3))
    for name, column in ALARMS:
        page.value(PREFIX, column, int(name in scope.node.alarms.short))


def _add_totals(page: Page, scope: Scope, endpoint: str) -> Work:
    node = scope.node
    consumers: Counter[str] = Counter()
    for number, queue in enumerate(of_queues.queues(scope)):
        if queue is not None and (found := queue.consumers.all):
            consumers.update(_protocol(consumer) for consumer in found)
        if not number % 100:
            yield
    channels = node.churn.channel_created - node.churn.channel_closed
    queues = sum(len(vhost.queues) for vhost in scope.vhosts)
    values = len(node.presence.connections), channels, consumers.total(), queues
    for column, value in zip(TOTALS, values, strict=True):
        page.value(PREFIX, column, value)
    _add_names(page, scope.backend, endpoint)
    yield from add_protocols(page, node, consumers)
    add_letters(page, node)
    yield from add_own(page, scope)


def _protocol(consumer: Consumer) -> str:
    """Empty for one that is no client's."""
    connected, _ = consumer.subscriber.who
    return "" if connected is None else connected.protocol


def _add_names(page: Page, backend: Backend, endpoint: str) -> None:
    config = backend.config
    versions = labels(
        rabbitmq_version=config.product_version,
        prometheus_plugin_version=config.product_version,
        prometheus_client_version="",
        erlang_version=f"{platform.python_implementation()} {platform.python_version()}",
        product_name="Menura",
    )
    page.value(PREFIX, BUILD, 1, versions)
    names = labels(
        rabbitmq_node=NAME,
        rabbitmq_cluster=_cluster(backend.node),
        rabbitmq_cluster_permanent_id=NAME,
        rabbitmq_endpoint=endpoint,
    )
    page.value(PREFIX, IDENTITY, 1, names)


def _cluster(node: Node) -> str:
    name = node.parameters.globals.get("cluster_name", NAME)
    return name if isinstance(name, str) else NAME
