"""What the broker calls itself over HTTP: a RabbitMQ of some version, where tools look for that, and its own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.node import NAME
from menura.management.definitions import Identity
from menura.version import __version__

if TYPE_CHECKING:
    from menura.core.node import Node
    from menura.management.backend import Backend

PRODUCT = "Menura"
_CLUSTER_NAME = "cluster_name"


def cluster_name(node: Node) -> str:
    """As it was set, or the node's."""
    name = node.parameters.globals.get(_CLUSTER_NAME)
    return name if isinstance(name, str) and name else NAME


def set_cluster_name(node: Node, name: str) -> None:
    node.parameters.set_global(_CLUSTER_NAME, name)


def identity_of(backend: Backend) -> Identity:
    return Identity(backend.config.product_version, PRODUCT, __version__, cluster_name(backend.node))
