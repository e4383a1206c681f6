"""Feature flags and deprecated features, as tools look for them before they use what they stand for."""

from __future__ import annotations

from menura.core.vhost import VHost
from menura.management import lists
from menura.management.http.messages import Answer, Request, bad_request
from menura.management.rights import ADMINISTRATOR, MANAGEMENT
from menura.management.routes import Routes
from menura.management.views import schemas
from menura.management.views.schemas import STRING, array, fixed

routes = Routes("features")
# Names of RabbitMQ, for what can be done here as well.
_FLAGS = {
    "classic_queue_type_delivery_support": "Classic queues deliver as others do",
    "detailed_queues_endpoint": "GET /api/queues/detailed",
    "direct_exchange_routing_v2": "Quick routing by key",
    "drop_unroutable_metric": "Messages without a destination are counted",
    "empty_basic_get_metric": "Requests for a message of an empty queue are counted",
    "implicit_default_bindings": "Bindings of the default exchange are not kept",
    "listener_records_in_ets": "Listeners can be listed",
    "maintenance_mode_status": "Whether listeners are suspended is known",
    "message_containers": "One message for all protocols",
    "mqtt_v5": "MQTT 5.0",
    "quorum_queue": "Queues of type quorum",
    "rabbitmq_4.0.0": "What came with 4.0",
    "rabbitmq_4.1.0": "What came with 4.1",
    "rabbitmq_4.2.0": "What came with 4.2",
    "tracking_records_in_ets": "Connections can be listed",
    "user_limits": "Limits of users",
    "virtual_host_metadata": "Description and tags of virtual hosts",
}
_DEPRECATED = {
    "global_qos": "A limit of unacknowledged messages for all consumers of a channel together",
    "transient_nonexcl_queues": "Queues that are neither durable nor exclusive",
}
_FLAG = fixed(
    {"name": STRING, "desc": STRING, "doc_url": STRING, "state": STRING, "stability": STRING, "provided_by": STRING}
)
_FEATURE = fixed(
    {
        "name": STRING,
        "deprecation_phase": STRING,
        "state": STRING,
        "desc": STRING,
        "doc_url": STRING,
        "provided_by": STRING,
    }
)


def _flag(name: str) -> dict[str, str]:
    return {
        "name": name,
        "desc": _FLAGS[name],
        "doc_url": "",
        "state": "enabled",
        "stability": "required",
        "require_level": "hard",
        "provided_by": "menura",
    }


@routes.get(
    "/api/feature-flags",
    MANAGEMENT,
    "Feature flags, which are all enabled",
    query=lists.QUERY,
    returns=lists.schema(_FLAG),
)
def flags(request: Request) -> Answer:
    return lists.listed(request, sorted(_FLAGS), _flag, ["name"])


@routes.put("/api/feature-flags/{name}/enable", ADMINISTRATOR, "Enable one: it is", returns=schemas.NOTHING)
def enable(request: Request, name: str) -> Answer:
    if name not in _FLAGS:
        raise bad_request("unsupported")


def _feature(name: str) -> dict[str, str]:
    return {
        "name": name,
        "deprecation_phase": "permitted_by_default",
        "state": "permitted",
        "desc": _DEPRECATED[name],
        "doc_url": "",
        "provided_by": "menura",
    }


@routes.get("/api/deprecated-features", MANAGEMENT, "What may still be used", returns=array(_FEATURE))
def deprecated(request: Request) -> Answer:
    return [_feature(name) for name in _DEPRECATED]


@routes.get("/api/deprecated-features/used", MANAGEMENT, "What of it is used now", returns=array(_FEATURE))
def used(request: Request) -> Answer:
    found = []
    if any(
        channel.global_prefetch for connected in request.node.presence.connections for channel in connected.channels()
    ):
        found.append(_feature("global_qos"))
    for vhost in request.node.vhosts.values():
        if _has_transient(vhost):
            found.append(_feature("transient_nonexcl_queues"))
            break
        yield
    return found


def _has_transient(vhost: VHost) -> bool:
    return any(not queue.durable and queue.owner is None for queue in vhost.queues.values())
