"""`menura demo`: sample traffic against a running broker, with a screen that says what it does and where to look."""

from __future__ import annotations

import asyncio
import signal

import click
from rich.console import Console
from rich.live import Live

from menura.demo.figures import Figures
from menura.demo.places import DemoError
from menura.demo.running import AMQP_URL, MQTT_URL, ORDERS_PER_SECOND, STOMP_URL, Settings, Shop
from menura.demo.screen import rows, shown

REFRESHES_PER_SECOND = 4


@click.command()
@click.option("--amqp", "amqp_url", default=AMQP_URL, metavar="URL", help="Where AMQP is. [guest, 127.0.0.1:5672]")
@click.option("--mqtt", "mqtt_url", default=MQTT_URL, metavar="URL", help="Where MQTT is. [guest, 127.0.0.1:1883]")
@click.option("--stomp", "stomp_url", default=STOMP_URL, metavar="URL", help="Where STOMP is. [guest, 127.0.0.1:61613]")
@click.option(
    "--rate",
    type=click.FloatRange(min=0.1, max=10_000),
    default=ORDERS_PER_SECOND,
    show_default=True,
    help="Orders a second; each is about six messages.",
)
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Close the shop after that time. [on Ctrl-C]")
def demo(amqp_url: str, mqtt_url: str, stomp_url: str, rate: float, seconds: float | None) -> None:
    """Let a small shop work on a running broker: AMQP, MQTT and STOMP clients at once.

    Start `menura serve` in another terminal first. What the shop declares is deleted when it closes.
    """
    try:
        shop = Shop(Settings(amqp_url, mqtt_url, stomp_url, rate))
        figures = asyncio.run(_run(shop, seconds))
    except DemoError as error:
        raise click.ClickException(f"{error}\nIs a broker running? Start one with: menura serve") from error
    for protocol, what, count, _ in rows(figures):
        click.echo(f"{protocol:6}{what:28}{count:>10}")


async def _run(shop: Shop, seconds: float | None) -> Figures:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    console = Console()
    if not console.is_terminal:
        return await shop.run(stop, seconds)
    host = shop.amqp.host
    with Live(console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True) as live:
        shop.on_look = lambda figures: live.update(shown(figures, host))
        return await shop.run(stop, seconds)
