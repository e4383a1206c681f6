"""Connections, channels and consumers over HTTP, opened by real clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pika
import pytest
import stomp
from tests.clients.paho_talk import V3_1_1, V5, Paho
from tests.management.clients import LISTEN, api_of, awaited, connected, escaped, port_of
from tests.management.http_client import Client
from tests.management.shapes import differences

import menura


@pytest.fixture
def broker() -> Iterator[menura.Broker]:
    with menura.Broker(listen=LISTEN) as broker:
        yield broker


@pytest.fixture
def api(broker: menura.Broker) -> Client:
    return api_of(broker)


def only(api: Client, path: str = "/connections") -> dict[str, Any]:
    (found,) = awaited(api, path, lambda rows: len(rows) == 1)
    return dict(found)


# -- connections -------------------------------------------------------------------------------------------------


def test_a_connection_is_listed_by_both_ends_until_it_is_closed(broker: menura.Broker, api: Client) -> None:
    with connected(broker.amqp_port, connection_name="shop"):
        row = only(api)
        assert row["name"] == f"127.0.0.1:{row['peer_port']} -> 127.0.0.1:{broker.amqp_port}"
        assert (row["host"], row["port"], row["peer_host"]) == ("127.0.0.1", broker.amqp_port, "127.0.0.1")
        assert (row["user"], row["vhost"], row["protocol"]) == ("guest", "/", "AMQP 0-9-1")
        assert (row["user_provided_name"], row["auth_mechanism"], row["type"]) == ("shop", "PLAIN", "network")
        assert (row["state"], row["waits_for"], row["timeout"], row["ssl"]) == ("running", [], 600, False)
        assert row["client_properties"]["connection_name"] == "shop"
        assert row["client_properties"]["capabilities"]["publisher_confirms"] is True
        assert min(row["recv_oct"], row["recv_cnt"], row["send_oct"], row["send_cnt"]) > 0
        assert api.get(f"/connections/{escaped(row['name'])}").json["name"] == row["name"]
        assert [each["name"] for each in api.get("/vhosts/%2F/connections").json] == [row["name"]]
        assert [each["name"] for each in api.get("/connections/username/guest").json] == [row["name"]]
    awaited(api, "/connections", lambda rows: rows == [])
    assert api.get(f"/connections/{escaped(row['name'])}").status == 404


def test_a_connection_that_gave_no_name_has_none(broker: menura.Broker, api: Client) -> None:
    with connected(broker.amqp_port):
        assert "user_provided_name" not in only(api)


def test_connections_of_other_virtual_hosts_and_users_are_told_apart(broker: menura.Broker, api: Client) -> None:
    broker.add_vhost("v")
    broker.add_user("other", "guest", ["management"])
    broker.permit("other", "v")
    with connected(broker.amqp_port), connected(broker.amqp_port, "other", "v"):
        awaited(api, "/connections", lambda rows: len(rows) == 2)
        assert [row["user"] for row in api.get("/vhosts/v/connections").json] == ["other"]
        assert [row["vhost"] for row in api.get("/connections/username/guest").json] == ["/"]
        assert api.get("/connections/username/nobody").json == []
        assert api.get("/vhosts/none/connections").status == 404


def test_a_connection_is_closed_with_the_reason_given(broker: menura.Broker, api: Client) -> None:
    with connected(broker.amqp_port) as connection:
        path = f"/connections/{escaped(only(api)['name'])}"
        assert api.ask("DELETE", path, headers={"x-reason": "maintenance"}).status == 204
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
            connection.process_data_events(10)
        assert (closed.value.reply_code, closed.value.reply_text) == (320, "CONNECTION_FORCED - maintenance")
        awaited(api, "/connections", lambda rows: rows == [])
        assert api.delete(path).status == 404


def test_all_connections_of_a_user_are_closed_and_no_others(broker: menura.Broker, api: Client) -> None:
    broker.add_user("other", "guest")
    broker.permit("other")
    with (
        connected(broker.amqp_port, "other") as one,
        connected(broker.amqp_port, "other") as two,
        connected(broker.amqp_port) as three,
    ):
        awaited(api, "/connections", lambda rows: len(rows) == 3)
        assert api.delete("/connections/username/other").status == 204
        for connection in (one, two):
            with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="Closed via management plugin"):
                connection.process_data_events(10)
        assert only(api)["user"] == "guest"
        three.process_data_events(0)
        assert api.delete("/connections/username/nobody").status == 204


def test_each_protocol_is_named_as_operators_know_it(broker: menura.Broker, api: Client) -> None:
    frames = stomp.Connection12([("127.0.0.1", port_of(broker, "stomp"))], vhost="/")
    frames.connect("guest", "guest", wait=True)
    with (
        connected(broker.amqp_port),
        Paho(port_of(broker, "mqtt"), "three", V3_1_1),
        Paho(port_of(broker, "mqtt+ws"), "five", V5, transport="websockets"),
    ):
        rows = awaited(api, "/connections", lambda rows: len(rows) == 4)
        assert sorted(row["protocol"] for row in rows) == ["AMQP 0-9-1", "MQTT 3-1-1", "STOMP 1.2", "Web MQTT 5-0"]
        three = next(row for row in rows if row["protocol"] == "MQTT 3-1-1")
        assert (three["client_id"], three["timeout"], three["channels"]) == ("three", 30, 0)
    frames.disconnect()


def test_amqp_1_0_is_not_spoken(broker: menura.Broker, api: Client) -> None:
    with connected(broker.amqp_port):
        answer = api.get(f"/connections/{escaped(only(api)['name'])}/sessions")
        assert (answer.status, answer.json["reason"]) == (400, "connection does not use AMQP 1.0")


def test_why_a_publisher_is_blocked_is_told(broker: menura.Broker, api: Client) -> None:
    broker.set_memory_watermark(1)
    with connected(broker.amqp_port) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        assert only(api)["state"] == "running"
        channel.basic_publish("", queue, b"more than an octet")
        row = awaited(api, "/connections", lambda rows: rows and rows[0]["state"] != "running")[0]
        assert row["state"] == "blocking" or row["waits_for"] == ["memory"]
        channel.basic_publish("", queue, b"another one")
        row = awaited(api, "/connections", lambda rows: rows and rows[0]["state"] == "blocked")[0]
        assert row["waits_for"] == ["memory"]
        broker.set_memory_watermark(1 << 30)
        awaited(api, "/connections", lambda rows: rows and rows[0]["state"] == "running")


# -- channels ----------------------------------------------------------------------------------------------------


def test_channels_are_listed_everywhere_and_say_what_they_do(broker: menura.Broker, api: Client) -> None:
    with connected(broker.amqp_port) as connection:
        one, two = connection.channel(), connection.channel()
        one.confirm_delivery()
        two.basic_qos(prefetch_count=5)
        name = only(api)["name"]
        rows = api.get("/channels").json
        assert [(row["name"], row["number"]) for row in rows] == [(f"{name} (1)", 1), (f"{name} (2)", 2)]
        assert [row["confirm"] for row in rows] == [True, False]
        assert [row["prefetch_count"] for row in rows] == [0, 5]
        assert rows[0]["connection_details"] == {
            "name": name,
            "peer_host": "127.0.0.1",
            "peer_port": only(api)["peer_port"],
        }
        for path in ("/vhosts/%2F/channels", f"/connections/{escaped(name)}/channels"):
            assert [row["name"] for row in api.get(path).json] == [row["name"] for row in rows]
        assert api.get(f"/channels/{escaped(name + ' (2)')}").json["number"] == 2
        for missing in (f"{name} (3)", name, f"{name} (2", "x (1)", "(1)"):
            assert api.get(f"/channels/{escaped(missing)}").status == 404
        assert api.get("/connections/none/channels").status == 404
        two.close()
        awaited(api, "/channels", lambda rows: len(rows) == 1)


def test_a_channel_counts_a_known_amount_of_traffic(broker: menura.Broker, api: Client) -> None:
    with connected(broker.amqp_port) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.confirm_delivery()
        for _ in range(6):
            channel.basic_publish("", queue, b"x")
        channel.basic_publish("", "nowhere", b"x")
        with pytest.raises(pika.exceptions.UnroutableError):
            channel.basic_publish("", "nowhere", b"x", mandatory=True)
        channel.basic_get(queue, auto_ack=True)
        got, _, _ = channel.basic_get(queue)
        channel.basic_nack(got.delivery_tag, requeue=True)
        got, _, _ = channel.basic_get(queue)
        channel.basic_ack(got.delivery_tag)
        channel.basic_consume(queue, lambda *_: None, consumer_tag="c")
        row = awaited(api, "/channels", lambda rows: rows[0].get("message_stats", {}).get("deliver") == 4)[0]
        stats = {key: value for key, value in row["message_stats"].items() if not key.endswith("_details")}
        expected = {
            "publish": 8, "confirm": 8, "return_unroutable": 1, "drop_unroutable": 1,
            "get": 2, "get_no_ack": 1, "get_empty": 0, "deliver": 4, "deliver_no_ack": 0, "redeliver": 1, "ack": 1,
            "deliver_get": 7,
        }  # fmt: skip
        assert stats == expected
        assert (row["messages_unacknowledged"], row["consumer_count"], row["messages_unconfirmed"]) == (4, 1, 0)
        single = api.get(f"/channels/{escaped(row['name'])}").json
        (published,), (delivered,) = single["publishes"], single["deliveries"]
        assert published == {
            "exchange": {"name": "", "vhost": "/"},
            "stats": {"publish": 8, "return_unroutable": 1, "drop_unroutable": 1},
        }
        assert (delivered["queue"]["name"], delivered["stats"]["deliver_get"]) == (queue, 7)
        assert [each["consumer_tag"] for each in single["consumer_details"]] == ["c"]


# -- consumers ---------------------------------------------------------------------------------------------------


def test_consumers_of_every_protocol_are_listed(broker: menura.Broker, api: Client) -> None:
    broker.add_vhost("v")
    frames = stomp.Connection12([("127.0.0.1", port_of(broker, "stomp"))], vhost="/")
    frames.connect("guest", "guest", wait=True)
    frames.subscribe("/queue/q", id="7", ack="client")
    with connected(broker.amqp_port) as connection, Paho(port_of(broker, "mqtt"), "thing") as thing:
        thing.subscribe("a/b", 1)
        channel = connection.channel()
        channel.basic_qos(prefetch_count=3)
        channel.queue_declare("single", arguments={"x-single-active-consumer": True})
        for tag in ("first", "second"):
            channel.basic_consume("single", lambda *_: None, consumer_tag=tag, arguments={"x-priority": 2})
        rows = {row["consumer_tag"]: row for row in awaited(api, "/consumers", lambda rows: len(rows) == 4)}
        assert sorted(rows) == ["T_7", "first", "mqtt", "second"]
        first, second = rows["first"], rows["second"]
        assert (first["queue"], first["arguments"]) == ({"name": "single", "vhost": "/"}, {"x-priority": 2})
        assert (first["ack_required"], first["prefetch_count"], first["exclusive"]) == (True, 3, False)
        assert (first["active"], first["activity_status"]) == (True, "single_active")
        assert (second["active"], second["activity_status"]) == (False, "waiting")
        assert first["channel_details"]["name"] == first["channel_details"]["connection_name"] + " (1)"
        assert rows["T_7"]["queue"]["name"] == "q"
        assert [row["consumer_tag"] for row in api.get("/consumers/%2F").json] == list(rows)
        assert api.get("/consumers/v").json == []
        assert api.get("/consumers/none").status == 404
    frames.disconnect()


# -- rights ------------------------------------------------------------------------------------------------------


def test_who_manages_sees_and_closes_no_connections_but_their_own(broker: menura.Broker, api: Client) -> None:
    for name, tag in (("manager", "management"), ("watcher", "monitoring"), ("nobody", "")):
        broker.add_user(name, "guest", [tag] if tag else [])
        broker.permit(name)
    manager, watcher, nobody = (api.as_user(name, "guest") for name in ("manager", "watcher", "nobody"))
    with connected(broker.amqp_port) as theirs, connected(broker.amqp_port, "manager") as own:
        for connection in (theirs, own):
            channel = connection.channel()
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.basic_consume(queue, lambda *_: None)
        rows = {row["user"]: row for row in awaited(api, "/connections", lambda rows: len(rows) == 2)}
        foreign, mine = (f"/connections/{escaped(rows[user]['name'])}" for user in ("guest", "manager"))
        for path in ("/connections", "/channels", "/consumers", "/vhosts/%2F/connections", "/vhosts/%2F/channels"):
            assert (len(manager.get(path).json), len(watcher.get(path).json)) == (1, 2), path
            assert nobody.get(path).status == 401
        channel_path = f"/channels/{escaped(rows['guest']['name'] + ' (1)')}"
        for path in (foreign, f"{foreign}/channels", channel_path, "/connections/username/guest"):
            answer = manager.get(path)
            assert (answer.status, answer.json["reason"]) == (401, "User not authorised to access object"), path
            assert watcher.get(path).status == 200, path
        assert manager.get(mine).status == 200
        for client in (manager, watcher):
            assert client.delete(foreign).status == 401
            assert client.delete("/connections/username/guest").status == 401
        assert manager.delete(mine).status == 204
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
            own.process_data_events(10)
        assert only(api)["user"] == "guest"


# -- the same as RabbitMQ ----------------------------------------------------------------------------------------

# Of sockets and processes of Erlang; null in a list and "" alone, where it is null here.
_OF_TLS = ("peer_cert_issuer", "peer_cert_subject", "peer_cert_validity", "ssl_cipher", "ssl_hash",
           "ssl_key_exchange", "ssl_protocol")  # fmt: skip
ALLOWED = frozenset(f".{name}" for name in _OF_TLS)


def talk(connection: pika.BlockingConnection, name: str) -> None:
    """Something of everything on the first channel."""
    channel = connection.channel()
    channel.queue_declare(name, auto_delete=True)
    channel.confirm_delivery()
    for _ in range(3):
        channel.basic_publish("", name, b"x")
    channel.basic_get(name, auto_ack=True)
    channel.basic_consume(name, lambda *_: None, consumer_tag="tag", arguments={"x-priority": 1})
    connection.process_data_events(0)


def test_connections_channels_and_consumers_look_like_rabbitmqs(
    broker: menura.Broker, api: Client, rabbitmq: Client, unique: str
) -> None:
    answers = []
    for client, port in ((rabbitmq, 5672), (api, broker.amqp_port)):
        with connected(port, connection_name=unique) as connection:
            talk(connection, unique)

            def mine(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
                return [row for row in rows if row.get("user_provided_name") == unique]

            rows = awaited(client, "/connections", lambda rows: mine(rows) and mine(rows)[0].get("channels"))
            (row,) = mine(rows)
            name = escaped(row["name"])
            channel = f"{name}%20(1)"
            stats = awaited(
                client, f"/channels/{channel}", lambda row: row.get("message_stats", {}).get("deliver") == 2
            )
            consumers = awaited(client, "/consumers", lambda rows: any(row["consumer_tag"] == "tag" for row in rows))
            answers.append(
                {
                    "listed": row,
                    "alone": client.get(f"/connections/{name}").json,
                    "channel": stats,
                    "channels": client.get(f"/connections/{name}/channels").json,
                    "consumer": next(row for row in consumers if row["consumer_tag"] == "tag"),
                    "nothing": client.get("/connections/none").json,
                    "nobody": client.get("/connections/username/none").json,
                }
            )
    theirs, ours = answers
    # Ours is not there before it has been idle for a while, and says nothing of queues that it has not asked.
    for answer in (theirs["channel"], theirs["channels"][0]):
        answer.pop("idle_since", None)
    for part in theirs:
        assert differences(theirs[part], ours[part], ALLOWED) == [], part
    assert ours["nothing"] == theirs["nothing"]
