"""A queue as RabbitMQ's API shows it.

Every list of queues is sorted, cut and filtered by these columns (`lists`), so each is a function of its own. A list
has what it takes to run a queue, one queue alone says more. Where RabbitMQ reports on the process behind a queue, which
there is none of here, the numbers are 0.

`message_bytes` are those of messages as they are kept, with their properties. In a durable queue all of them count as
persistent, as nobody counts those that are not. Whether a queue could have handed out a
message at once (`consumer_utilisation`) is looked at in the moment of asking, not over a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from menura.core import properties
from menura.core.arguments import queue_type
from menura.core.content import properties_of
from menura.core.node import NAME
from menura.core.properties import PropertiesError
from menura.core.queue import Queue
from menura.core.queue_types import CLASSIC, QUORUM
from menura.management.lists import ABSENT, Column, View
from menura.management.statistics import windows
from menura.management.views.arguments import as_json, shown
from menura.management.views.consumer import consumer_row

if TYPE_CHECKING:
    from menura.core.presence import Connected
    from menura.management.http.messages import Request
    from menura.management.statistics import Statistics, Window

# Of the process of a queue, in Erlang.
_GARBAGE_COLLECTION = {
    "fullsweep_after": 0,
    "max_heap_size": 0,
    "min_bin_vheap_size": 0,
    "min_heap_size": 0,
    "minor_gcs": 0,
}
_COUNTED = ("publish", "deliver_get", "deliver", "deliver_no_ack", "get", "get_no_ack", "redeliver", "ack")
# So many consumers come with a queue; all of them are in the list of consumers.
CONSUMERS_MAX = 1000
Columns = dict[str, Column[Queue]]

_DECLARED: Columns = {
    "name": lambda queue: queue.name,
    "vhost": lambda queue: queue.vhost.name,
    "type": lambda queue: queue_type(queue.arguments),
    "durable": lambda queue: queue.durable,
    "auto_delete": lambda queue: queue.auto_delete,
    "exclusive": lambda queue: queue.owner is not None,
    "arguments": lambda queue: shown(queue.arguments),
    "node": lambda queue: NAME,
    "state": lambda queue: "running",
}
_TOTALS: Columns = {
    "messages": lambda queue: queue.ready_count + queue.unsettled_count,
    "messages_ready": lambda queue: queue.ready_count,
    "messages_unacknowledged": lambda queue: queue.unsettled_count,
}


def declared_view(totals: bool) -> View[Queue]:
    """What a queue was declared as, and perhaps how many messages it has."""
    return View({**_DECLARED, **(_TOTALS if totals else {})})


def queue_view(request: Request) -> View[Queue]:
    """A queue in a list."""
    return View(_columns(request), _rates(request))


def detailed_view(request: Request) -> View[Queue]:
    """All that a list can say."""
    return View({**_columns(request), **_OF_PROCESS}, _rates(request))


def single_view(request: Request) -> View[Queue]:
    """One queue, with its consumers."""
    return View(
        {
            **_columns(request),
            **_OF_PROCESS,
            "consumer_details": lambda queue: list(map(consumer_row, queue.consumers.all[:CONSUMERS_MAX])),
            "incoming": lambda queue: [],
            "deliveries": lambda queue: [],
        }
    )


def _columns(request: Request) -> Columns:
    statistics, window = request.backend.statistics, windows(request)
    counted: Columns = {
        "message_stats": lambda queue: statistics.message_stats(queue, window.msg_rates) or ABSENT,
        **{f"{name}_details": _details(statistics, name, window.lengths) for name in _TOTALS},
    }
    return {**_DECLARED, **_POLICIES, **_TOTALS, **_CONSUMERS, **_BYTES, **_WHERE, **_OF_QUORUM, **counted}


def _rates(request: Request) -> Columns:
    """What queues are sorted by most."""
    statistics = request.backend.statistics
    counted = {f"message_stats.{name}_details.rate": _rate(statistics, name) for name in _COUNTED}
    return {**counted, **{f"{name}_details.rate": _rate(statistics, name) for name in _TOTALS}}


def _rate(statistics: Statistics, name: str) -> Column[Queue]:
    return lambda queue: statistics.history(queue).rate(name)


def _details(statistics: Statistics, name: str, window: Window | None) -> Column[Queue]:
    return lambda queue: statistics.history(queue).details(name, window)


# -- policies ------------------------------------------------------------------------------------------------


def _policy(queue: Queue) -> str | None:
    policy = queue.vhost.policies.of_queue(queue.name, queue.arguments).policy
    return policy.name if policy is not None else None


def _operator_policy(queue: Queue) -> str | None:
    policy = queue.vhost.policies.of_queue(queue.name, queue.arguments).operator
    return policy.name if policy is not None else None


def _definition(queue: Queue) -> Any:
    return as_json(queue.vhost.policies.of_queue(queue.name, queue.arguments).definition)


_POLICIES: Columns = {
    "policy": _policy,
    "operator_policy": _operator_policy,
    "effective_policy_definition": _definition,
}


# -- consumers -----------------------------------------------------------------------------------------------


def _capacity(queue: Queue) -> float:
    """1 where a message would go to a consumer at once."""
    return float(queue.consumers.room > 0)


def _single_tag(queue: Queue) -> str | None:
    return queue.consumers.all[0].tag if queue.consumers.single and queue.consumers.all else None


def _exclusive_tag(queue: Queue) -> str | None:
    return queue.consumers.all[0].tag if queue.consumers.exclusive else None


def _owner(queue: Queue) -> Any:
    """The connection an exclusive queue belongs to."""
    if queue.owner is None:
        return ABSENT
    here: Connected | None = getattr(queue.owner, "here", None)
    if here is None:
        return {"name": "", "peer_host": "", "peer_port": 0}
    return {"name": here.address, "peer_host": here.peer.host, "peer_port": here.peer.port}


_CONSUMERS: Columns = {
    "consumers": lambda queue: len(queue.consumers),
    "consumer_capacity": _capacity,
    "consumer_utilisation": _capacity,
    "exclusive_consumer_tag": lambda queue: _exclusive_tag(queue) if _is_classic(queue) else ABSENT,
    "single_active_consumer_tag": _single_tag,
    "owner_pid_details": _owner,
}


# -- messages ------------------------------------------------------------------------------------------------


def _memory(queue: Queue) -> int:
    return queue.ready_bytes - queue.paged_bytes + queue.unsettled_bytes


def _in_memory(queue: Queue) -> int:
    return queue.ready_count - queue.paged_count


def _head_timestamp(queue: Queue) -> int | None:
    """The time that the first message says it is of."""
    content = queue.head
    try:
        return properties.timestamp(properties_of(content)) if content is not None else None
    except PropertiesError:
        return None


def _is_classic(queue: Queue) -> bool:
    return queue_type(queue.arguments) == CLASSIC


def _of(kind: str, column: Column[Queue]) -> Column[Queue]:
    """A column of one type of queue."""
    return lambda queue: column(queue) if queue_type(queue.arguments) == kind else ABSENT


_BYTES: Columns = {
    "message_bytes": lambda queue: queue.ready_bytes + queue.unsettled_bytes,
    "message_bytes_ready": lambda queue: queue.ready_bytes,
    "message_bytes_unacknowledged": lambda queue: queue.unsettled_bytes,
    "message_bytes_persistent": lambda queue: queue.ready_bytes + queue.unsettled_bytes if queue.durable else 0,
    "message_bytes_ram": _memory,
    "message_bytes_paged_out": _of(CLASSIC, lambda queue: queue.paged_bytes),
    "message_bytes_dlx": _of(QUORUM, lambda queue: 0),
    "memory": _memory,
}
_WHERE: Columns = {
    "messages_persistent": lambda queue: queue.ready_count + queue.unsettled_count if queue.durable else 0,
    "messages_ram": lambda queue: _in_memory(queue) + queue.unsettled_count,
    "messages_ready_ram": _of(CLASSIC, _in_memory),
    "messages_unacknowledged_ram": _of(CLASSIC, lambda queue: queue.unsettled_count),
    "messages_paged_out": _of(CLASSIC, lambda queue: queue.paged_count),
    "messages_dlx": _of(QUORUM, lambda queue: 0),
    "head_message_timestamp": _of(CLASSIC, _head_timestamp),
    "storage_version": _of(CLASSIC, lambda queue: 2),
}
_OF_QUORUM: Columns = {
    "leader": _of(QUORUM, lambda queue: NAME),
    "members": _of(QUORUM, lambda queue: [NAME]),
    "online": _of(QUORUM, lambda queue: [NAME]),
    "open_files": _of(QUORUM, lambda queue: {NAME: 0}),
    "delivery_limit": _of(QUORUM, lambda queue: _delivery_limit(queue)),
    "single_active_consumer_ctag": _of(QUORUM, _single_tag),
}
_OF_PROCESS: Columns = {
    "garbage_collection": lambda queue: _GARBAGE_COLLECTION,
    "reductions": lambda queue: 0,
    "reductions_details": lambda queue: {"rate": 0.0},
}


def _delivery_limit(queue: Queue) -> Any:
    limit = queue.rules.settings.delivery_limit if queue.rules is not None else None
    return "unlimited" if limit is None else limit
