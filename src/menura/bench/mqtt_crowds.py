"""MQTT with a thousand connections on one side: fan-out, one publisher to all of them, and fan-in, all of them to one.

Too many for `flow.pump`, which looks at every end in every turn: here a selector names those that have something, and
how far the publishers are ahead is counted over all ends together. Publishers send as fast as the window lets them, a
quarter of it at a time: with a window of 20,000 messages, each of 1,000 publishers sends five in one go.

Fan-out: every subscriber must receive the octets that were published. Fan-in: each publisher sends one message over
and over on its own topic; they arrive in any mixture, so the packets are counted by their octets, and in the end each
publisher's must have arrived as often as it has sent it.
"""

import selectors
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import cycle

from menura.bench import mqtt_wire as wire
from menura.bench.errors import BenchError, BrokerClosedError
from menura.bench.expected import READ_BYTES, Stream
from menura.bench.flow import STALL_SECONDS, Publisher
from menura.bench.footprint import affordable, shortfall
from menura.bench.meter import Meter
from menura.bench.mqtt_connection import MqttConnection, address_of, unique_name
from menura.bench.mqtt_streams import MESSAGES, Subscriber
from menura.bench.result import Metric, Result, Settings, measured

BATCHES_PER_WINDOW = 4
SENDS_PER_TURN = 50


class FanOut:
    """One publisher and the subscribers; `received` is the sum over all of them."""

    def __init__(self, publisher: Publisher, subscribers: Sequence[Subscriber], packet_bytes: int, window: int) -> None:
        self._publisher = publisher
        self._subscribers = subscribers
        self._packet_bytes = packet_bytes
        self._window = window
        self._octets = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(publisher, selectors.EVENT_READ, publisher.on_readable)
        for subscriber in subscribers:
            self._selector.register(subscriber, selectors.EVENT_READ, subscriber.on_readable)

    @property
    def received(self) -> int:
        return self._octets // self._packet_bytes

    def turn(self) -> None:
        publisher = self._publisher
        sending = publisher.may_send(self.received // len(self._subscribers), self._window)
        if sending:
            publisher.on_writable()
        for key, _ in self._selector.select(0.001 if sending else 0.1):
            self._octets += key.data() or 0

    def stop(self) -> int:
        """Publish no more; how many are to arrive in all."""
        return self._publisher.stop() * len(self._subscribers)

    def verify(self) -> None:
        published = self._publisher.published
        for subscriber in self._subscribers:
            if subscriber.received != published:
                raise BenchError(f"{published} messages were published, {subscriber.received} arrived at a subscriber")

    def close(self) -> None:
        self._selector.close()


class FanIn:
    """The publishers, each with its own packet, all of one length, and one subscriber."""

    def __init__(
        self, publishers: Sequence[MqttConnection], packets: Sequence[bytes], subscriber: MqttConnection, window: int
    ) -> None:
        self._window = window
        self._batch = max(1, window // BATCHES_PER_WINDOW // len(publishers))
        self._turns = cycle(
            [(number, each.sock, packets[number] * self._batch) for number, each in enumerate(publishers)]
        )
        self._packets = packets
        self._packet_bytes = len(packets[0])
        self._published = [0] * len(publishers)
        self._sent = 0
        self._stopped = False
        self._arrived: Counter[bytes] = Counter()
        self._rest = b""
        self._sock = subscriber.sock
        self._sock.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._sock, selectors.EVENT_READ)
        self.received = 0

    def turn(self) -> None:
        for _ in range(SENDS_PER_TURN):
            if self._stopped or self._sent + self._batch > max(self.received + self._window, self._batch):
                break
            number, sock, octets = next(self._turns)
            sock.sendall(octets)
            self._published[number] += self._batch
            self._sent += self._batch
        else:
            self._receive(0)
            return
        self._receive(0.1)

    def _receive(self, wait_seconds: float) -> None:
        if not self._selector.select(wait_seconds):
            return
        got = self._sock.recv(READ_BYTES)
        if not got:
            raise BrokerClosedError("the broker closed the subscriber's connection")
        data, size = self._rest + got, self._packet_bytes
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        self._arrived.update([data[at : at + size] for at in range(0, whole, size)])
        self.received += whole // size

    def stop(self) -> int:
        self._stopped = True
        return self._sent

    def verify(self) -> None:
        expected = {packet: count for packet, count in zip(self._packets, self._published, strict=True) if count}
        if self._arrived != expected:
            raise BenchError("what arrived is not what the publishers have sent")

    def close(self) -> None:
        self._selector.close()


def fan_out(settings: Settings) -> Result:
    address, topic = address_of(settings.url), unique_name()
    packets = [wire.publish(topic, body) for body in wire.numbered(settings.body_bytes, MESSAGES)]
    stream = Stream(packets)
    count = affordable(settings)
    with ExitStack() as stack:
        subscribers = []
        for _ in range(count):
            connection = stack.enter_context(MqttConnection(address))
            connection.subscribe(topic, 0)
            subscribers.append(Subscriber(connection, stream))
        batch = max(1, settings.window // BATCHES_PER_WINDOW)
        publisher = Publisher(stack.enter_context(MqttConnection(address)), packets, batch=batch)
        crowd = FanOut(publisher, subscribers, len(packets[0]), settings.window)
        stack.callback(crowd.close)
        return _measure(settings, crowd, f"{count:,} subscribers", *shortfall(settings, count))


def fan_in(settings: Settings) -> Result:
    address, name = address_of(settings.url), unique_name()
    count = affordable(settings)
    bodies = wire.numbered(settings.body_bytes, count)
    packets = [wire.publish(f"{name}/{number:06d}", body) for number, body in enumerate(bodies)]
    with ExitStack() as stack:
        subscriber = stack.enter_context(MqttConnection(address))
        subscriber.subscribe(f"{name}/+", 0)
        publishers = [stack.enter_context(MqttConnection(address)) for _ in range(count)]
        crowd = FanIn(publishers, packets, subscriber, settings.window)
        stack.callback(crowd.close)
        return _measure(settings, crowd, f"{count:,} publishers", *shortfall(settings, count))


def _measure(settings: Settings, crowd: FanOut | FanIn, *notes: str) -> Result:
    meter = Meter(settings.broker_pid)
    warm = time.perf_counter() + settings.warmup_seconds
    _turn(crowd, lambda: time.perf_counter() >= warm)
    before = crowd.received
    meter.start()
    over = time.perf_counter() + settings.seconds
    _turn(crowd, lambda: time.perf_counter() >= over)
    meter.stop()
    received = crowd.received - before
    expected = crowd.stop()
    _turn(crowd, lambda: crowd.received >= expected)
    crowd.verify()
    return measured(settings, meter, Metric("rate", received / meter.seconds, "/s"), notes=notes)


def _turn(crowd: FanOut | FanIn, finished: Callable[[], bool]) -> None:
    moved_at, received = time.monotonic(), crowd.received
    while not finished():
        crowd.turn()
        if crowd.received != received:
            moved_at, received = time.monotonic(), crowd.received
        elif time.monotonic() - moved_at > STALL_SECONDS:
            raise BenchError(f"nothing arrived for {STALL_SECONDS:.0f} s")
