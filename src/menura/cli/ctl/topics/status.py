"""What a node is and does, for people and as JSON: status, cluster_status, environment, report."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from menura.cli.ctl.arguments import TEXT
from menura.cli.ctl.formats import Facts, bold, formatted
from menura.cli.ctl.state import listener_line, listeners, node_state
from menura.cli.ctl.terms import term
from menura.cli.ctl.topics.plugins import BUILT_IN
from menura.cli.ctl.verbs import ALL, CTL, DIAGNOSTICS, OWN, REGISTRY, Call, check, verb
from menura.version import __version__

_SEEN = (CTL, DIAGNOSTICS)
_MONITORING = "Monitoring, observability and health checks"
_UNITS = {"b": 1, "bytes": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def in_unit(amount: float, unit: str) -> str:
    """An amount of octets in a unit, as RabbitMQ's tools round it."""
    return f"{round(amount / _UNITS[unit], 4)} {unit}"


def _section(title: str, lines: list[str]) -> list[str]:
    return [bold(title), "", *lines, ""]


def alarm_lines(state: Mapping[str, Any]) -> list[str]:
    return [f"{resource.capitalize()} alarm on node {state['name']}" for resource in state["alarms"]] or ["(none)"]


# -- status ------------------------------------------------------------------------------------------------------


@verb(
    "status",
    "Nodes",
    "Displays status of a node",
    "[--unit <unit>] [--timeout <timeout>]",
    options={"unit": TEXT},
    programs=_SEEN,
)
def status(call: Call) -> Facts:
    unit = call.options.get("unit", "gb").lower()
    state = node_state(call)
    overview = call.client.get("/overview")
    call.info(f"Status of node {state['name']} ...")
    value = _status_value(state, overview)
    return Facts("\n".join(_status_lines(value, state, unit if unit in _UNITS else "gb")), value)


def _status_value(state: Mapping[str, Any], overview: Mapping[str, Any]) -> dict[str, Any]:
    totals = overview.get("object_totals") or {}
    return {
        "active_plugins": list(BUILT_IN),
        "alarms": list(state["alarms"]),
        "config_files": [],
        "data_directory": state["data_directory"],
        "disk_free": state["disk_free_bytes"],
        "disk_free_limit": state["disk_free_bytes_min"],
        "is_under_maintenance": not state["listening"],
        "listeners": listeners(state),
        "log_level": state["log_level"],
        "memory": {"held_messages": state["memory_used_bytes"]},
        "net_ticktime": 60,
        "node": state["name"],
        "os": platform.system(),
        "pid": state["os_pid"],
        "product_name": "Menura",
        "product_version": state["version"],
        "python_version": platform.python_version(),
        "rabbitmq_version": overview.get("rabbitmq_version", state["product_version"]),
        "state": state["state"],
        "totals": {
            "connection_count": totals.get("connections", 0),
            "queue_count": totals.get("queues", 0),
        },
        "uptime": state["uptime_ms"] // 1000,
        "vm_memory_high_watermark_limit": state["memory_watermark_bytes"],
    }


def _status_lines(value: Mapping[str, Any], state: Mapping[str, Any], unit: str) -> list[str]:
    runtime = [
        f"OS PID: {value['pid']}",
        f"OS: {value['os']}",
        f"Uptime (seconds): {value['uptime']}",
        f"Is under maintenance?: {term(value['is_under_maintenance'])}",
        f"State: {value['state']}",
        f"RabbitMQ version: {value['rabbitmq_version']}",
        f"Menura version: {value['product_version']}",
        f"Node name: {value['node']}",
    ]
    disk = ["Nothing is kept on a disk"]
    if value["disk_free"] is not None:
        disk = [
            f"Low free disk space watermark: {in_unit(value['disk_free_limit'], unit)}",
            f"Free disk space: {in_unit(value['disk_free'], unit)}",
        ]
    memory = [
        f"Held messages: {in_unit(value['memory']['held_messages'], unit)}",
        f"Memory high watermark of held messages: {in_unit(value['vm_memory_high_watermark_limit'], unit)}",
    ]
    totals = [
        f"Connection count: {value['totals']['connection_count']}",
        f"Queue count: {value['totals']['queue_count']}",
    ]
    return [
        *_section("Runtime", runtime),
        *_section("Plugins", ["Built in:", "", *(f" * {name}" for name in value["active_plugins"])]),
        *_section("Data directory", [f"Node data directory: {value['data_directory'] or '(in memory only)'}"]),
        *_section("Alarms", alarm_lines(state)),
        *_section("Memory", memory),
        *_section("Free Disk Space", disk),
        *_section("Totals", totals),
        *_section("Listeners", [_capital(listener_line(each)) for each in value["listeners"]]),
    ][:-1]


def _capital(line: str) -> str:
    return line[0].upper() + line[1:]


# -- cluster status ----------------------------------------------------------------------------------------------


@verb("cluster_status", "Cluster", "Displays the one node there is", "[--timeout <timeout>]", programs=_SEEN)
def cluster_status(call: Call) -> Facts:
    state = node_state(call)
    name = state["name"]
    call.info(f"Cluster status of node {name} ...")
    overview = call.client.get("/overview")
    flags = call.client.get("/feature-flags")
    maintenance = "not under maintenance" if state["listening"] else "marked for maintenance"
    running = [name] if state["state"] == "running" else []
    value = {
        "alarms": list(state["alarms"]),
        "cluster_name": overview.get("cluster_name", name),
        "disk_nodes": [name],
        "feature_flags": flags,
        "listeners": {name: listeners(state)},
        "maintenance_status": {name: maintenance},
        "partitions": {},
        "ram_nodes": [],
        "running_nodes": running,
        "versions": {name: {"rabbitmq_name": "Menura", "rabbitmq_version": overview.get("rabbitmq_version")}},
    }
    lines = [
        *_section("Basics", [f"Cluster name: {value['cluster_name']}"]),
        *_section("Disk Nodes", [name]),
        *_section("Running Nodes", running or ["(none)"]),
        *_section("Versions", [f"{name}: Menura {__version__}, as RabbitMQ {overview.get('rabbitmq_version')}"]),
        *_section("Maintenance status", [f"Node: {name}, status: {maintenance}"]),
        *_section("Alarms", alarm_lines(state)),
        *_section("Network Partitions", ["(none)"]),
        *_section("Listeners", [f"Node: {name}, {listener_line(each)}" for each in listeners(state)]),
        *_section("Feature flags", [f"Flag: {flag['name']}, state: {flag['state']}" for flag in flags]),
    ]
    return Facts("\n".join(lines[:-1]), value)


# -- the rest ----------------------------------------------------------------------------------------------------


@verb("environment", "Configuration and Environment", "Displays the settings the broker runs with", programs=_SEEN)
def environment(call: Call) -> Facts:
    state = node_state(call)
    call.info(f"Application environment of node {state['name']} ...")
    settings = {key: state[key] for key in sorted(state) if key not in ("listeners", "uptime_ms", "state", "problem")}
    return Facts("\n".join(f"{key} = {term(value)}" for key, value in settings.items()), settings)


@verb(
    "version", "Help", "Displays the version: its own, or as another program that of RabbitMQ it is like", programs=ALL
)
def version(call: Call) -> str:
    if call.program == OWN:
        return __version__
    from menura.config import Config

    return Config().product_version


_REPORTED = (
    "status",
    "cluster_status",
    "list_vhosts",
    "list_users",
    "list_connections",
    "list_channels",
    "list_queues",
    "list_exchanges",
    "list_bindings",
    "list_consumers",
    "list_permissions",
    "list_policies",
    "list_operator_policies",
    "list_parameters",
    "list_global_parameters",
)
_PER_VHOST = _REPORTED[6:14]


@verb("report", _MONITORING, "Everything about the state of the broker that a bug report needs", programs=_SEEN)
def report(call: Call) -> None:
    state = node_state(call)
    call.say(f"Reporting server status of node {state['name']} ...\n")
    vhosts = [vhost["name"] for vhost in call.client.get("/vhosts")]
    for name in _REPORTED:
        for vhost in vhosts if name in _PER_VHOST else [""]:
            _report_one(call, name, {"vhost": vhost} if vhost else {})


def _report_one(call: Call, name: str, options: dict[str, str]) -> None:
    found = REGISTRY.by_program[CTL][name]
    # Arguments and what clients say of themselves may hold more than a bug report should show.
    inner = Call(found, call.program, (), {**call.options, **options}, call.words)
    inner.client = call.client
    check(inner)
    for line in formatted(found.run(inner), "table", True):
        call.say(line)
    call.say("")
