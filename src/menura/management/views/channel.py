"""A channel as RabbitMQ's API shows it.

One channel alone also says what it has published to each exchange and taken from each queue. `idle_since` is there once
somebody has looked twice and nothing has happened in between.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from menura.core.descriptions import ChannelState
from menura.core.events import channel_name
from menura.core.node import NAME
from menura.core.presence import Connected
from menura.management.lists import ABSENT, Column, View
from menura.management.statistics import windows
from menura.management.views.connection import GARBAGE_COLLECTION, details
from menura.management.views.consumer import consumer_row
from menura.management.views.schemas import BOOLEAN, INTEGER, OBJECT, STRING, array, fixed

if TYPE_CHECKING:
    from menura.management.http.messages import Request

_COUNTS = ("return_unroutable", "drop_unroutable")
SCHEMA = fixed(
    {
        "name": STRING,
        "number": INTEGER,
        "node": STRING,
        "user": STRING,
        "vhost": STRING,
        "state": STRING,
        "connection_details": OBJECT,
        "confirm": BOOLEAN,
        "transactional": BOOLEAN,
        "prefetch_count": INTEGER,
        "global_prefetch_count": INTEGER,
        "consumer_count": INTEGER,
        "messages_unacknowledged": INTEGER,
        "messages_unconfirmed": INTEGER,
        "messages_uncommitted": INTEGER,
        "acks_uncommitted": INTEGER,
    },
    {"idle_since": STRING, "message_stats": OBJECT},
)
SINGLE_SCHEMA = {
    **SCHEMA,
    "properties": {
        **SCHEMA["properties"],
        "consumer_details": array(OBJECT),
        "deliveries": array(OBJECT),
        "publishes": array(OBJECT),
    },
}


class Row(NamedTuple):
    """A channel and the connection it is of."""

    connected: Connected
    channel: ChannelState

    @property
    def name(self) -> str:
        return channel_name(self.connected, self.channel.number)


Columns = dict[str, Column[Row]]


def _idle_since(row: Row) -> Any:
    since_ms = row.channel.idle_since_ms()
    if not since_ms:
        return ABSENT
    return datetime.fromtimestamp(since_ms / 1000, UTC).isoformat(timespec="milliseconds")


_COLUMNS: Columns = {
    "name": lambda row: row.name,
    "number": lambda row: row.channel.number,
    "node": lambda row: NAME,
    "user": lambda row: row.connected.user,
    "user_who_performed_action": lambda row: row.connected.user,
    "vhost": lambda row: row.connected.vhost,
    "state": lambda row: row.channel.state,
    "connection_details": lambda row: details(row.connected),
    "confirm": lambda row: row.channel.confirms,
    "transactional": lambda row: row.channel.transactional,
    "prefetch_count": lambda row: row.channel.prefetch,
    "global_prefetch_count": lambda row: row.channel.global_prefetch,
    "consumer_count": lambda row: row.channel.consumers,
    "messages_unacknowledged": lambda row: row.channel.unacknowledged,
    "messages_unconfirmed": lambda row: row.channel.unconfirmed,
    "messages_uncommitted": lambda row: row.channel.uncommitted,
    "acks_uncommitted": lambda row: row.channel.acks_uncommitted,
    "pending_raft_commands": lambda row: 0,
    "idle_since": _idle_since,
    "garbage_collection": lambda row: GARBAGE_COLLECTION,
    "reductions": lambda row: 0,
    "reductions_details": lambda row: {"rate": 0.0},
}


def channel_view(request: Request) -> View[Row]:
    """A channel in a list."""
    return View(_columns(request))


def single_view(request: Request) -> View[Row]:
    return View({**_columns(request), **_DETAILS})


def _columns(request: Request) -> Columns:
    statistics, window = request.backend.statistics, windows(request)
    return {
        **_COLUMNS,
        "message_stats": lambda row: statistics.message_stats(row.channel.tallies, window.msg_rates) or ABSENT,
    }


def _consumers(row: Row) -> list[dict[str, Any]]:
    return [consumer_row(consumer) for consumer in row.channel.consumer_list()]


def _publishes(row: Row) -> list[dict[str, Any]]:
    found = []
    for exchange, sending in row.channel.tallies.sendings.items():
        sent = sending.sum()
        stats = {"publish": sent.publish, **{name: getattr(sent, name) for name in _COUNTS}}
        found.append({"exchange": {"name": exchange.name, "vhost": row.connected.vhost}, "stats": stats})
    return found


def _deliveries(row: Row) -> list[dict[str, Any]]:
    found = []
    for queue, taking in row.channel.tallies.takings.items():
        taken = taking.sum()
        stats = {**taken._asdict(), "deliver_get": taken.deliver_get}
        found.append({"queue": {"name": queue.name, "vhost": row.connected.vhost}, "stats": stats})
    return found


_DETAILS: Columns = {"consumer_details": _consumers, "deliveries": _deliveries, "publishes": _publishes}
