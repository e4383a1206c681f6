"""One request in this process: how long its answer keeps the loop, and how long the longest slice of it is.

A session is given the octets of the request, and what it leaves to the loop is called here, one after the other. What
counts is the time of this thread on a processor, as others may be busy on the machine.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import NamedTuple

import menura
from menura.core.peers import Peer, Surroundings
from menura.management.api import ALL
from menura.management.application import Application

LOGIN = "Basic " + base64.b64encode(b"guest:guest").decode()


class Taken(NamedTuple):
    """Milliseconds on the loop, in all and at a time, and how many octets came of it."""

    total: float
    longest: float
    octets: int


def ask(broker: menura.Broker, target: str) -> Taken:
    """GET it; the answer has to be a good one."""
    later: list[Callable[[], None]] = []
    application = Application(broker, ALL, later.append)
    peer = Peer("127.0.0.1:1", server="127.0.0.1:15672")
    woken: list[None] = []
    session = application.session(Surroundings(broker.node, peer, lambda *line: None, lambda: woken.append(None)), ())
    head = f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1:15672\r\nauthorization: {LOGIN}\r\n\r\n"
    times, data = [], b""

    def timed(work: Callable[[], object]) -> None:
        nonlocal data
        woken.clear()
        begun = time.thread_time()
        work()
        flushed = session.flush()
        times.append((time.thread_time() - begun) * 1000)
        data += flushed

    timed(lambda: session.receive(head.encode()))
    agenda = broker.node.agenda
    while True:
        due = agenda.next_due
        if later or woken:
            timed(later.pop(0) if later else lambda: None)
        elif due is not None:  # a pause in the work is over at once
            agenda.tick(due)
        else:
            break
    if not data.startswith(b"HTTP/1.1 200"):
        raise AssertionError(data[:300])
    return Taken(sum(times), max(times), len(data))
