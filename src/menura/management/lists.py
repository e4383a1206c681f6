"""Lists as existing tools ask for them: a page, some columns, a filter, an order.

    return (yield from listed(request, vhost.queues.values(), queue_view(request)))

A `View` says what a row is in JSON, column by column, so a list is sorted by computing one column for all rows, and
everything else for the rows of the page alone; where only some columns are asked for, the others are not computed. It
is done in slices: a few rows, and others have their turn (see `ordering`).

What changes meanwhile is seen or not, as it happens; a row of something that is gone is what it was last.

Queries, answers and errors are those of RabbitMQ: without `page` there is neither a filter nor an envelope. Numbers
come before null and truth values, these before objects, and texts last; what a row does not have counts as 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from menura.core.errors import PreconditionFailed
from menura.core.patterns import Pattern
from menura.management.http.messages import HttpError, Request, Response, bad_request
from menura.management.ordering import ABSENT, Key, in_order, ranked

__all__ = ["ABSENT", "PAGE_SIZE", "PAGE_SIZE_MAX", "QUERY", "Column", "View", "Whole", "listed", "one", "schema"]

PAGE_SIZE, PAGE_SIZE_MAX = 100, 500
QUERY: Mapping[str, str] = {
    "page": "number of the page, from 1; without it everything comes as one array",
    "page_size": f"rows of a page, at most {PAGE_SIZE_MAX}; {PAGE_SIZE} if it is not said",
    "name": "only rows with this in their name, in capitals or not; with `page` only",
    "use_regex": "`true`: the name is a regular expression",
    "sort": "the column to sort by, dots lead into objects",
    "sort_reverse": "`true`: the other way round",
    "columns": "the columns wanted, separated by commas, dots lead into objects",
}
"""What every list can be asked, for the description of its route."""

_COUNTS = ("total_count", "item_count", "filtered_count", "page", "page_size", "page_count")


def schema(row: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a list whose rows have this one."""
    rows = {"type": "array", "items": row}
    counts = {name: {"type": "integer"} for name in _COUNTS}
    page = {"type": "object", "properties": {**counts, "items": rows}, "required": [*counts, "items"]}
    return {"oneOf": [rows, page]}


_ROWS_AT_ONCE = 10
_KEYS_AT_ONCE = 100
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

Row = TypeVar("Row")
Column = Callable[[Row], Any]
Path = list[str]


class View(Generic[Row]):
    """What a row is in JSON: a function for each column. One that is costly is asked only if the column is wanted.

    `shortcuts` lead to values inside columns that rows may be sorted by, without the rest of the column.
    """

    def __init__(self, columns: Mapping[str, Column[Row]], shortcuts: Mapping[str, Column[Row]] | None = None) -> None:
        self._columns = columns
        self._shortcuts = shortcuts or {}

    def __call__(self, row: Row) -> dict[str, Any]:
        """The whole row."""
        found = {name: column(row) for name, column in self._columns.items()}
        return {name: value for name, value in found.items() if value is not ABSENT}

    def value(self, path: Path) -> Column[Row]:
        """What gives the value at a path, or ABSENT."""
        shortcut = self._shortcuts.get(".".join(path))
        if shortcut is not None:
            return shortcut
        column: Column[Row] = self._columns.get(path[0], _absent)
        inside = path[1:]
        return column if not inside else lambda row: _inside(column(row), inside)

    def only(self, paths: Sequence[Path]) -> View[Row]:
        """The same with these columns alone."""
        wanted: dict[str, list[Path]] = {}
        for path in paths:
            wanted.setdefault(path[0], []).append(path[1:])
        return View({name: _pruned(self._columns[name], wanted[name]) for name in self._columns if name in wanted})


class Whole(View[Row]):
    """A view that is one function, for what there is little of."""

    def __init__(self, view: Callable[[Row], Mapping[str, Any]], paths: Sequence[Path] | None = None) -> None:
        super().__init__({})
        self._view = view
        self._paths = paths

    def __call__(self, row: Row) -> dict[str, Any]:
        found = dict(self._view(row))
        return found if self._paths is None else _part(found, self._paths)

    def value(self, path: Path) -> Column[Row]:
        return lambda row: _inside(self._view(row), path)

    def only(self, paths: Sequence[Path]) -> View[Row]:
        return Whole(self._view, paths)


class _Page(NamedTuple):
    number: int
    size: int
    name: str
    pattern: Pattern | None


def listed(
    request: Request,
    rows: Iterable[Row],
    view: View[Row] | Callable[[Row], Mapping[str, Any]],
    sort: Sequence[str] = ("vhost", "name"),
) -> Generator[None, None, Response]:
    """The answer to a request for these rows. `sort` are the columns that they are in the order of by themselves.

    An iterator is gone through in slices, so what it goes through must not change; all else is copied at once.
    """
    if not isinstance(view, View):
        view = Whole(view)
    page = _page(request)
    found = total = (yield from _gathered(rows)) if isinstance(rows, Iterator) else list(rows)
    if page is not None and page.name:
        found = yield from _named(total, view.value(["name"]), page)
    start, stop = 0, len(found)
    if page is not None:
        start = (page.number - 1) * page.size
        stop = start + page.size
        if start > len(found):
            where = f"page: {page.number} page size: {page.size}, len: {len(found)}"
            raise HttpError(400, "page_out_of_range", f"Page out of range, {where}")
    key = _key(view, [*filter(None, [request.parameter("sort")]), *sort])
    shown = yield from in_order(found, key, start, stop, request.parameter("sort_reverse") == "true")
    body = yield from _encoded(shown, _narrowed(view, request))
    if page is not None:
        body = b"".join((_envelope(page, len(shown), len(found), len(total)), body, b"}"))
    return Response(body=body)


def _gathered(rows: Iterator[Row]) -> Generator[None, None, list[Row]]:
    found: list[Row] = []
    while batch := list(islice(rows, _KEYS_AT_ONCE)):
        found += batch
        yield
    return found


def one(request: Request, row: Row, view: View[Row]) -> dict[str, Any]:
    """A single object, or the columns of it that are wanted."""
    return _narrowed(view, request)(row)


def _encoded(rows: Sequence[Row], view: Callable[[Row], Mapping[str, Any]]) -> Generator[None, None, bytes | bytearray]:
    """Rows as an array, in slices."""
    text = bytearray(b"[")
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        yield
        part = ",".join([_encode(view(row)) for row in rows[at : at + _ROWS_AT_ONCE]])
        text += (f",{part}" if at else part).encode(errors="replace")
    text += b"]"
    return text


def _envelope(page: _Page, shown: int, found: int, total: int) -> bytes:
    """What stands around the rows of a page, up to them."""
    about = {
        "total_count": total,
        "item_count": shown,
        "filtered_count": found,
        "page": page.number,
        "page_size": page.size,
        "page_count": -(-found // page.size),
    }
    return f'{_encode(about)[:-1]},"items":'.encode()


# -- the query -----------------------------------------------------------------------------------------------


def _page(request: Request) -> _Page | None:
    number, size = _number(request, "page"), _number(request, "page_size")
    if number is None:
        return None
    if number < 1 or not 1 <= (PAGE_SIZE if size is None else size) <= PAGE_SIZE_MAX:
        said = f"page number {number}, page size {'undefined' if size is None else size}"
        raise HttpError(400, "invalid_pagination_parameters", f"Invalid pagination parameters: {said}")
    name, pattern = request.parameter("name"), None
    if name and request.parameter("use_regex") == "true":
        try:
            pattern = Pattern("(?i)" + name)
        except PreconditionFailed:
            raise _invalid() from None
    return _Page(number, PAGE_SIZE if size is None else size, name.lower(), pattern)


def _number(request: Request, name: str) -> int | None:
    if name not in request.query:
        return None
    text = request.parameter(name)
    if _NUMBER.fullmatch(text) is None:
        raise _invalid()
    return int(text)


def _invalid() -> HttpError:
    return bad_request("Pagination parameters are invalid")


def _narrowed(view: View[Row], request: Request) -> View[Row]:
    if "columns" not in request.query:
        return view
    paths = [_path(column) for column in request.parameter("columns").split(",")]
    return view.only([path for path in paths if path])


def _path(text: str) -> Path:
    return [word for word in text.split(".") if word]


def _named(rows: list[Row], name: Column[Row], page: _Page) -> Generator[None, None, list[Row]]:
    """The rows whose name fits."""
    found = []
    at_once = _KEYS_AT_ONCE if page.pattern is None else 1  # an expression can be slow
    for at, row in enumerate(rows):
        if at % at_once == 0:
            yield
        text = name(row)
        if not isinstance(text, str) or _fits(text, page):
            found.append(row)
    return found


def _fits(text: str, page: _Page) -> bool:
    return page.name in text.lower() if page.pattern is None else page.pattern.search(text)


def _key(view: View[Row], columns: Sequence[str]) -> Callable[[Row], Key]:
    """What rows are compared by: for each column the kind of its value, and the value."""
    paths = [path for column in dict.fromkeys(columns) if (path := _path(column))]
    values = [view.value(path) for path in paths]

    def key(row: Row) -> Key:
        found: Key = []
        for value in values:
            found += ranked(value(row))
        return found

    return key


# -- columns -------------------------------------------------------------------------------------------------


def _absent(row: Any) -> Any:
    return ABSENT


def _inside(value: Any, path: Path) -> Any:
    for name in path:
        value = value.get(name, ABSENT) if isinstance(value, Mapping) else ABSENT
    return value


def _pruned(column: Column[Row], paths: list[Path]) -> Column[Row]:
    """A column of which only some of the inside is wanted; all of it if one of the paths ends here."""
    return column if [] in paths else lambda row: _part(column(row), paths)


def _part(value: Any, paths: Sequence[Path]) -> Any:
    if isinstance(value, list):
        return [_part(item, paths) for item in value]
    if not isinstance(value, Mapping):
        return value
    wanted: dict[str, list[Path]] = {}
    for path in paths:
        wanted.setdefault(path[0], []).append(path[1:])
    return {
        name: value[name] if [] in wanted[name] else _part(value[name], wanted[name])
        for name in value
        if name in wanted
    }
