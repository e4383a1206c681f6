"""How long answers keep the loop of a broker with many queues, and how long their longest slice is.

Everything is in this process: a session is given the octets of a request, and what it leaves to the loop is called
here, one after the other. What counts is the time of this thread on a processor, as others may be busy on the machine.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable

import menura
from benchmarks.management.asking import ask
from benchmarks.management.figures import Figure
from menura.core import content as packed
from menura.core.routing import Route
from menura.core.run import Run
from menura.management.statistics import Statistics
from menura.management.statistics.history import STEP_SECONDS
from menura.management.statistics.process import gauges

QUEUES = 10_000
BUSY = 200
HISTORY_SECONDS = 600
REPETITIONS = 15
PAGE_MS_MAX = 50.0
SLICE_MS_MAX = 5.0
PAGES = "/api/queues?page=1&page_size=100"
REQUESTS = {
    "overview": "/api/overview",
    "a page of 100 queues": PAGES,
    "the page, by rate": f"{PAGES}&sort=message_stats.publish_details.rate&sort_reverse=true",
    "the page, by messages": f"{PAGES}&sort=messages&sort_reverse=true",
    "the page, by a regular expression": f"{PAGES}&use_regex=true&name=q.*7%24",
    "all queues, without pages": "/api/queues",
    "one queue": "/api/queues/%2F/q0000000?msg_rates_age=600&msg_rates_incr=5&lengths_age=600&lengths_incr=5",
    "/metrics": "/metrics",
    "/metrics/detailed, coarse": "/metrics/detailed?family=queue_coarse_metrics",
    "/metrics/per-object": "/metrics/per-object",
}
_WITHIN = {name for name in REQUESTS if "the page" in name or "a page" in name}


def measure(tell: Callable[[str], None]) -> list[Figure]:
    return asyncio.run(_measure(tell))


async def _measure(tell: Callable[[str], None]) -> list[Figure]:
    figures = []
    async with menura.Broker(listen=()) as broker:
        _fill(broker)
        gc.collect()
        gc.freeze()
        for name, target in REQUESTS.items():
            tell(name)
            found = [ask(broker, target) for _ in range(REPETITIONS)]
            total = statistics.median(each.total for each in found)
            longest = max(each.longest for each in found)
            note = f"{found[0].octets:,} octets"
            figures.append(Figure("loop time", name, total, "ms", PAGE_MS_MAX if name in _WITHIN else None, note))
            figures.append(Figure("loop time", f"{name}: longest slice", longest, "ms", SLICE_MS_MAX))
        figures += _rounds(broker)
    return figures


def _fill(broker: menura.Broker) -> None:
    """Queues, and histories of ten minutes."""
    vhost = broker.node.vhosts["/"]
    for number in range(QUEUES):
        vhost.declare_queue(f"q{number:07d}")
    now = time.time() - HISTORY_SECONDS
    broker.statistics.stop()
    broker.statistics = Statistics(broker.node, lambda: gauges(broker.node, broker.storage), wall=lambda: now)
    while now < time.time():
        _work(broker)
        broker.statistics.go_round()
        now += STEP_SECONDS


def _work(broker: menura.Broker) -> None:
    """Some of the queues are busy."""
    vhost = broker.node.vhosts["/"]
    content = packed.pack(b"\0\0", bytes(100))
    for number in range(0, QUEUES, QUEUES // BUSY):
        route = Route("", f"q{number:07d}")
        vhost.publish(route, Run(route, [content], len(content), len(content), False))


def _rounds(broker: menura.Broker) -> list[Figure]:
    """What a round of the statistics takes, of which all is in slices of a millisecond."""
    sampler = broker.statistics.sampler
    step = broker.statistics.rounds.all[-1][0] + 1000
    totals, longest = [], 0.0
    for number in range(REPETITIONS):
        _work(broker)
        begun = before = time.thread_time()
        for _ in sampler.walk(step + number):
            now = time.thread_time()
            longest, before = max(longest, now - before), now
        totals.append(time.thread_time() - begun)
    return [
        Figure("loop time", "a round of statistics, every 5 s", statistics.median(totals) * 1000, "ms"),
        Figure("loop time", "a round of statistics: longest step", longest * 1000, "ms", SLICE_MS_MAX),
    ]
