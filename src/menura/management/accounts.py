"""Users as they are written in JSON, by requests and in definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.errors import PreconditionFailed
from menura.management import bodies
from menura.management.bodies import Body

if TYPE_CHECKING:
    from menura.core.node import Node

LIMITS = ("max-connections", "max-channels")


def put(node: Node, name: str, body: Body) -> bool:
    """Make a user, or give an existing one what is said: whether there is a new one now.

    With a password, or the hash of one, or neither: then nobody can log in with a password.
    """
    bodies.require_name("a user", name)
    password, password_hash = body.get("password"), body.get("password_hash")
    tags = _tags(body)
    limits = _limits(body)
    if password is not None and password_hash is not None:
        raise PreconditionFailed("both_password_and_password_hash_are_provided")
    exists = name in node.users
    if password is not None:
        node.add_user(name, bodies.text(body, "password"), tags)
    else:
        node.users.add_hashed(
            name, bodies.text(body, "password_hash", ""), tags, bodies.text(body, "hashing_algorithm", "")
        )
    if limits:
        node.parameters.set_user_limits(name, limits)
    return not exists


def _tags(body: Body) -> frozenset[str]:
    if body.get("tags") is not None:
        return bodies.tags(body["tags"])
    if body.get("administrator") is None:
        raise PreconditionFailed("tags_not_present")
    return frozenset(("administrator",)) if bodies.truth(body, "administrator") else frozenset()


def _limits(body: Body) -> dict[str, int]:
    """Checked first, so that a user with wrong limits is not made."""
    limits = bodies.table(body, "limits")
    for name, value in limits.items():
        if name not in LIMITS:
            raise PreconditionFailed(f"there is no limit '{name}' of users, only {' and '.join(LIMITS)}")
        if not isinstance(value, int) or isinstance(value, bool):
            raise bodies.wrong_type(name, value, int)
    return limits
