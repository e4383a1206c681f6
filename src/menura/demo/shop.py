"""Who works in the shop, over AMQP: the web shop, billing, packing, the mailer and the buyer."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque

from menura.demo.figures import Figures
from menura.demo.station import Message, Station
from menura.demo.topology import MAILS, PARCELS, PAYMENTS, SCREENS, SHOP, STOCK, waiting

ARTICLES = {"lyre": 180.0, "feather": 4.5, "nest": 39.0, "song book": 22.0, "whistle": 9.9}
COUNTRIES = ("de", "fr", "jp", "nz", "us")
EXPRESS_PRIORITY = 4
DECLINED_SHARE, FAILED_SHARE, EXPRESS_SHARE = 0.08, 0.02, 0.1
LOW_STOCK = 10
STEP_SECONDS = 0.1
DAY_SECONDS = 60.0
"""The shop has more to do at noon than at night."""
SLOW_SECONDS, HURRY_SECONDS = 20.0, 10.0
SLOW_SHARE, HURRY_SHARE = 0.5, 4.0
"""Of the orders a second, what the mailer manages."""


async def sell(web: Station, rate: float, chance: random.Random, figures: Figures) -> None:
    """Take orders, about `rate` a second."""
    loop = asyncio.get_running_loop()
    owed = 0.0
    while True:
        await asyncio.sleep(STEP_SECONDS)
        owed += rate * STEP_SECONDS * (1 + 0.5 * math.sin(2 * math.pi * loop.time() / DAY_SECONDS))
        while owed >= 1:
            owed -= 1
            figures.orders += 1
            web.publish(SHOP, f"order.placed.{chance.choice(COUNTRIES)}", _order(figures.orders, chance), kind="order")


def _order(number: int, chance: random.Random) -> dict[str, object]:
    article = chance.choice(list(ARTICLES))
    count = chance.randrange(1, 4)
    return {
        "order": number,
        "customer": f"customer-{chance.randrange(1000)}",
        "article": article,
        "count": count,
        "total": round(ARTICLES[article] * count, 2),
        "express": chance.random() < EXPRESS_SHARE,
    }


async def bill(billing: Station, chance: random.Random, figures: Figures) -> None:
    """Take the money; a few payments are declined, and some are such that nobody can process them."""

    def pay(message: Message) -> None:
        fate = chance.random()
        if fate < FAILED_SHARE or not isinstance(message.value, dict):
            figures.failed += 1
            billing.reject(message)
            return
        declined = fate < FAILED_SHARE + DECLINED_SHARE
        if declined:
            figures.declined += 1
        else:
            figures.accepted += 1
        priority = EXPRESS_PRIORITY if message.value.get("express") else None
        key = "payment.declined" if declined else "payment.accepted"
        billing.publish(SHOP, key, message.value, priority=priority, kind="payment")
        billing.acknowledge(message)

    await billing.consume(PAYMENTS, 50, pay)


async def pack(packing: Station, chance: random.Random, figures: Figures) -> None:
    """Pack what is paid for, and say so where the screens see it."""

    def ship(message: Message) -> None:
        figures.parcels += 1
        packing.publish(SCREENS, f"demo.shipped.{chance.choice(COUNTRIES)}", message.value, kind="parcel")
        packing.acknowledge(message)

    await packing.consume(PARCELS, 50, ship)


async def buy(buyer: Station, figures: Figures) -> None:
    """See from what the shelves say what has to be bought."""

    def look(message: Message) -> None:
        figures.readings_seen += 1
        if isinstance(message.value, dict) and message.value.get("stock", LOW_STOCK) < LOW_STOCK:
            figures.low_stock += 1
        buyer.acknowledge(message)

    await buyer.consume(STOCK, 100, look)


async def mail(mailer: Station, rate: float, figures: Figures) -> None:
    """Send mails, slower than they are written; then hurry for a while."""
    arrived: deque[Message] = deque()
    await mailer.consume(MAILS, 20, arrived.append)
    loop = asyncio.get_running_loop()
    begun, allowed = loop.time(), 0.0
    while True:
        await asyncio.sleep(STEP_SECONDS)
        figures.mailer_hurries = (loop.time() - begun) % (SLOW_SECONDS + HURRY_SECONDS) >= SLOW_SECONDS
        allowed += rate * STEP_SECONDS * (HURRY_SHARE if figures.mailer_hurries else SLOW_SHARE)
        while allowed >= 1 and arrived:
            allowed -= 1
            figures.mails += 1
            mailer.acknowledge(arrived.popleft())
        allowed = min(allowed, 20.0)


async def count_mails(mailer: Station, figures: Figures) -> None:
    """Know how many mails wait."""
    while True:
        figures.mails_waiting = await waiting(mailer.client, MAILS)
        await asyncio.sleep(5 * STEP_SECONDS)
