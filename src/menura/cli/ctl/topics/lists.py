"""What there is in a virtual host: queues, exchanges, bindings, consumers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from menura.cli.ctl.client import path
from menura.cli.ctl.formats import Table, arguments
from menura.cli.ctl.terms import pid
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, Call, verb

_GROUP = "Monitoring, observability and health checks"
_SEEN = (CTL, DIAGNOSTICS)
_QUEUE_TIMEOUT_SECONDS = 60.0
Row = dict[str, Any]
_QUEUE_KEYS = (
    "name durable auto_delete arguments policy operator_policy effective_policy_definition pid owner_pid exclusive "
    "exclusive_consumer_pid exclusive_consumer_tag messages_ready messages_unacknowledged messages messages_ready_ram "
    "messages_unacknowledged_ram messages_ram messages_persistent message_bytes message_bytes_ready "
    "message_bytes_unacknowledged message_bytes_ram message_bytes_persistent head_message_timestamp disk_reads "
    "disk_writes consumers consumer_utilisation consumer_capacity single_active_consumer_tag memory slave_pids "
    "synchronised_slave_pids state type leader members online vhost"
).split()
# What the API does not say of a queue that has done nothing is none of it.
_COUNTED = frozenset(
    name for name in _QUEUE_KEYS if name.startswith("message") or name in ("consumers", "disk_reads", "disk_writes")
)


def _rows(call: Call, what: str, row: Callable[[str, Mapping[str, Any]], Row], *where: str) -> Table:
    """A table of what the API lists; nothing for a virtual host that there is not."""
    node = call.node if {"pid", "owner_pid", "channel_pid"} & set(call.columns()) else ""
    found = call.client.find(path(what, call.vhost, *where)) or []
    return call.table([row(node, each) for each in found])


# -- queues ------------------------------------------------------------------------------------------------------


@verb(
    "list_queues",
    _GROUP,
    "Lists queues and their properties",
    "[--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] [<column>, ...] [--timeout <timeout>]",
    (0, None),
    columns=_QUEUE_KEYS,
    usual=("name", "messages"),
    programs=_SEEN,
)
def list_queues(call: Call) -> Table | None:
    seconds = call.options.get("timeout", _QUEUE_TIMEOUT_SECONDS)
    call.info(f"Timeout: {seconds} seconds ...")
    call.info(f"Listing queues for vhost {call.vhost} ...")
    if call.options.get("offline"):
        return call.table([])
    return _rows(call, "queues", _queue)


def _queue(node: str, queue: Mapping[str, Any]) -> Row:
    name = queue["name"]
    owner = queue.get("owner_pid_details") or {}
    holder = queue.get("consumer_details") or []
    row: Row = {key: queue.get(key, 0 if key in _COUNTED else None) for key in _QUEUE_KEYS}
    row.update(
        arguments=arguments(queue.get("arguments")),
        effective_policy_definition=arguments(queue.get("effective_policy_definition")),
        pid=pid(node, f"{queue['vhost']}/{name}"),
        owner_pid=pid(node, owner["name"]) if owner.get("name") else None,
        exclusive_consumer_pid=_consumer_pid(node, queue, holder),
        consumer_utilisation=queue.get("consumer_utilisation") or 0,
        consumer_capacity=queue.get("consumer_capacity") or 0,
        memory=queue.get("memory") or 0,
    )
    if row["type"] == "classic":
        row.update(leader=None, members=None, online=None)
    return row


def _consumer_pid(node: str, queue: Mapping[str, Any], holders: list[Mapping[str, Any]]) -> str | None:
    if queue.get("exclusive_consumer_tag") is None:
        return None
    return next((pid(node, each["channel_details"]["name"]) for each in holders), None)


@verb(
    "list_unresponsive_queues",
    _GROUP,
    "Lists queues that do not respond; those of one process all do, or none does",
    "[--vhost <vhost>] [--no-table-headers] [<column>, ...] [--queue-timeout <milliseconds>]",
    (0, None),
    options={"queue-timeout": int},
    columns=_QUEUE_KEYS,
    usual=("name",),
    programs=_SEEN,
)
def list_unresponsive_queues(call: Call) -> Table:
    call.info(f"Listing unresponsive queues for vhost {call.vhost} ...")
    call.client.get(path("queues", call.vhost), columns="name")
    return call.table([])


# -- exchanges and bindings --------------------------------------------------------------------------------------

_LIST_USAGE = "[--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]"


@verb(
    "list_exchanges",
    _GROUP,
    "Lists exchanges",
    _LIST_USAGE,
    (0, None),
    columns=("name", "type", "durable", "auto_delete", "internal", "arguments", "policy", "vhost"),
    usual=("name", "type"),
    programs=_SEEN,
)
def list_exchanges(call: Call) -> Table:
    call.info(f"Listing exchanges for vhost {call.vhost} ...")
    return _rows(call, "exchanges", _exchange)


def _exchange(_: str, exchange: Mapping[str, Any]) -> Row:
    return {"policy": None, **exchange, "arguments": arguments(exchange.get("arguments"))}


_BINDING = ("source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments")


@verb(
    "list_bindings",
    _GROUP,
    "Lists all bindings on a vhost",
    _LIST_USAGE,
    (0, None),
    columns=_BINDING,
    usual=_BINDING,
    programs=_SEEN,
)
def list_bindings(call: Call) -> Table:
    call.info(f"Listing bindings for vhost {call.vhost}...")
    return _rows(call, "bindings", _binding)


def _binding(_: str, binding: Mapping[str, Any]) -> Row:
    return {
        "source_name": binding["source"],
        "source_kind": "exchange",
        "destination_name": binding["destination"],
        "destination_kind": binding["destination_type"],
        "routing_key": binding["routing_key"],
        "arguments": arguments(binding["arguments"]),
    }


# -- consumers ---------------------------------------------------------------------------------------------------

_CONSUMER = ("queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments")


@verb(
    "list_consumers",
    _GROUP,
    "Lists all consumers for a vhost",
    _LIST_USAGE,
    (0, None),
    columns=(*_CONSUMER, "activity_status"),
    usual=_CONSUMER,
    programs=_SEEN,
)
def list_consumers(call: Call) -> Table:
    call.info(f"Listing consumers in vhost {call.vhost} ...")
    return _rows(call, "consumers", _consumer)


def _consumer(node: str, consumer: Mapping[str, Any]) -> Row:
    channel = consumer.get("channel_details") or {}
    return {
        "queue_name": consumer["queue"]["name"],
        "channel_pid": pid(node, channel.get("name") or ""),
        "consumer_tag": consumer["consumer_tag"],
        "ack_required": consumer["ack_required"],
        "prefetch_count": consumer["prefetch_count"],
        "active": consumer.get("active", True),
        "activity_status": consumer.get("activity_status", "up"),
        "arguments": arguments(consumer.get("arguments")),
    }
