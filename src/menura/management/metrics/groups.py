"""Groups of families that are read off the same objects, and how they come onto a page.

A group gives its objects, the labels of one, and for each family how its value is read off one. A page has either a
sample for each object or the sums of all of them. Objects are taken some at a time, family by family, and between that
others have their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from menura.management.metrics.exposition import COUNTER, GAUGE, Column, Page

if TYPE_CHECKING:
    from menura.core.node import Node
    from menura.core.vhost import VHost
    from menura.management.backend import Backend

PREFIX, DETAILED, CLUSTER = "rabbitmq_", "rabbitmq_detailed_", "rabbitmq_cluster_"
_EACH = 40
Read = Callable[[Any], float]
Reads = Sequence[tuple[Column, Read]]


def _any(queue: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Scope:
    """What a page is about: some virtual hosts, or all (None), and queues whose names are wanted.

    Who asks from elsewhere, and need not log in, is not told who has logged in (`near`).
    """

    backend: Backend
    near: bool
    names: Collection[str] | None = None
    wants: Callable[[str], bool] = _any
    marks: dict[object, str] = field(default_factory=dict)
    """Labels that were made for this page."""

    @property
    def node(self) -> Node:
        return self.backend.node

    @property
    def vhosts(self) -> list[VHost]:
        return [vhost for vhost in self.node.vhosts.values() if self.names is None or vhost.name in self.names]


@dataclass(frozen=True, slots=True)
class Group:
    """`objects` may give None, for others to have their turn. `view`: what values are read off, instead of the object.
    `labelled`: objects are told apart on every page. `prefix`: instead of the page's. `shared`: other groups have the
    same labels for these objects, so they are made once for a page."""

    reads: Reads
    objects: Callable[[Scope], Iterable[Any]]
    labels: Callable[[Any], str]
    view: Callable[[Any], Any] | None = None
    labelled: bool = False
    prefix: str = ""
    shared: bool = False

    @property
    def columns(self) -> list[Column]:
        return [column for column, _ in self.reads]


def gauge(name: str, said: str, read: Read) -> tuple[Column, Read]:
    return Column(name, GAUGE, said), read


def counter(name: str, said: str, read: Read) -> tuple[Column, Read]:
    return Column(name, COUNTER, said), read


def handed_out(what: str) -> Reads:
    """The families of what `core.tallies` counts as taken, by `what` it is told apart: queues or channels."""
    return (
        counter(f"{what}_get_ack_total", "Messages fetched one by one, to be acknowledged", attrgetter("get")),
        counter(f"{what}_get_total", "Messages fetched one by one, acknowledged at once", attrgetter("get_no_ack")),
        counter(
            f"{what}_messages_delivered_ack_total",
            "Messages sent to consumers, to be acknowledged",
            attrgetter("deliver"),
        ),
        counter(
            f"{what}_messages_delivered_total",
            "Messages sent to consumers, acknowledged at once",
            attrgetter("deliver_no_ack"),
        ),
        counter(
            f"{what}_messages_redelivered_total",
            "Messages handed out that had been before",
            attrgetter("redeliver"),
        ),
        counter(f"{what}_messages_acked_total", "Messages that were acknowledged", attrgetter("ack")),
        counter(f"{what}_get_empty_total", "Fetches that found the queue empty", attrgetter("get_empty")),
    )


def group_of_one(columns: Sequence[Column], values: Callable[[Scope], Sequence[float]]) -> Group:
    """A group about the node, which is one object without labels."""
    return group_of_rows(columns, lambda scope: (("", values(scope)),))


def group_of_rows(
    columns: Sequence[Column], rows: Callable[[Scope], Iterable[tuple[str, Sequence[float]]]], labelled: bool = False
) -> Group:
    """A group of few objects, which come as labels and values."""
    reads = [(column, itemgetter(number)) for number, column in enumerate(columns)]
    return Group(reads, rows, itemgetter(0), itemgetter(1), labelled)


def each_object(page: Page, scope: Scope, group: Group, prefix: str) -> Generator[None, None, None]:
    """A sample for each object."""
    prefix, label = group.prefix or prefix, group.labels
    names = [prefix + column.name for column in group.columns]
    lines: list[list[str]] = [[] for _ in names]
    for objects in _some(group.objects(scope)):
        marks = [_known(scope.marks, each, label) if group.shared else _mark(label(each)) for each in objects]
        seen = objects if group.view is None else list(map(group.view, objects))
        for name, (_, read), made in zip(names, group.reads, lines, strict=True):
            made.append("".join([f"{name}{mark}{read(each)}\n" for mark, each in zip(marks, seen, strict=True)]))
        yield
    for name, column, made in zip(names, group.columns, lines, strict=True):
        page.family(name, column, made)
        yield


def _mark(found: str) -> str:
    """What stands between name and value of a sample."""
    return f"{{{found}}} " if found else " "


def _known(marks: dict[object, str], thing: object, label: Callable[[Any], str]) -> str:
    found = marks.get(thing)
    if found is None:
        found = marks[thing] = _mark(label(thing))
    return found


def sums(page: Page, scope: Scope, group: Group, prefix: str) -> Generator[None, None, None]:
    """One sample for all objects."""
    if group.labelled:
        yield from each_object(page, scope, group, prefix)
        return
    found = [0.0] * len(group.reads)
    for objects in _some(group.objects(scope)):
        seen = objects if group.view is None else list(map(group.view, objects))
        for number, (_, read) in enumerate(group.reads):
            found[number] += sum(map(read, seen))
        yield
    for column, value in zip(group.columns, found, strict=True):
        page.value(prefix, column, int(value) if value == int(value) else value)


def _some(objects: Iterable[Any]) -> Iterator[list[Any]]:
    """The objects, some at a time; fewer where one gives None."""
    gathered: list[Any] = []
    for each in objects:
        if each is not None:
            gathered.append(each)
        if each is None or len(gathered) == _EACH:
            yield gathered
            gathered = []
    if gathered:
        yield gathered
