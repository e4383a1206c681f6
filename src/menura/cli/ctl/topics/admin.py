"""rabbitmqadmin's verbs: list, show, declare, delete, purge, close, publish, get, export, import.

Names and values are written `name=x durable=true`, or `--name x --durable true`.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from menura.cli.ctl.admin_formats import FORMATS, shown
from menura.cli.ctl.admin_objects import (
    CLOSED,
    DECLARED,
    DELETED,
    GOT,
    LISTED,
    OVERVIEW,
    PUBLISHED,
    PURGED,
    Declared,
)
from menura.cli.ctl.arguments import FLAG, TEXT, WHOLE
from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import DATA, UNAVAILABLE, CtlError, UsageError
from menura.cli.ctl.topics.definitions import read_definitions, write_private
from menura.cli.ctl.verbs import ADMIN, OWN, Call, verb

_GROUP = "As rabbitmqadmin"
_HERE = (ADMIN, OWN)
_OPTIONS = {"format": TEXT, "sort": TEXT, "sort-reverse": FLAG, "depth": WHOLE}
_SHORT = {"f": "format", "V": "vhost", "S": "sort", "R": "sort-reverse"}
_FREE: dict[str, Any] = {"options": _OPTIONS, "short": _SHORT, "programs": _HERE, "free": True}


# -- looking -----------------------------------------------------------------------------------------------------


@verb("list", _GROUP, "Lists objects of a kind", "<kind> [<column> ...] [--format <format>]", (1, None), **_FREE)
def list_objects(call: Call) -> str | None:
    kind, *columns = call.arguments
    listed = LISTED.get(kind)
    if listed is None:
        raise UsageError(f"Don't know how to list {kind}")
    where = path(listed.path or kind)
    if listed.of_vhost and "vhost" in call.options:
        where += path(call.vhost)
    query = {}
    if "sort" in call.options:
        query["sort"] = call.options["sort"]
        query["sort_reverse"] = str(bool(call.options.get("sort-reverse"))).lower()
    chosen = _columns(columns) or list(listed.columns)
    if chosen:
        query["columns"] = ",".join(chosen)
    return _shown(call, call.client.get(where, **query), chosen)


@verb(
    "show", _GROUP, "Shows an overview of the broker", "overview [<column> ...] [--format <format>]", (1, None), **_FREE
)
def show(call: Call) -> str | None:
    kind, *columns = call.arguments
    if kind != "overview":
        raise UsageError(f"Don't know how to show {kind}")
    chosen = _columns(columns) or list(OVERVIEW)
    return _shown(call, [call.client.get("/overview", columns=",".join(chosen))], chosen)


def _columns(words: list[str]) -> list[str]:
    return [name for word in words for name in word.split(",") if name]


def _shown(call: Call, objects: list[Mapping[str, Any]], columns: list[str]) -> str | None:
    form = call.options.get("format") or call.formatter
    if form not in FORMATS:
        raise UsageError(f"Format {form} not recognised: use {', '.join(FORMATS)}")
    return shown(objects, columns, form, call.options.get("depth", 1))


# -- changing ----------------------------------------------------------------------------------------------------


@verb(
    "declare",
    _GROUP,
    "Makes an object: a queue, exchange, binding, user ...",
    "<kind> <name>=<value> ...",
    (1, None),
    **_FREE,
)
def declare(call: Call) -> str | None:
    return _change(call, DECLARED, "declared")


@verb("delete", _GROUP, "Deletes an object", "<kind> <name>=<value> ...", (1, None), **_FREE)
def delete(call: Call) -> str | None:
    return _change(call, DELETED, "deleted")


@verb("purge", _GROUP, "Removes all messages that wait in a queue", "queue name=<name>", (1, None), **_FREE)
def purge(call: Call) -> str | None:
    return _change(call, PURGED, "purged")


@verb("close", _GROUP, "Closes a connection", "connection name=<name>", (1, None), **_FREE)
def close(call: Call) -> str | None:
    return _change(call, CLOSED, "closed")


def _change(call: Call, kinds: Mapping[str, Declared], done: str) -> str | None:
    kind, *words = call.arguments
    declared = kinds.get(kind)
    if declared is None:
        raise UsageError(f"{call.verb.name.capitalize()} {kind} not recognised: use {', '.join(kinds)}")
    values = _values(call, declared, words)
    if kind == "queue" and values.get("queue_type"):
        values["arguments"] = {**values["arguments"], "x-queue-type": values.pop("queue_type")}
    _send(call, declared, values)
    return None if call.quiet else f"{kind} {done}"


def _values(call: Call, declared: Declared, words: list[str]) -> dict[str, Any]:
    """The values of an object, checked and of their types."""
    given = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f'Argument "{word}" not in the name=value format')
        given[name.replace("-", "_")] = value
    if "type" in given and "queue_type" in dict(declared.optional):
        given["queue_type"] = given.pop("type")
    if "ack_mode" in given:
        given["ackmode"] = given.pop("ack_mode")
    known = {*declared.mandatory, *dict(declared.optional), "vhost"}
    if unknown := [name for name in given if name not in known]:
        raise UsageError(f'Argument "{unknown[0]}" is not recognised')
    values: dict[str, Any] = {
        "vhost": call.vhost,
        **{name: value for name, value in declared.optional if value is not None},
    }
    values.update(given)
    missing = [
        name for name in declared.mandatory if name not in given and not (name == "vhost" and "vhost" in call.options)
    ]
    if missing:
        raise UsageError(f'mandatory argument "{missing[0]}" is required')
    if declared.any_of and not set(declared.any_of) & set(given):
        raise UsageError(f'mandatory argument "{" or ".join(declared.any_of)}" is required')
    for name in declared.json:
        values[name] = _json(name, values[name])
    return values


def _json(name: str, words: str) -> Any:
    try:
        return json.loads(words)
    except ValueError:
        raise CtlError(DATA, f"Could not parse JSON in {name}:\n  {words}") from None


_KINDS = {"queue": "q", "exchange": "e"}


def _send(call: Call, declared: Declared, values: dict[str, Any]) -> Any:
    if "destination_type" in values:
        values["destination_kind"] = _KINDS.get(values["destination_type"], "q")
    where = declared.path
    for name, value in values.items():
        where = where.replace(f"{{{name}}}", quote(str(value), safe=""))
    body = {_BODY_NAMES.get(name, name): value for name, value in values.items() if name != "destination_kind"}
    try:
        return call.client.call(declared.method, where, None if declared.method == "DELETE" else body)
    except HttpFailure as failure:
        if failure.http_status == 404:
            raise CtlError(UNAVAILABLE, f"Not found: /api{where}") from None
        raise


_BODY_NAMES = {"apply_to": "apply-to"}


# -- messages ----------------------------------------------------------------------------------------------------


@verb(
    "publish",
    _GROUP,
    "Publishes a message; its body comes from standard input if it is not given",
    "routing_key=<key> [exchange=<name>] [payload=<text>] [properties=<json>] [payload_encoding=<string | base64>]",
    (0, None),
    **_FREE,
)
def publish(call: Call) -> str | None:
    words = [word for word in call.arguments if word != "message"]
    values = _values(call, PUBLISHED, words)
    if "payload" not in values:
        data = sys.stdin.buffer.read()
        try:
            values["payload"] = data.decode()
        except UnicodeDecodeError:
            values["payload"] = base64.b64encode(data).decode()
            values["payload_encoding"] = "base64"
    values["exchange"] = values["exchange"] or "amq.default"
    answer = _send(call, PUBLISHED, values)
    if call.quiet:
        return None
    return "Message published" if answer["routed"] else "Message published but NOT routed"


_MESSAGE = (
    *("routing_key", "exchange", "message_count", "payload", "payload_bytes", "payload_encoding", "properties"),
    "redelivered",
)
_WITHOUT_PAYLOAD = ("routing_key", "exchange", "message_count", "payload_bytes", "redelivered")


@verb(
    "get",
    _GROUP,
    "Takes messages from a queue, and puts them back unless told otherwise",
    "queue=<name> [count=<n>] [ackmode=<mode>] [payload_file=<file>] [encoding=<auto | base64>]",
    (0, None),
    **_FREE,
)
def get(call: Call) -> str | None:
    words = [word for word in call.arguments if word not in ("messages", "message")]
    values = _values(call, GOT, words)
    file = values.pop("payload_file", None)
    if file is not None and values["count"] != 1:
        raise UsageError("Cannot specify both payload_file and count")
    messages = _send(call, GOT, values)
    if file is None:
        return _shown(call, messages, list(_MESSAGE))
    if messages:
        payload = messages[0]["payload"]
        data = base64.b64decode(payload) if messages[0]["payload_encoding"] == "base64" else payload.encode()
        with open(file, "wb") as out:
            out.write(data)
    return _shown(call, messages, list(_WITHOUT_PAYLOAD))


# -- definitions -------------------------------------------------------------------------------------------------


@verb("export", _GROUP, "Writes definitions to a file", "<file>", 1, **_FREE)
def export(call: Call) -> str | None:
    where = path("definitions", call.vhost) if "vhost" in call.options else "/definitions"
    write_private(call.argument(0), json.dumps(call.client.get(where), ensure_ascii=False))
    return None if call.quiet else f'Exported definitions for {call.client.place} to "{call.argument(0)}"'


@verb("import", _GROUP, "Loads definitions from a file", "<file>", 1, **_FREE)
def import_(call: Call) -> str | None:
    where = path("definitions", call.vhost) if "vhost" in call.options else "/definitions"
    call.client.post(where, read_definitions(call.argument(0)))
    return None if call.quiet else f'Loaded definitions from "{call.argument(0)}" into {call.client.place}'
