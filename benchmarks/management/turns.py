"""How long the longest turn of the loop is while a broker with many queues does large pieces of work over HTTP.

The broker is a whole one, in this process; its client is in another thread. Whatever a turn of the loop has to do is
counted: the work, the disk's answers, what is written. What counts is the time of the loop's thread on a processor.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import menura
from benchmarks.management.asking import LOGIN
from benchmarks.management.figures import Figure
from menura.cli.serve import _GC_THRESHOLDS
from menura.core import content as packed
from menura.core.routing import Route
from menura.core.run import Run

QUEUES = 10_000
MESSAGES = 10_000
LARGE_BYTES = 16 * 1024 * 1024
LARGER_BYTES = 64 * 1024 * 1024
PUBLISHED_BYTES = 14 * 1024 * 1024
REPETITIONS = 3
TURN_MS_MAX = 5.0
_LOOK_SECONDS = 0.01
_VHOST = "/api/vhosts/v"
_POLICY = {"pattern": "^q", "definition": {"max-length": 1000}}
_GET = {"count": MESSAGES, "ackmode": "ack_requeue_true", "encoding": "auto"}


class Work(NamedTuple):
    """A request, and what has to be there before it."""

    name: str
    prepare: Callable[[menura.Broker], None]
    method: str
    path: str
    body: bytes = b""


def measure(tell: Callable[[str], None]) -> list[Figure]:
    thresholds = gc.get_threshold()
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        return _measure(tell)
    finally:
        gc.set_threshold(*thresholds)


def _measure(tell: Callable[[str], None]) -> list[Figure]:
    figures = []
    for work in _works():
        for durable in (False, True):
            name = f"{work.name}, {'on disk' if durable else 'in memory'}"
            tell(name)
            found = [asyncio.run(_once(work, durable)) for _ in range(REPETITIONS)]
            longest = sorted(each[0] for each in found)
            note = f"answered after {sorted(each[1] for each in found)[REPETITIONS // 2]:,.0f} ms"
            figures.append(Figure("longest turn", name, longest[-1], "ms", TURN_MS_MAX, note))
    return figures


def _works() -> list[Work]:
    publish = {
        "routing_key": "q", "properties": {}, "payload_encoding": "base64",
        "payload": base64.b64encode(bytes(PUBLISHED_BYTES)).decode(),
    }  # fmt: skip
    queues = [{"name": f"q{number:05d}", "vhost": "v", "durable": True, "arguments": {}} for number in range(QUEUES)]
    document = {"vhosts": [{"name": "v"}], "queues": queues}
    get = "/api/queues/v/q00000/get"
    return [
        Work("policy set for 10,000 queues", _queues, "PUT", "/api/policies/v/p", _json(_POLICY)),
        Work("policy cleared for 10,000 queues", _queues_under_policy, "DELETE", "/api/policies/v/p"),
        Work("virtual host of 10,000 queues deleted", _queues, "DELETE", _VHOST),
        Work("virtual host of 10,000 bound queues deleted", _bound_queues, "DELETE", _VHOST),
        Work("definitions of 10,000 queues imported", _nothing, "POST", "/api/definitions", _json(document)),
        Work("14 MiB published", _one_queue, "POST", "/api/exchanges/v/amq.default/publish", _json(publish)),
        Work("10,000 messages got", _messages, "POST", get, _json(_GET)),
        Work("one message of 16 MiB got", _large_message, "POST", get, _json({**_GET, "count": 1})),
        Work("50,000 octets of 64 MiB got", _larger_message, "POST", get, _json({**_GET, "truncate": 50_000})),
        Work("/metrics/per-object, 10,000 queues", _queues, "GET", "/metrics/per-object"),
    ]


async def _once(work: Work, durable: bool) -> tuple[float, float]:
    """Milliseconds: the longest turn, and until the answer was there."""
    with tempfile.TemporaryDirectory() as path:
        data = path if durable else ":memory:"
        async with menura.Broker(data=data, listen=["http://127.0.0.1:0"], sync=False) as broker:
            broker.node.add_vhost("v")
            broker.node.users.permit("guest", "v", ".*", ".*", ".*")
            work.prepare(broker)
            broker.end_of_work()
            await _settled(broker)
            await asyncio.to_thread(_ask, broker.listeners[0].port, "GET", "/api/overview", b"")
            gc.collect()
            gc.freeze()
            with _turns() as turns:
                begun = time.perf_counter()
                await asyncio.to_thread(_ask, broker.listeners[0].port, work.method, work.path, work.body)
                took = time.perf_counter() - begun
                await _settled(broker)
            gc.unfreeze()
            return max(turns) * 1000, took * 1000


async def _settled(broker: menura.Broker) -> None:
    """Let the disk have done all it was given."""
    keeper = broker.node.keeper
    while keeper is not None and not keeper.fulfilled(keeper.promise()):  # noqa: ASYNC110  # as nobody tells
        await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def _turns() -> Iterator[list[float]]:
    """How long each turn of the loop takes its thread."""
    loop, turns, going, last = asyncio.get_running_loop(), [], True, time.thread_time()

    def turn() -> None:
        nonlocal last
        now = time.thread_time()
        turns.append(now - last)
        last = time.thread_time()
        if going:
            loop.call_soon(turn)

    loop.call_soon(turn)
    try:
        yield turns
    finally:
        going = False


def _ask(port: int, method: str, path: str, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body or None, {"authorization": LOGIN})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if not 200 <= answer.status < 300:
        raise AssertionError(f"{method} {path}: {answer.status} {data[:300]!r}")


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


# -- what is there before -----------------------------------------------------------------------------------------


def _nothing(broker: menura.Broker) -> None: ...


def _one_queue(broker: menura.Broker) -> None:
    broker.node.vhosts["v"].declare_queue("q", durable=True)


def _queues(broker: menura.Broker) -> None:
    for number in range(QUEUES):
        broker.node.vhosts["v"].declare_queue(f"q{number:05d}", durable=True)


def _queues_under_policy(broker: menura.Broker) -> None:
    broker.node.vhosts["v"].policies.set("p", {**_POLICY, "priority": 0})
    _queues(broker)


def _bound_queues(broker: menura.Broker) -> None:
    _queues(broker)
    vhost = broker.node.vhosts["v"]
    for name, queue in vhost.queues.items():
        vhost.bind("amq.topic", queue, f"a.{name}.#", {})


def _messages(broker: menura.Broker) -> None:
    _put(broker, [bytes(100)] * MESSAGES)


def _large_message(broker: menura.Broker) -> None:
    _put(broker, [b"x" * LARGE_BYTES])


def _larger_message(broker: menura.Broker) -> None:
    _put(broker, [b"x" * LARGER_BYTES])


def _put(broker: menura.Broker, bodies: list[bytes]) -> None:
    vhost = broker.node.vhosts["v"]
    vhost.declare_queue("q00000", durable=True)
    contents = [packed.pack(b"\0\0", body) for body in bodies]
    for at in range(0, len(contents), 100):
        route, part = Route("", "q00000"), contents[at : at + 100]
        vhost.publish(route, Run(route, part, sum(map(len, part)), max(map(len, part)), True))
