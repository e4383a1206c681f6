"""Requests and what is answered to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, quote

from menura.core.peers import Peer
from menura.management.http.long_json import OTHERS_MAX, SHORT_BYTES, TooMuch, finite, mostly_text, refuse

if TYPE_CHECKING:
    from menura.core.access import User
    from menura.core.node import Node
    from menura.management.backend import Backend

Result = TypeVar("Result")
JSON_TYPE = "application/json"
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
"""Those that change nothing."""
BODY_BYTES_MAX = 20 * 1024 * 1024
_DEPTH_MAX = 100
_FIELDS_MAX = 200
_TRUE = frozenset(("true", "1", "yes"))


class HttpError(Exception):
    """A refusal with its status. The body is RabbitMQ's: `{"error": ..., "reason": ...}`."""

    def __init__(self, status: int, error: str, reason: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {error}: {reason}")
        self.status = status
        self.error = error
        self.reason = reason
        self.headers = dict(headers or {})


def bad_request(reason: Any) -> HttpError:
    return HttpError(400, "bad_request", reason)


def not_found() -> HttpError:
    return HttpError(404, "Object Not Found", "Not Found")


def not_authorised(reason: str) -> HttpError:
    """What a user who is known may not do: 401 as well, as existing tools expect it."""
    return HttpError(401, "not_authorised", reason)


class Response(NamedTuple):
    """What goes back. `body` has been encoded."""

    status: int = 200
    body: bytes | bytearray = b""
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = {}


class Stream(NamedTuple):
    """An answer without an end: `poll` is asked twice a second, with the time in seconds, for what is to be sent.

    It is not asked while the client does not read what it was sent. `close` is called when nobody listens any more.
    """

    poll: Callable[[float], bytes]
    content_type: str = "text/event-stream"
    close: Callable[[], None] = lambda: None


Answer = Any
"""None (204), a value that JSON can say (200), a Response or a Stream."""
Work = Generator[None, None, Answer]
"""A handler that lets others have their turn at each `yield`, and returns its answer."""
PatientWork = Generator[float | None, None, Answer]
"""One that may have to wait: where it yields a number, it has nothing to do for so many seconds."""


def created(location: str = "") -> Response:
    """Something is there now that was not; `location` is its path from here, or a name in it."""
    return Response(201, headers={"location": quote(location, safe="/%~")} if location else {})


def as_json(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace"))


def error_response(error: HttpError) -> Response:
    return as_json({"error": error.error, "reason": error.reason}, error.status)._replace(headers=error.headers)


@dataclass(slots=True)
class Request:
    """One request. `target` is as it was sent; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    peer: Peer
    origins: tuple[str, ...] = ()
    """Pages elsewhere that may use the API."""
    body: bytes | bytearray = b""
    now: float = 0.0
    body_bytes_max: int = BODY_BYTES_MAX
    abandoned: bool = False
    """Whoever asked has gone."""
    _query: dict[str, list[str]] | None = field(default=None, repr=False)

    # Set before a handler sees it.
    backend: Backend = field(init=False, repr=False)
    user: User = field(init=False, repr=False)
    audit: Callable[..., None] = field(init=False, repr=False)
    """Note a change that was made: `request.audit("queue.deleted", queue=name, vhost=vhost)`. No secrets."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def node(self) -> Node:
        return self.backend.node

    @property
    def query(self) -> dict[str, list[str]]:
        """Parameters behind the question mark."""
        if self._query is None:
            text = self.target.partition("?")[2]
            try:
                self._query = parse_qs(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
            except ValueError as error:
                raise bad_request(f"query: {error}") from None
        return self._query

    def parameter(self, name: str, default: str = "") -> str:
        """A parameter behind the question mark; the last one of that name."""
        values = self.query.get(name)
        return values[-1] if values else default

    def flag(self, name: str) -> bool:
        """Whether a parameter is there and says yes."""
        return self.parameter(name).lower() in _TRUE

    def number(self, name: str, default: int, least: int = 0, most: int | None = None) -> int:
        """A parameter that has to be a whole number between two."""
        text = self.parameter(name)
        if not text:
            return default
        if not text.isascii() or not text.isdecimal() or len(text) > 18:
            raise bad_request(f"{name} must be a whole number, not {text[:40]!r}")
        number = int(text)
        if number < least or (most is not None and number > most):
            raise bad_request(f"{name} must be {least} or more" + ("" if most is None else f", up to {most}"))
        return number

    def json(self) -> dict[str, Any]:
        """The body as an object; {} for none. A long one may have long texts in it, and little besides."""
        return run(self.long_json())

    def long_json(self) -> Generator[None, None, dict[str, Any]]:
        """The same, with others served while a long text is read."""
        if not self.body or self.body.isspace():
            return {}
        value = parsed(self.body) if len(self.body) <= SHORT_BYTES else (yield from _long_object(self.body))
        require_shallow(value)
        if not isinstance(value, dict):
            raise bad_request("not_json_object")
        return value


def run(work: Generator[Any, None, Result]) -> Result:
    """The result of a generator that nobody has to share time with."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result


def parsed(body: bytes | bytearray) -> Any:
    """JSON of somebody else's, of which all numbers and texts can be written again."""
    try:
        value = json.loads(body, parse_constant=refuse, parse_float=finite)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise bad_request("not_json") from None
    return value


def _long_object(body: bytes | bytearray) -> Generator[None, None, dict[str, Any]]:
    try:
        return (yield from mostly_text(body.decode("utf-8-sig")))
    except TooMuch:
        raise HttpError(413, "bad_request", f"only texts may be longer than {OTHERS_MAX} octets") from None
    except (ValueError, RecursionError):
        raise bad_request("not_json") from None


def require_shallow(value: Any) -> None:
    """Refuse what is nested so deep that whoever looks into it would run out of stack."""
    level = [value]
    for _ in range(_DEPTH_MAX):
        inside: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inside += item.values()
            elif isinstance(item, list):
                inside += item
        if not inside:
            return
        level = inside
    raise bad_request(f"nested more than {_DEPTH_MAX} deep")
