"""The whole shop: opened, kept busy, and closed again so that nothing of it is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from menura.client.connection import connect
from menura.client.session import ClosedError
from menura.client.uris import BrokerAddress, UriError
from menura.demo import topology
from menura.demo.dashboard import dashboard
from menura.demo.figures import Figures
from menura.demo.places import DemoError, Place
from menura.demo.shelves import screen, shelves
from menura.demo.shop import bill, buy, count_mails, mail, pack, sell
from menura.demo.station import Station
from menura.net.transport import Tick

AMQP_URL = "amqp://guest:guest@127.0.0.1:5672"
MQTT_URL = "mqtt://guest:guest@127.0.0.1:1883"
STOMP_URL = "stomp://guest:guest@127.0.0.1:61613"
LOOK_SECONDS = 0.25
ORDERS_PER_SECOND = 20.0


@dataclass(frozen=True, slots=True)
class Settings:
    amqp_url: str = AMQP_URL
    mqtt_url: str = MQTT_URL
    stomp_url: str = STOMP_URL
    orders_per_second: float = ORDERS_PER_SECOND
    seed: int | None = None


class Shop:
    """`figures` are what has happened; `on_look` is called four times a second while it is open."""

    def __init__(self, settings: Settings) -> None:
        try:
            self.amqp = BrokerAddress.parse(settings.amqp_url)
        except UriError as error:
            raise DemoError(f"amqp address: {error}") from None
        if self.amqp.local:
            raise DemoError("the address needs a host")
        self.mqtt = Place.parse(settings.mqtt_url, "mqtt", 1883)
        self.stomp = Place.parse(settings.stomp_url, "stomp", 61613)
        self.figures = Figures()
        self.on_look: Callable[[Figures], None] = lambda figures: None
        self._rate = settings.orders_per_second
        self._chance = random.Random(settings.seed)
        self._stations: list[Station] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event, seconds: float | None = None) -> Figures:
        """Until `stop` is set, or so many seconds have passed. DemoError if the broker is not there, or goes."""
        tick = Tick(asyncio.get_running_loop(), lambda: False, lambda now: None)
        try:
            try:
                await self._open(tick)
                await self._work(stop, seconds)
            finally:
                await self._close(tick)
        except ClosedError as error:
            raise DemoError(f"{self.amqp.shown}: {error}") from None
        finally:
            tick.stop()
        return self.figures

    async def _open(self, tick: Tick) -> None:
        manager = await self._station(tick, "manager")
        await topology.declare(manager.client)
        web, billing, packing, mailer, buyer = [
            await self._station(tick, name) for name in ("web", "billing", "packing", "mailer", "buyer")
        ]
        chance, figures = self._chance, self.figures
        screen_ready, dashboard_ready = asyncio.Event(), asyncio.Event()
        self._begin(screen(self.mqtt, figures, screen_ready.set))
        self._begin(dashboard(self.stomp, self.amqp.vhost, figures, dashboard_ready.set))
        await self._first(screen_ready.wait(), dashboard_ready.wait())
        await bill(billing, chance, figures)
        await pack(packing, chance, figures)
        await buy(buyer, figures)
        self._tasks += shelves(self.mqtt, chance, figures)
        self._begin(mail(mailer, self._rate, figures))
        self._begin(count_mails(manager, figures))
        self._begin(sell(web, self._rate, chance, figures))

    async def _station(self, tick: Tick, name: str) -> Station:
        station = await Station.open(tick, self.amqp, f"demo-{name}")
        self._stations.append(station)
        return station

    def _begin(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def _first(self, *ready: object) -> None:
        """Wait for all of these, or for the first failure of anybody who works."""
        waiting = [asyncio.ensure_future(each) for each in ready]  # type: ignore[call-overload]
        try:
            while not all(each.done() for each in waiting):
                pending = [each for each in waiting if not each.done()]
                await asyncio.wait([*pending, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
                self._check()
        finally:
            for each in waiting:
                each.cancel()

    def _check(self) -> None:
        """Raise what has stopped somebody."""
        for task in self._tasks:
            if task.done():
                task.result()
        for station in self._stations:
            if station.client.reason is not None:
                raise station.client.reason

    async def _work(self, stop: asyncio.Event, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        ends_at = None if seconds is None else loop.time() + seconds
        while not stop.is_set() and (ends_at is None or loop.time() < ends_at):
            self.on_look(self.figures)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await stop.wait()
            except TimeoutError:
                self._check()

    async def _close(self, tick: Tick) -> None:
        """Everybody goes home, and what was declared is deleted."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for station in self._stations:
            station.client.session.close()
        await asyncio.gather(*(station.client.ended for station in self._stations))
        if self._stations:
            janitor = await connect(tick, self.amqp, "demo-janitor")
            await janitor.call(1, "channel.open")
            await topology.delete(janitor)
            await janitor.close()
