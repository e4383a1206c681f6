"""Publishers that wait for the confirm of one message before they send the next.

Each message has its own routing key, message id and timestamp, as an application's have, and goes through a
topic exchange to a queue that is consumed meanwhile.
"""

import time
import uuid
from array import array
from contextlib import ExitStack
from itertools import cycle

from menura.bench import wire
from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError, BrokerClosedError
from menura.bench.flow import Consumer
from menura.bench.result import Result, Settings
from menura.bench.round_trips import measure_round_trips
from menura.bench.topology import Topology

PREBUILT_MESSAGES = 20_000
_CONFIRM_HEAD = wire.ack_range(0)[:11]


class ConfirmLoop:
    """One connection with one unconfirmed message."""

    def __init__(self, connection: Connection, messages: list[bytes]) -> None:
        connection.select_confirms()
        connection.sock.setblocking(False)
        self._sock = connection.sock
        self._messages = cycle(messages)
        self._sent_ns = 0
        self._rest = b""
        self.samples = array("q")

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self) -> None:
        message = next(self._messages)
        self._sent_ns = time.perf_counter_ns()
        if self._sock.send(message) != len(message):
            raise BenchError("one message did not fit an empty socket")

    def on_readable(self) -> None:
        got = self._sock.recv(4096)
        data = self._rest + got
        if len(data) == wire.ACK_BYTES and data.startswith(_CONFIRM_HEAD):
            self.samples.append(time.perf_counter_ns() - self._sent_ns)
            self._rest = b""
            self.send()
        elif got and len(data) < wire.ACK_BYTES:
            self._rest = data
        else:
            raise BrokerClosedError(wire.close_reason(data) or "the broker sent something else than one confirm")


def closed_loop(settings: Settings) -> Result:
    address = Address.parse(settings.url)
    with Topology(address, durable=settings.durable) as topology, ExitStack() as stack:
        exchange, queue = topology.exchange("topic"), topology.queue()
        topology.bind(queue, exchange, "sensor.#")
        consumer = Consumer(stack.enter_context(Connection(address)), queue, body_bytes=settings.body_bytes)
        loops = [
            ConfirmLoop(stack.enter_context(Connection(address)), _messages(settings, exchange, number))
            for number in range(settings.connections)
        ]
        return measure_round_trips(settings, loops, [consumer])


def _messages(settings: Settings, exchange: str, publisher: int) -> list[bytes]:
    count = max(1, PREBUILT_MESSAGES // settings.connections)
    body, now_s = b"x" * settings.body_bytes, int(time.time())
    mode = 2 if settings.durable else 1
    return [
        wire.publish(
            exchange,
            f"sensor.{publisher:04d}.{number:06d}",
            body,
            wire.properties(delivery_mode=mode, message_id=str(uuid.uuid4()), timestamp_s=now_s + number),
        )
        for number in range(count)
    ]
