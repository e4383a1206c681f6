"""Virtual hosts, the overview, nodes and what else is set and seen of the whole broker."""

from __future__ import annotations

from typing import Any

import pika
from tests.management.conftest import http_port
from tests.management.http_client import Client
from tests.net.peer import eventually

import menura

# -- virtual hosts -----------------------------------------------------------------------------------------------


def test_a_virtual_host_is_what_was_said_of_it(api: Client) -> None:
    assert api.put("/vhosts/said", {"description": "d", "tags": "b,a", "default_queue_type": "quorum"}).status == 201
    found = api.get("/vhosts/said").json
    assert (found["description"], found["tags"], found["default_queue_type"]) == ("d", ["a", "b"], "quorum")
    assert found["metadata"] == {"description": "d", "tags": ["a", "b"], "default_queue_type": "quorum"}
    assert found["cluster_state"] == {"menura@localhost": "running"}
    assert api.put("/vhosts/said", {"tags": ["c"]}).status == 204
    again = api.get("/vhosts/said").json
    assert (again["description"], again["tags"], again["default_queue_type"]) == ("d", ["c"], "quorum")


def test_whoever_makes_a_virtual_host_may_do_everything_in_it(api: Client) -> None:
    assert api.put("/vhosts/made").status == 201
    assert api.get("/permissions/made/guest").json["configure"] == ".*"
    api.delete("/permissions/made/guest")
    assert api.put("/vhosts/made").status == 204
    assert api.get("/permissions/made/guest").status == 404


def test_a_virtual_host_that_is_protected_stays(api: Client) -> None:
    api.put("/vhosts/dear")
    assert api.post("/vhosts/dear/deletion/protection").status == 204
    refused = api.delete("/vhosts/dear")
    assert refused.status == 412
    assert refused.json["error"] == "precondition_failed"
    assert api.get("/vhosts/dear").json["protected_from_deletion"] is True
    assert api.delete("/vhosts/dear/deletion/protection").status == 204
    assert api.delete("/vhosts/dear").status == 204
    assert api.post("/vhosts/dear/deletion/protection").status == 404


def test_a_virtual_host_is_traced_when_it_is_told(api: Client, api_broker: menura.Broker) -> None:
    assert api.put("/vhosts/traced", {"tracing": True}).status == 201
    assert api.get("/vhosts/traced").json["tracing"] is True
    assert api.put("/vhosts/traced", {"tracing": "false"}).status == 204
    assert api_broker.node.vhosts["traced"].tracer is None


def test_a_refused_virtual_host_is_not_there(api: Client) -> None:
    assert api.put("/vhosts/refused", {"default_queue_type": "unheard-of"}).status == 400
    assert api.get("/vhosts/refused").status == 404


def test_a_virtual_host_can_be_started_on_its_node_alone(api: Client) -> None:
    assert api.post("/vhosts/%2F/start/menura@localhost").status == 204
    assert api.post("/vhosts/%2F/start/elsewhere").status == 404
    assert api.post("/vhosts/none/start/menura@localhost").status == 404


def test_clients_of_a_deleted_virtual_host_are_sent_away(api: Client, api_broker: menura.Broker) -> None:
    api.put("/vhosts/short")
    url = pika.URLParameters(api_broker.amqp_url.rstrip("/") + "/short")
    connection = pika.BlockingConnection(url)
    assert api.delete("/vhosts/short").status == 204

    def sent_away() -> bool:
        try:
            connection.process_data_events(0.01)
        except pika.exceptions.AMQPError:
            return True
        return False

    eventually(sent_away)


# -- users -------------------------------------------------------------------------------------------------------


def test_a_user_logs_in_with_what_was_set(api: Client) -> None:
    digest = api.get("/auth/hash_password/other").json["ok"]
    steps: list[tuple[dict[str, Any], str | None]] = [
        ({"tags": "management", "password": "first"}, "first"),
        ({"tags": "management", "password": "second"}, "second"),
        ({"tags": "management", "password_hash": digest}, "other"),
        ({"tags": "management"}, None),
    ]
    for body, password in steps:
        assert api.put("/users/carl", body).status in (201, 204)
        for tried in ("first", "second", "other"):
            status = api.as_user("carl", tried).get("/whoami").status
            assert (status == 200) is (tried == password), (body, tried)


def test_tags_come_as_words_or_as_an_array(api: Client) -> None:
    for tags, expected in (("b , a,", ["a", "b"]), (["x", " y"], ["x", "y"]), ("", []), ([], [])):
        api.put("/users/dora", {"tags": tags})
        assert api.get("/users/dora").json["tags"] == expected


def test_several_users_go_together_or_not_at_all(api: Client) -> None:
    for name in ("one", "two"):
        api.put(f"/users/{name}", {"tags": ""})
    assert {user["name"] for user in api.get("/users/without-permissions").json} >= {"one", "two"}
    assert api.post("/users/bulk-delete", {"users": ["one", "none", "two"]}).status == 400
    assert api.get("/users/one").status == 200
    assert api.post("/users/bulk-delete", {"users": ["one", "two", "one"]}).status == 204
    assert api.get("/users/one").status == 404


# -- policies and limits -------------------------------------------------------------------------------------------


def test_a_policy_holds_for_queues_as_soon_as_it_is_set(api: Client, api_broker: menura.Broker) -> None:
    queue = api_broker._call(lambda: api_broker.node.vhosts["/"].declare_queue("ruled"))
    body = {"pattern": "^ruled$", "definition": {"max-length": 2}, "apply-to": "queues", "priority": 4}
    assert api.put("/policies/%2F/p", body).status == 201
    assert queue.rules is not None
    assert queue.rules.settings.length_max == 2
    assert api.get("/policies/%2F/p").json == {"vhost": "/", "name": "p", **body}
    assert api.delete("/policies/%2F/p").status == 204
    assert api.delete("/policies/%2F/p").status == 404


def test_limits_are_set_and_cleared_one_by_one(api: Client) -> None:
    api.put("/vhosts/bounded")
    assert api.put("/vhost-limits/bounded/max-queues", {"value": 3}).status == 204
    assert api.put("/vhost-limits/bounded/max-connections", {"value": 4}).status == 204
    assert api.get("/vhost-limits/bounded").json == [
        {"vhost": "bounded", "value": {"max-queues": 3, "max-connections": 4}}
    ]
    assert api.get("/parameters/vhost-limits/bounded/limits").json["value"]["max-queues"] == 3
    assert api.delete("/vhost-limits/bounded/max-queues").status == 204
    assert api.get("/vhost-limits/bounded").json[0]["value"] == {"max-connections": 4}
    assert api.delete("/vhost-limits/bounded/max-connections").status == 204
    assert api.get("/vhost-limits/bounded").json == []


# -- the whole -----------------------------------------------------------------------------------------------------


def test_the_overview_counts_what_there_is(api_broker: menura.Broker, api: Client) -> None:
    with pika.BlockingConnection(pika.URLParameters(api_broker.amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("counted")
        channel.basic_consume("counted", lambda *_: None)
        channel.confirm_delivery()
        before = api.get("/overview").json
        channel.basic_publish("", "counted", b"x")
        found = api.get("/overview").json
    totals = found["object_totals"]
    assert (totals["connections"], totals["channels"], totals["consumers"]) == (1, 1, 1)
    assert totals["queues"] == len(api.get("/queues").json)
    assert totals["exchanges"] == len(api.get("/exchanges").json)
    published = [stats.get("message_stats", {}).get("publish", 0) for stats in (before, found)]
    assert published[1] - published[0] == 1
    assert found["queue_totals"]["messages"] == before["queue_totals"]["messages"] + 1
    assert found["churn_rates"]["connection_created"] >= 1
    assert {listener["protocol"]: listener["port"] for listener in found["listeners"]} == {
        "amqp": api_broker.amqp_port,
        "http": http_port(api_broker),
    }
    assert [context["port"] for context in found["contexts"]] == [str(http_port(api_broker))]


def test_a_user_is_shown_the_part_of_the_overview_that_is_theirs(api: Client, api_broker: menura.Broker) -> None:
    api.put("/vhosts/part")
    api.put("/users/erna", {"tags": "management", "password": "x"})
    api.put("/permissions/part/erna", {"configure": ".*", "write": ".*", "read": ".*"})
    vhost = api_broker.node.vhosts["part"]
    api_broker._call(lambda: vhost.declare_queue("q"))
    found = api.as_user("erna", "x").get("/overview").json
    assert found["object_totals"] == {
        "channels": 0, "connections": 0, "consumers": 0, "queues": 1, "exchanges": len(vhost.exchanges)
    }  # fmt: skip
    assert "listeners" not in found
    assert "churn_rates" not in found
    assert found["queue_totals"]["messages"] == 0


def test_numbers_are_left_out_when_nobody_wants_them(api: Client) -> None:
    found = api.get("/overview?disable_stats=true").json
    assert found["disable_stats"] is True
    assert not {"message_stats", "queue_totals", "churn_rates"} & found.keys()
    assert "messages" not in api.get("/vhosts/%2F?disable_stats=true").json


def test_the_cluster_has_the_name_that_it_was_given(api: Client) -> None:
    assert api.get("/cluster-name").json == {"name": "menura@localhost"}
    assert api.put("/cluster-name", {"name": "eu-1"}).status == 204
    assert api.get("/cluster-name").json == {"name": "eu-1"}
    assert api.get("/overview").json["cluster_name"] == "eu-1"
    assert api.get("/definitions").json["original_cluster_name"] == "eu-1"
    assert api.delete("/global-parameters/cluster_name").status == 204
    assert api.get("/cluster-name").json == {"name": "menura@localhost"}


def test_there_is_one_node(api: Client) -> None:
    (node,) = api.get("/nodes").json
    assert node["running"] is True
    assert node["rabbitmq_version"] == "4.2.0"
    assert {"rabbitmq_management", "rabbitmq_mqtt", "rabbitmq_prometheus"} <= set(node["enabled_plugins"])
    assert api.get("/nodes/menura@localhost").json["name"] == node["name"]
    memory = api.get("/nodes/menura@localhost/memory").json["memory"]
    assert memory["binary"] + memory["other_system"] == memory["total"]["rss"]
    assert api.get("/nodes/elsewhere/memory").status == 404


def test_settings_are_shown_without_secrets(api: Client) -> None:
    found = api.get("/config/effective").json["settings"]
    assert found["heartbeat_seconds"] == 60
    assert found["default_password"] == "***"


def test_secrets_of_parameters_are_shown_in_definitions_alone(api: Client) -> None:
    value = {"src-uri": "amqp://ann:hush@127.0.0.1:1/", "src-queue": "a", "dest-uri": "amqp://", "dest-queue": "b"}
    assert api.put("/parameters/shovel/%2F/moved", {"value": value}).status == 201
    try:
        for path in ("/parameters", "/parameters/shovel", "/parameters/shovel/%2F", "/parameters/shovel/%2F/moved"):
            assert b"hush" not in api.get(path).body, path
        (kept,) = api.get("/definitions").json["parameters"]
        assert kept["value"]["src-uri"] == value["src-uri"]
    finally:
        assert api.delete("/parameters/shovel/%2F/moved").status == 204


def test_features_are_enabled_and_what_is_deprecated_is_told_when_it_is_used(
    api: Client, api_broker: menura.Broker
) -> None:
    assert {flag["state"] for flag in api.get("/feature-flags").json} == {"enabled"}
    assert api.put("/feature-flags/quorum_queue/enable").status == 204
    assert api.put("/feature-flags/unheard-of/enable").status == 400
    vhost = api_broker.node.add_vhost("deprecated")
    queue = api_broker._call(lambda: vhost.declare_queue("transient"))
    assert "transient_nonexcl_queues" in {found["name"] for found in api.get("/deprecated-features/used").json}
    api_broker._call(lambda: vhost.remove_queue(queue))


def test_statistics_are_not_reset(api: Client) -> None:
    assert api.delete("/reset").status == 400
    assert api.delete("/reset/menura@localhost").status == 400
    assert api.delete("/reset/elsewhere").status == 404
