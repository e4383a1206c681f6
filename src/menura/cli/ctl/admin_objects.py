"""What rabbitmqadmin's verbs can list, declare and delete, as data: paths of the API, mandatory and optional names.

Values in paths come from the arguments of these names; what is not in a path goes into the body. `vhost` is the virtual
host of the command line where it is not given.
"""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    columns: tuple[str, ...] = ()
    """Those shown if none are asked for; none: all."""
    of_vhost: bool = False
    """Whether there is a path for those of one virtual host."""
    path: str = ""
    """Where it differs from the name."""


LISTED = {
    "connections": Listed(("name", "user", "channels")),
    "channels": Listed(("name", "user")),
    "consumers": Listed((), True),
    "exchanges": Listed(("name", "type"), True),
    "queues": Listed(("name", "messages"), True),
    "bindings": Listed(("source", "destination", "routing_key"), True),
    "users": Listed(),
    "vhosts": Listed(("name", "messages")),
    "permissions": Listed(),
    "topic_permissions": Listed(path="topic-permissions"),
    "nodes": Listed(("name", "type", "mem_used")),
    "parameters": Listed(),
    "global_parameters": Listed(path="global-parameters"),
    "policies": Listed((), True),
    "operator_policies": Listed((), True, "operator-policies"),
    "vhost_limits": Listed(path="vhost-limits"),
    "user_limits": Listed(path="user-limits"),
    "feature_flags": Listed(("name", "state"), path="feature-flags"),
    "deprecated_features": Listed(("name", "deprecation_phase"), path="deprecated-features"),
    "shovels": Listed(),
}
OVERVIEW = ("rabbitmq_version", "cluster_name", "queue_totals.messages", "object_totals.queues")


class Declared(NamedTuple):
    """How to make one. `any_of`: at least one of these is needed as well."""

    method: str
    path: str
    mandatory: tuple[str, ...]
    optional: tuple[tuple[str, str | None], ...] = ()
    json: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()


_POLICY = (("priority", "0"), ("apply_to", None))
DECLARED = {
    "exchange": Declared(
        "PUT",
        "/exchanges/{vhost}/{name}",
        ("name", "type"),
        (("auto_delete", "false"), ("durable", "true"), ("internal", "false"), ("arguments", "{}")),
        ("arguments",),
    ),
    "queue": Declared(
        "PUT",
        "/queues/{vhost}/{name}",
        ("name",),
        (("auto_delete", "false"), ("durable", "true"), ("arguments", "{}"), ("node", None), ("queue_type", None)),
        ("arguments",),
    ),
    "binding": Declared(
        "POST",
        "/bindings/{vhost}/e/{source}/{destination_kind}/{destination}",
        ("source", "destination"),
        (("destination_type", "queue"), ("routing_key", ""), ("arguments", "{}")),
        ("arguments",),
    ),
    "vhost": Declared(
        "PUT",
        "/vhosts/{name}",
        ("name",),
        (("tracing", None), ("description", None), ("tags", None), ("default_queue_type", None)),
    ),
    "user": Declared(
        "PUT",
        "/users/{name}",
        ("name", "tags"),
        (("password", None), ("password_hash", None), ("hashing_algorithm", None)),
        (),
        ("password", "password_hash"),
    ),
    "permission": Declared("PUT", "/permissions/{vhost}/{user}", ("vhost", "user", "configure", "write", "read")),
    "topic_permission": Declared(
        "PUT", "/topic-permissions/{vhost}/{user}", ("vhost", "user", "exchange", "write", "read")
    ),
    "parameter": Declared(
        "PUT", "/parameters/{component}/{vhost}/{name}", ("component", "name", "value"), (), ("value",)
    ),
    "global_parameter": Declared("PUT", "/global-parameters/{name}", ("name", "value"), (), ("value",)),
    "policy": Declared(
        "PUT", "/policies/{vhost}/{name}", ("name", "pattern", "definition"), _POLICY, ("definition", "priority")
    ),
    "operator_policy": Declared(
        "PUT",
        "/operator-policies/{vhost}/{name}",
        ("name", "pattern", "definition"),
        _POLICY,
        ("definition", "priority"),
    ),
    "vhost_limit": Declared("PUT", "/vhost-limits/{vhost}/{name}", ("vhost", "name", "value"), (), ("value",)),
    "user_limit": Declared("PUT", "/user-limits/{user}/{name}", ("user", "name", "value"), (), ("value",)),
}
_BINDING = "/bindings/{vhost}/e/{source}/{destination_kind}/{destination}/{properties_key}"
DELETED = {
    "exchange": Declared("DELETE", "/exchanges/{vhost}/{name}", ("name",)),
    "queue": Declared("DELETE", "/queues/{vhost}/{name}", ("name",)),
    "binding": Declared("DELETE", _BINDING, ("source", "destination_type", "destination"), (("properties_key", "~"),)),
    "vhost": Declared("DELETE", "/vhosts/{name}", ("name",)),
    "user": Declared("DELETE", "/users/{name}", ("name",)),
    "permission": Declared("DELETE", "/permissions/{vhost}/{user}", ("vhost", "user")),
    "parameter": Declared("DELETE", "/parameters/{component}/{vhost}/{name}", ("component", "name")),
    "global_parameter": Declared("DELETE", "/global-parameters/{name}", ("name",)),
    "policy": Declared("DELETE", "/policies/{vhost}/{name}", ("name",)),
    "operator_policy": Declared("DELETE", "/operator-policies/{vhost}/{name}", ("name",)),
    "vhost_limit": Declared("DELETE", "/vhost-limits/{vhost}/{name}", ("vhost", "name")),
    "user_limit": Declared("DELETE", "/user-limits/{user}/{name}", ("user", "name")),
    "shovel": Declared("DELETE", "/shovels/vhost/{vhost}/{name}", ("name",)),
}
PURGED = {"queue": Declared("DELETE", "/queues/{vhost}/{name}/contents", ("name",))}
CLOSED = {"connection": Declared("DELETE", "/connections/{name}", ("name",))}
PUBLISHED = Declared(
    "POST",
    "/exchanges/{vhost}/{exchange}/publish",
    ("routing_key",),
    (("payload", None), ("properties", "{}"), ("exchange", "amq.default"), ("payload_encoding", "string")),
    ("properties",),
)
GOT = Declared(
    "POST",
    "/queues/{vhost}/{queue}/get",
    ("queue",),
    (("count", "1"), ("ackmode", "ack_requeue_true"), ("payload_file", None), ("encoding", "auto")),
    ("count",),
)
