"""What a program sees through a real client library: publish some messages, then consume them.

Nearly all of the time is the library's own, so brokers lie close together here; the figures are the honest
counterpart of the raw-socket scenarios. The libraries are imported when asked for; none is needed to run
the rest.
"""

import asyncio
import importlib
import time
from collections.abc import Callable
from types import ModuleType

from menura.bench.connection import Address
from menura.bench.errors import UnavailableError
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.topology import Topology

Lap = Callable[[], None]  # called once, when everything is published


def library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(f"{error.name} is not installed") from error


def _measure(settings: Settings, client: Callable[[Settings, str, Lap], None]) -> Result:
    address = Address.parse(settings.url)
    with Topology(address, durable=settings.durable) as topology:
        meter = Meter(settings.broker_pid)
        laps: list[float] = []
        client(settings, topology.queue(), lambda: laps.append(time.perf_counter()))
        meter.stop()
    publishing, consuming = laps[1] - laps[0], laps[2] - laps[1]
    return measured(
        settings,
        meter,
        Metric("publish", settings.count / publishing, "/s"),
        Metric("consume", settings.count / consuming, "/s"),
    )


def pika(settings: Settings) -> Result:
    return _measure(settings, _pika)


def aio_pika(settings: Settings) -> Result:
    return _measure(settings, lambda *arguments: asyncio.run(_aio_pika(*arguments)))


def kombu(settings: Settings) -> Result:
    return _measure(settings, _kombu)


def _pika(settings: Settings, queue: str, lap: Lap) -> None:
    pika = library("pika")
    connection = pika.BlockingConnection(pika.URLParameters(settings.url))
    channel = connection.channel()
    body = b"x" * settings.body_bytes
    lap()
    for _ in range(settings.count):
        channel.basic_publish("", queue, body)
    lap()
    received = 0
    for _ in channel.consume(queue, auto_ack=True, inactivity_timeout=30):
        received += 1
        if received == settings.count:
            break
    lap()
    connection.close()


async def _aio_pika(settings: Settings, queue: str, lap: Lap) -> None:
    aio_pika = library("aio_pika")
    connection = await aio_pika.connect(settings.url)
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        body = b"x" * settings.body_bytes
        lap()
        for _ in range(settings.count):
            await channel.default_exchange.publish(aio_pika.Message(body), queue)
        lap()
        received = 0
        async with (await channel.get_queue(queue)).iterator(no_ack=True) as messages:
            async for _ in messages:
                received += 1
                if received == settings.count:
                    break
        lap()


def _kombu(settings: Settings, queue: str, lap: Lap) -> None:
    kombu = library("kombu")
    library("amqp")
    received = 0

    def on_message(message: object) -> None:
        nonlocal received
        received += 1

    with kombu.Connection(settings.url.replace("amqp://", "pyamqp://", 1)) as connection:
        producer = connection.Producer()
        body = b"x" * settings.body_bytes
        lap()
        for _ in range(settings.count):
            producer.publish(body, routing_key=queue, delivery_mode=1)
        lap()
        # no_declare: the queue is there already, and declared as the scenario wants it.
        source = kombu.Queue(queue, no_declare=True)
        with connection.Consumer(source, on_message=on_message, no_ack=True, auto_declare=False):
            while received < settings.count:
                connection.drain_events(timeout=30)
        lap()
