"""Forgetting, in a running broker, what would not outlive its end, or everything.

Queues and exchanges that are not durable and messages that are not persistent end with the memory they are in. A broker
that closes itself to its clients for a while has to be afterwards as if it had been started anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.browsing import Find
from menura.core.moving import lift
from menura.core.node import DEFAULT_VHOST
from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.node import Node
    from menura.core.queue import Queue


def forget_transient(node: Node) -> None:
    """To be called when no client is there any more."""
    for vhost in node.vhosts.values():
        for queue in list(vhost.queues.values()):
            if queue.durable:
                _drop_transient(queue)
            else:
                vhost.remove_queue(queue)
        for exchange in list(vhost.exchanges.values()):
            if not exchange.durable:
                vhost.delete_exchange(exchange.name)


def forget_all(node: Node) -> None:
    """Be as a new node: without users, with one empty virtual host."""
    for vhost in list(node.vhosts):
        node.describe_vhost(vhost, protected=False)
        node.delete_vhost(vhost)
    for user in node.users:
        node.remove_user(user.name)
    for name in list(node.parameters.globals):
        node.parameters.clear_global(name)
    node.add_vhost(DEFAULT_VHOST, "Default virtual host")


def _drop_transient(queue: Queue) -> None:
    finds = []
    for place in list(queue.places):
        if isinstance(place.waiting, Run) and not place.waiting.persistent:
            finds.append(Find(place, [(place.position, place.waiting)]))
    if finds:
        for place in lift(queue, finds):
            assert isinstance(place.waiting, Run)
            queue.drop(place.position, place.waiting)
