"""What is not in RabbitMQ's API: the topology as a picture shows it, and why a queue grows."""

from __future__ import annotations

from menura.management.api.queues import seen_queue
from menura.management.growth import why
from menura.management.http.messages import Answer, Request, Work, not_found
from menura.management.picture import picture
from menura.management.rights import MANAGEMENT, seen_vhost, seen_vhosts
from menura.management.routes import Routes

routes = Routes("understanding")

_LIST = {"type": "array", "items": {"type": "object"}}
_PICTURE = {
    "type": "object",
    "properties": {
        "vhost": {"type": "string"},
        "exchanges": _LIST,
        "queues": _LIST,
        "bindings": _LIST,
        "consumers": _LIST,
        "cut": {"type": "boolean", "description": "there is more than this"},
        "totals": {"type": "object"},
    },
}
_WHY = {
    "type": "object",
    "properties": {
        "queue": {"type": "string"},
        "vhost": {"type": "string"},
        "messages_ready": {"type": "integer"},
        "messages_unacknowledged": {"type": "integer"},
        "growing": {"type": "boolean"},
        "seconds": {"type": "integer", "description": "over which rates are taken"},
        "rates": {"type": "object"},
        "findings": {"type": "array", "items": {"type": "object", "required": ["code"]}},
    },
}


@routes.get(
    "/api/menura/topology",
    MANAGEMENT,
    "Exchanges, queues, bindings and consumers with their rates",
    query={
        "vhost": "the virtual host; the first that may be seen",
        "name": "only queues and exchanges with this in their names, what leads there and where they lead",
    },
    returns=_PICTURE,
)
def topology(request: Request) -> Work:
    name = request.parameter("vhost")
    seen = seen_vhosts(request)
    if not name and not seen:
        raise not_found()
    vhost = seen_vhost(request, name) if name else seen[0]
    return picture(vhost, request.backend.statistics, request.parameter("name"))


@routes.get("/api/menura/queues/{vhost}/{name}/why", MANAGEMENT, "Why a queue grows", returns=_WHY)
def growth(request: Request, vhost: str, name: str) -> Answer:
    return why(seen_queue(request, vhost, name), request.backend.statistics)
