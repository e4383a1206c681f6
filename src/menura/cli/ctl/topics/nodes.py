"""The life of a node: whether it is there, closing it to clients and opening it again, its end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from menura.cli.ctl.arguments import WHOLE
from menura.cli.ctl.errors import DATA, TEMPORARY, UNAVAILABLE, USAGE, CtlError, Unreachable
from menura.cli.ctl.state import node_state
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, OWN, Call, verb

_GROUP = "Nodes"
_OPERATIONS = "Operations"
_MONITORING = "Monitoring, observability and health checks"
_LOOK_SECONDS = 0.05
_STARTUP_SECONDS_MAX = 300.0


def _wait(call: Call, seconds: float, reached: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > until:
            text = f"Error: operation {what} timed out. Timeout value used: {int(seconds * 1000)}"
            raise CtlError(TEMPORARY, text, bare=True)
        time.sleep(_LOOK_SECONDS)


def _answers(call: Call) -> bool:
    try:
        return bool(node_state(call)["state"] == "running")
    except Unreachable:
        # The socket in a data directory appears with the broker.
        call.close()
        return False


@verb(
    "ping",
    _MONITORING,
    "Checks that the broker is up and answers",
    "[--timeout <timeout>]",
    programs=(CTL, DIAGNOSTICS),
)
def ping(call: Call) -> str:
    timeout_ms = int(call.options.get("timeout", 60) * 1000)
    call.info(
        f"Will ping {call.node}. This only checks if the process is running and answers. Timeout: {timeout_ms} ms."
    )
    call.client.get("/overview")
    return "Ping succeeded"


@verb("await_startup", _GROUP, "Waits for the broker to serve clients", "[--timeout <timeout>]", programs=(CTL, OWN))
def await_startup(call: Call) -> None:
    _wait(call, call.options.get("timeout", _STARTUP_SECONDS_MAX), lambda: _answers(call), "await_startup")


@verb(
    "await_online_nodes", "Cluster", "Waits for <count> nodes to join; there is one", "<count> [--timeout <timeout>]", 1
)
def await_online_nodes(call: Call) -> None:
    try:
        count = int(call.argument(0))
    except ValueError:
        raise CtlError(DATA, f"{call.argument(0)} is no number of nodes") from None
    seconds = call.options.get("timeout", _STARTUP_SECONDS_MAX)
    call.info(f"Will wait for at least {count} nodes to join the cluster of {call.node}. Timeout: {seconds:g} seconds.")
    if count > 1:
        raise CtlError(USAGE, f"{count} nodes will never be online: Menura is one node, without a cluster")
    _wait(call, seconds, lambda: _answers(call), "await_online_nodes")


@verb(
    "wait",
    _GROUP,
    "Waits for the broker to serve clients, whose pid is in a file or given",
    "[<pidfile>] [--pid|-P <pid>] [--timeout <timeout>]",
    (0, 1),
    options={"pid": WHOLE},
    short={"P": "pid"},
    programs=(CTL, DIAGNOSTICS),
)
def wait(call: Call) -> str:
    seconds = call.options.get("timeout", 10.0)
    pid = call.options.get("pid")
    if pid is None:
        file = call.argument(0)
        if not file:
            raise CtlError(USAGE, "either a pid file or --pid is needed")
        call.info(f"Waiting for pid file '{file}' to appear")
        _wait(call, seconds, lambda: _pid_in(file) is not None, "wait")
        pid = _pid_in(file)
        call.info(f"pid is {pid}")
    assert pid is not None
    call.info(f"Waiting for the broker to answer while OS process '{pid}' is running")
    _wait(call, seconds, lambda: _is_alive(pid) and _answers(call), "wait")
    return "The broker serves clients"


def _pid_in(file: str) -> int | None:
    try:
        with open(file, encoding="ascii") as found:
            return int(found.read())
    except (OSError, ValueError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        raise CtlError(UNAVAILABLE, "process_not_running") from None
    except PermissionError:
        pass
    return True


# -- closed to clients -------------------------------------------------------------------------------------------


@verb("stop_app", _GROUP, "Sends clients away and stays closed; durable data is kept, the process stays")
def stop_app(call: Call) -> None:
    call.info(f"Stopping rabbit application on node {call.node} ...")
    call.client.post("/menura/node/stop_app")


@verb("start_app", _GROUP, "Opens to clients again after stop_app")
def start_app(call: Call) -> None:
    call.info(f"Starting node {call.node} ...")
    call.client.post("/menura/node/start_app")


@verb("suspend_listeners", _OPERATIONS, "Lets no more clients come; those that are here stay")
def suspend_listeners(call: Call) -> None:
    call.info(f"Will suspend client listeners on node {call.node}. Those connected stay.")
    call.client.post("/menura/node/suspend_listeners")


@verb("resume_listeners", _OPERATIONS, "Lets clients come again")
def resume_listeners(call: Call) -> None:
    call.info(f"Will resume client listeners on node {call.node}.")
    call.client.post("/menura/node/resume_listeners")


def _reset(call: Call) -> None:
    call.info(f"Resetting node {call.node} ...")
    if node_state(call)["state"] == "running":
        raise CtlError(
            UNAVAILABLE,
            f"the broker serves clients: stop it first with '{call.program} stop_app'. Nothing was changed.",
        )
    call.client.post("/menura/node/reset")


@verb("reset", _GROUP, "Forgets everything, as a new node; stop_app comes first")
def reset(call: Call) -> None:
    _reset(call)


@verb("force_reset", _GROUP, "The same as reset")
def force_reset(call: Call) -> None:
    _reset(call)


# -- the end -----------------------------------------------------------------------------------------------------


@verb(
    "shutdown",
    _GROUP,
    "Ends the broker, and waits until it has ended",
    "[--wait] [--timeout <timeout>]",
    options={"wait": bool},
)
def shutdown(call: Call) -> str:
    pid = node_state(call)["os_pid"]
    call.info(f"Shutting down the broker with OS pid {pid}")
    _end(call, int(pid))
    return f"The broker with OS pid {pid} has ended"


@verb("stop", _GROUP, "The same as shutdown", "[<pidfile>] [--timeout <timeout>]", (0, 1), options={"idempotent": bool})
def stop(call: Call) -> None:
    try:
        pid = node_state(call)["os_pid"]
    except Unreachable:
        if call.options.get("idempotent"):
            return
        raise
    call.info(f"Stopping and halting node {call.node} ...")
    _end(call, int(pid))


def _end(call: Call, pid: int) -> None:
    call.client.post("/menura/node/shutdown")
    call.client.close()

    def ended() -> bool:
        try:
            node_state(call)
        except CtlError:
            return not _runs(pid)
        return False

    _wait(call, call.options.get("timeout", 60.0), ended, "shutdown")


def _runs(pid: int) -> bool:
    """Whether a process is there; one that has ended and was not waited for is not."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@verb("force_gc", _OPERATIONS, "Does nothing: memory is given back as it is not needed any more")
def force_gc(call: Call) -> None:
    call.info(f"Node {call.node} gives memory back by itself")


@verb("rotate_logs", _GROUP, "Does nothing: logs go to standard error, and who keeps them rotates them")
def rotate_logs(call: Call) -> None:
    call.info("Logs go to standard error; whoever keeps them rotates them")
