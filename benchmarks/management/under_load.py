"""Latency of messages while the API is asked a hundred times a second, and while it is not, under the same load.

Four processes: the broker; a steady stream of messages from one connection to another; a second pair of connections
that measures latency, at a rate of its own; and a client of the API, which asks for what a dashboard would. If the
machine cannot carry the stream and keep calm, the highest rate that it can is taken, and said.
"""

from __future__ import annotations

import base64
import http.client
import multiprocessing
import select
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from typing import Any, NamedTuple

from benchmarks.management.figures import Figure
from menura.bench import SCENARIOS, run, wire
from menura.bench.connection import Address, Connection
from menura.bench.errors import BenchError
from menura.bench.flow import Consumer
from menura.bench.latencies import percentile
from menura.bench.launch import MenuraProcess
from menura.bench.topology import Topology

RATES = (300_000, 250_000, 200_000, 150_000, 100_000, 50_000, 25_000)
REQUESTS_PER_SECOND = 100
PROBES_PER_SECOND = 1_000
QUEUES = 1_000
MORE_MS_MAX = 1.0
CARRIED = 0.97
CALM_MS_MAX = 20.0
_BODY_BYTES = 128
_TARGETS = (
    "/api/overview",
    "/api/queues?page=1&page_size=100",
    "/api/queues/%2F/idle.0500",
    "/api/queues?page=2&page_size=100&sort=messages&sort_reverse=true",
)
_CONTEXT = multiprocessing.get_context("spawn")


class Streamed(NamedTuple):
    seconds: float
    received: int


class Asked(NamedTuple):
    """How many requests, and what they took, ascending."""

    seconds: float
    took_ns: list[int]


def measure(rounds: int, seconds: float, tell: Callable[[str], None]) -> list[Figure]:
    with MenuraProcess(options=("--listen", "http://127.0.0.1:0")) as menura:
        _declare(menura.url)
        rate = _carried(menura, tell)
        quiet, asked, streamed, answered = [], [], [], []
        for number in range(rounds):
            for asking in (False, True) if number % 2 == 0 else (True, False):
                tell(f"{rate:,} messages a second, {'with' if asking else 'without'} requests")
                with _beside(_stream, menura.url, rate) as stream:
                    if asking:
                        with _beside(_ask, menura.ports[1]) as client:
                            asked.append(_latency(menura, seconds))
                        answered.append(client())
                    else:
                        quiet.append(_latency(menura, seconds))
                streamed.append(stream())
    return _figures(rate, quiet, asked, streamed, answered)


def _figures(
    rate: int, quiet: list[float], asked: list[float], streamed: list[Streamed], answered: list[Asked]
) -> list[Figure]:
    achieved = statistics.median(each.received / each.seconds for each in streamed)
    took_ns = sorted(taken for each in answered for taken in each.took_ns)
    requests = statistics.median(len(each.took_ns) / each.seconds for each in answered)
    p99s = " ".join(f"{each:.2f}" for each in sorted(quiet)), " ".join(f"{each:.2f}" for each in sorted(asked))
    more = statistics.median(asked) - statistics.median(quiet)
    note = f"{achieved:,.0f} messages/s passed" + ("" if rate == RATES[0] else f"; {RATES[0]:,} cannot be carried here")
    part = "API under load"
    return [
        Figure(part, "latency p99 without requests", statistics.median(quiet), "ms", None, p99s[0]),
        Figure(part, f"latency p99 with {requests:.0f} requests/s", statistics.median(asked), "ms", None, p99s[1]),
        Figure(part, "difference", more, "ms", MORE_MS_MAX, note),
        Figure(part, "answers, p50", percentile(took_ns, 50) / 1e6, "ms"),
        Figure(part, "answers, p99", percentile(took_ns, 99) / 1e6, "ms"),
    ]


def _declare(url: str) -> None:
    with Connection(Address.parse(url)) as connection:
        for number in range(QUEUES):
            connection.declare_queue(f"idle.{number:04d}")


def _carried(menura: MenuraProcess, tell: Callable[[str], None]) -> int:
    """The highest of the rates that arrives as it was sent, without a queue of work before it."""
    for rate in RATES:
        tell(f"whether {rate:,} messages a second pass")
        with _beside(_stream, menura.url, rate) as stream:
            p99 = _latency(menura, 2.0)
        streamed = stream()
        if streamed.received >= CARRIED * rate * streamed.seconds and p99 <= CALM_MS_MAX:
            return rate
    raise BenchError(f"not even {RATES[-1]:,} messages a second pass in less than {CALM_MS_MAX:g} ms")


def _latency(menura: MenuraProcess, seconds: float) -> float:
    settings = SCENARIOS["latency-10k"].settings(
        url=menura.url, broker_pid=menura.pid, rate=PROBES_PER_SECOND, seconds=seconds, warmup_seconds=1.0
    )
    (p99,) = (metric.value for metric in run(settings).metrics if metric.name == "p99")
    return p99


# -- processes beside --------------------------------------------------------------------------------------------


@contextmanager
def _beside(work: Callable[..., None], *arguments: Any) -> Iterator[Callable[[], Any]]:
    """Run `work` in a process of its own meanwhile. What is given answers, afterwards, what came of it."""
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=work, args=(*arguments, theirs), daemon=True)
    process.start()
    results: list[Any] = []
    try:
        if not ours.poll(30) or ours.recv() != "ready":
            raise BenchError(f"{work.__name__} did not begin")
        yield lambda: results[0]
        ours.send("stop")
        if not ours.poll(30):
            raise BenchError(f"{work.__name__} did not end")
        results.append(ours.recv())
    finally:
        ours.close()
        process.join(5)
        if process.is_alive():
            process.kill()


def _stream(url: str, rate: int, pipe: Pipe) -> None:
    """Publish at a steady rate and consume it; tell how much arrived."""
    address = Address.parse(url)
    with Topology(address) as topology, Connection(address) as out, Connection(address) as into:
        queue = topology.queue()
        message = wire.publish("", queue, bytes(_BODY_BYTES), wire.properties(delivery_mode=1))
        turn = memoryview(message * 2048)
        consumer = Consumer(into, queue, body_bytes=_BODY_BYTES)
        out.sock.setblocking(False)
        pipe.send("ready")
        begun = time.perf_counter()
        sent_bytes = 0
        while not pipe.poll():
            owed = int((time.perf_counter() - begun) * rate) * len(message) - sent_bytes
            at = sent_bytes % len(turn)
            readable, writable, _ = select.select([consumer], [out.sock] if owed > 0 else [], [], 0.001)
            if writable:
                sent_bytes += out.sock.send(turn[at : at + min(owed, 64 * 1024)])
            if readable:
                consumer.on_readable()
        pipe.recv()
        pipe.send(Streamed(time.perf_counter() - begun, consumer.received))


def _ask(port: int, pipe: Pipe) -> None:
    """Ask what a dashboard asks, at a steady rate, over one connection; tell how long answers took."""
    headers = {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    took_ns: list[int] = []
    pipe.send("ready")
    begun = time.perf_counter()
    while not pipe.poll(max(0.0, begun + len(took_ns) / REQUESTS_PER_SECOND - time.perf_counter())):
        asked_ns = time.perf_counter_ns()
        connection.request("GET", _TARGETS[len(took_ns) % len(_TARGETS)], headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchError(f"{answer.status}: {body[:200]!r}")
        took_ns.append(time.perf_counter_ns() - asked_ns)
    seconds = time.perf_counter() - begun
    connection.close()
    pipe.recv()
    pipe.send(Asked(seconds, took_ns))
