"""The fields of a form with a file in it (multipart/form-data, RFC 7578), as a browser or `curl -F` sends one."""

from __future__ import annotations

from email.message import Message

from menura.core.errors import PreconditionFailed

_PARTS_MAX = 20
_BOUNDARY_MAX = 70


def fields(content_type: str, body: bytes | bytearray) -> dict[str, bytes]:
    """What each field has. Raises PreconditionFailed for what is no form."""
    boundary = _parameter("content-type", content_type, "boundary")
    if not boundary or len(boundary) > _BOUNDARY_MAX:
        raise PreconditionFailed("a form needs a boundary between its parts")
    line = b"--" + boundary.encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(b"\r\n" + line, _PARTS_MAX + 2)
    if len(pieces) > _PARTS_MAX + 2:
        raise PreconditionFailed(f"a form may have {_PARTS_MAX} parts")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise PreconditionFailed("the form is not complete")
    return dict(map(_field, pieces[1:-1]))


def _field(piece: bytes) -> tuple[str, bytes]:
    head, blank, content = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not blank:
        raise PreconditionFailed("a part of the form has no head")
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            return _parameter("content-disposition", value.strip(), "name"), content
    raise PreconditionFailed("a part of the form has no name")


def _parameter(header: str, value: str, name: str) -> str:
    message = Message()
    message[header] = value.replace("\r", " ").replace("\n", " ")
    found = message.get_param(name, "", header)
    return found if isinstance(found, str) else found[2]
