"""rabbitmq-diagnostics: looks into the node that judge nothing."""

from __future__ import annotations

import platform
import re
import socket
import ssl

from menura.cli.ctl.arguments import FLAG, TEXT
from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import UNAVAILABLE, CtlError
from menura.cli.ctl.formats import Facts, Table
from menura.cli.ctl.state import node_state
from menura.cli.ctl.topics.status import in_unit
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, OWN, QUEUES, REGISTRY, Call, verb

_GROUP = "Monitoring, observability and health checks"
_HERE = (DIAGNOSTICS, OWN)
_QUEUES = (DIAGNOSTICS, QUEUES, OWN)


@verb("server_version", _GROUP, "The RabbitMQ version that the broker behaves as", programs=_HERE)
def server_version(call: Call) -> str:
    call.info(f"Asking node {call.node} for its RabbitMQ version...")
    return str(call.client.get("/overview")["rabbitmq_version"])


@verb(
    "memory_breakdown",
    _GROUP,
    "What takes how much memory",
    "[--unit <gb | mb | kb | bytes>]",
    options={"unit": TEXT},
    programs=_HERE,
)
def memory_breakdown(call: Call) -> Facts:
    unit = call.options.get("unit", "gb").lower()
    call.info(f"Reporting memory breakdown on node {call.node}...")
    memory = call.client.get(path("nodes", call.node, "memory"))["memory"]
    parts = {name: value for name, value in memory.items() if isinstance(value, (int, float)) and name != "total"}
    total = sum(parts.values()) or 1
    lines = [
        f"{name}: {in_unit(value, unit)} ({round(100 * value / total, 2)}%)"
        for name, value in sorted(parts.items(), key=lambda part: -part[1])
    ]
    value = {name: {"bytes": value, "percentage": round(100 * value / total, 2)} for name, value in parts.items()}
    return Facts("\n".join(lines), value)


@verb(
    "list_policies_that_match",
    "Policies",
    "Policies that match a queue or exchange",
    "[--vhost <vhost>] <name> [--object-type <queue | exchange>]",
    1,
    options={"object-type": TEXT},
    programs=_HERE,
)
def list_policies_that_match(call: Call) -> Facts:
    name, kind = call.argument(0), call.options.get("object-type", "queue")
    call.info(f"Listing policies that match {kind} '{name}' in vhost '{call.vhost}' ...")
    wanted = ("all", f"{kind}s", *(("classic_queues", "quorum_queues") if kind == "queue" else ()))
    found = [
        policy
        for policy in call.client.get(path("policies", call.vhost))
        if policy["apply-to"] in wanted and re.search(policy["pattern"], name)
    ]
    found.sort(key=lambda policy: -policy["priority"])
    text = "\n".join(policy["name"] for policy in found)
    return Facts(text or "(none)", {"policies": found})


@verb("tls_versions", _GROUP, "The TLS versions that the runtime has", programs=_HERE)
def tls_versions(call: Call) -> str:
    call.info("Listing all TLS versions supported by the runtime...")
    names = {"TLSv1_3": "tlsv1.3", "TLSv1_2": "tlsv1.2"}
    return "\n".join(word for name, word in names.items() if getattr(ssl, f"HAS_{name}", False))


@verb("resolve_hostname", _GROUP, "The addresses of a host name", "<hostname>", 1, programs=_HERE)
def resolve_hostname(call: Call) -> str:
    name = call.argument(0)
    call.info(f"Resolving hostname {name} to IPv4 addresses...")
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise CtlError(UNAVAILABLE, f"{name}: {error.strerror}") from None
    return "\n".join(dict.fromkeys(str(each[4][0]) for each in found))


@verb("erlang_version", _GROUP, "There is no Erlang: the version of Python", programs=_HERE)
def erlang_version(call: Call) -> str:
    return f"Python {platform.python_version()}"


@verb("log_location", _GROUP, "Where logs go", programs=_HERE)
def log_location(call: Call) -> str:
    call.info(f"Log file location(s) on node {call.node} ...")
    return "<stderr>"


@verb("certificates", _GROUP, "The certificates of listeners", programs=_HERE)
def certificates(call: Call) -> Facts:
    call.info(f"Certificates of node {call.node} ...")
    state = node_state(call)
    found = [each["url"] for each in state["listeners"] if each["tls"]]
    return Facts("\n".join(found) or "#{}", found)


_ATTEMPTS = ("protocol", "auth_attempts", "auth_attempts_failed", "auth_attempts_succeeded")


@verb(
    "list_node_auth_attempt_stats",
    _GROUP,
    "How many logins were tried, and how many failed",
    "[--by-source]",
    options={"by-source": FLAG},
    programs=(CTL, DIAGNOSTICS),
)
def list_node_auth_attempt_stats(call: Call) -> Table | str:
    call.info(f'Listing authentication\n attempts for node "{call.node}" ...')
    by_source = call.options.get("by-source")
    found = call.client.get(path("auth", "attempts", call.node, *(["source"] * bool(by_source))))
    if not found:
        return f"Node {call.node} reported no authentication attempt stats"
    columns = ("protocol", "remote_address", "username", *_ATTEMPTS[1:]) if by_source else _ATTEMPTS
    return Table(columns, [[each.get(name) for name in columns] for each in found])


@verb("quorum_status", "Queues", "The one replica of a quorum queue", "[--vhost <vhost>] <queue>", 1, programs=_QUEUES)
def quorum_status(call: Call) -> Table:
    name = call.argument(0)
    call.info(f"Status of quorum queue {name} on node {call.node} ...")
    try:
        found = call.client.get(path("queues", "quorum", call.vhost, name, "status"))
    except HttpFailure as failure:
        raise CtlError(UNAVAILABLE, failure.reason) from None
    rows = found if isinstance(found, list) else [found]
    columns = list(rows[0]) if rows else []
    return Table(columns, [list(row.values()) for row in rows])


@verb("autocomplete", "Help", "Names of commands that begin so", "<begin>", (0, 1), programs=(CTL, DIAGNOSTICS))
def autocomplete(call: Call) -> str:
    return "\n".join(sorted(name for name in REGISTRY.of(call.program) if name.startswith(call.argument(0))))
