"""`menura bench`: one scenario against any broker of AMQP, MQTT or STOMP."""

import json
from tempfile import gettempdir
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console

from menura import bench as load
from menura.bench.screen import result_table, scenario_table


@click.command()
@click.argument("scenario", required=False, type=click.Choice(list(load.SCENARIOS)), metavar="SCENARIO")
@click.option("--list", "listing", is_flag=True, help="Show the scenarios.")
@click.option("--url", help="The broker's address [default: guest's, on 127.0.0.1 and the protocol's port].")
@click.option("--seconds", type=click.FloatRange(min=0.01), help="Length of the measured stretch.")
@click.option("--warmup", "warmup_seconds", type=click.FloatRange(min=0), help="Seconds before it.")
@click.option("--size", "body_bytes", type=click.IntRange(min=11), help="Bytes of a message's body.")
@click.option("--count", type=click.IntRange(min=1), help="Messages, where a scenario counts them.")
@click.option("--connections", type=click.IntRange(min=1), help="Connections, where a scenario has many.")
@click.option("--rate", type=click.IntRange(min=1), help="Messages a second, where a scenario is paced.")
@click.option("--window", type=click.IntRange(min=1), help="How far a publisher may be ahead of consumers.")
@click.option("--durable/--transient", default=None, help="Durable queues and persistent messages.")
@click.option("--disk-path", metavar="DIR", help="A folder on the disk to measure, where a scenario does.")
@click.option("--broker-pid", type=int, help="The broker's process, if it can't be found by its port.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def bench(scenario: str | None, listing: bool, as_json: bool, **options: Any) -> None:
    """Measure SCENARIO against any broker; see --list.

    Scenarios that begin with mqtt- or stomp- speak MQTT or STOMP, redis- ones are for redis-server, all others speak
    AMQP 0-9-1. The load runs in processes of its own and sends frames encoded ahead. Queues and topics have fresh
    names, and what was made is deleted afterwards.
    """
    console = Console()
    if listing or scenario is None:
        console.print(scenario_table(load.SCENARIOS.values()))
        return
    given = {name: value for name, value in options.items() if value is not None}
    settings = load.SCENARIOS[scenario].settings(**given)
    try:
        with Console(stderr=True).status(f"{scenario}: {load.SCENARIOS[scenario].about}"):
            result = load.run(settings)
    except load.BenchError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2))
        return
    on_disk = scenario == "disk-sync"
    where = settings.disk_path or gettempdir() if on_disk else urlsplit(settings.url).netloc.rpartition("@")[2]
    console.print(result_table(result, where))
