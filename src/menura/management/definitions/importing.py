"""A document of definitions made true: what it has is declared and set, in an order in which each thing can be.

What there is to do for each kind of thing is in `making`. Here a refusal gets the name of the thing, what is left out
is noted, and all of it is rehearsed on a copy first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from menura.core.errors import PreconditionFailed, Refusal
from menura.core.events import NOBODY
from menura.management import bodies
from menura.management.definitions.making import Item, LeftOut, Maker
from menura.management.definitions.rehearsal import copy_of
from menura.management.http.long_json import in_pieces

if TYPE_CHECKING:
    from menura.core.node import Node
    from menura.core.steps import Steps

_ITEMS_AT_ONCE = 20
_SKIPPED_MAX = 1000
Document = Mapping[str, Any]


class Skipped(NamedTuple):
    """Something that was left out, and why."""

    what: str
    name: str
    vhost: str
    reason: str


class Imported(NamedTuple):
    """How many things of each kind a document had, and what of it was left out."""

    counts: dict[str, int]
    skipped: list[Skipped]


def parse(text: bytes | bytearray) -> Generator[None, None, dict[str, Any]]:
    """A document; {} for nothing at all. Raises PreconditionFailed."""
    if not text or text.isspace():
        return {}
    try:
        document = text.decode("utf-8-sig")
        if not document.lstrip().startswith("{"):
            raise PreconditionFailed("definitions are a JSON object")
        return (yield from in_pieces(document))
    except (ValueError, RecursionError):
        raise PreconditionFailed("failed_to_parse_json: not_json") from None


def import_definitions(
    node: Node, document: Document, *, vhost: str | None = None, user: str | None = None
) -> Generator[None, None, Imported]:
    """Make what a document defines; of one virtual host, into the one of that name. `user` is who does it.

    Raises a Refusal that names the first thing that is wrong; then nothing has changed.
    """
    _check_whole(document, vhost)
    copy = yield from copy_of(node)
    yield from _Import(copy, node, vhost, user).all(document)
    work = _Import(node, node, vhost, user)
    yield from work.all(document)
    return Imported(work.counts, work.skipped)


def _check_whole(document: Document, vhost: str | None) -> None:
    for kind in (*_OF_ALL, *_OF_ONE):
        bodies.items(document, kind)
    if vhost is not None:
        return
    for kind in _OF_ONE:
        for item in bodies.items(document, kind):
            if "vhost" not in item:
                raise PreconditionFailed(
                    f"invalid_definitions_file: {_named(kind, item)} has no virtual host. Definitions of a single "
                    "virtual host are imported into one"
                )


def _named(kind: str, item: Item) -> str:
    """What a thing is called in a refusal."""
    one = {"policies": "policy"}.get(kind, kind[:-1]).replace("_", " ")
    if kind == "bindings":
        return f"binding from '{item.get('source')}' to '{item.get('destination')}'"
    name = item.get("name", item.get("user"))
    shown = f"{one} '{name}'" if isinstance(name, str) else one
    vhost = item.get("vhost")
    return f"{shown} in vhost '{vhost}'" if isinstance(vhost, str) else shown


class _Import:
    """Makes all that a document has, on the node that is meant or on its copy."""

    def __init__(self, node: Node, real: Node, vhost: str | None, user: str | None) -> None:
        self._maker = Maker(node, real, vhost, user, self._skip)
        self._by = partial(node.events.by, user or NOBODY)
        self._vhost = vhost
        self.counts: dict[str, int] = {}
        self.skipped: list[Skipped] = []

    def all(self, document: Document) -> Generator[None, None, None]:
        kinds = _ORDER if self._vhost is None else [kind for kind in _ORDER if kind in _OF_ONE]
        for kind in kinds:
            found = bodies.items(document, kind)
            self.counts[kind] = len(found)
            add = getattr(self._maker, kind)
            for at, item in enumerate(found):
                if at % _ITEMS_AT_ONCE == 0:
                    yield
                yield from self._one(kind, add, item)

    def _one(self, kind: str, add: Callable[[Item], Steps | None], item: Item) -> Steps:
        try:
            with self._by():
                more = add(item)
                if more is not None:
                    next(more, None)
            if more is not None:
                yield from more
        except LeftOut as skip:
            self._skip(kind, item, str(skip))
        except (Refusal, ValueError) as error:
            raise PreconditionFailed(f"{_named(kind, item)}: {error}") from error

    def _skip(self, kind: str, item: Item, reason: str) -> None:
        name, vhost = str(item.get("name", item.get("destination", ""))), str(item.get("vhost", self._vhost or ""))
        self._maker.left_out.add((kind, vhost, name))
        if len(self.skipped) < _SKIPPED_MAX:
            self.skipped.append(Skipped(kind, name[:255], vhost[:255], reason))


_OF_ALL = ("users", "vhosts", "permissions", "topic_permissions", "global_parameters")
_OF_ONE = ("exchanges", "policies", "parameters", "queues", "bindings")
_ORDER = [
    "users", "vhosts", "permissions", "exchanges", "topic_permissions", "global_parameters", "policies", "parameters",
    "queues", "bindings",
]  # fmt: skip
