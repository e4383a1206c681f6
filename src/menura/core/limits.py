"""How many queues, connections and channels there may be.

A limit below zero is none. Connections and their channels are counted by `presence`, queues by their virtual host, and
nothing is counted where no limit is set. Checks are made when something is about to come: a limit set later throws
nobody out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from menura.core.errors import NotAllowed, PreconditionFailed

if TYPE_CHECKING:
    from menura.core.node import Node
    from menura.core.vhost import VHost


def reached(limits: Mapping[str, int], name: str, count: Callable[[], int]) -> int | None:
    """The limit of that name, if there are that many; not counted where there is none."""
    limit = limits.get(name, -1)
    return limit if limit >= 0 and count() >= limit else None


def check_queue_limit(vhost: VHost, name: str) -> None:
    """Refuse one more queue than there may be."""
    limit = reached(vhost.limits, "max-queues", lambda: len(vhost.queues))
    if limit is not None:
        raise PreconditionFailed(
            f"cannot declare queue '{name}': queue limit in vhost '{vhost.name}' ({limit}) is reached"
        )


def check_connection_limits(node: Node, user: str, vhost: VHost) -> None:
    """Refuse one more connection than there may be, to the virtual host or of the user."""
    connections = node.presence.connections
    limit = reached(
        vhost.limits, "max-connections", lambda: sum(connected.vhost == vhost.name for connected in connections)
    )
    if limit is not None:
        raise NotAllowed(
            f"access to vhost '{vhost.name}' refused for user '{user}': connection limit ({limit}) is reached"
        )
    limit = reached(
        node.users.limits_of(user), "max-connections", lambda: sum(connected.user == user for connected in connections)
    )
    if limit is not None:
        raise NotAllowed(f"connection refused for user '{user}': user connection limit ({limit}) is reached")


def check_channel_limit(node: Node, user: str) -> None:
    """Refuse one more channel than the user may have open over all connections."""
    connections = node.presence.connections
    limit = reached(
        node.users.limits_of(user),
        "max-channels",
        lambda: sum(connected.channel_count for connected in connections if connected.user == user),
    )
    if limit is not None:
        raise NotAllowed(
            f"number of channels opened for user '{user}' has reached the maximum allowed user limit of ({limit})"
        )
