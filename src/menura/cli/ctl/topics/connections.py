"""Who is connected: connections of every protocol, their channels, and their end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from menura.cli.ctl.arguments import FLAG, WHOLE
from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import UNAVAILABLE, CtlError
from menura.cli.ctl.formats import Table, arguments
from menura.cli.ctl.terms import pid, protocol
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, Call, verb

_GROUP = "Monitoring, observability and health checks"
_OPERATIONS = "Operations"
_SEEN = (CTL, DIAGNOSTICS)
Row = dict[str, Any]
_CONNECTION_KEYS = (
    "pid name port host peer_port peer_host ssl ssl_protocol ssl_key_exchange ssl_cipher ssl_hash peer_cert_subject "
    "peer_cert_issuer peer_cert_validity state channels protocol auth_mechanism user vhost timeout frame_max "
    "channel_max client_properties recv_oct recv_cnt send_oct send_cnt send_pend connected_at user_provided_name node"
).split()
_NUMBERS = frozenset(("channels", "recv_oct", "recv_cnt", "send_oct", "send_cnt", "send_pend"))
_LIST_USAGE = "[--no-table-headers] [<column> ...] [--timeout <timeout>]"


def _connections(call: Call) -> list[Row]:
    node = call.node
    found = call.client.get("/connections")
    return [_row(node, each) for each in found if each.get("type", "network") == "network"]


def _row(node: str, connection: Mapping[str, Any]) -> Row:
    row: Row = {key: connection.get(key, 0 if key in _NUMBERS else None) for key in _CONNECTION_KEYS}
    properties = arguments(connection.get("client_properties"))
    row.update(
        pid=pid(node, connection["name"]),
        label=connection.get("protocol") or "",
        protocol=protocol(connection.get("protocol") or ""),
        client_properties=properties,
        user_provided_name=connection.get("user_provided_name") or properties.get("connection_name"),
    )
    return row


@verb(
    "list_connections",
    _GROUP,
    "Lists connections of clients, whatever their protocol",
    _LIST_USAGE,
    (0, None),
    columns=_CONNECTION_KEYS,
    usual=("user", "peer_host", "peer_port", "state"),
    programs=_SEEN,
)
def list_connections(call: Call) -> Table:
    call.info("Listing connections ...")
    return call.table(_connections(call))


def _speaking(call: Call, prefix: str) -> Table:
    rows = []
    for row in _connections(call):
        if row["label"].startswith(prefix):
            row["client_id"] = row["client_properties"].get("client_id")
            rows.append(row)
    return call.table(rows)


@verb(
    "list_mqtt_connections",
    "Other protocols",
    "Lists MQTT connections",
    _LIST_USAGE,
    (0, None),
    columns=("client_id", *_CONNECTION_KEYS),
    usual=("client_id",),
    programs=_SEEN,
)
def list_mqtt_connections(call: Call) -> Table:
    call.info("Listing MQTT connections ...")
    return _speaking(call, "MQTT")


@verb(
    "list_stomp_connections",
    "Other protocols",
    "Lists STOMP connections",
    _LIST_USAGE,
    (0, None),
    columns=_CONNECTION_KEYS,
    usual=("user", "name"),
    programs=_SEEN,
)
def list_stomp_connections(call: Call) -> Table:
    call.info("Listing STOMP connections ...")
    return _speaking(call, "STOMP")


# -- channels ----------------------------------------------------------------------------------------------------

_CHANNEL_COUNTS = (
    "consumer_count",
    "messages_unacknowledged",
    "messages_uncommitted",
    "acks_uncommitted",
    "messages_unconfirmed",
    "prefetch_count",
    "global_prefetch_count",
)
_CHANNEL_KEYS = (
    *("pid", "connection", "name", "number", "user", "vhost", "transactional", "confirm", "state"),
    *_CHANNEL_COUNTS,
)


@verb(
    "list_channels",
    _GROUP,
    "Lists all channels in the node",
    _LIST_USAGE,
    (0, None),
    columns=_CHANNEL_KEYS,
    usual=("pid", "user", "consumer_count", "messages_unacknowledged"),
    programs=_SEEN,
)
def list_channels(call: Call) -> Table:
    call.info("Listing channels ...")
    node = call.node
    return call.table([_channel(node, each) for each in call.client.get("/channels")])


def _channel(node: str, channel: Mapping[str, Any]) -> Row:
    row: Row = {key: channel.get(key, 0 if key in _CHANNEL_COUNTS else None) for key in _CHANNEL_KEYS}
    row["pid"] = pid(node, channel["name"])
    row["connection"] = pid(node, channel["connection_details"]["name"])
    return row


# -- closing -----------------------------------------------------------------------------------------------------


@verb(
    "close_connection",
    _OPERATIONS,
    "Closes one connection, named by its pid or its name",
    "<connection> <explanation>",
    2,
)
def close_connection(call: Call) -> None:
    which, reason = call.arguments
    call.info(f"Closing connection {which}, reason: {reason}...")
    for row in _connections(call):
        if which in (row["pid"], row["name"]):
            _close(call, row, reason)
            return
    call.info("There is no such connection: it may have ended by itself")
    if not which.startswith("<"):
        raise CtlError(UNAVAILABLE, f'Error:\n{{:invalid_pid_syntax, "{which}"}}')


def _close(call: Call, row: Row, reason: str) -> bool:
    try:
        call.client.delete(path("connections", row["name"]), {"X-Reason": reason.encode("ascii", "replace").decode()})
    except HttpFailure as failure:
        if failure.http_status != 404:  # it has gone by itself
            raise
        return False
    return True


def _close_all(call: Call, rows: Iterable[Row], reason: str) -> int:
    closed = 0
    for row in rows:
        if closed and (delay_ms := call.options.get("per-connection-delay")):
            time.sleep(delay_ms / 1000)
        closed += _close(call, row, reason)
    return closed


_DELAYS = {"per-connection-delay": WHOLE, "limit": WHOLE, "global": FLAG}


@verb(
    "close_all_connections",
    _OPERATIONS,
    "Closes all connections of a virtual host, or of the broker",
    "[--vhost <vhost> | --global] [--limit <limit>] [--per-connection-delay <milliseconds>] <explanation>",
    1,
    options=_DELAYS,
)
def close_all_connections(call: Call) -> str:
    reason = call.argument(0)
    everywhere = call.options.get("global") or "vhost" not in call.options
    where = "" if everywhere else f" in vhost {call.vhost}"
    call.info(f"Closing all connections{where}, reason: {reason}...")
    rows = [row for row in _connections(call) if everywhere or row["vhost"] == call.vhost]
    return f"Closed {_close_all(call, rows[: call.options.get('limit') or None], reason)} connections"


@verb(
    "close_all_user_connections",
    _OPERATIONS,
    "Closes all connections of a user",
    "<username> <explanation>",
    2,
)
def close_all_user_connections(call: Call) -> None:
    user, reason = call.arguments
    call.info(f"Closing connections of user {user}, reason: {reason}...")
    _close_all(call, [row for row in _connections(call) if row["user"] == user], reason)
