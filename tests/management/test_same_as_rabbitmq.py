"""The same requests to RabbitMQ's management plugin and to ours: the same statuses, and answers of the same shape.

Where they differ on purpose, the step says so; the documents do as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from tests.management.http_client import Client
from tests.management.shapes import differences


class Step(NamedTuple):
    """`V` and `U` in path and body stand for a virtual host and a user; `ours` is another status than theirs."""

    method: str
    path: str
    body: Any = None
    ours: int = 0
    allowed: frozenset[str] = frozenset()


_LIMITLESS = {"pattern": "a", "definition": {"max-length": 1}}
STEPS = [
    Step("PUT", "/vhosts/V", {"description": "for a test", "tags": "a,b"}),
    Step("PUT", "/vhosts/V", {"description": "for a test", "tags": "a,b"}),
    Step("GET", "/vhosts/V", allowed=frozenset((".cluster_state",))),
    # The first of a list may be anybody's.
    Step("GET", "/vhosts", allowed=frozenset(("[].cluster_state", "[].message_stats", "[].tags", "[].metadata"))),
    Step("GET", "/vhosts/V-none"),
    Step("DELETE", "/vhosts/V-none"),
    Step("GET", "/vhosts/V/permissions"),
    Step("GET", "/vhosts/V/topic-permissions"),
    Step("GET", "/vhosts/V-none/permissions"),
    Step("PUT", "/users/U", {"tags": "management, monitoring"}),
    Step("PUT", "/users/U", {"tags": ["management"], "password": "x"}),
    Step("PUT", "/users/U", {"password": "x"}),
    Step("PUT", "/users/U", {"tags": "", "password": "x", "password_hash": "abc"}),
    Step("PUT", "/users/U", {"tags": "", "password_hash": "%%"}),
    # RabbitMQ breaks down.
    Step("PUT", "/users/U", {"tags": 5}, ours=400),
    Step("GET", "/users/U"),
    Step("GET", "/users"),
    Step("GET", "/users/U-none"),
    Step("GET", "/users/without-permissions"),
    Step("GET", "/users/U-none/permissions"),
    Step("PUT", "/permissions/V/U", {"configure": "^a", "write": ".*"}),
    Step("PUT", "/permissions/V/U", {"configure": "(", "write": ".*", "read": ""}),
    Step("PUT", "/permissions/V/U", {"configure": "^a", "write": ".*", "read": ""}),
    Step("PUT", "/permissions/V/U", {"configure": "^b", "write": ".*", "read": ""}),
    Step("PUT", "/permissions/V/U-none", {"configure": "^a", "write": ".*", "read": ""}),
    Step("PUT", "/permissions/V-none/U", {"configure": "^a", "write": ".*", "read": ""}),
    Step("GET", "/permissions/V/U"),
    Step("GET", "/permissions/V/U-none"),
    Step("GET", "/permissions"),
    Step("GET", "/users/U/permissions"),
    Step("PUT", "/topic-permissions/V/U", {"exchange": "amq.topic", "write": "a", "read": "b"}),
    Step("PUT", "/topic-permissions/V/U", {"exchange": "amq.topic", "write": "a", "read": "c"}),
    Step("GET", "/topic-permissions/V/U"),
    Step("GET", "/topic-permissions/V/guest"),
    Step("GET", "/topic-permissions"),
    Step("DELETE", "/topic-permissions/V/U"),
    Step("PUT", "/policies/V/p", {}),
    Step("PUT", "/policies/V/p", {"pattern": "a", "definition": {"unheard-of": 1}}),
    Step("PUT", "/policies/V/p", {"pattern": "(a", "definition": {"max-length": 1}}),
    Step("PUT", "/policies/V/p", _LIMITLESS),
    Step("PUT", "/policies/V/p", {**_LIMITLESS, "priority": 7, "apply-to": "queues"}),
    Step("PUT", "/policies/V-none/p", _LIMITLESS),
    Step("GET", "/policies/V/p"),
    Step("GET", "/policies/V/none"),
    Step("GET", "/policies/V"),
    Step("GET", "/policies/V-none"),
    Step("GET", "/policies", allowed=frozenset(("[].definition",))),
    Step("DELETE", "/policies/V/none"),
    Step("PUT", "/operator-policies/V/o", _LIMITLESS),
    Step("PUT", "/operator-policies/V/o", {"pattern": "a", "definition": {"dead-letter-exchange": "x"}}),
    Step("GET", "/operator-policies/V/o"),
    Step("GET", "/operator-policies/V"),
    Step("GET", "/parameters", allowed=frozenset(("[].value",))),
    Step("GET", "/parameters/operator_policy/V"),
    Step("GET", "/parameters/operator_policy/V/o"),
    Step("GET", "/parameters/none"),
    Step("GET", "/parameters/none/V-none"),
    Step("PUT", "/parameters/none/V/p", {"value": 1}),
    Step("PUT", "/parameters/policy/V/p", {"value": {}}),
    Step("DELETE", "/operator-policies/V/o"),
    Step("PUT", "/vhost-limits/V/max-queues", {}),
    Step("PUT", "/vhost-limits/V/max-queues", {"value": "many"}),
    Step("PUT", "/vhost-limits/V/unheard-of", {"value": 1}),
    Step("PUT", "/vhost-limits/V/max-queues", {"value": 10}),
    Step("GET", "/vhost-limits/V"),
    Step("GET", "/vhost-limits/V-none"),
    Step("GET", "/vhost-limits", allowed=frozenset(("[].value",))),
    Step("DELETE", "/vhost-limits/V/max-queues"),
    Step("DELETE", "/vhost-limits/V/max-queues"),
    Step("PUT", "/user-limits/U/max-channels", {"value": 3}),
    Step("PUT", "/user-limits/U/unheard-of", {"value": 3}),
    Step("GET", "/user-limits/U"),
    Step("GET", "/user-limits/U-none"),
    Step("GET", "/user-limits", allowed=frozenset(("[].value",))),
    Step("DELETE", "/user-limits/U/max-channels"),
    Step("PUT", "/global-parameters/V", {"value": {"a": 1}}),
    Step("PUT", "/global-parameters/V", {"value": {"a": 2}}),
    Step("PUT", "/global-parameters/V", {}),
    Step("GET", "/global-parameters/V"),
    Step("GET", "/global-parameters", allowed=frozenset(("[].value",))),
    Step("DELETE", "/global-parameters/V"),
    Step("DELETE", "/global-parameters/V"),
    # Policies of a single virtual host name it no more.
    Step("GET", "/definitions/V", allowed=frozenset((".policies[].vhost",))),
    Step("POST", "/definitions/V", {}),
    Step("GET", "/cluster-name"),
    Step("PUT", "/cluster-name", {}),
    Step("GET", "/whoami"),
    Step("GET", "/extensions"),
    Step("GET", "/feature-flags"),
    Step("GET", "/nodes/none", ours=404),
    Step("GET", "/health/checks/alarms", ours=200),
    Step("GET", "/health/checks/local-alarms", ours=200),
    Step("GET", "/health/checks/certificate-expiration/1/weeks"),
    Step("GET", "/health/checks/certificate-expiration/1/moons"),
    Step("GET", "/health/checks/certificate-expiration/many/weeks"),
    Step("GET", "/health/checks/port-listener/1"),
    Step("GET", "/health/checks/port-listener/none"),
    # Since 4.0 several can be asked for at once, and come as an array.
    Step("GET", "/health/checks/protocol-listener/amqp", allowed=frozenset((".protocol",))),
    Step("GET", "/health/checks/protocol-listener/none", allowed=frozenset((".missing",))),
    Step("GET", "/health/checks/virtual-hosts"),
    Step("GET", "/health/checks/node-is-quorum-critical"),
    Step("GET", "/aliveness-test/V"),
    Step("GET", "/aliveness-test/V-none"),
    Step("GET", "/healthchecks/node", ours=200),
    Step("POST", "/rebalance/queues", {}),
    Step("POST", "/users/bulk-delete", {}),
    Step("POST", "/users/bulk-delete", {"users": ["U-none"]}),
    Step("GET", "/unheard-of"),
    Step("PATCH", "/users"),
    Step("POST", "/users", {}),
    Step("DELETE", "/permissions/V/U"),
    Step("DELETE", "/permissions/V/U"),
    Step("POST", "/users/bulk-delete", {"users": ["U"]}),
    Step("DELETE", "/users/U"),
    Step("DELETE", "/vhosts/V"),
]


def _filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, names) for item in value]
    if not isinstance(value, str):
        return value
    parts = value.split("/")
    for at, part in enumerate(parts):
        for letter, name in names.items():
            if part == letter or part.startswith(letter + "-"):
                parts[at] = quote(name + part[1:], safe="") if len(parts) > 1 else name + part[1:]
    return "/".join(parts)


def test_each_step_of_a_long_talk_is_answered_alike(api: Client, rabbitmq: Client, unique: str) -> None:
    names = {"V": f"{unique}/v", "U": f"{unique}-u"}
    try:
        wrong = [found for step in STEPS for found in _compared(step, api, rabbitmq, names)]
    finally:
        rabbitmq.delete(_filled("/vhosts/V", names))
        rabbitmq.delete(_filled("/users/U", names))
        rabbitmq.delete(_filled("/global-parameters/V", names))
    assert wrong == [], "\n".join(wrong)


def _compared(step: Step, api: Client, rabbitmq: Client, names: dict[str, str]) -> list[str]:
    path, body = _filled(step.path, names), _filled(step.body, names)
    theirs, ours = (client.ask(step.method, path, body) for client in (rabbitmq, api))
    said = f"{step.method} {step.path} {step.body}"
    expected = step.ours or theirs.status
    if ours.status != expected:
        return [f"{said}: {expected} there, {ours.status} here: {ours.body.decode()[:200]}"]
    if not theirs.body or theirs.status != ours.status:
        return []
    if theirs.status == 400:
        # Reasons are terms of another language at times.
        return differences({"error": "", "reason": ours.json["reason"]}, ours.json, at=said)
    return [f"{said} {found}" for found in differences(theirs.json, ours.json, step.allowed)]


# Of other machinery, or of no meaning here.
_NODE = frozenset((
    ".gc_bytes_reclaimed", ".gc_bytes_reclaimed_details", ".io_reopen_count", ".io_reopen_count_details",
    ".io_seek_avg_time", ".io_seek_avg_time_details", ".io_seek_count", ".io_seek_count_details",
    ".metrics_gc_queue_length", ".mnesia_disk_tx_count", ".mnesia_disk_tx_count_details", ".mnesia_ram_tx_count",
    ".mnesia_ram_tx_count_details", ".msg_store_read_count", ".msg_store_read_count_details",
    ".msg_store_write_count", ".msg_store_write_count_details", ".net_ticktime", ".queue_index_read_count",
    ".queue_index_read_count_details", ".queue_index_write_count", ".run_queue", ".queue_index_write_count_details",
    ".ra_open_file_metrics", ".contexts[].cowboy_opts",
))  # fmt: skip


@pytest.mark.parametrize("path", ["/overview", "/overview?disable_stats=true"])
def test_the_overview_has_the_keys_of_rabbitmq(path: str, api: Client, rabbitmq: Client) -> None:
    allowed = frozenset((
        ".release_series_support_status", ".contexts[].cowboy_opts", ".listeners[].socket_opts.linger",
        ".listeners[].socket_opts.exit_on_close", ".message_stats",
    ))  # fmt: skip
    assert differences(rabbitmq.get(path).json, api.get(path).json, allowed) == []


def test_a_node_has_the_keys_of_rabbitmq(api: Client, rabbitmq: Client) -> None:
    theirs, ours = (client.get("/nodes").json[0] for client in (rabbitmq, api))
    assert differences(theirs, ours, _NODE) == []
    for path in ("", "/memory", "/memory/relative"):
        there, here = (
            client.get(f"/nodes/{node['name']}{path}").json for client, node in ((rabbitmq, theirs), (api, ours))
        )
        if path:
            assert there.keys() == here.keys()
            assert ("total" in here["memory"]) is ("total" in there["memory"])
        else:
            assert differences(there, here, _NODE) == []
