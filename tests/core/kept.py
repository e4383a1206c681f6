"""Nodes whose definitions and messages are kept in memory, and the lives they have after one another.

`fold` is the plainest catalog there can be: what is defined after a list of changes, where whatever depends on
something goes with it. A node's `next_life` is made of that and of the journal, as a start makes it from a disk.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from tests.core.domain import number_of, numbers_of

from menura.core.definitions import (
    BindingDefinition,
    Definition,
    Definitions,
    ExchangeDefinition,
    ParameterDefinition,
    PermissionDefinition,
    QueueDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    VHostDefinition,
)
from menura.core.event_exchange import NAME as EVENT_EXCHANGE
from menura.core.node import Node
from menura.core.patterns import Pattern
from menura.core.ports import Journal, Published, Settled
from menura.core.queue import Queue
from menura.core.vhost import PREDECLARED, VHost
from menura.store.memory import MemoryCatalog, MemoryJournal

LAST = 1 << 40


def counted() -> Callable[[int], bytes]:
    """Randomness that is none."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


class NotedJournal(MemoryJournal):
    """Remembers each `append`, as a tuple of its parts, and each settlement outside of one."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[Published | Settled, ...] | Settled] = []
        self._appending = False

    def append(self, *parts: Published | Settled) -> int:
        plain = [part._replace(contents=list(part.contents)) if isinstance(part, Published) else part for part in parts]
        self.notes.append(tuple(plain))
        self._appending = True
        try:
            return super().append(*parts)
        finally:
            self._appending = False

    def settle(self, queue: int, first: int, last: int) -> None:
        if not self._appending:
            self.notes.append(Settled(queue, first, last))
        super().settle(queue, first, last)


class Kept(NamedTuple):
    """A node and what keeps it."""

    node: Node
    catalog: MemoryCatalog
    journal: Any

    @property
    def vhost(self) -> VHost:
        return self.node.vhosts["/"]

    def flush(self) -> None:
        self.catalog.flush()
        self.journal.flush()

    def next_life(self, now: float = 0.0) -> Kept:
        return live(self.catalog, self.journal, now=now)

    def messages(self, queue: Queue) -> dict[int, int]:
        """What the journal has of a queue: numbers by position."""
        return messages_in(self.journal, queue.id)


def messages_in(journal: Journal, queue: int) -> dict[int, int]:
    return {
        stored.first + offset: number_of(content)
        for stored in journal.read(queue, 0, LAST)
        for offset, content in enumerate(stored.contents)
    }


def live(
    catalog: MemoryCatalog | None = None,
    journal: Journal | None = None,
    *,
    watermark_bytes: int = 0,
    now: float = 0.0,
) -> Kept:
    """A node that goes on, at this time, with what catalog and journal have."""
    catalog, journal = catalog or MemoryCatalog(), journal or NotedJournal()
    node = Node(counted(), watermark_bytes=watermark_bytes)
    node.agenda.tick(now)
    node.keep(catalog, journal, fold(catalog.changes))
    return Kept(node, catalog, journal)


def three_queues() -> Kept:
    """Two durable queues, "durable" and "other", and a transient one, all bound to amq.fanout."""
    kept = live()
    for name, durable in (("durable", True), ("other", True), ("transient", False)):
        kept.vhost.bind("amq.fanout", kept.vhost.declare_queue(name, durable=durable), "", {})
    return kept


def notes(kept: Kept) -> list[Any]:
    """What was written to the journal of a node that `live` made."""
    assert isinstance(kept.journal, NotedJournal)
    return kept.journal.notes


def redeliveries(queue: Queue) -> Iterator[tuple[int, bool]]:
    """Take everything, one by one."""
    while queue.ready_count:
        position, run, redelivered = queue.take(1)
        yield numbers_of(run)[0], redelivered
        queue.settle(position, run)


def key_of(definition: Definition) -> tuple[Any, ...]:
    """What tells a definition from others of its kind."""
    if isinstance(definition, BindingDefinition):
        return (*definition[:-1], frozenset(definition.arguments.items()))
    lengths = {
        PermissionDefinition: 2,
        TopicPermissionDefinition: 3,
        ExchangeDefinition: 2,
        QueueDefinition: 2,
        ParameterDefinition: 3,
    }
    return tuple(definition[: lengths.get(type(definition), 1)])


def depends(one: Definition, other: Definition) -> bool:
    """Whether `one` cannot be without `other`."""
    if isinstance(other, VHostDefinition):
        return getattr(one, "vhost", None) == other.name
    if isinstance(other, UserDefinition):
        return getattr(one, "user", None) == other.name
    if isinstance(one, BindingDefinition) and one.vhost == getattr(other, "vhost", None):
        if isinstance(other, QueueDefinition):
            return (one.what, one.destination) == ("queue", other.name)
        if isinstance(other, ExchangeDefinition):
            return one.source == other.name or (one.what, one.destination) == ("exchange", other.name)
    return False


def fold(changes: Iterable[tuple[bool, Definition]]) -> Definitions:
    """What is defined after these changes."""
    found: dict[tuple[type, tuple[Any, ...]], Definition] = {}
    for kept, definition in changes:
        if kept:
            found[type(definition), key_of(definition)] = definition
        else:
            found.pop((type(definition), key_of(definition)), None)
            found = {key: each for key, each in found.items() if not depends(each, definition)}

    def of(kind: type) -> tuple[Any, ...]:
        return tuple(definition for (each, _), definition in found.items() if each is kind)

    return Definitions(
        of(VHostDefinition),
        of(UserDefinition),
        of(PermissionDefinition),
        of(TopicPermissionDefinition),
        of(ExchangeDefinition),
        of(QueueDefinition),
        of(BindingDefinition),
        of(ParameterDefinition),
    )


def by_key(definitions: Definitions) -> list[dict[tuple[Any, ...], Definition]]:
    """The same whatever the order."""
    kinds = [{key_of(definition): definition for definition in kind} for kind in definitions]
    assert [len(kind) for kind in kinds] == [len(kind) for kind in definitions], "something is defined twice"
    return kinds


def expression_of(pattern: Pattern) -> str:
    """As it was given: nothing, where nothing can match."""
    return "" if pattern.source == "^$" else pattern.source


def parameters_of(node: Node) -> Iterator[ParameterDefinition]:
    for vhost in node.vhosts.values():
        for component, policies in vhost.policies.by_name.items():
            for name, policy in policies.items():
                yield ParameterDefinition(vhost.name, component, name, json.dumps(policy.value))
        if vhost.limits:
            yield ParameterDefinition(vhost.name, "vhost-limits", "limits", json.dumps(vhost.limits))
    for name, value in node.parameters.globals.items():
        yield ParameterDefinition("", "", name, json.dumps(value))


def durable_part(node: Node) -> Definitions:
    """What of a node is to outlive it, by looking at all it has."""
    predeclared = {"", EVENT_EXCHANGE, *(name for name, _, _ in PREDECLARED)}
    vhosts = node.vhosts.values()
    return Definitions(
        tuple(vhost.definition for vhost in vhosts),
        tuple(UserDefinition(user.name, user.password_hash, user.tags, user.limits) for user in node.users),
        tuple(
            PermissionDefinition(user.name, vhost, *map(expression_of, (each.configure, each.write, each.read)))
            for user in node.users
            for vhost, each in user.permissions.items()
        ),
        tuple(
            TopicPermissionDefinition(user.name, vhost, exchange, each.write, each.read)
            for user in node.users
            for (vhost, exchange), each in user.topic_permissions.items()
        ),
        tuple(
            ExchangeDefinition(vhost.name, each.name, each.kind, each.auto_delete, each.internal, each.arguments)
            for vhost in vhosts
            for each in vhost.exchanges.values()
            if each.durable and each.name not in predeclared
        ),
        tuple(
            QueueDefinition(vhost.name, each.name, each.id, each.auto_delete, each.arguments)
            for vhost in vhosts
            for each in vhost.queues.values()
            if each.durable and each.owner is None
        ),
        tuple(
            BindingDefinition(
                vhost.name, each.source.name, each.destination.what, each.destination.name, each.key, each.arguments
            )
            for vhost in vhosts
            for each in vhost.bindings.values()
            if each.source.durable and each.destination.durable
        ),
        tuple(parameters_of(node)),
    )
