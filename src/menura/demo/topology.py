"""What the shop declares, and deletes when it closes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from menura.client.connection import Client

SHOP = "demo.shop"
DEAD = "demo.dead"
SCREENS = "amq.topic"
PAYMENTS, PARCELS, MAILS, STOCK, LETTERS = (
    "demo.payments", "demo.parcels", "demo.mails", "demo.stock", "demo.dead-letters"
)  # fmt: skip
STOCK_TOPIC = "demo/stock"
SHIPPED_TOPIC = "demo/shipped"

EXCHANGES = {SHOP: "topic", DEAD: "fanout"}
QUEUES: Mapping[str, Mapping[str, Any]] = {
    PAYMENTS: {"x-dead-letter-exchange": DEAD},
    PARCELS: {"x-max-priority": 5},
    MAILS: {},
    STOCK: {"x-message-ttl": 60_000},
    LETTERS: {"x-max-length": 1000},
}
BINDINGS = (
    (PAYMENTS, SHOP, "order.placed.#"),
    (MAILS, SHOP, "order.placed.#"),
    (MAILS, SHOP, "payment.declined"),
    (PARCELS, SHOP, "payment.accepted"),
    (STOCK, SCREENS, "demo.stock.#"),
    (LETTERS, DEAD, ""),
)


async def declare(client: Client) -> None:
    for exchange, kind in EXCHANGES.items():
        await client.call(1, "exchange.declare", exchange=exchange, type=kind, durable=True)
    for queue, arguments in QUEUES.items():
        await client.call(1, "queue.declare", queue=queue, durable=True, arguments=arguments)
    for queue, exchange, key in BINDINGS:
        await client.call(1, "queue.bind", queue=queue, exchange=exchange, routing_key=key)


async def delete(client: Client) -> None:
    for queue in QUEUES:
        await client.call(1, "queue.delete", queue=queue)
    for exchange in EXCHANGES:
        await client.call(1, "exchange.delete", exchange=exchange)


async def waiting(client: Client, queue: str) -> int:
    """How many messages wait in a queue."""
    declared = await client.call(1, "queue.declare", queue=queue, passive=True)
    return int(declared.message_count)
