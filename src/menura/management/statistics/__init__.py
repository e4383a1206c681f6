"""Rates and histories: how fast messages move, and how that has been for an hour.

`series` keeps the numbers of one object, `sampler` goes round and looks at all of them, `history` answers for a window
of time; here is when it goes round, and what an answer of the HTTP API says of an object in numbers. Totals are asked
when they are wanted; only what belongs to a span of time was noted before.

A round begins at every multiple of `STEP_SECONDS` of wall-clock time, and is worked on for `SLICE_SECONDS` at a time
with pauses in between, so that no message waits for it. Nothing is counted for its sake.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from menura.core.exchange import Exchange
from menura.core.node import Node
from menura.core.presence import Connected
from menura.core.queue import Queue
from menura.core.tallies import Sent, Taken, Tallies
from menura.core.vhost import VHost
from menura.management.statistics import columns
from menura.management.statistics.history import QUERY, STEP_SECONDS, History, Rounds, Window, Windows, windows
from menura.management.statistics.sampler import Sampler
from menura.management.statistics.series import Series

__all__ = ["QUERY", "History", "Statistics", "Timer", "Window", "Windows", "windows"]

SLICE_SECONDS = 0.001
PAUSE_SECONDS = 0.005
# Of so many channels or queues sums are made at once; those of more are as they were in the last round.
_CHANNELS_MAX = 500
_QUEUES_MAX = 4000
_log = logging.getLogger("menura")
Counted = Node | VHost | Queue | Exchange | Connected | Tallies


class Timer(Protocol):
    """What a loop gives for a call that is to come."""

    def cancel(self) -> None: ...


class Statistics:
    """The histories of a node's objects. `gauges` gives the values of `columns.GAUGES`."""

    def __init__(
        self, node: Node, gauges: Callable[[], Sequence[int]], *, wall: Callable[[], float] = time.time
    ) -> None:
        self.node = node
        self.rounds = Rounds()
        self.sampler = Sampler(node, gauges)
        self._wall = wall
        self._walk: Iterator[None] | None = None
        self._timer: Timer | None = None
        self._call_later: Callable[[float, Callable[[], None]], Timer] | None = None

    # -- rounds ----------------------------------------------------------------------------------------------

    def start(self, call_later: Callable[[float, Callable[[], None]], Timer]) -> None:
        """Go round from now on."""
        self._call_later = call_later
        self._begin()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._walk = self._timer = None

    def _begin(self) -> None:
        now = self._wall()
        step = round(now / STEP_SECONDS)
        # A clock that is set back makes it wait.
        if not self.rounds.all or step > self.rounds.all[-1][0]:
            self._walk = self._round(step, now)
        self._go_on()

    def _round(self, step: int, now: float) -> Iterator[None]:
        yield from self.sampler.walk(step)
        self.rounds.all.append((step, now))

    def _go_on(self) -> None:
        assert self._call_later is not None
        try:
            more = self._walk is not None and self._slice(self._walk)
        except Exception:  # the next round may find another state
            _log.exception("statistics: a round was given up: defect in the broker")
            more = False
        if more:
            self._timer = self._call_later(PAUSE_SECONDS, self._go_on)
            return
        self._walk = None
        wait = STEP_SECONDS - self._wall() % STEP_SECONDS
        # Never twice for the same step, should the timer be early.
        self._timer = self._call_later(wait + 0.001, self._begin)

    def _slice(self, walk: Iterator[None]) -> bool:
        """Work for a moment; whether there is more to do."""
        until = time.perf_counter() + SLICE_SECONDS
        for _ in walk:
            if time.perf_counter() >= until:
                return True
        return False

    def go_round(self) -> None:
        """A whole round at once, in the step that it is; for who can wait."""
        now = self._wall()
        for _ in self._round(int(now // STEP_SECONDS), now):
            pass

    # -- histories -------------------------------------------------------------------------------------------

    def history(self, counted: Counted) -> History:
        """What has become of an object's numbers. Empty for one that has none, or was never met."""
        return History(self.rounds, self._parts(counted))

    def _parts(self, counted: Counted) -> list[tuple[Series, Sequence[str]]]:
        known = self.sampler.series
        parts: list[tuple[Series, Sequence[str]]] = []
        if (own := known.get(counted)) is not None:
            parts.append((own, _columns(counted)))
        if isinstance(counted, Connected):
            parts += [
                (series, columns.CHANNEL)
                for tallies in counted.tallies()
                if (series := known.get(tallies)) is not None
            ]
        return parts

    # -- parts of answers ------------------------------------------------------------------------------------

    def message_stats(self, counted: Counted, window: Window | None = None) -> dict[str, Any]:
        """`message_stats` of an object: each number with its `..._details`. {} if nothing has happened yet."""
        if isinstance(counted, Queue) and not (counted.published or counted.takings or any(counted.gone)):
            return {}
        numbers = self._numbers(counted)
        if not any(numbers.values()):
            return {}
        return self._with_details(self.history(counted), numbers, window)

    def _numbers(self, counted: Counted) -> dict[str, int]:
        if isinstance(counted, Queue):
            return {"publish": counted.published, **_of_taken(counted.taken())}
        if isinstance(counted, Exchange):
            sent = counted.sent()
            return {"publish_in": sent.publish, "publish_out": sent.routed}
        if isinstance(counted, (Tallies, Connected)):
            totals = counted.totals()
            return {**_of_sent(totals.sent), **_of_taken(totals.all_taken)}
        return self._sums(counted)

    def _sums(self, counted: Node | VHost) -> dict[str, int]:
        channels = sum(len(vhost.register.open) for vhost in _vhosts(counted))
        if channels <= _CHANNELS_MAX or not self.rounds.all:
            found = {**_of_sent(counted.sent()), **_of_taken(counted.taken())}
        else:
            history = self.history(counted)
            names = (*Sent._fields[:-1], *Taken._fields, "deliver_get")
            found = {name: history.latest(name) for name in names}
        if isinstance(counted, Node):
            history = self.history(counted)
            found.update((name, history.latest(name)) for name in columns.DISK)
        return found

    def lengths(self, counted: Queue | VHost | Node, window: Window | None = None) -> dict[str, Any]:
        """How many messages there are, with details."""
        history = self.history(counted)
        if isinstance(counted, Queue):
            ready, unsettled = counted.ready_count, counted.unsettled_count
        else:
            ready, unsettled = self._waiting(counted, history)
        numbers = {"messages": ready + unsettled, "messages_ready": ready, "messages_unacknowledged": unsettled}
        return self._with_details(history, numbers, window)

    def _waiting(self, counted: VHost | Node, history: History) -> tuple[int, int]:
        vhosts = _vhosts(counted)
        if sum(len(vhost.queues) for vhost in vhosts) > _QUEUES_MAX and self.rounds.all:
            return history.latest("messages_ready"), history.latest("messages_unacknowledged")
        queues = [queue for vhost in vhosts for queue in vhost.queues.values()]
        return sum([queue.ready_count for queue in queues]), sum([queue.unsettled_count for queue in queues])

    def traffic(self, counted: Connected | VHost, window: Window | None = None) -> dict[str, Any]:
        """Octets over sockets, with details; those of a virtual host are as of the last round."""
        history = self.history(counted)
        if isinstance(counted, Connected):
            socket = counted.socket()
            numbers = {"recv_oct": socket.received_bytes, "send_oct": socket.sent_bytes}
            others = {"recv_cnt": socket.reads, "send_cnt": socket.writes, "send_pend": socket.pending_bytes}
            return {**self._with_details(history, numbers, window), **others}
        return self._with_details(history, {name: history.latest(name) for name in ("recv_oct", "send_oct")}, window)

    def churn(self, window: Window | None = None) -> dict[str, Any]:
        """How much comes and goes, with details."""
        numbers = {name: getattr(self.node.churn, name) for name in columns.CHURN}
        return self._with_details(self.history(self.node), numbers, window)

    def node_stats(self, window: Window | None = None) -> dict[str, Any]:
        """What the process uses, with details; as of now. Times of the disk are milliseconds for one operation."""
        numbers = dict(zip(columns.GAUGES, self.sampler.gauges(), strict=True))
        times = {kind: numbers.pop(f"io_{kind}_time") for kind in ("read", "write", "sync")}
        found = self._with_details(self.history(self.node), numbers, window)
        for kind, microseconds in times.items():
            found[f"io_{kind}_avg_time"] = microseconds / max(1, numbers[f"io_{kind}_count"]) / 1000
            found[f"io_{kind}_avg_time_details"] = {"rate": 0.0}
        return found

    def _with_details(self, history: History, numbers: dict[str, int], window: Window | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, number in numbers.items():
            found[name] = number
            found[f"{name}_details"] = history.details(name, window)
        return found


def _vhosts(counted: Node | VHost) -> list[VHost]:
    return [counted] if isinstance(counted, VHost) else list(counted.vhosts.values())


def _columns(counted: Counted) -> Sequence[str]:
    if isinstance(counted, Queue):
        return columns.QUEUE
    if isinstance(counted, Exchange):
        return columns.EXCHANGE
    if isinstance(counted, Connected):
        return columns.CONNECTION
    if isinstance(counted, VHost):
        return columns.VHOST
    return columns.NODE if isinstance(counted, Node) else columns.CHANNEL


def _of_sent(sent: Sent) -> dict[str, int]:
    found = sent._asdict()
    del found["routed"]
    return found


def _of_taken(taken: Taken) -> dict[str, int]:
    return {**taken._asdict(), "deliver_get": taken.deliver_get}
