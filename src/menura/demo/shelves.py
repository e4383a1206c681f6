"""The shop's things, over MQTT 3.1.1: shelves that tell their stock, and a screen that shows what was shipped."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from menura.bench import mqtt_wire as wire
from menura.demo.figures import Figures
from menura.demo.places import PATIENCE_SECONDS, DemoError, Place, read_some, stream
from menura.demo.shop import ARTICLES
from menura.demo.topology import SHIPPED_TOPIC, STOCK_TOPIC

STOCK_MAX = 60
READING_SECONDS = 0.5
IDS_MAX = 0xFFFF
_PUBLISH = 0x30


class Packets:
    """Whole packets out of what is read."""

    def __init__(self, reader: asyncio.StreamReader, place: Place) -> None:
        self._reader = reader
        self._place = place
        self._unread = b""

    async def next(self) -> bytes:
        while (size := wire.size_of(self._unread)) is None or len(self._unread) < size:
            self._unread += await read_some(self._reader, self._place)
        packet, self._unread = self._unread[:size], self._unread[size:]
        return packet


@asynccontextmanager
async def thing(place: Place, client_id: str) -> AsyncIterator[tuple[Packets, asyncio.StreamWriter]]:
    """A client that is connected, with a session that goes with the connection."""
    async with stream(place) as (reader, writer):
        writer.write(wire.connect(client_id, place.user, place.password))
        packets = Packets(reader, place)
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await packets.next()
        if answer[3]:
            raise DemoError(f"{place}: {wire.REFUSALS.get(answer[3], f'refused with {answer[3]}')}")
        try:
            yield packets, writer
        finally:
            writer.write(wire.DISCONNECT)


async def shelf(place: Place, article: str, chance: random.Random, figures: Figures) -> None:
    """Tell the stock of an article now and then, and have it acknowledged."""
    async with thing(place, f"demo-shelf-{article.replace(' ', '-')}") as (packets, writer):
        stock, number = chance.randrange(STOCK_MAX), 0
        while True:
            await asyncio.sleep(READING_SECONDS)
            stock = stock - chance.randrange(4) if stock > 3 else STOCK_MAX
            number = number % IDS_MAX + 1
            body = json.dumps({"article": article, "stock": stock}).encode()
            writer.write(wire.publish(f"{STOCK_TOPIC}/{article.replace(' ', '-')}", body, 1, number))
            await packets.next()
            figures.readings += 1


async def screen(place: Place, figures: Figures, ready: Callable[[], None]) -> None:
    """Show what was shipped, wherever to."""
    async with thing(place, "demo-screen") as (packets, writer):
        writer.write(wire.subscribe(f"{SHIPPED_TOPIC}/#", 0))
        await packets.next()
        ready()
        while True:
            packet = await packets.next()
            figures.shown_shipped += packet[0] & 0xF0 == _PUBLISH


def shelves(place: Place, chance: random.Random, figures: Figures) -> list[asyncio.Task[None]]:
    """A task for each."""
    loop = asyncio.get_running_loop()
    return [loop.create_task(shelf(place, article, random.Random(chance.random()), figures)) for article in ARTICLES]
