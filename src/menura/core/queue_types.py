"""The types of queues, and the one of queues that are declared without."""

from __future__ import annotations

from menura.core import fields
from menura.core.arguments import Arguments
from menura.core.errors import PreconditionFailed

CLASSIC, QUORUM = "classic", "quorum"
TYPES = (CLASSIC, QUORUM)
_TYPE = "x-queue-type"


def check_default_type(name: str) -> None:
    """Refuse what is no type; empty stands for none."""
    if name and name not in TYPES:
        raise PreconditionFailed(f"{name} is not a valid queue type")


def with_default_type(
    arguments: Arguments, default: str, *, durable: bool, exclusive: bool, auto_delete: bool
) -> Arguments:
    """The arguments of a declaration, with the default type where none is given and a queue of that type can be as
    this one is to be."""
    if not default or _TYPE in arguments:
        return arguments
    if default == QUORUM and (exclusive or auto_delete or not durable):
        return arguments
    return {**arguments, _TYPE: fields.encode_value(default)}
