"""Names and arguments of what somebody wants declared over HTTP: what a client would be refused for is refused here."""

from __future__ import annotations

from typing import Any

from menura.core.node import NAME
from menura.management import bodies
from menura.management.bodies import Body
from menura.management.http.messages import bad_request
from menura.management.views.arguments import encoded

NAME_BYTES_MAX = 255
DEFAULT_EXCHANGE = "amq.default"
# Characters that RabbitMQ takes out of names.
_STRIPPED = str.maketrans("", "", "\r\n")

ARGUMENTS: dict[str, Any] = {"type": "object", "description": "optional arguments, such as x-message-ttl"}
"""The schema of arguments."""


def checked_name(what: str, name: str) -> str:
    """The name of a queue or exchange, as it is declared."""
    name = name.translate(_STRIPPED)
    size_bytes = len(name.encode())
    if not name:
        raise bad_request(f"{what} needs a name")
    if size_bytes > NAME_BYTES_MAX:
        raise bad_request(f"{what} should be less than {NAME_BYTES_MAX} bytes, actually was {size_bytes}")
    return name


def checked_key(key: str) -> str:
    """A routing key."""
    if len(key.encode()) > NAME_BYTES_MAX:
        raise bad_request(f"routing key is longer than {NAME_BYTES_MAX} bytes")
    return key


def exchange_name(name: str) -> str:
    """The exchange that is meant: the default one has no name, and goes by another where a name is needed."""
    return "" if name == DEFAULT_EXCHANGE else name


def arguments(body: Body) -> dict[str, bytes]:
    return encoded(bodies.table(body, "arguments"))


def require_here(body: Body) -> None:
    """Refuse what is to be on another node: there is one."""
    node = bodies.text(body, "node", NAME)
    if node != NAME:
        raise bad_request(f"Node {node} could not be contacted")
