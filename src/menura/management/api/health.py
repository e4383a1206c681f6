"""Health checks: 200 if all is well, 503 and the reason if not.

A check looks at what is, and at nothing it was told: a listener is there if its socket is open, an alarm if publishers
are held up, a disk if it gets on with its writes. Those that look at one node out of several have only one to look at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from menura.core.node import NAME
from menura.core.patterns import Pattern
from menura.management.http.messages import Answer, Request, Response, as_json, bad_request, not_found
from menura.management.protocol_names import listener_name
from menura.management.rights import MANAGEMENT, entered_vhost, seen_vhost
from menura.management.routes import Routes
from menura.management.statistics.process import open_files, open_files_max
from menura.management.views.listeners import is_open, protocol
from menura.management.views.schemas import STRING, fixed

routes = Routes("health checks")
_STATUS = fixed({"status": {"type": "string", "enum": ["ok", "failed"]}}, {"reason": STRING})
_CHECKS = "/api/health/checks"
_AMQP = ("amqp", "amqp/ssl")


def well(**details: Any) -> Answer:
    return {"status": "ok", **details}


def failed(reason: str, **details: Any) -> Response:
    return as_json({"status": "failed", "reason": reason, **details}, 503)


# -- alarms ------------------------------------------------------------------------------------------------------


def alarms(request: Request) -> list[dict[str, str]]:
    """What holds up publishers."""
    found = [{"node": NAME, "resource": resource} for resource in sorted(request.node.alarms.short)]
    storage = request.backend.storage
    if storage is not None and storage.problem is not None:
        found.append({"node": NAME, "resource": "disk", "reason": storage.problem})
    return found


@routes.get(f"{_CHECKS}/alarms", MANAGEMENT, "Whether anything holds up publishers: memory or disk", returns=_STATUS)
def no_alarms(request: Request) -> Answer:
    found = alarms(request)
    return failed("There are alarms in effect in the cluster", alarms=found) if found else well()


@routes.get(f"{_CHECKS}/local-alarms", MANAGEMENT, "The same for this node", returns=_STATUS)
def no_local_alarms(request: Request) -> Answer:
    found = alarms(request)
    return failed("There are alarms in effect on the node", alarms=found) if found else well()


# -- whether it serves -------------------------------------------------------------------------------------------


def trouble(request: Request) -> str | None:
    """Why this node serves nobody, if it does not."""
    backend = request.backend
    if backend.failure is not None:
        return f"the broker is about to stop: {backend.failure}"
    if not backend.pause.running:
        return "this rabbit node is not currently available to serve"
    return None


@routes.get(f"{_CHECKS}/is-in-service", None, "Whether clients are served", returns=_STATUS)
def in_service(request: Request) -> Answer:
    reason = trouble(request)
    return well() if reason is None else failed(reason)


@routes.get(f"{_CHECKS}/ready-to-serve-clients", None, "Whether clients are served, and more may come", returns=_STATUS)
def ready(request: Request) -> Answer:
    reason = trouble(request)
    if reason is not None:
        return failed(reason)
    if not any(name in _AMQP for name in _open_protocols(request)):
        return failed("no active listeners for AMQP/AMQPS")
    return below_limit(request)


@routes.get(
    f"{_CHECKS}/below-node-connection-limit",
    None,
    "Whether the system lets one more connection come: each takes a file",
    returns=_STATUS,
)
def below_limit(request: Request) -> Answer:
    if open_files() < open_files_max():
        return well()
    return failed("node connection limit is reached", connections=len(request.node.presence.connections))


@routes.get(f"{_CHECKS}/virtual-hosts", MANAGEMENT, "Whether all virtual hosts are up, as the node is", returns=_STATUS)
def virtual_hosts(request: Request) -> Answer:
    reason = trouble(request)
    if reason is None:
        return well()
    return failed("Some virtual hosts are down", **{"virtual-hosts": sorted(request.node.vhosts)})


@routes.get(f"{_CHECKS}/metadata-store/initialized", MANAGEMENT, "Whether definitions are there", returns=_STATUS)
def initialized(request: Request) -> Answer:
    if request.backend.failure is None and request.node.vhosts:
        return well()
    return failed("Metadata store has not yet reported as initialized")


@routes.get(f"{_CHECKS}/metadata-store/initialized/with-data", MANAGEMENT, "The same", returns=_STATUS)
def initialized_with_data(request: Request) -> Answer:
    if request.backend.failure is None and request.node.vhosts and list(request.node.users):
        return well()
    return failed("Metadata store has not yet reported as initialized with data")


@routes.get("/api/aliveness-test/{vhost}", MANAGEMENT, "Whether a virtual host is served", returns=_STATUS)
def alive(request: Request, vhost: str) -> Answer:
    entered_vhost(request, vhost)
    reason = trouble(request)
    return well() if reason is None else failed(reason)


@routes.get("/api/healthchecks/node", MANAGEMENT, "Service and alarms in one", returns=_STATUS)
def check_node(request: Request) -> Answer:
    reason, found = trouble(request), alarms(request)
    if reason is not None:
        return failed(reason)
    if found:
        return failed(f"resource alarm(s) in effect:[{','.join(alarm['resource'] for alarm in found)}]")
    return well()


@routes.get("/api/healthchecks/node/{node}", MANAGEMENT, "The same for the node of this name", returns=_STATUS)
def named_node(request: Request, node: str) -> Answer:
    _require_node(node)
    return check_node(request)


def _require_node(name: str) -> None:
    if name != NAME:
        raise not_found()


# -- listeners ---------------------------------------------------------------------------------------------------


def _open_protocols(request: Request) -> list[str]:
    return list(dict.fromkeys(protocol(found) for found in request.backend.listeners if is_open(found)))


@routes.get(f"{_CHECKS}/port-listener/{{port}}", MANAGEMENT, "Whether somebody may connect to a port", returns=_STATUS)
def port_listener(request: Request, port: str) -> Answer:
    if not port.isascii() or not port.isdecimal() or len(port) > 5:
        raise bad_request("Invalid port")
    ports = sorted({found.port for found in request.backend.listeners if is_open(found)})
    if int(port) in ports:
        return well(port=int(port))
    return failed("No active listener", missing=int(port), ports=ports)


@routes.get(
    f"{_CHECKS}/protocol-listener/{{protocols}}",
    MANAGEMENT,
    "Whether there are listeners for protocols, with commas between them",
    returns=_STATUS,
)
def protocol_listener(request: Request, protocols: str) -> Answer:
    wanted = list(dict.fromkeys(listener_name(name) for name in protocols.split(",")))
    found = _open_protocols(request)
    missing = [name for name in wanted if name not in found]
    if not missing:
        return well(protocols=found)
    return failed("No active listener", missing=missing, protocols=found)


# -- what takes several nodes ------------------------------------------------------------------------------------


@routes.get(f"{_CHECKS}/node-is-quorum-critical", MANAGEMENT, "Whether others need this node", returns=_STATUS)
def quorum_critical(request: Request) -> Answer:
    return well(reason="single node cluster")


@routes.get(f"{_CHECKS}/node-is-mirror-sync-critical", MANAGEMENT, "The same for mirrors of old", returns=_STATUS)
def mirror_critical(request: Request) -> Answer:
    return well(reason="single node cluster")


@routes.get(f"{_CHECKS}/reached-target-cluster-size", MANAGEMENT, "Whether all nodes are here", returns=_STATUS)
def cluster_size(request: Request) -> Answer:
    return well()


def _all_led(patterns: Iterable[str]) -> Answer:
    """A queue is led by the one node there is; what is asked for has to make sense nevertheless."""
    for pattern in patterns:
        Pattern(pattern)
    return well()


_LEADERS = f"{_CHECKS}/quorum-queues-without-elected-leaders"


@routes.get(f"{_LEADERS}/all-vhosts", MANAGEMENT, "Whether all quorum queues have a leader", returns=_STATUS)
def all_led(request: Request) -> Answer:
    return _all_led(())


@routes.get(f"{_LEADERS}/all-vhosts/pattern/{{pattern}}", MANAGEMENT, "Those whose name matches", returns=_STATUS)
def matching_led(request: Request, pattern: str) -> Answer:
    return _all_led([pattern])


@routes.get(f"{_LEADERS}/vhost/{{vhost}}", MANAGEMENT, "Those of a virtual host", returns=_STATUS)
def all_of_vhost_led(request: Request, vhost: str) -> Answer:
    seen_vhost(request, vhost)
    return _all_led(())


@routes.get(f"{_LEADERS}/vhost/{{vhost}}/pattern/{{pattern}}", MANAGEMENT, "Of these, some", returns=_STATUS)
def matching_of_vhost_led(request: Request, vhost: str, pattern: str) -> Answer:
    seen_vhost(request, vhost)
    return _all_led([pattern])
