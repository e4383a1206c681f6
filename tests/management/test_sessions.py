"""Sessions, subscriptions and logins over HTTP, made by real clients; and what the other protocols count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import stomp
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from tests.clients.paho_talk import V3_1_1, V5, Paho
from tests.clients.stomp_talk import Inbox
from tests.management.clients import LISTEN, api_of, awaited, connected, port_of
from tests.management.http_client import Client

import menura
from menura.core.node import NAME


@pytest.fixture
def broker() -> Iterator[menura.Broker]:
    with menura.Broker(listen=LISTEN) as broker:
        yield broker


@pytest.fixture
def api(broker: menura.Broker) -> Client:
    return api_of(broker)


@contextmanager
def frames(broker: menura.Broker) -> Iterator[tuple[stomp.Connection12, Inbox]]:
    connection, inbox = stomp.Connection12([("127.0.0.1", port_of(broker, "stomp"))], vhost="/"), Inbox()
    connection.set_listener("", inbox)
    connection.connect("guest", "guest", wait=True)
    try:
        yield connection, inbox
    finally:
        connection.disconnect()


def lasting(seconds: int) -> Any:
    found = Properties(1)  # of CONNECT
    found.SessionExpiryInterval = seconds
    return found


# -- sessions ----------------------------------------------------------------------------------------------------


def test_a_session_is_shown_while_its_client_is_here_and_while_it_is_away(broker: menura.Broker, api: Client) -> None:
    port = port_of(broker, "mqtt")
    with Paho(port, "thing", V5, properties=lasting(3600)) as thing:
        thing.subscribe("a/b", 1)
        (row,) = awaited(api, "/menura/sessions", lambda rows: len(rows) == 1 and rows[0]["subscription_count"])
        assert (row["client_id"], row["vhost"], row["protocol"], row["user"]) == ("thing", "/", "MQTT 5.0", "guest")
        assert (row["connected"], row["clean"], row["expiry_seconds"]) == (True, False, 3600)
        assert (row["away_since"], row["expires_at"], row["messages"]) == (None, None, 0)
        assert row["connection_details"]["name"] == api.get("/connections").json[0]["name"]
    (row,) = awaited(api, "/menura/sessions", lambda rows: not rows[0]["connected"])
    assert row["expires_at"] == row["away_since"] + 3_600_000
    assert "connection_details" not in row
    with connected(broker.amqp_port) as connection:
        connection.channel().basic_publish("amq.topic", "a.b", b"while you were away")
        (row,) = awaited(api, "/menura/sessions", lambda rows: rows[0]["messages_ready"])
    assert [(queue["name"], queue["messages"]) for queue in row["queues"]] == [("mqtt-subscription-thingqos1", 1)]
    single = api.get("/menura/sessions/%2F/thing").json
    assert (single["messages"], [each["source"] for each in single["subscriptions"]]) == (1, ["a/b"])
    assert api.get("/menura/sessions/%2F/none").status == 404


def test_a_session_that_lasts_for_ever_has_no_expiry(broker: menura.Broker, api: Client) -> None:
    with Paho(port_of(broker, "mqtt"), "thing", V3_1_1, clean=False):
        pass
    (row,) = awaited(api, "/menura/sessions", lambda rows: not rows[0]["connected"])
    assert (row["expiry_seconds"], row["expires_at"]) == (None, None)


def test_sessions_of_others_are_for_those_who_may_see_everything(broker: menura.Broker, api: Client) -> None:
    for name, tag in (("manager", "management"), ("watcher", "monitoring")):
        broker.add_user(name, "guest", [tag])
        broker.permit(name)
    manager, watcher = (api.as_user(name, "guest") for name in ("manager", "watcher"))
    port = port_of(broker, "mqtt")
    with Paho(port, "theirs"), Paho(port, "own", user=("manager", "guest")):
        awaited(api, "/menura/sessions", lambda rows: len(rows) == 2)
        assert [row["client_id"] for row in manager.get("/menura/sessions").json] == ["own"]
        assert len(watcher.get("/menura/sessions").json) == 2
        assert manager.get("/menura/sessions/%2F/theirs").status == 404
        assert watcher.get("/menura/sessions/%2F/theirs").status == 200


# -- subscriptions -----------------------------------------------------------------------------------------------


def test_subscriptions_are_shown_as_their_protocols_have_them(broker: menura.Broker, api: Client) -> None:
    with Paho(port_of(broker, "mqtt"), "thing") as thing, frames(broker) as (connection, _):
        options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True, retainHandling=2)
        thing.subscribe("a/+", options=options)
        thing.subscribe("$share/group/b", 1)
        connection.subscribe("/queue/q", id="7", ack="client-individual", headers={"prefetch-count": "3"})
        rows = awaited(api, "/menura/subscriptions", lambda rows: len(rows) == 3)
        by_source = {row["source"]: row for row in rows}
        first = by_source["a/+"]
        assert (first["client"], first["protocol"], first["qos"], first["share"]) == ("thing", "MQTT 5.0", 1, "")
        assert (first["no_local"], first["retain_as_published"], first["retain_handling"]) == (True, True, 2)
        assert (by_source["b"]["share"], by_source["b"]["queue"]) == ("group", "$share/group/b")
        third = by_source["/queue/q"]
        assert (third["id"], third["ack_mode"], third["prefetch_count"]) == ("7", "client-individual", 3)
        assert (third["protocol"], third["queue"], third["user"]) == ("STOMP 1.2", "q", "guest")
        assert third["client"] == third["connection_details"]["name"]
        assert len(api.get("/menura/subscriptions?client=thing").json) == 2
        page = api.get("/menura/subscriptions?page=1&page_size=2&sort=source&columns=source").json
        assert page["items"] == [{"source": "/queue/q"}, {"source": "a/+"}]


# -- logins ------------------------------------------------------------------------------------------------------


def test_logins_are_counted_by_protocol_and_by_source_until_that_is_cleared(
    broker: menura.Broker, api: Client
) -> None:
    path = f"/auth/attempts/{NAME}"
    port = port_of(broker, "mqtt")
    with Paho(port, "good"), Paho(port, "bad", user=("guest", "wrong")) as bad:
        assert bad.code.is_failure
    assert Client(api.port, "guest", "wrong").get("/whoami").status == 401
    counts = {row.pop("protocol"): row for row in api.get(path).json}
    assert counts["mqtt"] == {"auth_attempts": 2, "auth_attempts_failed": 1, "auth_attempts_succeeded": 1}
    assert counts["http"]["auth_attempts_failed"] == 1
    sources = api.get(f"{path}/source").json
    (row,) = [row for row in sources if row["protocol"] == "mqtt"]
    assert row == {
        "protocol": "mqtt",
        "remote_address": "127.0.0.1",
        "username": "guest",
        "auth_attempts": 2,
        "auth_attempts_failed": 1,
        "auth_attempts_succeeded": 1,
    }
    assert api.delete(f"{path}/source").status == 204
    assert [row["protocol"] for row in api.get(f"{path}/source").json] == ["http"], "who asks"
    assert api.delete(path).status == 204
    assert [row["protocol"] for row in api.get(path).json] == ["http"]
    for method in ("GET", "DELETE"):
        assert api.ask(method, "/auth/attempts/another@node").status == 404
        assert api.ask(method, "/auth/attempts/another@node/source").status == 404


def test_counted_logins_are_for_monitors(broker: menura.Broker, api: Client) -> None:
    broker.add_user("manager", "guest", ["management"])
    answer = api.as_user("manager", "guest").get(f"/auth/attempts/{NAME}")
    assert (answer.status, answer.json["reason"]) == (401, "Not monitor user")


def test_counted_logins_look_like_rabbitmqs(api: Client, rabbitmq: Client) -> None:
    node = rabbitmq.get("/overview").json["node"]
    theirs, ours = rabbitmq.get(f"/auth/attempts/{node}").json, api.get(f"/auth/attempts/{NAME}").json
    assert {key: type(value) for key, value in theirs[0].items()} == {
        key: type(value) for key, value in ours[0].items()
    }
    assert rabbitmq.get("/auth/attempts/none@here").status == api.get("/auth/attempts/none@here").status == 404


# -- what they count ---------------------------------------------------------------------------------------------


def stats_of(api: Client, protocol: str, wanted: dict[str, int]) -> dict[str, int]:
    """What the connection of a protocol has counted, once that is as wanted."""

    def found(rows: list[dict[str, Any]]) -> dict[str, int]:
        rows = [row for row in rows if row["protocol"] == protocol]
        stats = rows[0].get("message_stats", {}) if rows else {}
        return {name: stats.get(name, 0) for name in wanted}

    return found(awaited(api, "/connections", lambda rows: found(rows) == wanted))


def test_mqtt_counts_a_known_amount_of_traffic(broker: menura.Broker, api: Client) -> None:
    with Paho(port_of(broker, "mqtt"), "thing") as thing:
        thing.subscribe("a", 1)
        thing.subscribe("b", 0)
        for _ in range(3):
            thing.publish("a", b"x", 1)
        for _ in range(2):
            thing.publish("b", b"x")
        thing.publish("nobody", b"x", 1)
        wanted = {
            "publish": 6, "confirm": 4, "drop_unroutable": 1, "return_unroutable": 0,
            "deliver": 3, "deliver_no_ack": 2, "deliver_get": 5, "ack": 3, "redeliver": 0,
        }  # fmt: skip
        assert stats_of(api, "MQTT 5-0", wanted) == wanted
        for _ in range(5):
            thing.message()


def test_stomp_counts_a_known_amount_of_traffic(broker: menura.Broker, api: Client) -> None:
    with frames(broker) as (connection, inbox):
        connection.subscribe("/queue/q", id="1", ack="client-individual")
        connection.subscribe("/topic/t", id="2", ack="auto")
        for number in range(3):
            connection.send("/queue/q", "x", receipt=f"r{number}")
        for _ in range(2):
            connection.send("/topic/t", "x")
        connection.send("/topic/nobody", "x")
        acks = [message.headers["ack"] for message in (inbox.message() for _ in range(5)) if "ack" in message.headers]
        connection.ack(acks[0])
        connection.nack(acks[1])
        wanted = {
            "publish": 6, "confirm": 3, "drop_unroutable": 1, "return_unroutable": 0,
            "deliver": 4, "deliver_no_ack": 2, "deliver_get": 6, "ack": 1, "redeliver": 1,
        }  # fmt: skip
        assert stats_of(api, "STOMP 1.2", wanted) == wanted
