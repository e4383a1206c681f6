"""rabbitmq-diagnostics: checks that say by their exit status whether all is well, and looks into the node."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Any

from menura.cli.ctl.arguments import TEXT, WHOLE
from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import DATA, UNAVAILABLE, CtlError
from menura.cli.ctl.formats import Facts
from menura.cli.ctl.state import listener_line, listeners, node_state, require_running
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, OWN, QUEUES, Call, verb

_GROUP = "Monitoring, observability and health checks"
_HERE = (DIAGNOSTICS, OWN)
_CONNECT_SECONDS = 5.0


def _failed(text: str) -> CtlError:
    return CtlError(UNAVAILABLE, text)


@verb("check_running", _GROUP, "Fails if the broker does not serve clients", programs=_HERE)
def check_running(call: Call) -> str:
    call.info(f"Checking if RabbitMQ is running on node {call.node} ...")
    return _running(call)


@verb("is_running", _GROUP, "Whether the broker serves clients", programs=_HERE)
def is_running(call: Call) -> str:
    call.info(f"Asking node {call.node} for its status ...")
    return _running(call)


def _running(call: Call) -> str:
    state = node_state(call)
    if state["state"] != "running":
        raise _failed(
            f"RabbitMQ on node {state['name']} is not running or has not fully booted yet (check with is_booting)"
        )
    return f"RabbitMQ on node {state['name']} is fully booted and running"


@verb("is_booting", _GROUP, "Whether the broker is about to start; a broker that answers has started", programs=_HERE)
def is_booting(call: Call) -> str:
    call.info(f"Asking node {call.node} for its boot status ...")
    return (
        f"RabbitMQ on node {call.node} is fully booted (check with is_running), stopped or has not started booting yet"
    )


@verb(
    "node_health_check",
    "Deprecated",
    "The checks of old: whether the node answers, without alarms",
    programs=(CTL, DIAGNOSTICS),
)
def node_health_check(call: Call) -> str:
    call.info("This command is DEPRECATED and will be removed in a future version.")
    call.info(f"Checking health of node {call.node} ...")
    state = require_running(call)
    if state["alarms"]:
        raise _failed(f"resource alarm(s) in effect: {', '.join(state['alarms'])}")
    return "Health check passed"


# -- alarms ------------------------------------------------------------------------------------------------------


def _no_alarms(call: Call, which: str) -> str:
    call.info(f"Asking node {call.node} to report any local resource alarms ...")
    state = node_state(call)
    if state["alarms"]:
        raise _failed(f"Node {state['name']} reported alarms:\n" + "\n".join(_alarms(state)))
    return f"Node {state['name']} reported no {which}"


def _alarms(state: Mapping[str, Any]) -> list[str]:
    return [f"{resource.capitalize()} alarm on node {state['name']}" for resource in state["alarms"]]


@verb("check_alarms", _GROUP, "Fails if publishers are blocked by an alarm", programs=_HERE)
def check_alarms(call: Call) -> str:
    return _no_alarms(call, "alarms, local or clusterwide")


@verb("check_local_alarms", _GROUP, "The same as check_alarms", programs=_HERE)
def check_local_alarms(call: Call) -> str:
    return _no_alarms(call, "local alarms")


@verb("alarms", _GROUP, "Lists the alarms in effect", programs=_HERE)
def alarms(call: Call) -> Facts:
    call.info(f"Asking node {call.node} to report any known resource alarms ...")
    state = node_state(call)
    text = "\n".join(_alarms(state)) or f"Node {state['name']} reported no alarms, local or clusterwide"
    return Facts(text, {"alarms": state["alarms"], "node": state["name"], "result": "ok"})


# -- listeners ---------------------------------------------------------------------------------------------------


@verb("listeners", _GROUP, "Lists where clients may connect, and with which protocol", programs=_HERE)
def show_listeners(call: Call) -> Facts:
    state = node_state(call)
    call.info(f"Asking node {state['name']} to report its protocol listeners ...")
    found = listeners(state)
    lines = [line[0].upper() + line[1:] for line in map(listener_line, found)]
    return Facts("\n".join(lines), {"listeners": found, "node": state["name"], "result": "ok"})


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _numbers(ports: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(ports))))


@verb("check_port_listener", _GROUP, "Fails if the broker does not listen on a port", "<port>", 1, programs=_HERE)
def check_port_listener(call: Call) -> str:
    try:
        port = int(call.argument(0))
    except ValueError:
        raise CtlError(DATA, f"{call.argument(0)} is no port") from None
    state = node_state(call)
    call.info(f"Asking node {state['name']} if there's an active listener on port {port} ...")
    ports = {each["port"] for each in listeners(state, only_open=True)}
    if port not in ports:
        raise CtlError(
            UNAVAILABLE,
            f"No listener for port {port} is active on node {state['name']}. "
            f"Found listeners that use the following ports: {_numbers(ports)}",
            bare=True,
        )
    return f"A listener for port {port} is running on node {state['name']}."


@verb(
    "check_protocol_listener", _GROUP, "Fails if the broker does not speak a protocol", "<protocol>", 1, programs=_HERE
)
def check_protocol_listener(call: Call) -> str:
    wanted = call.argument(0)
    call.info(f"Asking node {call.node} if there's an active listener for protocol {wanted} ...")
    try:
        call.client.get(path("health", "checks", "protocol-listener", wanted))
    except HttpFailure as failure:
        if not failure.answer or "protocols" not in failure.answer:
            raise
        raise _failed(
            f"No listener for protocol {_join(failure.answer['missing'])} is active on node {call.node}. "
            f"Found listeners for the following protocols: {_join(failure.answer['protocols'])}"
        ) from None
    return f"A listener for protocol {wanted} is running on node {call.node}."


@verb(
    "check_port_connectivity",
    _GROUP,
    "Fails if a listener cannot be connected to from here",
    "[--address <address>]",
    options={"address": TEXT},
    programs=_HERE,
)
def check_port_connectivity(call: Call) -> str:
    state = node_state(call)
    call.info(f"Testing TCP connections to all active listeners on node {state['name']} ...")
    failures = [
        why for each in listeners(state, only_open=True) if (why := _connects(call.options.get("address"), each))
    ]
    if failures:
        raise _failed("Connection attempts have failed on these listeners:\n" + "\n".join(failures))
    ports = _numbers(each["port"] for each in listeners(state, only_open=True))
    return f"Successfully connected to ports {ports} on node {state['name']}."


def _connects(address: str | None, listener: Mapping[str, Any]) -> str | None:
    """Why a listener cannot be connected to; None if it can."""
    host = address or {"[::]": "127.0.0.1", "::": "::1"}.get(listener["interface"], listener["interface"])
    try:
        with socket.create_connection((host, listener["port"]), _CONNECT_SECONDS):
            return None
    except OSError as error:
        return f"{listener['protocol']} on {host}:{listener['port']}: {error.strerror or error}"


# -- other checks ------------------------------------------------------------------------------------------------


@verb("check_virtual_hosts", _GROUP, "Fails if a virtual host does not run", "[--timeout <timeout>]", programs=_HERE)
def check_virtual_hosts(call: Call) -> str:
    call.info(f"Checking if all vhosts are running on node {call.node} ...")
    _check(call, "virtual-hosts")
    return f"Node {call.node} reported all vhosts as running"


def _check(call: Call, *which: str) -> None:
    """A health check of the API, which answers with status 503 if it fails."""
    try:
        call.client.get(path("health", "checks", *which))
    except HttpFailure as failure:
        raise _failed(failure.reason) from None


@verb(
    "check_certificate_expiration",
    _GROUP,
    "Fails if a certificate expires soon",
    "--within <period> [--unit <days | weeks | months | years>]",
    options={"within": WHOLE, "unit": TEXT},
    programs=_HERE,
)
def check_certificate_expiration(call: Call) -> str:
    within, unit = call.options.get("within"), call.options.get("unit", "weeks").lower()
    if within is None:
        raise CtlError(DATA, "--within is needed: a number of days, weeks, months or years")
    call.info(f"Checking certificate expiration on node {call.node} ...")
    _check(call, "certificate-expiration", str(within), unit)
    return f"No certificates are expiring within {within} {unit}."


_ONE_NODE = "seems to be the only one in a single node cluster, the check does not apply"


@verb(
    "check_if_node_is_quorum_critical",
    _GROUP,
    "Of clusters: passes, as there is one node",
    programs=(DIAGNOSTICS, QUEUES, OWN),
)
def check_if_node_is_quorum_critical(call: Call) -> str:
    call.info(f"Checking if node {call.node} is critical for quorum of any quorum queues ...")
    return f"Node {call.node} {_ONE_NODE}"


@verb(
    "check_if_node_is_mirror_sync_critical",
    _GROUP,
    "Of clusters: passes, as there is one node",
    programs=(DIAGNOSTICS, QUEUES, OWN),
)
def check_if_node_is_mirror_sync_critical(call: Call) -> str:
    call.info(f"Checking if node {call.node} is critical for data safety of any classic mirrored queues ...")
    return f"Node {call.node} {_ONE_NODE}"
