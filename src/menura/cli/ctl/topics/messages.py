"""Messages that wait in a queue: seen without taking them, moved, copied, sent back to where they died, deleted.

Which ones are meant is said by options; all that is said has to hold. Without any, all are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from menura.cli.ctl.arguments import FLAG, MANY, TEXT, WHOLE
from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import UNAVAILABLE, CtlError, UsageError
from menura.cli.ctl.formats import Facts, Table
from menura.cli.ctl.verbs import OWN, QUEUES, Call, verb

_GROUP = "Messages"
# Millions of messages take a while, and a change that was begun goes on.
_PATIENCE_SECONDS = 3600.0
_CHOICE = {
    "positions": TEXT,
    "skip": WHOLE,
    "count": WHOLE,
    "exchange": TEXT,
    "routing-key": TEXT,
    "header": MANY,
    "property": MANY,
    "body-contains": TEXT,
    "body-matches": TEXT,
}
_WHICH = (
    "[--positions <n,n...>] [--skip <n>] [--count <n>] [--exchange <name>] [--routing-key <key>] "
    "[--header <name>[=<value>]] [--property <name>=<value>] [--body-contains <text>] [--body-matches <regex>]"
)
_DESTINATION = {"to-queue": TEXT, "to-exchange": TEXT, "to-key": TEXT}
_WHERE = "--to-queue <name> | --to-exchange <name> [--to-key <key>]"
_PREVIEW_CHARACTERS = 120
_COLUMNS = ("position", "redelivered", "exchange", "routing_key", "payload_bytes", "payload")


def _choice(call: Call) -> dict[str, Any]:
    """The options that say which messages, as the API has them."""
    options = call.options
    names = ("skip", "count", "exchange", "routing-key", "body-contains", "body-matches")
    choice: dict[str, Any] = {name.replace("-", "_"): options[name] for name in names if name in options}
    if "positions" in options:
        try:
            choice["positions"] = [int(word) for word in options["positions"].split(",")]
        except ValueError:
            raise UsageError("--positions takes whole numbers with commas between") from None
    headers = [word.partition("=") for word in options.get("header", ())]
    if values := {name: _value(value) for name, equals, value in headers if equals}:
        choice["headers"] = values
    if named := [name for name, equals, _ in headers if not equals]:
        choice["has_headers"] = named
    if properties := [word.partition("=") for word in options.get("property", ())]:
        choice["properties"] = {name: _value(value) for name, _, value in properties}
    return choice


def _value(word: str) -> Any:
    """A value as JSON has it where that is meant: numbers, true, false; everything else is text."""
    try:
        value = json.loads(word)
    except ValueError:
        return word
    return word if isinstance(value, (dict, list)) or value is None else value


def _post(call: Call, what: str, body: Mapping[str, Any]) -> Any:
    try:
        return call.client.post(path("menura", "queues", call.vhost, call.argument(0), what), body)
    except HttpFailure as failure:
        if failure.http_status == 404 and failure.reason == "Not Found":  # a destination is named in the reason
            text = f"no queue '{call.argument(0)}' in vhost '{call.vhost}'"
            raise CtlError(UNAVAILABLE, text) from None
        raise


# -- seeing ------------------------------------------------------------------------------------------------------


@verb(
    "peek",
    _GROUP,
    "Shows messages that wait in a queue, and leaves them there as they are",
    f"[--vhost <vhost>] <queue> {_WHICH} [--body-bytes <n>] [--after <mark>]",
    (1, 2),
    options={**_CHOICE, "body-bytes": WHOLE, "after": TEXT},
    programs=(OWN, QUEUES),
)
def peek(call: Call) -> Table | Facts:
    body = _choice(call)
    if len(call.arguments) > 1:  # rabbitmq-queues: the position, counted from 1
        body.update(skip=_whole(call.arguments[1]) - 1, count=1)
    if "body-bytes" in call.options:
        body["body_bytes_max"] = call.options["body-bytes"]
    if "after" in call.options:
        body["after"] = call.options["after"]
    call.info(f"Messages of queue '{call.argument(0)}' in vhost '{call.vhost}' ...")
    seen = _post(call, "peek", body)
    messages = seen["messages"]
    if not seen["complete"]:
        on = f" Go on with --after {seen['next']}." if seen.get("next") else ""
        call.info(f"There may be more: {seen['examined']} were looked at.{on}")
    if call.formatter == "json":
        return Facts("", messages)
    return Table(_COLUMNS, [_row(message) for message in messages])


def _whole(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise UsageError(f"{word} is no position: they are counted from 1")
    return int(word)


def _row(message: Mapping[str, Any]) -> list[Any]:
    shown = {**message, "payload": _preview(message["payload"])}
    return [shown[name] for name in _COLUMNS]


def _preview(payload: str) -> str:
    """The beginning of a body on one line, without what would move the cursor of a terminal."""
    line = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in payload[: _PREVIEW_CHARACTERS + 1])
    return line if len(payload) <= _PREVIEW_CHARACTERS else line[:_PREVIEW_CHARACTERS] + "…"


# -- moving ------------------------------------------------------------------------------------------------------


def _transfer(call: Call, what: str, done: str, body: Mapping[str, Any]) -> str:
    moved = _post(call, what, body)
    text = f"{done} {moved['done']} of {moved['found']} messages; {moved['examined']} were looked at"
    stay = {"were taken by no queue": moved["unrouted"], "were refused": moved["refused"]}
    if reasons := [f"{count} {reason}" for reason, count in stay.items() if count]:
        raise CtlError(UNAVAILABLE, f"{text}.\n{' and '.join(reasons)}, and are where they were.")
    return text


def _destination(call: Call) -> dict[str, Any]:
    options = call.options
    if ("to-queue" in options) is ("to-exchange" in options):
        raise UsageError("either --to-queue or --to-exchange is needed")
    if "to-queue" in options:
        return {"to_queue": options["to-queue"]}
    key = {"new_routing_key": options["to-key"]} if "to-key" in options else {}
    return {"to_exchange": options["to-exchange"] or "amq.default", **key}


_MOVING: dict[str, Any] = {
    "options": {**_CHOICE, **_DESTINATION},
    "programs": (OWN,),
    "patience_seconds": _PATIENCE_SECONDS,
}


@verb(
    "move",
    _GROUP,
    "Takes messages out of a queue and sends them to another, or to an exchange",
    f"[--vhost <vhost>] <queue> {_WHERE} {_WHICH}",
    1,
    **_MOVING,
)
def move(call: Call) -> str:
    return _transfer(call, "move", "Moved", {**_choice(call), **_destination(call)})


@verb(
    "copy",
    _GROUP,
    "Sends messages to another queue or to an exchange; they stay as well",
    f"[--vhost <vhost>] <queue> {_WHERE} {_WHICH}",
    1,
    **_MOVING,
)
def copy(call: Call) -> str:
    return _transfer(call, "copy", "Copied", {**_choice(call), **_destination(call)})


@verb(
    "replay",
    _GROUP,
    "Sends dead letters back to where they died last",
    f"[--vhost <vhost>] <queue> {_WHICH}",
    1,
    options=_CHOICE,
    programs=(OWN,),
    patience_seconds=_PATIENCE_SECONDS,
)
def replay(call: Call) -> str:
    return _transfer(call, "replay", "Sent back", _choice(call))


@verb(
    "delete_messages",
    _GROUP,
    "Deletes messages that wait in a queue; they are no dead letters. All of them only with --all",
    f"[--vhost <vhost>] <queue> {_WHICH} | --all",
    1,
    options={**_CHOICE, "all": FLAG},
    programs=(OWN,),
    patience_seconds=_PATIENCE_SECONDS,
)
def delete_messages(call: Call) -> str:
    choice = _choice(call)
    if bool(choice) is bool(call.options.get("all")):
        raise UsageError("say which messages, or --all")
    return _transfer(call, "delete", "Deleted", choice)
