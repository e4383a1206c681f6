"""A copy of a node to try things on: everything that has a name and may stand in the way of something else.

It holds no messages, has no clients and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from menura.core.exchanges import KINDS
from menura.core.node import Node

if TYPE_CHECKING:
    from menura.core.vhost import VHost

_ITEMS_AT_ONCE = 20


def copy_of(node: Node) -> Generator[None, None, Node]:
    copy = Node(node.random_bytes)
    for name in list(copy.vhosts):
        if name not in node.vhosts:
            copy.delete_vhost(name)
    for at, user in enumerate(list(node.users)):
        if at % _ITEMS_AT_ONCE == 0:
            yield
        copy.users.add_hashed(user.name, user.password_hash, user.tags)
        copy.users.limit(user.name, user.limits)
    for vhost in list(node.vhosts.values()):
        made = copy.add_vhost(vhost.name)
        made.definition = vhost.definition
        made.limits = vhost.limits
        yield from _copy_contents(vhost, made)
    return copy


def _copy_contents(vhost: VHost, copy: VHost) -> Generator[None, None, None]:
    for at, exchange in enumerate(list(vhost.exchanges.values())):
        if at % _ITEMS_AT_ONCE == 0:
            yield
        if exchange.name not in copy.exchanges:
            same = KINDS[exchange.kind](
                exchange.name,
                durable=exchange.durable,
                auto_delete=exchange.auto_delete,
                internal=exchange.internal,
                arguments=exchange.arguments,
            )
            copy.add_exchange(same)
    for at, queue in enumerate(list(vhost.queues.values())):
        if at % _ITEMS_AT_ONCE == 0:
            yield
        copy.add_queue(queue.name, 0, queue.durable, queue.auto_delete, queue.owner, queue.arguments)
