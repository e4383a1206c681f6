"""A node's definitions as a document. Keys and their order are those of RabbitMQ.

Left out is what no import can make again: exclusive queues, and what the broker itself declares (`amq.*`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from menura.core.arguments import queue_type
from menura.core.parameters import VHOST_LIMITS
from menura.core.policies import OPERATOR_POLICY, POLICY
from menura.core.restoring import RESERVED_PREFIX
from menura.management.views import arguments

if TYPE_CHECKING:
    from menura.core.access import User
    from menura.core.exchange import Binding, Exchange
    from menura.core.node import Node
    from menura.core.queue import Queue
    from menura.core.vhost import VHost

_ITEMS_AT_ONCE = 50
# Global parameters that are about a cluster and nobody else.
INTERNAL_PREFIX = "internal"
Document = dict[str, Any]
Items = list[dict[str, Any]]
Work = Generator[None, None, Document]
Thing = TypeVar("Thing")


class Identity(NamedTuple):
    """Who exports."""

    rabbitmq_version: str
    product_name: str
    product_version: str
    cluster_name: str


def whole(node: Node, identity: Identity) -> Work:
    """All definitions."""
    vhosts = list(node.vhosts.values())
    document: Document = {
        **_head(identity),
        "rabbitmq_definition_format": "cluster",
        "original_cluster_name": identity.cluster_name,
        "explanation": f"Definitions of cluster '{identity.cluster_name}'",
        "users": (yield from _shown(node.users, user_definition)),
        "vhosts": (yield from _shown(vhosts, vhost_definition)),
        "permissions": (yield from _several(node.users, permissions)),
        "topic_permissions": (yield from _several(node.users, topic_permissions)),
        "parameters": (yield from _several(vhosts, lambda vhost: parameters(node, vhost))),
        "global_parameters": [
            {"name": name, "value": value}
            for name, value in node.parameters.globals.items()
            if not name.startswith(INTERNAL_PREFIX)
        ],
        "policies": (yield from _several(vhosts, lambda vhost: policies(vhost, POLICY))),
    }
    for kind, of_vhost in _GROWING.items():
        found: Items = []
        for vhost in vhosts:
            found += yield from of_vhost(vhost)
        document[kind] = found
    return document


def single(node: Node, vhost: VHost, identity: Identity) -> Work:
    """The definitions of one virtual host, which do not name it, so that they can be imported into any."""
    document: Document = {
        **_head(identity),
        "rabbitmq_definition_format": "single_virtual_host",
        "original_vhost_name": vhost.name,
        "explanation": f"Definitions of virtual host '{vhost.name}'",
        "metadata": vhost_metadata(vhost),
        "description": vhost.definition.description,
        "limits": dict(vhost.limits),
        "parameters": parameters(node, vhost),
        "policies": policies(vhost, POLICY),
    }
    for kind, of_vhost in _GROWING.items():
        document[kind] = yield from of_vhost(vhost)
    for kind in ("parameters", "policies", *_GROWING):
        for item in document[kind]:
            del item["vhost"]
    return document


def _head(identity: Identity) -> Document:
    return {
        "rabbit_version": identity.rabbitmq_version,
        "rabbitmq_version": identity.rabbitmq_version,
        "product_name": identity.product_name,
        "product_version": identity.product_version,
    }


def _shown(things: Iterable[Thing], view: Callable[[Thing], dict[str, Any]]) -> Generator[None, None, Items]:
    found = []
    for at, thing in enumerate(list(things)):
        if at % _ITEMS_AT_ONCE == 0:
            yield
        found.append(view(thing))
    return found


def _several(things: Iterable[Thing], view: Callable[[Thing], Items]) -> Generator[None, None, Items]:
    """The same where each thing has any number of items."""
    found: Items = []
    for at, thing in enumerate(list(things)):
        if at % _ITEMS_AT_ONCE == 0:
            yield
        found += view(thing)
    return found


# -- one of each -------------------------------------------------------------------------------------------------


def user_definition(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "password_hash": user.password_hash,
        "hashing_algorithm": user.hashing_algorithm,
        "tags": sorted(user.tags),
        "limits": dict(user.limits),
    }


def vhost_metadata(vhost: VHost) -> dict[str, Any]:
    definition = vhost.definition
    found: dict[str, Any] = {"description": definition.description, "tags": sorted(definition.tags)}
    if definition.default_queue_type:
        found["default_queue_type"] = definition.default_queue_type
    if definition.protected:
        found["protected_from_deletion"] = True
    return found


def vhost_definition(vhost: VHost) -> dict[str, Any]:
    definition = vhost.definition
    return {
        "name": vhost.name,
        "description": definition.description,
        "tags": sorted(definition.tags),
        "limits": dict(vhost.limits),
        "metadata": vhost_metadata(vhost),
    }


def permissions(user: User) -> Items:
    return [
        {
            "user": user.name,
            "vhost": vhost,
            "configure": permission.configure.source,
            "write": permission.write.source,
            "read": permission.read.source,
        }
        for vhost, permission in user.permissions.items()
    ]


def topic_permissions(user: User) -> Items:
    return [
        {"user": user.name, "vhost": vhost, "exchange": exchange, "write": topics.write, "read": topics.read}
        for (vhost, exchange), topics in user.topic_permissions.items()
    ]


def policies(vhost: VHost, component: str) -> Items:
    """The policies of a virtual host, or its operator policies, by name."""
    return [
        {
            "vhost": vhost.name,
            "name": policy.name,
            "pattern": policy.pattern.source,
            "apply-to": policy.apply_to,
            "definition": dict(policy.definition),
            "priority": policy.priority,
        }
        for _, policy in sorted(vhost.policies.by_name[component].items())
    ]


def parameters(node: Node, vhost: VHost, *, secrets: bool = True) -> Items:
    """Everything set under a component: limits and operator policies as well."""
    found = [(VHOST_LIMITS, "limits", dict(vhost.limits))] if vhost.limits else []
    found += [
        (OPERATOR_POLICY, policy.name, policy.value)
        for _, policy in sorted(vhost.policies.by_name[OPERATOR_POLICY].items())
    ]
    known = node.parameters
    for kept in known.kept(vhost=vhost.name):
        found.append((kept.component, kept.name, kept.value if secrets else known.shown(kept.component, kept.value)))
    return [
        {"vhost": vhost.name, "component": component, "name": name, "value": value} for component, name, value in found
    ]


def queue_definition(queue: Queue) -> dict[str, Any]:
    return {
        "name": queue.name,
        "vhost": queue.vhost.name,
        "type": queue_type(queue.arguments),
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "arguments": arguments.shown(queue.arguments),
    }


def exchange_definition(vhost: VHost, exchange: Exchange) -> dict[str, Any]:
    return {
        "name": exchange.name,
        "vhost": vhost.name,
        "type": exchange.kind,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": arguments.shown(exchange.arguments),
    }


def binding_definition(vhost: VHost, binding: Binding) -> dict[str, Any]:
    return {
        "source": binding.source.name,
        "vhost": vhost.name,
        "destination": binding.destination.name,
        "destination_type": binding.destination.what,
        "routing_key": binding.key,
        "arguments": arguments.shown(binding.arguments),
    }


# -- what there can be many of -----------------------------------------------------------------------------------


def _is_lasting(queue: Queue) -> bool:
    return queue.owner is None and not queue.name.startswith(RESERVED_PREFIX)


def _queues(vhost: VHost) -> Generator[None, None, Items]:
    return (yield from _shown(filter(_is_lasting, vhost.queues.values()), queue_definition))


def _exchanges(vhost: VHost) -> Generator[None, None, Items]:
    declared = (found for found in vhost.exchanges.values() if found.name and not _is_own(found.name))
    return (yield from _shown(declared, lambda exchange: exchange_definition(vhost, exchange)))


def _bindings(vhost: VHost) -> Generator[None, None, Items]:
    return (
        yield from _shown(
            (binding for binding in vhost.bindings.values() if _can_be_made(binding)),
            lambda binding: binding_definition(vhost, binding),
        )
    )


def _is_own(name: str) -> bool:
    return name.startswith(RESERVED_PREFIX)


def _can_be_made(binding: Binding) -> bool:
    """Whether its destination is in the document or in every broker."""
    destination = binding.destination
    return destination.what == "exchange" or _is_lasting(destination)  # type: ignore[arg-type]


_GROWING = {"queues": _queues, "exchanges": _exchanges, "bindings": _bindings}
