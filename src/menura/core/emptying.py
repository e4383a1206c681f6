"""What is left to do when a virtual host has been deleted: its clients go, and all that was in it.

The definitions of what was in it went with its own. So nothing is written here but, once that is certain, that the
journal may forget the messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.steps import Steps

if TYPE_CHECKING:
    from menura.core.node import Node
    from menura.core.vhost import VHost


def empty(node: Node, vhost: VHost) -> Steps:
    """Send all clients of a virtual host away, and end what is in it."""
    for connected in [each for each in node.presence.connections if each.vhost == vhost.name]:
        if connected in node.presence.connections:
            connected.end(f"vhost '{vhost.name}' is deleted")
            yield
    queues = list(vhost.queues.values())
    while queues:
        yield
        vhost.remove_queue(queues.pop())  # and let go of it: freeing all of them takes a while
    for reply_queue in list(vhost.reply_queues):
        vhost.remove_reply_queue(reply_queue)
    for exchange in vhost.exchanges.values():
        exchange.forget(node.memory)
