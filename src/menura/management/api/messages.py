"""Messages one by one: put in through an exchange, and taken out of a queue, for people who try things out.

Taking them out in order to look at them and put them back marks them as delivered before, and counts as a delivery
where there is a limit to these. `/api/menura/queues/.../peek` (`inspecting`) does neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from menura.core.access import Verb
from menura.core.arguments import queue_type
from menura.core.content import body_length, properties_of, view_of_body
from menura.core.errors import Locked, NotFound, PreconditionFailed
from menura.core.presence import Connected
from menura.core.properties import Properties, PropertiesError
from menura.core.queue import Queue
from menura.core.queue_types import QUORUM
from menura.core.run import Run
from menura.core.steps import Steps, finish
from menura.management import bodies, publishing
from menura.management.api.queues import entered_queue
from menura.management.bodies import Body
from menura.management.http.messages import HttpError, Request, Response, Work, bad_request
from menura.management.naming import checked_key, exchange_name
from menura.management.rights import MANAGEMENT, access_to, entered_vhost
from menura.management.routes import Routes
from menura.management.views.message import ENCODINGS, array, properties_json, written

routes = Routes("messages")

# What one request can take out of a queue.
MESSAGES_MAX = 10_000
BYTES_MAX = 16 * 1024 * 1024
ACK_MODES = ("ack_requeue_true", "reject_requeue_true", "ack_requeue_false", "reject_requeue_false")
_AT_ONCE = 20
_TEXT = {"type": "string"}
_WHOLE = {"type": "integer"}

_PUBLISH = {
    "type": "object",
    "properties": {
        "routing_key": {**_TEXT, "maxLength": 255},
        "properties": {"type": "object", "description": "content_type, delivery_mode, headers, ..."},
        "payload": _TEXT,
        "payload_encoding": {"enum": ["string", "base64"]},
    },
    "required": ["routing_key", "properties", "payload", "payload_encoding"],
}
_GET = {
    "type": "object",
    "properties": {
        "count": {**_WHOLE, "description": f"at most so many, up to {MESSAGES_MAX}; below 0: all up to that"},
        "ackmode": {"enum": list(ACK_MODES), "description": "what becomes of them"},
        "encoding": {"enum": list(ENCODINGS), "description": "auto: payloads are strings where they can be"},
        "truncate": {**_WHOLE, "description": "so many octets of each payload at most"},
    },
    "required": ["count", "ackmode", "encoding"],
}
_MESSAGE = {
    "type": "object",
    "properties": {
        "payload_bytes": _WHOLE,
        "redelivered": {"type": "boolean"},
        "exchange": _TEXT,
        "routing_key": _TEXT,
        "message_count": {**_WHOLE, "description": "how many were left behind it"},
        "properties": {"type": "object"},
        "payload": _TEXT,
        "payload_encoding": {"enum": ["string", "base64"]},
    },
}


@routes.post(
    "/api/exchanges/{vhost}/{name}/publish",
    MANAGEMENT,
    "Publish a message",
    body=_PUBLISH,
    returns={"type": "object", "properties": {"routed": {"type": "boolean"}}, "required": ["routed"]},
)
def publish(request: Request, vhost: str, name: str) -> Work:
    entered_vhost(request, vhost)
    body = yield from request.long_json()
    bodies.require(body, *_PUBLISH["required"])
    key = checked_key(bodies.text(body, "routing_key"))
    block = publishing.properties_block(bodies.table(body, "properties"))
    message = yield from publishing.body_of(body)
    host = entered_vhost(request, vhost)  # there may be another one by now
    access = access_to(request, vhost)
    with _as_a_client_is_told():
        bytes_max = request.backend.config.message_bytes_max
        if len(message) > bytes_max:
            raise PreconditionFailed(f"message size {len(message)} is larger than configured max size {bytes_max}")
        exchange = publishing.writable(host, access, exchange_name(name), key)
        alarms = request.node.alarms
        if alarms.blocked:
            raise HttpError(503, "service_unavailable", f"publishers are blocked: {alarms.reason}")
        routed = publishing.publish(host, access, _client(request, vhost), exchange, key, block, message)
    return {"routed": routed}


@routes.post(
    "/api/queues/{vhost}/{name}/get",
    MANAGEMENT,
    "Take messages out of a queue, for good or to put them back",
    body=_GET,
    returns={"type": "array", "items": _MESSAGE},
)
def get(request: Request, vhost: str, name: str) -> Work:
    body = request.json()
    with _as_a_client_is_told():
        queue = entered_queue(request, vhost, name, Verb.READ)
        if queue_type(queue.arguments) == QUORUM and queue.consumers.single:
            raise Locked(
                f"cannot obtain access to locked queue '{name}' in vhost '{vhost}'. basic.get operations are not "
                "supported by quorum queues with single active consumer"
            )
    bodies.require(body, *_GET["required"])
    count, mode = _number(body, "count"), body["ackmode"]
    if mode not in ACK_MODES:
        raise bad_request(f"ackmode must be one of {', '.join(ACK_MODES)}")
    if body["encoding"] not in ENCODINGS:
        raise bad_request("Unsupported encoding. Please use auto or base64.")
    truncate = _number(body, "truncate") if body.get("truncate") is not None else None
    taken = InHand(queue, mode, _client(request, vhost), BYTES_MAX + 1 if truncate is None else truncate)
    try:
        while len(taken.found) < (count if 0 <= count <= MESSAGES_MAX else MESSAGES_MAX) and taken.one():
            if len(taken.found) % _AT_ONCE == 0:
                yield
        yield from taken.end()
    except BaseException:
        finish(taken.end())
        raise
    if taken.found and mode != ACK_MODES[0]:
        request.audit("messages.taken", queue=name, vhost=vhost, messages=len(taken.found), mode=mode)
    out = bytearray()
    yield from array(out, (_message(out, row, truncate, body["encoding"]) for row in taken.found))
    return Response(body=out)


class InHand:
    """Messages in the hands of a request, until its `end`. Of each it wants up to `wanted_bytes` of the body."""

    def __init__(self, queue: Queue, mode: str, by: Connected, wanted_bytes: int) -> None:
        self.found: list[tuple[int, Run, bool, int]] = []
        self._ended = 0  # of those found
        self._wanted_bytes = wanted_bytes
        self._queue = queue
        self._mode = mode
        self._by = by
        self._left_bytes = BYTES_MAX

    def one(self) -> bool:
        """Take one more; whether there was one, and there may be more."""
        queue = self._queue
        if self._left_bytes <= 0:
            return False
        taking, got = queue.unclaimed(), queue.get()
        if got is None:
            taking.get_empty += 1
            return False
        position, run, redelivered = got
        body_bytes = body_length(run.contents[0])
        if min(body_bytes, self._wanted_bytes) > BYTES_MAX:
            queue.requeue(position, run)
            if self.found:
                return False
            raise bad_request(f"a payload of {body_bytes} octets is too large to be given: truncate it to {BYTES_MAX}")
        self._left_bytes -= run.size_bytes
        if queue.vhost.tracer is not None:
            queue.vhost.tracer.delivered(self._by, 1, queue, run, redelivered)
        taking.redeliver += redelivered
        self.found.append((position, run, redelivered, queue.ready_count))
        if self._mode == "ack_requeue_false":
            taking.get_no_ack += 1
        else:
            taking.get += 1
        return True

    def end(self) -> Steps:
        """Do with them what was asked for. Those of a step go as one: what is certain to be gone stays so."""
        while self._ended < len(self.found):
            part = self.found[self._ended : self._ended + _AT_ONCE]
            self._ended += len(part)
            with self._queue.vhost.together():
                for position, run, _, _ in part:
                    self._let_go(position, run)
            yield

    def _let_go(self, position: int, run: Run) -> None:
        if self._mode == "ack_requeue_false":
            self._queue.settle(position, run)
        elif self._mode == "reject_requeue_false":
            self._queue.reject(position, run)
        else:
            self._queue.requeue(position, run, failed=self._mode == "reject_requeue_true")


def _message(out: bytearray, row: tuple[int, Run, bool, int], truncate: int | None, encoding: str) -> Steps:
    _, run, redelivered, left = row
    content = run.contents[0]
    whole_bytes, body = body_length(content), view_of_body(content)
    body = body if truncate is None else body[: max(truncate, 0)]
    try:
        properties = properties_json(Properties.decode(properties_of(content)))
    except PropertiesError:
        properties = {}
    about = {
        "payload_bytes": whole_bytes,
        "redelivered": redelivered,
        "exchange": run.route.exchange,
        "routing_key": run.route.key,
        "message_count": left,
        "properties": properties,
    }
    return written(out, about, body, len(body) < whole_bytes, encoding)


def _number(body: Body, key: str) -> int:
    """A whole number, or the text of one."""
    value = body[key]
    if isinstance(value, str):
        try:
            return int(value[:20])
        except ValueError:
            pass
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    raise bad_request(["not_integer", value])


def _client(request: Request, vhost: str) -> Connected:
    """Whoever asks, as a trace of messages names him."""
    return Connected("HTTP", request.peer, request.user.name, vhost)


@contextmanager
def _as_a_client_is_told() -> Iterator[None]:
    """Refuse in the words in which a client's channel would be closed, as there is one behind this in RabbitMQ."""
    try:
        yield
    except PreconditionFailed as refusal:
        raise bad_request(f"406 PRECONDITION_FAILED - {refusal}") from None
    except NotFound as refusal:
        raise bad_request(f"404 NOT_FOUND - {refusal}") from None
    except Locked as refusal:
        raise bad_request(f"405 RESOURCE_LOCKED - {refusal}") from None
