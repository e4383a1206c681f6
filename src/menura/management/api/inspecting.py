"""Messages that wait in a queue: looked at where they are, moved, copied, replayed and deleted.

Which of them are meant is said in every request (`choices`); without a word, all are. Nothing is taken out in order to
be looked at. A queue is gone through in steps, between which everybody else is served; what moves waits while the disk
has too much to do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from menura.core.access import Access, Verb
from menura.core.browsing import Peek
from menura.core.errors import NotFound, Refusal
from menura.core.line import BEGINNING, Mark
from menura.core.moving import Destination, Permit, ToExchange, ToQueue, Transfer, copy, delete, move, replay
from menura.core.queue import Queue
from menura.core.vhost import VHost
from menura.management import bodies, choices
from menura.management.bodies import Body
from menura.management.choices import number, selection
from menura.management.http.messages import HttpError, PatientWork, Request, Response, Work, bad_request, not_found
from menura.management.naming import checked_key, exchange_name
from menura.management.publishing import writable
from menura.management.rights import ADMINISTRATOR, MANAGEMENT, access_to, entered_vhost
from menura.management.routes import Routes
from menura.management.views.message import AUTO, ENCODINGS, array, seen_message

routes = Routes("messages that wait")

PEEK_MESSAGES, PEEK_MESSAGES_MAX = 100, 1000
PEEK_BODY_BYTES, PEEK_BODY_BYTES_MAX = 50_000, 1024 * 1024
# So long it waits before it looks whether the disk has caught up.
BEHIND_SECONDS = 0.01
_CURSOR = re.compile(r"(-?[0-9]{1,18}):([0-9]{1,18})")
_TEXT = {"type": "string"}
_WHOLE = {"type": "integer"}

_PEEK = {
    "type": "object",
    "properties": {
        **choices.PROPERTIES,
        "count": {**_WHOLE, "minimum": 1, "maximum": PEEK_MESSAGES_MAX, "description": f"{PEEK_MESSAGES} if not said"},
        "after": {**_TEXT, "description": "what `next` said: go on behind the last message of an earlier answer"},
        "body_bytes_max": {
            **_WHOLE,
            "minimum": 0,
            "maximum": PEEK_BODY_BYTES_MAX,
            "description": f"so many octets of each body, {PEEK_BODY_BYTES} if not said",
        },
        "encoding": {"enum": list(ENCODINGS), "description": "auto: bodies are strings where they can be"},
    },
}
_SEEN = {
    "type": "object",
    "properties": {
        "messages": {"type": "array", "items": {"type": "object"}},
        "examined": _WHOLE,
        "complete": {
            "type": "boolean",
            "description": "false: it stopped at a bound before all that is meant was found",
        },
        "next": {
            "type": ["string", "null"],
            "description": "`after` of the request that goes on, if there may be more",
        },
    },
    "required": ["messages", "examined", "complete", "next"],
}
_CHOICE = {"type": "object", "properties": choices.PROPERTIES}
_SEND = {
    "type": "object",
    "properties": {
        **choices.PROPERTIES,
        "to_queue": {**_TEXT, "description": "a queue of the same virtual host"},
        "to_exchange": {**_TEXT, "description": "an exchange of it, amq.default for the default one"},
        "new_routing_key": {**_TEXT, "maxLength": 255, "description": "in place of theirs, with to_exchange"},
    },
}
_MOVED = {
    "type": "object",
    "properties": {
        "examined": {**_WHOLE, "description": "messages looked at"},
        "found": {**_WHOLE, "description": "messages meant"},
        "done": {**_WHOLE, "description": "messages that are where they were to go"},
        "unrouted": {**_WHOLE, "description": "messages that stay, as no queue is there for them"},
        "refused": {**_WHOLE, "description": "messages that stay, as there is no room for them"},
    },
    "required": ["examined", "found", "done", "unrouted", "refused"],
}
_QUEUE = "/api/menura/queues/{vhost}/{name}"


@routes.post(_QUEUE + "/peek", MANAGEMENT, "Look at messages without taking them", body=_PEEK, returns=_SEEN)
def look(request: Request, vhost: str, name: str) -> Work:
    queue, body = _queue(request, vhost, name), request.json()
    encoding = bodies.one_of(body, "encoding", ENCODINGS, AUTO)
    count = number(body, "count", PEEK_MESSAGES, least=1, most=PEEK_MESSAGES_MAX)
    peek = Peek(
        queue,
        selection(body, count),
        body_bytes_max=number(body, "body_bytes_max", PEEK_BODY_BYTES, most=PEEK_BODY_BYTES_MAX),
        after=_mark(bodies.text(body, "after", "")),
    )
    while peek.step():
        yield
    seen = peek.result
    out = bytearray(b'{"messages":')
    yield from array(out, (seen_message(out, message, encoding) for message in seen.messages))
    next = f'"{seen.mark[0]}:{seen.mark[1]}"' if seen.mark is not None else "null"
    about = f'"examined":{seen.examined},"complete":{"true" if seen.complete else "false"},"next":{next}'
    out += b"," + about.encode() + b"}"
    return Response(body=out)


@routes.post(_QUEUE + "/move", MANAGEMENT, "Move messages to another queue or exchange", body=_SEND, returns=_MOVED)
def carry_over(request: Request, vhost: str, name: str) -> PatientWork:
    queue = _queue(request, vhost, name)
    return _carried(
        request, "messages.moved", queue, move(queue, _destination(request, vhost), selection(request.json()))
    )


@routes.post(_QUEUE + "/copy", MANAGEMENT, "Send messages elsewhere that stay as well", body=_SEND, returns=_MOVED)
def duplicate(request: Request, vhost: str, name: str) -> PatientWork:
    queue = _queue(request, vhost, name)
    return _carried(
        request, "messages.copied", queue, copy(queue, _destination(request, vhost), selection(request.json()))
    )


@routes.post(_QUEUE + "/replay", MANAGEMENT, "Send dead letters back to where they died", body=_CHOICE, returns=_MOVED)
def send_back(request: Request, vhost: str, name: str) -> PatientWork:
    queue = _queue(request, vhost, name)
    may = _permit(queue.vhost, access_to(request, vhost))
    return _carried(request, "messages.replayed", queue, replay(queue, selection(request.json()), may))


@routes.post(_QUEUE + "/delete", MANAGEMENT, "Drop messages", body=_CHOICE, returns=_MOVED)
def drop(request: Request, vhost: str, name: str) -> PatientWork:
    queue = _queue(request, vhost, name)
    return _carried(request, "messages.deleted", queue, delete(queue, selection(request.json())))


def _carried(request: Request, event: str, queue: Queue, transfer: Transfer) -> PatientWork:
    """Go through with it; it ends when the queue is deleted meanwhile."""
    keeper = queue.vhost.keeper
    while True:
        while keeper is not None and keeper.behind:
            yield BEHIND_SECONDS
        try:
            more = transfer.step()
        except NotFound as error:  # where they go to has been deleted meanwhile
            _note(request, event, queue, transfer)
            raise HttpError(404, "not_found", f"{error}; so far {transfer.result.done} messages were sent") from None
        if not more:
            break
        yield None
    _note(request, event, queue, transfer)
    return transfer.result._asdict()


def _note(request: Request, event: str, queue: Queue, transfer: Transfer) -> None:
    request.audit(event, queue=queue.name, vhost=queue.vhost.name, **transfer.result._asdict())


# -- what a request means ----------------------------------------------------------------------------------------


def _queue(request: Request, vhost: str, name: str) -> Queue:
    """A queue to look into, for a user who may read from it; one that is somebody's own, for administrators alone."""
    host = entered_vhost(request, vhost)
    if name not in host.queues:
        raise not_found()
    access_to(request, vhost).require(Verb.READ, "queue", name)
    return host.queues[name] if ADMINISTRATOR.held_by(request.user) else host.queue(name)


def _destination(request: Request, vhost: str) -> Destination:
    body, host, access = request.json(), entered_vhost(request, vhost), access_to(request, vhost)
    to_queue, to_exchange = bodies.text(body, "to_queue", ""), bodies.text(body, "to_exchange", "")
    if bool(to_queue) is bool(to_exchange):
        raise bad_request("either to_queue or to_exchange")
    try:
        if to_queue:
            access.require(Verb.WRITE, "exchange", "")
            return ToQueue(host, host.queue(to_queue))
        return ToExchange(host, _writable(host, access, to_exchange), _key(body), _permit(host, access))
    except NotFound as error:
        raise HttpError(404, "not_found", str(error)) from None


def _writable(vhost: VHost, access: Access, exchange: str) -> str:
    """An exchange that may be published to; with which keys is asked message by message."""
    name = exchange_name(exchange)
    access.require(Verb.WRITE, "exchange", name)
    vhost.exchange(name)
    return name


def _permit(vhost: VHost, access: Access) -> Permit:
    def may(exchange: str, keys: Sequence[str]) -> bool:
        try:
            for key in keys:
                writable(vhost, access, exchange, key)
        except Refusal:
            return False
        return True

    return may


def _key(body: Body) -> str | None:
    return None if body.get("new_routing_key") is None else checked_key(bodies.text(body, "new_routing_key"))


def _mark(text: str) -> Mark:
    """Where to begin: behind a message, by its place in the order of its queue."""
    if not text:
        return BEGINNING
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise bad_request("after must be what `next` of an earlier answer was")
    return int(found[1]), int(found[2])
