"""Policies: settings for all queues and exchanges of a virtual host whose names match a pattern.

At most one policy and one operator policy count for a queue or exchange: of those that match, the one of the highest
priority, and of equal ones the first by name. What the two and the queue's own arguments come to is `settings`. A
policy that says something the type of a queue cannot do does not match that queue.

A change reaches what lives: `set` and `clear` look at every queue and exchange that the policy, as it was or as it is
now, may be about, and at nothing else. What is declared later asks for its settings then; both are one search per
policy. Where there are many queues they go `in_steps`. Each queue gets what holds when its turn comes, so changes that
come while others are under way lead to the same in any order.

Policies outlive the process as parameters (`policy` and `operator_policy`), checked and worded as RabbitMQ does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from menura.core.arguments import Arguments, queue_type, text
from menura.core.definitions import ParameterDefinition
from menura.core.errors import NotFound, PreconditionFailed
from menura.core.patterns import Pattern
from menura.core.policy_rules import checked, reason_of
from menura.core.queue_types import CLASSIC, QUORUM
from menura.core.settings import PLAIN, QueueSettings, joined, queue_settings
from menura.core.steps import Steps, finish

if TYPE_CHECKING:
    from menura.core.vhost import VHost

POLICY, OPERATOR_POLICY = "policy", "operator_policy"
Search = Callable[[str], bool]
_QUEUES = frozenset((CLASSIC, QUORUM))
# What a policy applies to, by what it says.
_COVERED = {
    "all": _QUEUES | {"exchange"},
    "queues": _QUEUES,
    "exchanges": frozenset(("exchange",)),
    "classic_queues": frozenset((CLASSIC,)),
    "quorum_queues": frozenset((QUORUM,)),
    "streams": frozenset(),
}
_OF_STREAMS = frozenset(("max-age", "stream-max-segment-size-bytes", "initial-cluster-size"))
# What a type of queue cannot do.
_UNSUPPORTED: dict[str, frozenset[str]] = {
    CLASSIC: _OF_STREAMS
    | {"delivery-limit", "dead-letter-strategy", "max-in-memory-length", "max-in-memory-bytes", "target-group-size"},
    QUORUM: _OF_STREAMS | {"queue-mode", "queue-master-locator"},
    "exchange": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """`definition` is never empty; `kinds` says to what the policy may apply.

    One with a `fault` was kept by another version, which had other rules. It applies to nothing.
    """

    name: str
    pattern: Pattern
    definition: Mapping[str, Any]
    priority: int | float
    apply_to: str
    kinds: frozenset[str]
    fault: str = ""

    def covers(self, kind: str, name: str) -> bool:
        return kind in self.kinds and self.pattern.search(name)

    @property
    def value(self) -> dict[str, Any]:
        """As it is set and kept."""
        return {
            "pattern": self.pattern.source,
            "definition": dict(self.definition),
            "priority": self.priority,
            "apply-to": self.apply_to,
        }


class Effective(NamedTuple):
    """The policies that count for a queue or exchange."""

    policy: Policy | None = None
    operator: Policy | None = None

    @property
    def definition(self) -> Mapping[str, Any]:
        return joined(_definition(self.policy), _definition(self.operator))


def policy(name: str, value: Any, *, operator: bool = False) -> Policy:
    """A policy of its value, {"pattern", "definition", "priority", "apply-to"}; refuses one that is not valid."""
    pattern = checked(name, value, operator=operator)
    definition, apply_to = value["definition"], value.get("apply-to", "all")
    kinds = frozenset(kind for kind in _COVERED[apply_to] if not _UNSUPPORTED[kind] & definition.keys())
    return Policy(name, pattern, definition, value["priority"], apply_to, kinds)


def kept_policy(name: str, value: Any, *, operator: bool = False) -> Policy:
    """The same of a value that was valid when it was set."""
    try:
        return policy(name, value, operator=operator)
    except PreconditionFailed as refusal:
        given = value if isinstance(value, dict) else {}
        pattern = Pattern("^$")
        pattern.source = str(given.get("pattern", ""))
        definition, priority = given.get("definition"), given.get("priority")
        return Policy(
            name,
            pattern,
            definition if isinstance(definition, dict) else {},
            priority if isinstance(priority, int | float) and priority == priority else 0,  # not a number: not equal
            str(given.get("apply-to", "all")),
            frozenset(),
            reason_of(refusal),
        )


class Policies:
    """The policies and operator policies of a virtual host."""

    def __init__(self, vhost: VHost) -> None:
        self._vhost = vhost
        self._under_way = 0
        self.by_name: dict[str, dict[str, Policy]] = {POLICY: {}, OPERATOR_POLICY: {}}
        # Those that may apply to a kind of thing, the first to count first, with what says whether they do.
        self._ranked: dict[tuple[str, str], list[tuple[Search, Policy]]] = {}
        for component in self.by_name:
            self._rank(component)

    # -- changes ---------------------------------------------------------------------------------------------

    def set(self, name: str, value: Any, *, operator: bool = False) -> None:
        """Make a policy, or put it in the place of the one of this name."""
        finish(self.set_in_steps(name, value, operator=operator))

    def set_in_steps(self, name: str, value: Any, *, operator: bool = False) -> Steps:
        """The same: the first step sets it, and with the last one all that lives follows it."""
        self._vhost.require_there()
        component = _component(operator)
        new = policy(name, value, operator=operator)
        before = self.by_name[component].get(name)
        if before is None or before.value != new.value:
            self._keep(ParameterDefinition(self._vhost.name, component, name, json.dumps(new.value)))
            self.add(new, operator=operator)
            self._vhost.events.tell("policy.set", name=name, vhost=self._vhost.name, **new.value)
        elif not self._under_way:
            return
        yield from self._apply([new] if before is None else [before, new])

    def clear(self, name: str, *, operator: bool = False) -> None:
        finish(self.clear_in_steps(name, operator=operator))

    def clear_in_steps(self, name: str, *, operator: bool = False) -> Steps:
        self._vhost.require_there()
        component = _component(operator)
        gone = self.by_name[component].pop(name, None)
        if gone is None:
            raise NotFound("Parameter does not exist")
        self._rank(component)
        if self._vhost.keeper is not None:
            self._vhost.keeper.catalog.delete(ParameterDefinition(self._vhost.name, component, name))
        self._vhost.events.tell("policy.cleared", name=name, vhost=self._vhost.name)
        yield from self._apply([gone])

    def add(self, new: Policy, *, operator: bool = False) -> None:
        """Unchecked, for what is declared from now on, and not for the catalog to know."""
        component = _component(operator)
        self.by_name[component][new.name] = new
        self._rank(component)

    def _rank(self, component: str) -> None:
        ranked = sorted(self.by_name[component].values(), key=lambda policy: (-policy.priority, policy.name))
        for kind in _UNSUPPORTED:
            self._ranked[component, kind] = [
                (policy.pattern.search, policy) for policy in ranked if kind in policy.kinds
            ]

    def _keep(self, definition: ParameterDefinition) -> None:
        if self._vhost.keeper is not None:
            self._vhost.keeper.catalog.put(definition)

    def _apply(self, changed: Sequence[Policy]) -> Steps:
        self._under_way += 1
        try:
            for queue in list(self._vhost.queues.values()):
                yield
                kind = queue_type(queue.arguments)
                if queue.alive and any(policy.covers(kind, queue.name) for policy in changed):
                    settings = self.queue_settings(queue.name, queue.arguments)
                    if settings != (queue.rules.settings if queue.rules is not None else PLAIN):
                        queue.configure(settings)
            if any("exchange" in policy.kinds for policy in changed):
                yield from self._meet_exchanges()
        finally:
            self._under_way -= 1

    def meet_exchanges(self) -> None:
        """Tell every exchange what to do with what it can route nowhere."""
        finish(self._meet_exchanges())

    def _meet_exchanges(self) -> Steps:
        for exchange in list(self._vhost.exchanges.values()):
            yield
            alternate = self.alternate(exchange.name, exchange.arguments)
            if alternate != exchange.alternate:
                exchange.alternate = alternate
                self._vhost.version += 1

    # -- what they come to -----------------------------------------------------------------------------------

    def of_queue(self, name: str, arguments: Arguments) -> Effective:
        return self._of(queue_type(arguments), name)

    def of_exchange(self, name: str) -> Effective:
        return self._of("exchange", name)

    def queue_settings(self, name: str, arguments: Arguments) -> QueueSettings:
        """How a queue of that name and with these arguments behaves."""
        policy, operator = self._of(queue_type(arguments), name)
        return queue_settings(arguments, _definition(policy), _definition(operator))

    def alternate(self, name: str, arguments: Arguments) -> str | None:
        """The exchange that gets what an exchange of that name can route nowhere."""
        given = text(arguments, "alternate-exchange")
        if given is None and name:
            given = self._of("exchange", name).definition.get("alternate-exchange")
        return given or None

    def _of(self, kind: str, name: str) -> Effective:
        ranked = self._ranked
        return Effective(
            _first(ranked.get((POLICY, kind), ()), name), _first(ranked.get((OPERATOR_POLICY, kind), ()), name)
        )


def _first(ranked: Iterable[tuple[Search, Policy]], name: str) -> Policy | None:
    for search, policy in ranked:
        if search(name):
            return policy
    return None


def _definition(policy: Policy | None) -> Mapping[str, Any]:
    return policy.definition if policy is not None else {}


def _component(operator: bool) -> str:
    return OPERATOR_POLICY if operator else POLICY
