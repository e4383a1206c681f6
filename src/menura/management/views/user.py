"""Users and their permissions in JSON."""

from __future__ import annotations

from menura.management.definitions.exporting import permissions, topic_permissions, user_definition
from menura.management.views.schemas import OBJECT, STRING, STRINGS, fixed

__all__ = [
    "PERMISSION_SCHEMA", "TOPIC_PERMISSION_SCHEMA", "USER_SCHEMA", "permissions", "topic_permissions", "user_view",
]  # fmt: skip

USER_SCHEMA = fixed(
    {"name": STRING, "password_hash": STRING, "hashing_algorithm": STRING, "tags": STRINGS, "limits": OBJECT}
)
PERMISSION_SCHEMA = fixed({"user": STRING, "vhost": STRING, "configure": STRING, "write": STRING, "read": STRING})
TOPIC_PERMISSION_SCHEMA = fixed({"user": STRING, "vhost": STRING, "exchange": STRING, "write": STRING, "read": STRING})
user_view = user_definition
