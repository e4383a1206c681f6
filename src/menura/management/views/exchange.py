"""An exchange as RabbitMQ's API shows it. A row is an exchange and the name of its virtual host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from menura.core.exchange import Exchange
from menura.core.vhost import VHost
from menura.management.lists import ABSENT, Column, View
from menura.management.statistics import windows
from menura.management.views.arguments import shown

if TYPE_CHECKING:
    from menura.management.http.messages import Request


class Placed(NamedTuple):
    vhost: VHost
    exchange: Exchange


_DECLARED: dict[str, Column[Placed]] = {
    "name": lambda row: row.exchange.name,
    "vhost": lambda row: row.vhost.name,
    "type": lambda row: row.exchange.kind,
    "durable": lambda row: row.exchange.durable,
    "auto_delete": lambda row: row.exchange.auto_delete,
    "internal": lambda row: row.exchange.internal,
    "arguments": lambda row: shown(row.exchange.arguments),
}


def _policy(row: Placed) -> Any:
    policy = row.vhost.policies.of_exchange(row.exchange.name).policy
    return policy.name if policy is not None else ABSENT


def declared_view() -> View[Placed]:
    """What an exchange was declared as."""
    return View(_DECLARED)


def exchange_view(request: Request) -> View[Placed]:
    """An exchange in a list."""
    statistics = request.backend.statistics
    rates: dict[str, Column[Placed]] = {
        "message_stats.publish_in_details.rate": lambda row: statistics.history(row.exchange).rate("publish_in"),
        "message_stats.publish_out_details.rate": lambda row: statistics.history(row.exchange).rate("publish_out"),
    }
    return View(_columns(request), rates)


def single_view(request: Request) -> View[Placed]:
    return View({**_columns(request), "incoming": lambda row: [], "outgoing": lambda row: []})


def _columns(request: Request) -> dict[str, Column[Placed]]:
    statistics, window = request.backend.statistics, windows(request).msg_rates
    return {
        **_DECLARED,
        "policy": _policy,
        # Who declared it is not kept.
        "user_who_performed_action": lambda row: "",
        "message_stats": lambda row: statistics.message_stats(row.exchange, window) or ABSENT,
    }
