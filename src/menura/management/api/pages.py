"""The web pages: the static files beneath `pages/`, to anybody; what they show, the API gives to whoever logs in.

A file is read when it is first asked for, and kept with its digest and a compressed copy. A browser keeps it as well
and asks whether it has changed. The policy of the page lets it load nothing from elsewhere, run no script that is not a
file of ours, and make no element out of text.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from menura.management.http.messages import Answer, Request, Response, not_found
from menura.management.routes import Routes

routes = Routes("pages")

FOLDER = Path(__file__).parents[1] / "pages"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
_INDEX = "index.html"


class File(NamedTuple):
    """A file as it is sent."""

    content: bytes
    compressed: bytes
    content_type: str
    tag: str


@cache
def _files() -> dict[str, Path]:
    """All there are, by their names beneath the folder: nothing else can be asked for."""
    return {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*") if path.suffix in TYPES}


@cache
def _file(name: str) -> File:
    content = _files()[name].read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:20]
    return File(content, gzip.compress(content, mtime=0), TYPES[Path(name).suffix], f'"{digest}"')


@routes.get("/", None, "The web pages")
def index(request: Request) -> Answer:
    return _answer(request, _INDEX)


@routes.get("/icon.svg", None, "The icon of the web pages")
def icon(request: Request) -> Answer:
    return _answer(request, "icon.svg")


@routes.get("/css/{name}", None, "A style sheet of the web pages")
def style(request: Request, name: str) -> Answer:
    return _answer(request, f"css/{name}")


@routes.get("/js/{name}", None, "A script of the web pages")
def script(request: Request, name: str) -> Answer:
    return _answer(request, f"js/{name}")


@routes.get("/js/{folder}/{name}", None, "A script of the web pages")
def script_within(request: Request, folder: str, name: str) -> Answer:
    return _answer(request, f"js/{folder}/{name}")


def _answer(request: Request, name: str) -> Response:
    if name not in _files():
        raise not_found()
    file = _file(name)
    headers = {"etag": file.tag, "cache-control": "no-cache", "vary": "accept-encoding, origin"}
    if name == _INDEX:
        headers["content-security-policy"] = POLICY
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(200, file.content, file.content_type, headers)
    headers["content-encoding"] = "gzip"
    return Response(200, file.compressed, file.content_type, headers)
