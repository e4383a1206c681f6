"""Who may do what over HTTP: RabbitMQ's user tags, and the permissions of virtual hosts.

A tag opens the API: `management` for what one's own permissions reach, `policymaker` for policies and parameters as
well, `monitoring` for seeing everything, `administrator` for all. Inside a virtual host a user is as free as over any
other protocol. Whoever comes through the socket in the data directory is trusted: the file system has let them in.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from menura.core.access import LOCAL_USER, Access, FullAccess, User
from menura.core.vhost import VHost
from menura.management.http.messages import HttpError, not_authorised, not_found

if TYPE_CHECKING:
    from menura.management.http.messages import Request

_EVERY = frozenset(("administrator", "monitoring", "policymaker", "management"))


class Right(Enum):
    """What it takes: one of these tags, and what is said to others."""

    MANAGEMENT = _EVERY, "Not management user"
    POLICYMAKER = frozenset(("administrator", "policymaker")), "Not policymaker"
    MONITORING = frozenset(("administrator", "monitoring")), "Not monitor user"
    ADMINISTRATOR = frozenset(("administrator",)), "Not administrator user"

    def held_by(self, user: User) -> bool:
        return bool(self.value[0] & user.tags)

    def require(self, user: User) -> None:
        if not self.held_by(user):
            raise not_authorised(self.value[1])


MANAGEMENT = Right.MANAGEMENT
POLICYMAKER = Right.POLICYMAKER
MONITORING = Right.MONITORING
ADMINISTRATOR = Right.ADMINISTRATOR


def local_user() -> User:
    """Whoever came through the socket in the data directory."""
    return User(LOCAL_USER, tags=frozenset(("administrator",)))


def access_to(request: Request, vhost: str) -> Access:
    """The rights of whoever asks in a virtual host, to be asked."""
    kind = FullAccess if request.peer.local else Access
    return kind(request.node.users, request.user.name, vhost)


def may_enter(request: Request, vhost: str) -> bool:
    """Whether the user has permissions there, however narrow."""
    return request.peer.local or vhost in request.user.permissions


def may_see(request: Request, vhost: str) -> bool:
    return MONITORING.held_by(request.user) or may_enter(request, vhost)


def seen_vhosts(request: Request) -> list[VHost]:
    """The virtual hosts a user may look into, by name."""
    return [vhost for name, vhost in sorted(request.node.vhosts.items()) if may_see(request, name)]


def seen_vhost(request: Request, name: str) -> VHost:
    """A virtual host to look into."""
    vhost = request.node.vhosts.get(name)
    if vhost is None:
        raise not_found()
    if not may_see(request, name):
        raise not_authorised("User not authorised to access virtual host")
    return vhost


def entered_vhost(request: Request, name: str) -> VHost:
    """A virtual host to work in. What may be done there, `access_to` knows."""
    vhost = seen_vhost(request, name)
    if not may_enter(request, name):
        raise not_authorised("User not authorised to access virtual host")
    return vhost


def own_vhosts(request: Request) -> list[VHost]:
    """The virtual hosts whose settings a user may see: all of them, or those with permissions."""
    everything = ADMINISTRATOR.held_by(request.user)
    return [vhost for name, vhost in sorted(request.node.vhosts.items()) if everything or may_enter(request, name)]


def governed_vhost(request: Request, name: str) -> VHost:
    """A virtual host to make settings in: administrators may in all, others with permissions there."""
    vhost = request.node.vhosts.get(name)
    if vhost is None:
        raise HttpError(404, "not_found", "vhost_not_found") if request.method == "PUT" else not_found()
    if not ADMINISTRATOR.held_by(request.user) and not may_enter(request, name):
        raise not_authorised("User not authorised to access object")
    return vhost


def acting_user(request: Request) -> str | None:
    """The name of the user who does it; None for whoever came through the local socket, who is nobody of them."""
    return None if request.peer.local else request.user.name
