"""What is defined in a broker, as plain values: one kind of record for each kind of thing.

A record is what the core hands over when something durable is made, changed or removed, and what it gets back
at the next start. Arguments are encoded values, type octet first, by name. What has a lifetime of its own (an
exclusive queue, anything that is not durable, the exchanges every virtual host begins with) has no record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class VHostDefinition(NamedTuple):
    """`default_queue_type` is what a queue is that does not say it, empty for classic; one that is `protected` is not
    deleted."""

    name: str
    description: str = ""
    tags: frozenset[str] = frozenset()
    default_queue_type: str = ""
    protected: bool = False


class UserDefinition(NamedTuple):
    name: str
    password_hash: str = ""
    tags: frozenset[str] = frozenset()
    limits: Mapping[str, int] = {}


class PermissionDefinition(NamedTuple):
    """Three expressions, as they were given."""

    user: str
    vhost: str
    configure: str = ""
    write: str = ""
    read: str = ""


class TopicPermissionDefinition(NamedTuple):
    user: str
    vhost: str
    exchange: str
    write: str = ""
    read: str = ""


class ExchangeDefinition(NamedTuple):
    vhost: str
    name: str
    kind: str = "direct"
    auto_delete: bool = False
    internal: bool = False
    arguments: Mapping[str, bytes] = {}


class QueueDefinition(NamedTuple):
    """`id` names this queue and no other one, ever: not one of the same name made later, nor after a restart."""

    vhost: str
    name: str
    id: int
    auto_delete: bool = False
    arguments: Mapping[str, bytes] = {}


class BindingDefinition(NamedTuple):
    """`what` is "queue" or "exchange": the kind of the destination."""

    vhost: str
    source: str
    what: str
    destination: str
    key: str = ""
    arguments: Mapping[str, bytes] = {}


class ParameterDefinition(NamedTuple):
    """A setting made at run time: a policy, for example. `vhost` and `component` are empty where it is for all of them;
    `value` is JSON."""

    vhost: str
    component: str
    name: str
    value: str = "null"


Definition = (
    VHostDefinition
    | UserDefinition
    | PermissionDefinition
    | TopicPermissionDefinition
    | ExchangeDefinition
    | QueueDefinition
    | BindingDefinition
    | ParameterDefinition
)


class Definitions(NamedTuple):
    """All that is defined, in an order in which it can be made again."""

    vhosts: tuple[VHostDefinition, ...] = ()
    users: tuple[UserDefinition, ...] = ()
    permissions: tuple[PermissionDefinition, ...] = ()
    topic_permissions: tuple[TopicPermissionDefinition, ...] = ()
    exchanges: tuple[ExchangeDefinition, ...] = ()
    queues: tuple[QueueDefinition, ...] = ()
    bindings: tuple[BindingDefinition, ...] = ()
    parameters: tuple[ParameterDefinition, ...] = ()

    @property
    def are_new(self) -> bool:
        """Whether nobody has defined anything yet. A virtual host or user is always left of what somebody has used,
        unless everything was removed; then it is as good as new."""
        return not any(self)
