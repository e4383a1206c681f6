"""Definitions in and out, of everything or of one virtual host."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from typing import Any

from menura.management import definitions, multipart
from menura.management.http.messages import HttpError, Request, Response, Work, bad_request
from menura.management.identity import identity_of
from menura.management.rights import ADMINISTRATOR, acting_user
from menura.management.routes import Routes
from menura.management.views.schemas import OBJECT, STRING, array, fixed

routes = Routes("definitions")
_FILE_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,200}")
_ITEMS_AT_ONCE = 100
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_DOWNLOAD = {"download": "the name of the file that a browser is to keep it in"}
_IMPORTED = fixed({"skipped": array(fixed({"what": STRING, "name": STRING, "vhost": STRING, "reason": STRING}))})


def _whole(request: Request) -> Work:
    return _written(request, definitions.whole(request.node, identity_of(request.backend)))


def _written(request: Request, export: Generator[None, None, dict[str, Any]]) -> Work:
    """A document as the answer; it may be long, so it is written down piece by piece."""
    document = yield from export
    written = []
    for key, value in document.items():
        if isinstance(value, list):
            pieces = []
            for at in range(0, len(value), _ITEMS_AT_ONCE):
                pieces.append(_encode(value[at : at + _ITEMS_AT_ONCE])[1:-1])
                yield
            written.append(f"{_encode(key)}:[{','.join(pieces)}]")
        else:
            written.append(f"{_encode(key)}:{_encode(value)}")
    return _file(request, Response(200, f"{{{','.join(written)}}}".encode(errors="replace")))


def _file(request: Request, answer: Response) -> Response:
    """The answer as a file, if it is to be one."""
    name = request.parameter("download")
    if not name:
        return answer
    if not _FILE_NAME.fullmatch(name):
        raise bad_request("the name of a file may have letters, digits and _.+- in it")
    return answer._replace(headers={"content-disposition": f"attachment; filename={name}"})


@routes.get("/api/definitions", ADMINISTRATOR, "All definitions", query=_DOWNLOAD, returns=OBJECT)
def whole(request: Request) -> Work:
    return _whole(request)


@routes.get("/api/all-configuration", ADMINISTRATOR, "The same under its old name", query=_DOWNLOAD, returns=OBJECT)
def whole_by_old_name(request: Request) -> Work:
    return _whole(request)


@routes.get("/api/definitions/{vhost}", ADMINISTRATOR, "Those of one virtual host", query=_DOWNLOAD, returns=OBJECT)
def single(request: Request, vhost: str) -> Work:
    where = request.node.vhosts.get(vhost)
    if where is None:
        raise bad_request("vhost_not_found")
    return _written(request, definitions.single(request.node, where, identity_of(request.backend)))


# -- in ----------------------------------------------------------------------------------------------------------


def _imported(request: Request, vhost: str | None = None) -> Work:
    """Import what was sent; nothing more is said (204) unless something of it was left out."""
    document = yield from definitions.parse(_sent(request))
    done = yield from definitions.import_definitions(request.node, document, vhost=vhost, user=acting_user(request))
    request.audit("definitions.imported", vhost=vhost or "", skipped=len(done.skipped), **done.counts)
    return {"skipped": [skipped._asdict() for skipped in done.skipped]} if done.skipped else None


def _sent(request: Request) -> bytes | bytearray:
    """The document: the body, or the file of a form."""
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        return request.body
    found = multipart.fields(kind, request.body)
    if "file" not in found:
        raise bad_request("the form has no field 'file'")
    return found["file"]


@routes.post(
    "/api/definitions",
    ADMINISTRATOR,
    "Import definitions: as JSON, or as the field `file` of a form",
    body=OBJECT,
    returns=_IMPORTED,
)
def import_whole(request: Request) -> Work:
    return _imported(request)


@routes.post("/api/all-configuration", ADMINISTRATOR, "The same under its old name", body=OBJECT, returns=_IMPORTED)
def import_by_old_name(request: Request) -> Work:
    return _imported(request)


@routes.post(
    "/api/definitions/{vhost}",
    ADMINISTRATOR,
    "Import definitions into a virtual host, whichever they are from",
    body=OBJECT,
    returns=_IMPORTED,
)
def import_into(request: Request, vhost: str) -> Work:
    if vhost not in request.node.vhosts:
        raise HttpError(404, "not_found", "vhost_not_found")
    return _imported(request, vhost)
