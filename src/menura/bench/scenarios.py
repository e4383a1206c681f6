"""The list of what can be measured, and how one of them is run.

A scenario is a function from settings to a result, with the settings that make it what it is. It runs in a
process of its own, started afresh, so that neither the program that asks nor an earlier scenario costs it
anything.
"""

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from menura.bench import (
    backlog,
    clients,
    closed_loop,
    declaring,
    delayed,
    disk,
    durable_latency,
    footprint,
    get_loop,
    latency,
    launch,
    mqtt_connection,
    mqtt_crowds,
    mqtt_streams,
    resp,
    rpc,
    ruled,
    spread,
    stomp,
    streams,
)
from menura.bench.connection import Address
from menura.bench.errors import BenchError
from menura.bench.processes import listener_pid
from menura.bench.result import Result, Settings

REDIS_URL = "redis://127.0.0.1:6379"
MQTT = {"url": mqtt_connection.URL}
CROWD = {**MQTT, "connections": 1_000, "body_bytes": 64}
SIZES = {"128": 128, "512": 512, "1k": 1024, "10k": 10240}
DURABLE_BYTES_MAX = 2_048_000_000  # of bodies to go to disk and come back: a minute or two at the slower broker


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name, a line on what it does, and the function with its defaults.

    One that is `long` is for those who ask for it by its name.
    """

    name: str
    about: str
    measure: Callable[[Settings], Result]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    long: bool = False

    def settings(self, **given: Any) -> Settings:
        """The scenario's defaults, overruled by what was given."""
        return Settings(**{"scenario": self.name, **self.defaults, **given})


def _backlog_sizes(
    name: str, about: str, measure: Callable[[Settings], Result], *, bytes_max: int = 1 << 40, **defaults: Any
) -> list[Scenario]:
    return [
        Scenario(
            f"{name}-{label}",
            f"{about}, {size:,} B",
            measure,
            {"count": min(1_000_000, bytes_max // size), "body_bytes": size, **defaults},
        )
        for label, size in SIZES.items()
    ]


_ALL = [
    Scenario("autoack-128", "one publisher, one consumer, auto-ack, 128 B", streams.auto_ack),
    Scenario("autoack-1k", "one publisher, one consumer, auto-ack, 1 KiB", streams.auto_ack, {"body_bytes": 1024}),
    Scenario(
        "autoack-varied",
        "one publisher, one consumer, auto-ack; 64 to 192 B, each message with its own id and time stamp",
        streams.varied,
    ),
    Scenario("ack-each-128", "every message acknowledged singly, prefetch 500, 128 B", streams.ack_each),
    Scenario("confirms-128", "publisher confirms (2,000 open), acknowledgements in ranges, 128 B", streams.confirms),
    Scenario("fanout-10", "a fanout exchange to 10 queues with 10 consumers; deliveries", streams.fanout),
    Scenario(
        "topic-1000",
        "a topic exchange with 1,000 bindings of which 3 match, 256 routing keys in turn; deliveries",
        streams.topic,
    ),
    Scenario(
        "topic-1000-one-key",
        "a topic exchange with 1,000 bindings of which 3 match, one routing key; deliveries",
        streams.topic_one_key,
    ),
    Scenario(
        "closed-loop-100",
        "100 connections, each awaiting the confirm of one message",
        closed_loop.closed_loop,
        {"connections": 100},
    ),
    Scenario("closed-loop-1", "1 connection awaiting the confirm of each message", closed_loop.closed_loop),
    Scenario("get-loop", "basic.get, one message after the other", get_loop.get_loop, {"count": 5_000}),
    Scenario("rpc-1", "round trips over direct reply-to, 1 client", rpc.rpc),
    Scenario("rpc-50", "round trips over direct reply-to, 50 clients", rpc.rpc, {"connections": 50}),
    Scenario("latency-10k", "publish to delivery at 10,000 messages a second", latency.latency, {"rate": 10_000}),
    Scenario("latency-30k", "publish to delivery at 30,000 messages a second", latency.latency, {"rate": 30_000}),
    *_backlog_sizes("enqueue-dequeue", "a queue filled, then emptied", backlog.enqueue_dequeue),
    Scenario("priority-10", "10 priorities in turn, one publisher, one consumer, auto-ack, 128 B", ruled.priority),
    Scenario(
        "priority-10-backlog",
        "a queue filled with 10 priorities in turn, then emptied, 128 B",
        ruled.priority_backlog,
        {"count": 200_000},
    ),
    Scenario("ttl", "a queue with a time to live; one publisher, one consumer, auto-ack, 128 B", ruled.ttl),
    Scenario("expiration", "the same, each message with a time to live of its own", ruled.expiration),
    Scenario(
        "limit-drop-head", "confirms (2,000 open) of a queue that is full and drops its oldest, 128 B", ruled.drop_head
    ),
    Scenario(
        "limit-reject-publish",
        "confirms (2,000 open) and a consumer, auto-ack, below the limit of a queue that would reject, 128 B",
        ruled.reject_publish,
    ),
    Scenario(
        "dead-letter-rejected",
        "a consumer rejects every message singly, another consumes them as dead letters, 128 B",
        ruled.dead_letters_rejected,
    ),
    Scenario(
        "dead-letter-expired",
        "messages expire after 20 ms and are consumed as dead letters, 128 B",
        ruled.dead_letters_expired,
    ),
    Scenario(
        "memory-connections",
        "resident memory idle, and of each idle connection",
        footprint.connections,
        {"connections": 10_000},
    ),
    Scenario("memory-queue", "resident memory of each queued message", footprint.queued, {"count": 1_000_000}),
    *(
        Scenario(
            f"durable-{label}",
            f"persistent messages, confirms (2,000 open), acknowledgements in ranges, {size:,} B",
            streams.confirms,
            {"durable": True, "body_bytes": size},
        )
        for label, size in SIZES.items()
        if label != "512"
    ),
    *_backlog_sizes(
        "durable-enqueue-dequeue",
        "a durable queue filled with confirms (2,000 open), then emptied with acknowledgements",
        backlog.enqueue_dequeue_durable,
        bytes_max=DURABLE_BYTES_MAX,
        durable=True,
    ),
    Scenario(
        "durable-latency-1",
        "persistent messages, each awaiting its confirm, in turn with bare syncs of as many octets",
        durable_latency.durable_latency,
        {"durable": True},
    ),
    Scenario(
        "durable-window-100-one-queue",
        "persistent messages, 100 unconfirmed at a time, to one queue",
        spread.one_queue,
        {"durable": True, "window": 100},
    ),
    Scenario(
        "durable-window-100-spread",
        "persistent messages, 100 unconfirmed at a time, to 100 queues in turn",
        spread.spread,
        {"durable": True, "window": 100},
    ),
    Scenario(
        "durable-memory-10m",
        "resident memory with 10,000,000 messages of 1 KiB in a durable queue; takes 10 GB of disk",
        footprint.queued_on_disk,
        {"durable": True, "count": 10_000_000, "body_bytes": 1024},
        long=True,
    ),
    Scenario(
        "durable-declare-single",
        "10,000 durable queues declared with a binding each, then deleted; one by one",
        declaring.one_by_one,
        {"durable": True, "count": 10_000},
    ),
    Scenario(
        "durable-declare-pipelined",
        "the same, all on their way at once",
        declaring.pipelined,
        {"durable": True, "count": 10_000},
    ),
    Scenario(
        "delayed-memory-1m",
        "1,000,000 delayed messages pending, 128 B each; then 10,000 a second due: how late they come",
        delayed.delayed,
        {"durable": True, "count": 1_000_000, "rate": 10_000, "seconds": 10.0},
    ),
    Scenario(
        "mqtt-qos0-64", "MQTT QoS 0, one publisher, one subscriber, 64 B", mqtt_streams.qos0, {**MQTT, "body_bytes": 64}
    ),
    Scenario(
        "mqtt-qos0-1k",
        "MQTT QoS 0, one publisher, one subscriber, 1 KiB",
        mqtt_streams.qos0,
        {**MQTT, "body_bytes": 1024},
    ),
    Scenario(
        "mqtt-fanout-1000",
        "MQTT QoS 0, one publisher to 1,000 subscribers, 64 B; deliveries",
        mqtt_crowds.fan_out,
        {**CROWD, "window": 100},
    ),
    Scenario(
        "mqtt-fanin-1000",
        "MQTT QoS 0, 1,000 publishers to one subscriber, 5 messages at a time, 64 B",
        mqtt_crowds.fan_in,
        CROWD,
    ),
    Scenario(
        "mqtt-fanin-1000-single",
        "the same, 1 message at a time, and 1,000 of them on their way",
        mqtt_crowds.fan_in,
        {**CROWD, "window": 1_000},
    ),
    Scenario(
        "mqtt-memory-connections",
        "resident memory idle, and of each idle MQTT connection",
        footprint.mqtt_connections,
        {**MQTT, "connections": 10_000},
    ),
    Scenario(
        "mqtt-durable-128",
        "MQTT QoS 1 (2,000 open) to a persistent session, 128 B",
        mqtt_streams.qos1_persistent,
        {**MQTT, "durable": True},
    ),
    Scenario(
        "stomp-128", "STOMP, one publisher, one subscriber, ack:auto, 128 B", stomp.queue_stream, {"url": stomp.URL}
    ),
    Scenario("disk-sync", "the disk by itself: a small append and fdatasync, one after the other", disk.disk_sync),
    Scenario("startup", "from starting `menura serve` to ready", launch.startup, {"count": 7}),
    Scenario("client-pika", "publish, then consume, with pika", clients.pika, {"count": 20_000}),
    Scenario("client-aio-pika", "publish, then consume, with aio-pika", clients.aio_pika, {"count": 20_000}),
    Scenario("client-kombu", "publish, then consume, with kombu", clients.kombu, {"count": 20_000}),
    *_backlog_sizes(
        "redis-pipelined",
        "redis-server: LPUSH, then RPOP, 500 at a time",
        resp.enqueue_dequeue,
        url=REDIS_URL,
        window=resp.PIPELINE_COMMANDS,
    ),
    *_backlog_sizes(
        "redis-single",
        "redis-server: LPUSH, then RPOP, one at a time",
        resp.enqueue_dequeue,
        url=REDIS_URL,
        window=1,
        count=100_000,
    ),
]
SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}


def run(settings: Settings) -> Result:
    """Run one scenario in a process of its own. BenchError says what stopped it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run_here, settings).result()


def run_here(settings: Settings) -> Result:
    """Run one scenario in this process."""
    if settings.broker_pid is None:
        settings = replace(settings, broker_pid=_local_broker(settings.url))
    try:
        return SCENARIOS[settings.scenario].measure(settings)
    except (OSError, EOFError) as error:
        raise BenchError(f"{type(error).__name__}: {error}") from error


def _local_broker(url: str) -> int | None:
    scheme, _, _ = url.partition(":")
    address = Address.parse(url, scheme)
    return listener_pid(address.host, address.port)
