"""One thing of a document of definitions at a time, declared or set on a node: a method for each kind of thing.

Each refuses what is wrong, in the words of RabbitMQ, and raises `LeftOut` for what there is no use for here. What takes
long, as it is about all queues, is left to the caller: as steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from menura.core.errors import Locked, NotFound, PreconditionFailed
from menura.core.exchanges import KINDS
from menura.core.parameters import VHOST_LIMITS
from menura.core.policies import OPERATOR_POLICY
from menura.core.queue_types import TYPES
from menura.core.restoring import RESERVED_PREFIX
from menura.management import accounts, bodies
from menura.management.definitions.exporting import INTERNAL_PREFIX
from menura.management.http.messages import HttpError, require_shallow
from menura.management.views import arguments

if TYPE_CHECKING:
    from menura.core.exchange import Exchange
    from menura.core.node import Node
    from menura.core.queue import Queue
    from menura.core.steps import Steps
    from menura.core.vhost import VHost

Item = Mapping[str, Any]
# Settings of policies that RabbitMQ knows, or once knew, and that are about more nodes than one.
_OF_CLUSTERS = frozenset((
    "federation-upstream", "federation-upstream-pattern", "federation-upstream-set", "ha-mode", "ha-params",
    "ha-promote-on-failure", "ha-promote-on-shutdown", "ha-sync-batch-size", "ha-sync-mode",
))  # fmt: skip
_NOTHING: Any = object()


class LeftOut(Exception):
    """There is no use for this here. The text says why."""


class Maker:
    """Makes things on `node`; `real` is the node that is meant, where `node` is its copy.

    `vhost` is where everything goes that is inside of one, if that is one for all. `note` is told of what is left out
    of something that is made nevertheless.
    """

    def __init__(
        self, node: Node, real: Node, vhost: str | None, user: str | None, note: Callable[[str, Item, str], None]
    ) -> None:
        self._node = node
        self._real = real
        self._vhost = vhost
        self._user = user
        self._note = note
        self.left_out: set[tuple[str, str, str]] = set()
        """By kind, virtual host and name."""

    def _where(self, item: Item) -> VHost:
        """The virtual host of an item: that of the import, if it is into one."""
        name = self._vhost if self._vhost is not None else bodies.text(item, "vhost")
        vhost = self._node.vhosts.get(name)
        if vhost is None:
            raise NotFound(f'Please create virtual host "{name}" prior to importing definitions.')
        return vhost

    def users(self, item: Item) -> None:
        accounts.put(self._node, bodies.text(item, "name"), item)

    def vhosts(self, item: Item) -> None:
        node, name = self._node, bodies.text(item, "name")
        bodies.require_name("a virtual host", name)
        metadata = {**item, **bodies.table(item, "metadata")}
        kind = metadata.get("default_queue_type")
        known = None if kind in (None, "undefined", "") else bodies.text(metadata, "default_queue_type")
        if known is not None and known not in TYPES:
            self._note("vhosts", item, f"there are no queues of type {known}: the default type stays as it is")
            known = None
        node.add_vhost(name)
        node.describe_vhost(
            name,
            description=bodies.text(metadata, "description", "") if "description" in metadata else None,
            tags=bodies.tags(metadata["tags"]) if "tags" in metadata else None,
            default_queue_type=known,
            protected=bodies.truth(metadata, "protected_from_deletion") or None,
        )
        limits = bodies.table(item, "limits")
        if limits:
            node.parameters.set(VHOST_LIMITS, "limits", limits, name)

    def permissions(self, item: Item) -> None:
        user, vhost = bodies.text(item, "user"), self._where(item).name
        wanted = [bodies.text(item, key) for key in ("configure", "write", "read")]
        self._node.users.permit(user, vhost, *wanted)

    def topic_permissions(self, item: Item) -> None:
        user, vhost = bodies.text(item, "user"), self._where(item).name
        wanted = [bodies.text(item, key) for key in ("exchange", "write", "read")]
        self._node.users.permit_topics(user, vhost, *wanted)

    def exchanges(self, item: Item) -> None:
        vhost, name, kind = self._where(item), bodies.text(item, "name"), bodies.text(item, "type")
        if not name or name.startswith(RESERVED_PREFIX):
            if name not in vhost.exchanges:
                raise LeftOut("only the broker may declare names that begin with amq.")
            return
        if kind not in KINDS:
            raise LeftOut(f"there are no exchanges of type {kind}")
        bodies.require_name("an exchange", name)
        self._declare(
            lambda: vhost.declare_exchange(
                name,
                kind,
                durable=bodies.truth(item, "durable", True),
                auto_delete=bodies.truth(item, "auto_delete"),
                internal=bodies.truth(item, "internal"),
                arguments=arguments.encoded(bodies.table(item, "arguments")),
            ),
            name in vhost.exchanges,
        )

    def global_parameters(self, item: Item) -> None:
        name = bodies.text(item, "name")
        if name.startswith(INTERNAL_PREFIX):
            raise LeftOut("it is about the cluster it comes from")
        _require_value(item)
        if self._node.parameters.globals.get(name, _NOTHING) != item["value"]:
            self._node.parameters.set_global(name, item["value"])

    def policies(self, item: Item) -> Steps:
        vhost, name = self._where(item), bodies.text(item, "name")
        return vhost.policies.set_in_steps(name, self._policy("policies", item, item))

    def _policy(self, kind: str, item: Item, value: Item) -> dict[str, Any]:
        """The value of a policy, without settings that mean nothing here."""
        definition = bodies.table(value, "definition")
        useless = sorted(definition.keys() & _OF_CLUSTERS)
        if useless:
            said = f"there is one node only: {', '.join(useless)}"
            definition = {key: setting for key, setting in definition.items() if key not in _OF_CLUSTERS}
            if not definition:
                raise LeftOut(said)
            self._note(kind, item, said)
        return {
            "pattern": value.get("pattern"),
            "definition": definition,
            "priority": value.get("priority", 0),
            "apply-to": value.get("apply-to", "all"),
        }

    def parameters(self, item: Item) -> Steps | None:
        vhost, component = self._where(item), bodies.text(item, "component")
        name, value = bodies.text(item, "name"), item.get("value")
        _require_value(item)
        parameters = self._real.parameters
        if not parameters.is_known(component):
            raise LeftOut(f"nothing here acts on parameters of component {component}")
        if component == OPERATOR_POLICY:
            policy = self._policy("parameters", item, bodies.table(item, "value"))
            return vhost.policies.set_in_steps(name, policy, operator=True)
        if component == VHOST_LIMITS:
            self._node.parameters.set(component, name, value or {}, vhost.name)
        elif self._node is not self._real:
            parameters.checked(component, name, value, vhost.name, self._user)
        elif not any(kept[2:] == (name, value) for kept in parameters.kept(component, vhost.name)):
            parameters.set(component, name, value, vhost.name, self._user)
        return None

    def queues(self, item: Item) -> None:
        vhost, name = self._where(item), bodies.text(item, "name")
        bodies.require_name("a queue", name)
        given = bodies.table(item, "arguments")
        kind = given.get("x-queue-type", item.get("type", TYPES[0]))
        if name.startswith(RESERVED_PREFIX):
            raise LeftOut("only the broker may declare names that begin with amq.")
        if isinstance(kind, str) and kind not in TYPES:
            raise LeftOut(f"there are no queues of type {kind}")
        if "x-queue-type" not in given and vhost.definition.default_queue_type not in ("", kind):
            given = {**given, "x-queue-type": kind}
        self._declare(
            lambda: vhost.declare_queue(
                name,
                durable=bodies.truth(item, "durable", True),
                auto_delete=bodies.truth(item, "auto_delete"),
                arguments=arguments.encoded(given),
            ),
            name in vhost.queues,
        )

    def _declare(self, declare: Callable[[], object], exists: bool) -> None:
        """Declare what may be there already; then it stays as it is."""
        try:
            declare()
        except (PreconditionFailed, Locked) as error:
            if not exists:
                raise
            raise LeftOut(f"it is there already, and another one: {error}") from None

    def bindings(self, item: Item) -> None:
        vhost, source = self._where(item), bodies.text(item, "source")
        name, key = bodies.text(item, "destination"), bodies.text(item, "routing_key", "")
        kind = bodies.one_of(item, "destination_type", ("queue", "exchange"), "queue")
        if not source:
            return  # from the default exchange: there without being made
        given = arguments.encoded(bodies.table(item, "arguments"))
        for what, end in (("exchanges", source), (kind + "s", name)):
            if (what, str(item.get("vhost", vhost.name)), end) in self.left_out and not _there(vhost, what, end):
                raise LeftOut(f"'{end}' was left out")
        destination: Exchange | Queue = vhost.exchange(name) if kind == "exchange" else _queue(vhost, name)
        for binding in vhost.exchange(source).bindings:
            if binding.destination is destination and binding.key == key and arguments.same(binding.arguments, given):
                return
        vhost.bind(source, destination, key, given)


def _require_value(item: Item) -> None:
    if "value" not in item:
        raise PreconditionFailed("[{key_missing,value}]")
    try:
        require_shallow(item["value"])
    except HttpError as error:
        raise PreconditionFailed(str(error.reason)) from None


def _there(vhost: VHost, what: str, name: str) -> bool:
    return name in (vhost.exchanges if what == "exchanges" else vhost.queues)


def _queue(vhost: VHost, name: str) -> Queue:
    """A queue, whoever it belongs to."""
    queue = vhost.queues.get(name)
    return queue if queue is not None else vhost.queue(name)
