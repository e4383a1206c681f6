"""Round trips over direct reply-to: clients that await each answer, and a server in a process of its own.

A client publishes to the server's queue with reply-to `amq.rabbitmq.reply-to` and a correlation id of its
own for each request, which begins the body too; the server sends the body back under that id to the name
that the broker put in. A client takes an answer only if it ends with the very body that it sent.
"""

import multiprocessing
import struct
import time
from array import array
from contextlib import ExitStack
from itertools import cycle

from menura.bench import wire
from menura.bench.connection import Address, Connection
from menura.bench.deliveries import DeliveryReader
from menura.bench.errors import BenchError
from menura.bench.result import Result, Settings
from menura.bench.round_trips import measure_round_trips
from menura.bench.topology import Topology

DIRECT_REPLY_TO = "amq.rabbitmq.reply-to"
PREBUILT_REQUESTS = 20_000


class RpcClient:
    """One connection with one unanswered request."""

    def __init__(self, connection: Connection, requests: list[bytes], body_bytes: int) -> None:
        connection.consume(DIRECT_REPLY_TO, no_ack=True)
        connection.sock.setblocking(False)
        self._sock = connection.sock
        self._reader = DeliveryReader(connection.sock, body_bytes)
        self._requests = cycle(requests)
        self._tail_bytes = body_bytes + 1
        self._tail = b""
        self._sent_ns = 0
        self.samples = array("q")

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self) -> None:
        request = next(self._requests)
        self._tail = request[-self._tail_bytes :]
        self._sent_ns = time.perf_counter_ns()
        if self._sock.send(request) != len(request):
            raise BenchError("one request did not fit an empty socket")

    def on_readable(self) -> None:
        if not self._reader.read():
            return
        self.samples.append(time.perf_counter_ns() - self._sent_ns)
        end = self._reader.message_bytes
        if self._reader.view[end - self._tail_bytes : end] != self._tail:
            raise BenchError("the answer belongs to another request")
        self.send()


def rpc(settings: Settings) -> Result:
    address = Address.parse(settings.url)
    with Topology(address, durable=settings.durable) as topology, ExitStack() as stack:
        queue = topology.queue()
        spawn = multiprocessing.get_context("spawn")
        server = spawn.Process(target=serve, args=(settings.url, queue), daemon=True)
        server.start()
        stack.callback(server.join)
        stack.callback(server.terminate)
        clients = [
            RpcClient(
                stack.enter_context(Connection(address)),
                _requests(settings, queue, number),
                settings.body_bytes,
            )
            for number in range(settings.connections)
        ]
        return measure_round_trips(settings, clients, load_pids=[server.pid] if server.pid else [])


def _requests(settings: Settings, queue: str, client: int) -> list[bytes]:
    count = max(1, PREBUILT_REQUESTS // settings.connections)
    names = [f"{client:04d}.{number:06d}" for number in range(count)]
    return [
        wire.publish(
            "",
            queue,
            name.encode().ljust(settings.body_bytes, b"x"),
            wire.properties(correlation_id=name, reply_to=DIRECT_REPLY_TO),
        )
        for name in names
    ]


def serve(url: str, queue: str) -> None:
    """Answer requests until the process is ended."""
    with Connection(Address.parse(url)) as connection:
        connection.consume(queue, no_ack=True)
        connection.sock.settimeout(None)
        methods: dict[bytes, bytes] = {}
        data = b""
        while part := connection.sock.recv(256 * 1024):
            answers, used = answer_all(data + part, methods)
            data = (data + part)[used:]
            connection.sock.sendall(answers)


def answer_all(data: bytes, methods: dict[bytes, bytes]) -> tuple[bytes, int]:
    """The answers to all whole requests in `data`, and how far it is used.

    `methods` keeps the method frame of each reply address.
    """
    answers: list[bytes] = []
    at = 0
    while (end := wire.message_end(data, at)) is not None:
        header = at + 8 + struct.unpack_from(">I", data, at + 3)[0]
        body = header + 8 + struct.unpack_from(">I", data, header + 3)[0]
        name_at = header + 21  # 7 of the frame, 12 of class and size, 2 of flags: then correlation id and reply-to
        to_at = name_at + 1 + data[name_at]
        reply_to = data[to_at + 1 : to_at + 1 + data[to_at]]
        method = methods.get(reply_to)
        if method is None:
            arguments = b"\x00\x00\x00" + bytes((len(reply_to),)) + reply_to + b"\x00"
            method = methods[reply_to] = wire.method(wire.BASIC_PUBLISH, arguments)
        props = struct.pack(">H", 1 << 10) + data[name_at:to_at]
        head = wire.frame(wire.HEADER, data[header + 7 : header + 19] + props)
        answers += (method, head, data[body:end])
        at = end
    return b"".join(answers), at
