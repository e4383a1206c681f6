"""A binding as RabbitMQ's API shows it.

A row is a binding and the name of its virtual host. That of a queue to the default exchange, which nobody made, is the
queue itself. The `properties_key` names a binding among those between the same two ends: the routing key, and behind a
tilde a digest of the arguments, if there are any. The digest is our own; it stays the same for the same arguments.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from menura.core.arguments import Arguments
from menura.core.exchange import Binding
from menura.core.queue import Queue
from menura.management.lists import View
from menura.management.views.arguments import shown

_DIGEST_BYTES = 6


class Placed(NamedTuple):
    vhost: str
    binding: Binding | Queue

    @property
    def source(self) -> str:
        return self.binding.source.name if isinstance(self.binding, Binding) else ""

    @property
    def destination(self) -> str:
        return self.binding.destination.name if isinstance(self.binding, Binding) else self.binding.name

    @property
    def what(self) -> str:
        return self.binding.destination.what if isinstance(self.binding, Binding) else "queue"

    @property
    def key(self) -> str:
        return self.binding.key if isinstance(self.binding, Binding) else self.binding.name

    @property
    def arguments(self) -> Arguments:
        return self.binding.arguments if isinstance(self.binding, Binding) else {}

    @property
    def properties_key(self) -> str:
        return properties_key(self.key, self.arguments)


def properties_key(key: str, arguments: Arguments) -> str:
    name = quote_plus(key).replace("~", "%7E")
    if not arguments:
        return name or "~"
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + raw for name, raw in sorted(arguments.items())))
    return f"{name}~{base64.urlsafe_b64encode(digest.digest()[:_DIGEST_BYTES]).decode()}"


SORT = ("vhost", "source", "destination_type", "destination", "routing_key")
binding_view: View[Placed] = View(
    {
        "source": lambda row: row.source,
        "vhost": lambda row: row.vhost,
        "destination": lambda row: row.destination,
        "destination_type": lambda row: row.what,
        "routing_key": lambda row: row.key,
        "arguments": lambda row: shown(row.arguments),
        "properties_key": lambda row: row.properties_key,
    }
)
_SCHEMA_TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "source": _SCHEMA_TEXT,
        "vhost": _SCHEMA_TEXT,
        "destination": _SCHEMA_TEXT,
        "destination_type": {"enum": ["queue", "exchange"]},
        "routing_key": _SCHEMA_TEXT,
        "arguments": {"type": "object"},
        "properties_key": _SCHEMA_TEXT,
    },
}
