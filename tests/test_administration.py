"""What is set on a running broker holds at once for its clients, and again after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

import menura
from menura.core.errors import NotFound, PreconditionFailed, Refusal


def connect(broker: menura.Broker, vhost: str = "/", user: str = "guest") -> pika.BlockingConnection:
    credentials = pika.PlainCredentials(user, user)
    return pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", broker.amqp_port, vhost, credentials=credentials)
    )


def publish(channel: BlockingChannel, queue: str, count: int, exchange: str = "") -> None:
    """Confirmed, so that they are in the queue."""
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent.value)
    for number in range(count):
        channel.basic_publish(exchange, queue, str(number).encode(), persistent)


def length(channel: BlockingChannel, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def test_a_policy_holds_at_once_and_after_a_restart(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        connection = connect(broker)
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("orders.eu", durable=True)
        publish(channel, "orders.eu", 10)
        broker.set_policy("short", r"^orders\.", {"max-length": 4}, priority=3, apply_to="queues")
        assert length(channel, "orders.eu") == 4
        broker.set_operator_policy("shorter", ".*", {"max-length": 2})
        assert length(channel, "orders.eu") == 2
        connection.close()
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        connection = connect(broker)
        channel = connection.channel()
        channel.confirm_delivery()
        assert length(channel, "orders.eu") == 2
        publish(channel, "orders.eu", 10)
        assert length(channel, "orders.eu") == 2
        broker.clear_operator_policy("shorter")
        publish(channel, "orders.eu", 10)
        assert length(channel, "orders.eu") == 4
        broker.clear_policy("short")
        publish(channel, "orders.eu", 10)
        assert length(channel, "orders.eu") == 14
        connection.close()


def test_an_alternate_exchange_by_policy_is_used_at_once_by_who_publishes_already() -> None:
    with menura.Broker() as broker:
        connection = connect(broker)
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare("x", "direct")
        channel.queue_declare("rest")
        channel.queue_bind("rest", "amq.fanout")
        publish(channel, "nowhere", 1, "x")
        broker.set_policy("p", "^x$", {"alternate-exchange": "amq.fanout"}, apply_to="exchanges")
        publish(channel, "nowhere", 2, "x")
        assert length(channel, "rest") == 2
        broker.clear_policy("p")
        publish(channel, "nowhere", 1, "x")
        assert length(channel, "rest") == 2
        connection.close()


def test_policies_are_those_of_a_virtual_host() -> None:
    with menura.Broker() as broker:
        broker.add_vhost("v")
        broker.permit("guest", "v")
        broker.set_policy("p", ".*", {"max-length": 1}, vhost="v")
        for vhost, expected in (("v", 1), ("/", 3)):
            connection = connect(broker, vhost)
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("q")
            publish(channel, "q", 3)
            assert length(channel, "q") == expected
            connection.close()
        with pytest.raises(NotFound, match="Parameter does not exist"):
            broker.clear_policy("p")


def test_one_queue_too_many_ends_the_channel() -> None:
    with menura.Broker() as broker:
        broker.set_vhost_limits({"max-queues": 1})
        connection = connect(broker)
        channel = connection.channel()
        channel.queue_declare("a")
        with pytest.raises(ChannelClosedByBroker) as caught:
            channel.queue_declare("b")
        assert (caught.value.reply_code, caught.value.reply_text) == (
            406,
            "PRECONDITION_FAILED - cannot declare queue 'b': queue limit in vhost '/' (1) is reached",
        )
        broker.clear_vhost_limits()
        connection.channel().queue_declare("b")
        connection.close()


def test_the_default_type_of_queues_is_that_of_the_virtual_host(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        broker.describe_vhost("/", default_queue_type="quorum", tags=["b", "a"], description="shop")
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        connection = connect(broker)
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        channel.queue_declare("q", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_declare("temporary", exclusive=True)
        with pytest.raises(ChannelClosedByBroker, match="inequivalent arg 'x-queue-type' for queue 'q'"):
            channel.queue_declare("q", durable=True, arguments={"x-queue-type": "classic"})
        connection.close()
        definition = broker.node.vhosts["/"].definition
        assert (definition.description, definition.tags) == ("shop", {"a", "b"})


def test_global_parameters_are_there_after_a_restart(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        broker.set_global_parameter("cluster_name", "shop")
        broker.set_global_parameter("gone", 1)
        broker.clear_global_parameter("gone")
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        assert broker.node.parameters.globals == {"cluster_name": "shop"}
        connection = connect(broker)
        assert connection._impl.server_properties["cluster_name"] == "shop", "what clients are told"
        connection.close()


def test_a_deleted_virtual_host_takes_its_clients_and_queues_along_for_good(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        broker.add_vhost("v")
        broker.permit("guest", "v")
        broker.set_policy("p", ".*", {"max-length": 1}, vhost="v")
        connection, other = connect(broker, "v"), connect(broker)
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("q", durable=True)
        publish(channel, "q", 3)
        broker.describe_vhost("v", protected=True)
        with pytest.raises(PreconditionFailed, match="Refusing to delete virtual host 'v'"):
            broker.delete_vhost("v")
        broker.describe_vhost("v", protected=False)
        broker.delete_vhost("v")
        with pytest.raises(ConnectionClosedByBroker, match="vhost 'v' is deleted"):
            channel.queue_declare("q2", durable=True)
        other.channel().queue_declare("q", durable=True)
        other.close()
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        assert set(broker.node.vhosts) == {"/"}
        broker.add_vhost("v")
        assert not broker.node.vhosts["v"].queues
        assert not broker.node.vhosts["v"].policies.by_name["policy"]


def test_the_only_virtual_host_stays_deleted_after_a_restart(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        broker.delete_vhost("/")
    for _ in range(2):
        with menura.Broker(data=str(tmp_path / "data")) as broker:
            assert not broker.node.vhosts
            assert [user.name for user in broker.node.users] == ["guest"]
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        broker.add_vhost("/")
        broker.permit("guest", "/")
        connect(broker).close()


def test_a_directory_whose_users_and_virtual_hosts_are_all_removed_is_as_good_as_new(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        broker.delete_vhost("/")
        broker.delete_user("guest")
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        connect(broker).close()


REFUSED: list[Callable[[menura.Broker], None]] = [
    lambda broker: broker.set_policy("p", "(", {"max-length": 1}),
    lambda broker: broker.set_policy("p", "", {}),
    lambda broker: broker.set_policy("p", "", {"max-length": 1}, apply_to="everything"),
    lambda broker: broker.set_policy("p", "", {"max-length": 1}, vhost="nowhere"),
    lambda broker: broker.set_operator_policy("p", "", {"dead-letter-exchange": ""}),
    lambda broker: broker.clear_operator_policy("p"),
    lambda broker: broker.set_parameter("policy", "p", {}),
    lambda broker: broker.clear_parameter("vhost-limits", "limits"),
    lambda broker: broker.set_vhost_limits({"max-length": 1}),
    lambda broker: broker.set_user_limits("nobody", {"max-channels": 1}),
    lambda broker: broker.describe_vhost("/", default_queue_type="stream"),
    lambda broker: broker.clear_global_parameter("nothing"),
    lambda broker: broker.permit("guest", configure="(a)\\1"),
]


@pytest.mark.parametrize("ask", REFUSED)
def test_what_is_refused_raises_in_the_thread_that_asked(ask: Callable[[menura.Broker], None]) -> None:
    with menura.Broker() as broker:
        with pytest.raises(Refusal):
            ask(broker)
        assert broker.node.vhosts["/"].policies.by_name == {"policy": {}, "operator_policy": {}}


def test_users_change_at_once_and_for_good(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        for name in ("ann", "bob"):
            broker.add_user(name, name)
            broker.permit(name)
        broker.set_user_tags("ann", ["monitoring"])
        broker.permit_topics("ann", "amq.topic", "^a", "^b")
        broker.forbid_topics("ann")
        connection = connect(broker, user="bob")
        broker.delete_user("bob")
        with pytest.raises(ConnectionClosedByBroker, match="user 'bob' is deleted"):
            connection.channel()
        with pytest.raises(NotFound):
            broker.change_password("bob", "secret")
        broker.change_password("ann", "secret")
        with pytest.raises(ProbableAuthenticationError):
            connect(broker, user="ann")
        broker.change_password("ann", "ann")
    with menura.Broker(data=str(tmp_path / "data")) as broker:
        connect(broker, user="ann").close()
        ann = broker.node.users.get("ann")
        assert (ann.tags, ann.topic_permissions) == ({"monitoring"}, {})
        assert "bob" not in broker.node.users
        broker.forbid("ann")
        with pytest.raises(ProbableAccessDeniedError):
            connect(broker, user="ann")


def test_settings_change_while_a_program_runs_a_broker_as_far_as_they_can() -> None:
    with menura.Broker() as broker:
        assert broker.reconfigure(replace(broker.config, channels_max=7, memory_bytes_max=1 << 20, sync=False)) == [
            "sync"
        ]
        assert (broker.config.channels_max, broker.config.sync) == (7, True)
        assert broker.node.memory.watermark_bytes == 1 << 20
        connection = connect(broker)
        assert connection._impl.params.channel_max == 7
        connection.close()


def test_a_permission_that_would_take_for_ever_to_check_is_soon_refused() -> None:
    with menura.Broker() as broker:
        broker.permit("guest", configure="^(a+)+$")
        connection = connect(broker)
        with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
            connection.channel().queue_declare("a" * 250 + "!")
        connection.channel().queue_declare("a" * 250)
        connection.close()
        with pytest.raises(PreconditionFailed, match="invalid regular expression"):
            broker.permit("guest", write="(")


def test_messages_that_a_policy_moves_reach_a_waiting_consumer_without_a_further_word() -> None:
    with menura.Broker() as broker:
        connection = connect(broker)
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("orders")
        channel.queue_declare("dead")
        publish(channel, "orders", 3)
        came: list[bytes] = []
        channel.basic_consume("dead", lambda ch, method, properties, body: came.append(body), auto_ack=True)
        broker.set_policy(
            "p", "^orders$", {"max-length": 1, "dead-letter-exchange": "", "dead-letter-routing-key": "dead"}
        )
        deadline = time.monotonic() + 20
        while len(came) < 2 and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.1)
        assert came == [b"0", b"1"]
        connection.close()
