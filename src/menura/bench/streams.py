"""Throughput: a publisher and its consumers run freely, and the consumers' rate is the figure.

After a warm-up the deliveries of a stretch of time are counted; then the publisher stops, the queues are
drained, and every message must have arrived exactly as often as there are queues for it. A broker that
loses some has no rate.
"""

import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack

from menura.bench import wire
from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError
from menura.bench.flow import Ack, Consumer, Publisher, Receiver, passed, pump
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured
from menura.bench.topology import Topology

FANOUT_QUEUES = 10
TOPIC_BINDINGS = 1_000
TOPIC_KEYS = 256
VARIED_MESSAGES = 256
TOPIC_MATCHING = ("order.*.created", "order.#", "#.created")
CONFIRM_WINDOW = 2_000


def messages(settings: Settings, exchange: str, keys: Sequence[str]) -> list[bytes]:
    """A message for each key, alike but for that."""
    body, props = b"x" * settings.body_bytes, wire.properties(delivery_mode=delivery_mode(settings))
    return [wire.publish(exchange, key, body, props) for key in keys]


def delivery_mode(settings: Settings) -> int:
    return 2 if settings.durable else 1


def auto_ack(settings: Settings) -> Result:
    return _one_queue(settings, Ack.NONE)


def ack_each(settings: Settings) -> Result:
    return _one_queue(settings, Ack.EACH, prefetch=500)


def confirms(settings: Settings) -> Result:
    return _one_queue(settings, Ack.RANGES, prefetch=2_000, confirm_window=CONFIRM_WINDOW)


def varied(settings: Settings) -> Result:
    """No two neighbours alike: own id, own time stamp, lengths from half to one and a half of the size."""
    now_s = int(time.time())
    low, span = settings.body_bytes // 2, settings.body_bytes + 1
    lengths = [low + number * 37 % span for number in range(VARIED_MESSAGES)]
    own = [
        wire.properties(delivery_mode=delivery_mode(settings), message_id=str(uuid.uuid4()), timestamp_s=now_s + number)
        for number in range(VARIED_MESSAGES)
    ]
    contents = [(b"x" * length, props) for length, props in zip(lengths, own, strict=True)]
    with Topology(Address.parse(settings.url), durable=settings.durable) as topology:
        queue = topology.queue()
        prebuilt = [wire.publish("", queue, body, props) for body, props in contents]
        return stream(settings, prebuilt, [queue], content_bytes=[len(wire.content(*one)) for one in contents])


def _one_queue(settings: Settings, ack: Ack, *, prefetch: int = 0, confirm_window: int = 0) -> Result:
    with Topology(Address.parse(settings.url), durable=settings.durable) as topology:
        queue = topology.queue()
        return stream(
            settings,
            messages(settings, "", [queue]),
            [queue],
            ack=ack,
            prefetch=prefetch,
            confirm_window=confirm_window,
        )


def fanout(settings: Settings) -> Result:
    with Topology(Address.parse(settings.url), durable=settings.durable) as topology:
        exchange = topology.exchange("fanout")
        queues = [topology.queue() for _ in range(FANOUT_QUEUES)]
        for queue in queues:
            topology.bind(queue, exchange)
        return stream(settings, messages(settings, exchange, ["all"]), queues)


def topic(settings: Settings) -> Result:
    return _topic(settings, TOPIC_KEYS)


def topic_one_key(settings: Settings) -> Result:
    return _topic(settings, 1)


def _topic(settings: Settings, key_count: int) -> Result:
    """Three patterns match every key, on a queue each; the other bindings look alike and match none."""
    with Topology(Address.parse(settings.url), durable=settings.durable) as topology:
        exchange = topology.exchange("topic")
        queues = [topology.queue() for _ in TOPIC_MATCHING]
        for queue, pattern in zip(queues, TOPIC_MATCHING, strict=True):
            topology.bind(queue, exchange, pattern)
        for number in range(TOPIC_BINDINGS - len(TOPIC_MATCHING)):
            shape = ("order.{:06d}.deleted", "invoice.{:06d}.*", "#.{:06d}.paid")[number % 3]
            topology.bind(queues[number % 3], exchange, shape.format(number))
        keys = [key + ".created" for key in wire.keys_of("order.", key_count)]
        return stream(settings, messages(settings, exchange, keys), queues)


def stream(
    settings: Settings,
    prebuilt: list[bytes],
    queues: list[str],
    *,
    ack: Ack = Ack.NONE,
    prefetch: int = 0,
    confirm_window: int = 0,
    content_bytes: Sequence[int] = (),
) -> Result:
    """One publisher, and a consumer for each queue."""
    address = Address.parse(settings.url)
    with ExitStack() as stack:
        consumers = [
            Consumer(
                stack.enter_context(Connection(address)),
                queue,
                body_bytes=settings.body_bytes,
                ack=ack,
                prefetch=prefetch,
                content_bytes=content_bytes,
            )
            for queue in queues
        ]
        publisher = Publisher(stack.enter_context(Connection(address)), prebuilt, confirm_window=confirm_window)
        return measure_stream(settings, publisher, consumers)


def measure_stream(
    settings: Settings,
    publisher: Publisher,
    consumers: Sequence[Receiver],
    counted: Sequence[Receiver] | None = None,
) -> Result:
    """A warm-up, the measured stretch, and then the proof that everything has arrived; of any protocol.

    The rate is that of the `counted` consumers, of all where none are named.
    """
    counted = consumers if counted is None else counted
    meter = Meter(settings.broker_pid)
    pump(publisher, consumers, settings.window, passed(settings.warmup_seconds))
    before = sum(consumer.received for consumer in counted)
    meter.start()
    pump(publisher, consumers, settings.window, passed(settings.seconds))
    meter.stop()
    received = sum(consumer.received for consumer in counted) - before
    _drain(publisher, consumers, settings.window)
    return measured(settings, meter, Metric("rate", received / meter.seconds, "/s"))


def _drain(publisher: Publisher, consumers: Sequence[Receiver], window: int) -> None:
    """Let everything that was published arrive; nothing may be missing, doubled or left unconfirmed."""
    expected = publisher.stop()

    def arrived() -> bool:
        return publisher.confirmed >= expected and min(end.received for end in consumers) >= expected

    pump(publisher, consumers, window, arrived)
    for consumer in consumers:
        if consumer.received != expected:
            raise BenchError(f"{expected} messages were published, {consumer.received} arrived")
