"""What the kept data directories hold, and how they were made.

    python -m tests.upgrade.contents DIRECTORY
    python -m tests.upgrade.contents DIRECTORY counted

makes one with the version at hand: DIRECTORY/clean after a stop in order, DIRECTORY/killed as a crash leaves it. It is
run once for each format, before the first release that has it, and its result is kept for good. The second has
messages whose deliveries are counted, which came later than the format's first version.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pika

import menura

PERSISTENT = pika.DeliveryMode.Persistent.value
WAITING = [b"order 1", b"order 2", b"order 3", "Bestellung für 4 €".encode(), bytes(range(256)), b""]
HEADERS = {"shop": "north", "count": 7, "tags": ["a", "b"], "nested": {"true": True}}
WAIT_MS = 10 * 365 * 24 * 3600 * 1000
LARGE = b"0123456789" * 20_000


def fill(broker: menura.Broker) -> pika.BlockingConnection:
    """The connection is left open: one message is out with it, delivered and not acknowledged."""
    broker.add_vhost("orders")
    broker.add_user("shop", "secret", ["monitoring"])
    broker.permit("shop", "orders", configure="^shop\\.", write="^shop\\.", read=".*")
    broker.permit_topics("shop", "shop.events", write="^order\\.", read=".*", vhost="orders")
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare("shop.events", "topic", durable=True, arguments={"alternate-exchange": "shop.rest"})
    channel.exchange_declare("shop.rest", "fanout", durable=True, internal=True)
    channel.exchange_bind("shop.rest", "shop.events", "rest.#")
    for name in ("orders", "copies", "large", "gone"):
        channel.queue_declare(name, durable=True, arguments={"x-max-priority": 5} if name == "large" else {})
    channel.queue_declare("transient")
    for name in ("orders", "copies"):
        channel.queue_bind(name, "shop.events", "order.*", {"why": name})
    properties = pika.BasicProperties(delivery_mode=PERSISTENT, headers=HEADERS, message_id="m", priority=3)
    for body in (b"delivered", *WAITING):
        channel.basic_publish("shop.events", "order.new", body, properties)
    channel.basic_publish("", "large", LARGE, properties)
    channel.basic_publish("", "orders", b"not persistent")
    channel.basic_publish("", "transient", b"in memory", properties)
    channel.basic_publish("", "gone", b"gone", properties)
    channel.queue_delete("gone")
    for _ in range(3):
        method = channel.basic_get("copies")[0]
        channel.basic_ack(method.delivery_tag)
    channel.basic_get("orders")
    # Whatever is synced next takes the marks of what was delivered and settled along.
    channel.basic_publish("", "large", b"last", properties)
    return connection


def fill_counted(broker: menura.Broker) -> pika.BlockingConnection:
    """One message has come back three times, one is out with the connection, one waits for ten years."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
    channel = connection.channel()
    channel.confirm_delivery()
    properties = pika.BasicProperties(delivery_mode=PERSISTENT, headers={"h": "1"})
    waits = {"x-delayed-retry-type": "failed", "x-delayed-retry-min": WAIT_MS}
    for name, more in (("work", {}), ("later", waits)):
        channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum", **more})
    for body in (b"out", b"tried", b"fresh"):
        channel.basic_publish("", "work", body, properties)
    channel.basic_publish("", "later", b"waits", properties)
    channel.basic_get("work")
    for name in ("later", "work", "work", "work"):
        channel.basic_nack(channel.basic_get(name)[0].delivery_tag, requeue=True)
    channel.basic_publish("", "later", b"last", properties)
    return connection


def make(directory: Path, fill: Callable[[menura.Broker], pika.BlockingConnection] = fill) -> None:
    with menura.Broker(data=str(directory / "clean")) as broker:
        connection = fill(broker)
        connection.process_data_events(0.2)
        shutil.copytree(directory / "clean", directory / "killed", ignore=shutil.ignore_patterns("menura.sock"))
        connection.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]), fill_counted if sys.argv[2:] == ["counted"] else fill)
