"""A broker's own numbers, whatever protocol its clients speak."""

from __future__ import annotations

from collections.abc import Callable

import paho.mqtt.client as paho
import pika
import stomp
from tests.net.peer import eventually

import menura
from menura.core.counting import Overview


def seen(broker: menura.Broker, wanted: Callable[[Overview], bool]) -> Overview:
    """The overview once it is as wanted."""
    found: list[Overview] = []

    def is_wanted() -> bool:
        found.append(broker.overview())
        return wanted(found[-1])

    eventually(is_wanted, "the overview says so")
    return found[-1]


def test_connections_sessions_subscriptions_and_messages_are_counted_for_every_protocol_alike() -> None:
    with menura.Broker(listen=["amqp://127.0.0.1:0", "mqtt://127.0.0.1:0", "stomp://127.0.0.1:0"]) as broker:
        amqp = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
        channel = amqp.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "amq.topic", "a.b")
        channel.basic_consume(queue, lambda *_: None, auto_ack=True)
        port = pika.URLParameters(broker.url("stomp").replace("stomp://", "amqp://")).port
        frames = stomp.Connection([("127.0.0.1", port)])
        frames.connect("guest", "guest", wait=True)
        frames.subscribe("/topic/a.b", id="1", ack="auto")
        things = paho.Client(paho.CallbackAPIVersion.VERSION2, "thing", clean_session=False)
        things.username_pw_set("guest", "guest")
        things.connect("127.0.0.1", pika.URLParameters(broker.url("mqtt").replace("mqtt://", "amqp://")).port)
        things.loop_start()
        things.subscribe([("a/b", 0), ("c/#", 1)])
        overview = seen(broker, lambda found: found.subscriptions == 4)
        assert (overview.connections, overview.sessions) == (3, 1)
        things.publish("a/b", "hello", retain=True)
        overview = seen(broker, lambda found: found.counts.delivered >= 3)
        assert overview.counts.published == 1
        assert overview.retained == 1
        things.disconnect()
        things.loop_stop()
        overview = seen(broker, lambda found: found.connections == 2)
        assert (overview.sessions, overview.subscriptions) == (1, 4), "the session is remembered"
        frames.disconnect()
        amqp.close()
        overview = seen(broker, lambda found: found.connections == 0)
        assert (overview.connections_opened, overview.connections_closed, overview.subscriptions) == (3, 3, 2)
