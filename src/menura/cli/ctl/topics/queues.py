"""What is done to queues."""

from __future__ import annotations

from typing import Any

from menura.cli.ctl.arguments import FLAG
from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import UNAVAILABLE, USAGE, CtlError
from menura.cli.ctl.verbs import Call, verb

_GROUP = "Queues"


@verb(
    "delete_queue",
    _GROUP,
    "Deletes a queue",
    "[--vhost <vhost>] <queue_name> [--if-empty|-e] [--if-unused|-u]",
    1,
    options={"if-empty": FLAG, "if-unused": FLAG},
    short={"e": "if-empty", "u": "if-unused"},
)
def delete_queue(call: Call) -> str | None:
    name = call.argument(0)
    conditions = [word for word in ("empty", "unused") if call.options.get(f"if-{word}")]
    only = f" if queue is {' and '.join(conditions)}" if conditions else ""
    call.info(f"Deleting queue '{name}' on vhost '{call.vhost}'{only} ...")
    where = path("queues", call.vhost, name)
    queue = call.client.find(where)
    if queue is None:
        raise CtlError(USAGE, "Queue not found")
    _check(queue, conditions)
    try:
        call.client.delete(where, query={f"if-{word}": "true" for word in conditions})
    except HttpFailure as failure:
        raise CtlError(USAGE, failure.reason) from None
    ready = queue.get("messages_ready", 0)
    return None if call.quiet else f"Queue was successfully deleted with {ready} ready messages"


def _check(queue: dict[str, Any], conditions: list[str]) -> None:
    if "unused" in conditions and queue.get("consumers"):
        raise CtlError(USAGE, "Queue is in use")
    if "empty" in conditions and queue.get("messages"):
        raise CtlError(USAGE, "Queue is not empty")


@verb("purge_queue", _GROUP, "Removes all messages that wait in a queue", "[--vhost <vhost>] <queue>", 1)
def purge_queue(call: Call) -> None:
    name = call.argument(0)
    call.info(f"Purging queue '{name}' in vhost '{call.vhost}' ...")
    try:
        call.client.delete(path("queues", call.vhost, name, "contents"))
    except HttpFailure as failure:
        if failure.http_status != 404:
            raise
        raise CtlError(UNAVAILABLE, "not_found") from None
