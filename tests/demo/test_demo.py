"""The shop works on a broker, in all three protocols, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from rich.console import Console
from tests.net.peer import eventually

import menura
from menura.demo import topology
from menura.demo.figures import Figures
from menura.demo.places import DemoError
from menura.demo.running import Settings, Shop
from menura.demo.screen import rows, shown


@pytest.fixture(scope="module")
def broker() -> Iterator[menura.Broker]:
    with menura.Broker(listen=["amqp://127.0.0.1:0", "mqtt://127.0.0.1:0", "stomp://127.0.0.1:0"]) as broker:
        yield broker


def settings(broker: menura.Broker, **more: object) -> Settings:
    urls = {f"{scheme}_url": broker.url(scheme) for scheme in ("amqp", "mqtt", "stomp")}
    return Settings(**{**urls, "orders_per_second": 200.0, "seed": 1, **more})  # type: ignore[arg-type]


def left(broker: menura.Broker) -> list[str]:
    """What is there that a fresh broker has not."""
    vhost = broker.node.vhost("/")
    connected = [connection.name for connection in broker.node.presence.connections]
    exchanges = [name for name in vhost.exchanges if name and not name.startswith("amq.")]
    return [*vhost.queues, *exchanges, *connected]


async def run(shop: Shop, enough: asyncio.Event) -> Figures:
    async with asyncio.timeout(40):
        return await shop.run(enough)


async def test_everybody_has_something_to_do_and_nothing_is_left(broker: menura.Broker) -> None:
    shop, enough = Shop(settings(broker)), asyncio.Event()
    seen: list[set[str]] = []

    def look(figures: Figures) -> None:
        seen.append(set(broker.node.vhost("/").queues))
        counts = [
            figures.orders, figures.accepted, figures.declined, figures.failed, figures.parcels, figures.mails,
            figures.mails_waiting, figures.readings, figures.readings_seen, figures.shown_shipped, figures.watched,
        ]  # fmt: skip
        if all(counts):
            enough.set()

    shop.on_look = look
    figures = await run(shop, enough)
    assert set(topology.QUEUES) <= seen[-1]
    assert figures.accepted + figures.declined + figures.failed <= figures.orders
    assert figures.shown_shipped <= figures.parcels <= figures.accepted
    assert figures.readings_seen <= figures.readings + 5  # an acknowledgement may be on its way for each shelf
    eventually(lambda: left(broker) == [], f"nothing is left, but there is {left(broker)}")


async def test_the_queue_of_the_slow_mailer_grows(broker: menura.Broker) -> None:
    shop, enough = Shop(settings(broker)), asyncio.Event()

    def look(figures: Figures) -> None:
        if figures.mails_waiting > 50:
            assert not figures.mailer_hurries
            enough.set()

    shop.on_look = look
    await run(shop, enough)
    eventually(lambda: left(broker) == [], "nothing is left")


async def test_dead_letters_are_in_their_queue(broker: menura.Broker) -> None:
    shop, enough = Shop(settings(broker)), asyncio.Event()
    letters: list[int] = []

    def look(figures: Figures) -> None:
        queue = broker.node.vhost("/").queues.get(topology.LETTERS)
        if queue is not None and queue.ready_count:
            letters.append(queue.ready_count)
            enough.set()

    shop.on_look = look
    await run(shop, enough)
    assert 0 < letters[0] <= shop.figures.failed


@pytest.mark.parametrize("protocol", ["amqp", "mqtt", "stomp"])
async def test_without_a_broker_the_shop_says_where_it_looked(
    protocol: str, broker: menura.Broker, unused_tcp_port: int
) -> None:
    url = f"{protocol}://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(DemoError, match=f"{url}"):
        await run(Shop(settings(broker, **{f"{protocol}_url": url})), asyncio.Event())
    eventually(lambda: left(broker) == [], "nothing is left")


@pytest.mark.parametrize("protocol", ["amqp", "mqtt", "stomp"])
async def test_a_wrong_password_is_the_reason(protocol: str, broker: menura.Broker) -> None:
    url = broker.url(protocol).replace("guest:guest", "guest:wrong")
    with pytest.raises(DemoError, match=f"{protocol}://127.0.0.1"):
        await run(Shop(settings(broker, **{f"{protocol}_url": url})), asyncio.Event())
    eventually(lambda: left(broker) == [], "nothing is left")


@pytest.mark.parametrize(
    ("protocol", "url"),
    [("amqp", "http://x"), ("amqp", "amqp://"), ("mqtt", "amqp://x"), ("stomp", "stomp://x:y")],
)
def test_an_address_that_is_none_is_refused(protocol: str, url: str) -> None:
    with pytest.raises(DemoError):
        Shop(Settings(**{f"{protocol}_url": url}))  # type: ignore[arg-type]


async def test_a_broker_that_goes_ends_the_shop() -> None:
    broker = menura.Broker(listen=["amqp://127.0.0.1:0", "mqtt://127.0.0.1:0", "stomp://127.0.0.1:0"])
    await broker.start()
    shop = Shop(settings(broker))
    stopping: list[asyncio.Task[None]] = []

    def look(figures: Figures) -> None:
        if figures.watched and not stopping:
            stopping.append(asyncio.get_running_loop().create_task(broker.stop()))

    shop.on_look = look
    with pytest.raises(DemoError):
        await run(shop, asyncio.Event())
    await stopping[0]


def test_the_screen_names_every_protocol_and_the_page() -> None:
    assert {protocol for protocol, *_ in rows(Figures())} == {"AMQP", "MQTT", "STOMP"}
    written = io.StringIO()
    Console(width=120, file=written).print(shown(Figures(orders=1234), "127.0.0.1"))
    text = written.getvalue()
    assert "http://127.0.0.1:15672" in text
    assert "1,234" in text


@pytest.mark.parametrize("end", ["time", "signal"])
def test_the_command_ends_with_what_has_happened(end: str, broker: menura.Broker) -> None:
    places = [f"--{scheme}={broker.url(scheme)}" for scheme in ("amqp", "mqtt", "stomp")]
    limit = ["--seconds", "1"] if end == "time" else []
    command = [sys.executable, "-W", "error", "-m", "menura", "demo", *places, "--rate", "100", *limit]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            if end == "signal":
                eventually(lambda: broker.node.vhost("/").queues.get(topology.LETTERS), "the shop is open")
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=40)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    assert re.search(r"^AMQP +orders placed +\d", out)
    assert len(out.splitlines()) == len(rows(Figures()))
    eventually(lambda: left(broker) == [], "nothing is left")
