"""Queues: listed, declared, emptied and deleted.

A list says what it takes to run queues; `/api/queues/detailed` and a single queue say more. `disable_stats` leaves what
is counted out, `enable_queue_totals` brings the number of messages back.
"""

from __future__ import annotations

from collections.abc import Iterable

from menura.core.access import Verb
from menura.core.arguments import queue_type, text
from menura.core.exchange import Binding
from menura.core.queue import Queue
from menura.core.queue_types import QUORUM
from menura.management import bodies, lists
from menura.management.http.messages import Answer, Request, bad_request, created, not_found
from menura.management.lists import View, listed
from menura.management.naming import ARGUMENTS, arguments, checked_name, require_here
from menura.management.rights import MANAGEMENT, access_to, entered_vhost, seen_vhost, seen_vhosts
from menura.management.routes import Routes
from menura.management.views.binding import SCHEMA as BINDING
from menura.management.views.binding import SORT, Placed, binding_view
from menura.management.views.queue import declared_view, detailed_view, queue_view, single_view

routes = Routes("queues")

QUEUE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "vhost": {"type": "string"},
        "type": {"type": "string"},
        "durable": {"type": "boolean"},
        "auto_delete": {"type": "boolean"},
        "exclusive": {"type": "boolean"},
        "arguments": {"type": "object"},
        "messages": {"type": "integer"},
        "messages_ready": {"type": "integer"},
        "messages_unacknowledged": {"type": "integer"},
        "consumers": {"type": "integer"},
        "message_stats": {"type": "object"},
    },
}
_QUERY = {
    **lists.QUERY,
    "disable_stats": "`true`: only what queues were declared as",
    "enable_queue_totals": "`true`, with `disable_stats`: and how many messages they have",
}
_DECLARATION = {
    "type": "object",
    "properties": {
        "durable": {"type": "boolean", "description": "it outlives the process"},
        "auto_delete": {"type": "boolean", "description": "it goes with its last consumer"},
        "arguments": ARGUMENTS,
        "node": {"type": "string", "description": "there is one"},
    },
}


@routes.get("/api/queues", MANAGEMENT, "All queues", query=_QUERY, returns=lists.schema(QUEUE))
def queues(request: Request) -> Answer:
    return listed(request, _all(request), _view(request) or queue_view(request))


@routes.get(
    "/api/queues/detailed", MANAGEMENT, "All queues, and more of them", query=_QUERY, returns=lists.schema(QUEUE)
)
def detailed(request: Request) -> Answer:
    return listed(request, _all(request), _view(request) or detailed_view(request))


@routes.get(
    "/api/queues/{vhost}", MANAGEMENT, "The queues of a virtual host", query=_QUERY, returns=lists.schema(QUEUE)
)
def queues_of_vhost(request: Request, vhost: str) -> Answer:
    return listed(request, seen_vhost(request, vhost).queues.values(), _view(request) or queue_view(request))


@routes.get("/api/queues/{vhost}/{name}", MANAGEMENT, "One queue, with its consumers", query=_QUERY, returns=QUEUE)
def queue(request: Request, vhost: str, name: str) -> Answer:
    return lists.one(request, seen_queue(request, vhost, name), _view(request) or single_view(request))


@routes.put("/api/queues/{vhost}/{name}", MANAGEMENT, "Declare a queue", body=_DECLARATION)
def declare(request: Request, vhost: str, name: str) -> Answer:
    host, body = entered_vhost(request, vhost), request.json()
    require_here(body)
    if bodies.truth(body, "exclusive"):
        raise bad_request("an exclusive queue belongs to a connection, and here is none")
    name = checked_name("queue", name)
    given = arguments(body)
    access = access_to(request, vhost)
    host.check_queue_name(name)
    access.require(Verb.CONFIGURE, "queue", name)
    dead_letters = text(given, "x-dead-letter-exchange")
    if dead_letters is not None:
        access.require(Verb.READ, "queue", name)
        access.require(Verb.WRITE, "exchange", dead_letters)
    known = name in host.queues
    found = host.declare_queue(
        name,
        durable=bodies.truth(body, "durable"),
        auto_delete=bodies.truth(body, "auto_delete"),
        arguments=given,
    )
    found.used()
    if known:
        return None
    request.audit("queue.declared", queue=name, vhost=vhost)
    return created()


@routes.delete(
    "/api/queues/{vhost}/{name}",
    MANAGEMENT,
    "Delete a queue",
    query={
        "if-empty": "`true`: only if no messages wait in it",
        "if-unused": "`true`: only if it has no consumers",
    },
)
def delete(request: Request, vhost: str, name: str) -> Answer:
    found = entered_queue(request, vhost, name, Verb.CONFIGURE)
    conditions = {flag: request.flag(flag) for flag in ("if-empty", "if-unused")}
    for flag, asked in conditions.items():
        if asked and queue_type(found.arguments) == QUORUM:
            raise bad_request(
                f"cannot delete queue '{name}' in vhost '{vhost}'. queue.delete operations with {flag} flag set are "
                "not supported by quorum queues"
            )
    count = found.vhost.delete_queue(found, if_empty=conditions["if-empty"], if_unused=conditions["if-unused"])
    request.audit("queue.deleted", queue=name, vhost=vhost, messages=count)


@routes.delete("/api/queues/{vhost}/{name}/contents", MANAGEMENT, "Drop all messages that wait in a queue")
def purge(request: Request, vhost: str, name: str) -> Answer:
    found = entered_queue(request, vhost, name, Verb.READ)
    with found.vhost.together():  # what is gone stays so once that has been answered
        count = found.purge()
    request.audit("queue.purged", queue=name, vhost=vhost, messages=count)


@routes.get(
    "/api/queues/{vhost}/{name}/bindings",
    MANAGEMENT,
    "The bindings that end at a queue",
    query=lists.QUERY,
    returns=lists.schema(BINDING),
)
def bindings(request: Request, vhost: str, name: str) -> Answer:
    found = seen_queue(request, vhost, name)
    ending: list[Binding | Queue] = [found, *found.bindings]
    rows = (Placed(vhost, binding) for binding in ending)
    return listed(request, rows, binding_view, SORT)


@routes.post(
    "/api/queues/{vhost}/{name}/actions",
    MANAGEMENT,
    "Nothing: there are no mirrors to synchronise",
    body={"type": "object", "properties": {"action": {"enum": ["sync", "cancel_sync"]}}, "required": ["action"]},
)
def act(request: Request, vhost: str, name: str) -> Answer:
    entered_queue(request, vhost, name, Verb.CONFIGURE)
    body = request.json()
    bodies.require(body, "action")
    if body["action"] not in ("sync", "cancel_sync"):
        raise bad_request(["unknown", body["action"]])


# -- finding -------------------------------------------------------------------------------------------------


def seen_queue(request: Request, vhost: str, name: str) -> Queue:
    """A queue to look at."""
    found = seen_vhost(request, vhost).queues.get(name)
    if found is None:
        raise not_found()
    return found


def entered_queue(request: Request, vhost: str, name: str, verb: Verb) -> Queue:
    """A queue to do something with, that is not somebody's own, for a user who may."""
    host = entered_vhost(request, vhost)
    if name not in host.queues:
        raise not_found()
    access_to(request, vhost).require(verb, "queue", name)
    return host.queue(name)


def _all(request: Request) -> Iterable[Queue]:
    return [queue for vhost in seen_vhosts(request) for queue in vhost.queues.values()]


def _view(request: Request) -> View[Queue] | None:
    if not request.flag("disable_stats"):
        return None
    return declared_view(request.flag("enable_queue_totals"))
