"""One look at everything that counts, in small steps.

`walk` goes through queues, exchanges, channels and connections, and yields every few of them, so that whoever drives it
can let others have their turn. An object whose numbers are the same as before costs some look-ups; one that has never
done anything is not remembered at all. What is not met any more is forgotten at the end.

What a virtual host has seen is what its open channels have, and what those had that are closed; a channel that closes
during the walk is in neither sum, so sums never fall but wait for the next walk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from menura.core.tallies import NOTHING_TAKEN, Tallies
from menura.management.statistics.columns import CHURN, MESSAGES
from menura.management.statistics.series import MINUTE, Series

if TYPE_CHECKING:
    from menura.core.exchange import Exchange
    from menura.core.node import Node
    from menura.core.presence import Connected
    from menura.core.queue import Queue
    from menura.core.vhost import VHost

BYTES_MAX = 64 * 1024 * 1024
FINE_STEPS = 10 * MINUTE
COARSE_STEPS = 60 * MINUTE
_EACH = 8
_NOTHING = (0,) * len(MESSAGES)


class Sampler:
    """The series of all objects. `gauges` tells what is to be known of the process."""

    def __init__(self, node: Node, gauges: Callable[[], Sequence[int]], bytes_max: int = BYTES_MAX) -> None:
        self.node = node
        self.series: dict[object, Series] = {}
        self.size_bytes = 0
        self.fine_steps, self.coarse_steps = FINE_STEPS, COARSE_STEPS
        self.gauges = gauges
        self._bytes_max = bytes_max
        self._met: dict[object, None] = {}
        self._octets: dict[VHost, list[int]] = {}
        self._messages = [0] * len(MESSAGES)  # of the node, whatever has become of its virtual hosts
        self._disk = [0, 0]
        self._trimmed = 0

    def walk(self, step: int) -> Iterator[None]:
        """Look at everything. To be driven to its end."""
        self._met = {self.node: None}
        yield from self._connections(step)
        ready = unsettled = octets_in = octets_out = 0
        for vhost in list(self.node.vhosts.values()):
            lengths = [0, 0]
            yield from self._queues(vhost, step, lengths)
            yield from self._exchanges(vhost, step)
            sums = [0] * len(MESSAGES)
            yield from self._channels(vhost, step, sums)
            octets = self._octets.setdefault(vhost, [0, 0])
            self._add_vhost(vhost, step, sums, lengths, octets)
            ready += lengths[0]
            unsettled += lengths[1]
        octets_in = sum(octets[0] for octets in self._octets.values())
        octets_out = sum(octets[1] for octets in self._octets.values())
        churn = [getattr(self.node.churn, name) for name in CHURN]
        row = (*self._messages, ready, unsettled, octets_in, octets_out, *self._disk, *churn, *self.gauges())
        self._put(self.node, step, row)
        yield from self._forget(step)

    # -- what there is ---------------------------------------------------------------------------------------

    def _queues(self, vhost: VHost, step: int, lengths: list[int]) -> Iterator[None]:
        for number, queue in enumerate(list(vhost.queues.values())):
            if not number % _EACH:
                yield
            if queue.ready_count:
                lengths[0] += queue.ready_count
            if queue.unsettled_count:
                lengths[1] += queue.unsettled_count
            self._look_at_queue(queue, step)

    def _look_at_queue(self, queue: Queue, step: int) -> None:
        moved = queue.published + queue.disk_reads
        for taking in queue.takings:
            moved += (
                taking.deliver + taking.deliver_no_ack + taking.get + taking.get_no_ack + taking.get_empty
                + taking.redeliver + taking.ack
            )  # fmt: skip
        mark = (moved, queue.ready_count, queue.unsettled_count, queue.gone)
        series = self._known(queue, mark)
        if series is None and (any(mark[:3]) or queue.gone is not NOTHING_TAKEN):
            before = series_row(self.series.get(queue), 8, 10)
            taken = queue.taken()
            row = (queue.published, *taken, queue.disk_reads, queue.disk_writes, *mark[1:3])
            self._put(queue, step, row, mark)
            self._disk[0] += queue.disk_reads - before[0]
            self._disk[1] += queue.disk_writes - before[1]

    def _exchanges(self, vhost: VHost, step: int) -> Iterator[None]:
        for number, exchange in enumerate(list(vhost.exchanges.values())):
            if not number % _EACH:
                yield
            self._look_at_exchange(exchange, step)

    def _look_at_exchange(self, exchange: Exchange, step: int) -> None:
        moved = exchange.own.publish + exchange.own.routed
        for sending in exchange.sendings:
            moved += sending.publish + sending.routed
        if self._known(exchange, mark := (moved, exchange.gone)) is None and (moved or any(exchange.gone)):
            sent = exchange.sent()
            self._put(exchange, step, (sent.publish, sent.routed), mark)

    def _channels(self, vhost: VHost, step: int, sums: list[int]) -> Iterator[None]:
        """All channels and the like; `sums` gets what they have done together with those that are closed."""
        register = vhost.register
        for totals in register.closed.values():
            _add(sums, (*totals.sent, *totals.all_taken))
        for number, tallies in enumerate(list(register.open)):
            if not number % _EACH:
                yield
            if tallies in register.open:
                _add(sums, self._look_at_channel(tallies, step))

    def _look_at_channel(self, tallies: Tallies, step: int) -> Sequence[int]:
        moved = 0
        for sending in tallies.sendings.values():
            moved += sending.publish + sending.routed
        for taking in tallies.takings.values():
            moved += (
                taking.deliver + taking.deliver_no_ack + taking.get + taking.get_no_ack + taking.get_empty
                + taking.redeliver + taking.ack
            )  # fmt: skip
        confirms = (tallies.wanted, tallies.confirmed) if tallies.confirms is None else tallies.confirms()
        mark = (moved, confirms, len(tallies.sendings), len(tallies.takings))
        series = self._known(tallies, mark)
        if series is not None:
            return series.last
        totals = tallies.totals()
        row = (*totals.sent, *totals.all_taken)
        if any(row):
            self._put(tallies, step, row, mark)
        return row

    def _connections(self, step: int) -> Iterator[None]:
        for number, connected in enumerate(list(self.node.presence.connections)):
            if not number % _EACH:
                yield
            self._look_at_connection(connected, step)

    def _look_at_connection(self, connected: Connected, step: int) -> None:
        socket = connected.socket()
        mark = (socket.received_bytes, socket.sent_bytes)
        if self._known(connected, mark) is not None:
            return
        before = series_row(self.series.get(connected), 0, 2)
        self._put(connected, step, (*mark, socket.reads, socket.writes), mark)
        vhost = self.node.vhosts.get(connected.vhost)
        if vhost is not None:
            octets = self._octets.setdefault(vhost, [0, 0])
            octets[0] += mark[0] - before[0]
            octets[1] += mark[1] - before[1]

    def _add_vhost(
        self, vhost: VHost, step: int, sums: list[int], lengths: list[int], octets: list[int]
    ) -> None:
        before = series_row(self.series.get(vhost), 0, len(MESSAGES)) or _NOTHING
        sums = list(map(max, sums, before))
        _add(self._messages, [now - then for now, then in zip(sums, before, strict=True)])
        self._put(vhost, step, (*sums, *lengths, *octets))

    # -- series ----------------------------------------------------------------------------------------------

    def _known(self, thing: object, mark: Any) -> Series | None:
        """The series of something that has not changed."""
        series = self.series.get(thing)
        if series is None:
            return None
        self._met[thing] = None
        return series if series.mark == mark else None

    def _put(self, thing: object, step: int, values: Sequence[int], mark: Any = None) -> None:
        self._met[thing] = None
        series = self.series.get(thing)
        if series is None:
            self.series[thing] = Series(step, values, mark)
        else:
            series.mark = mark
            series.add(step, values)

    def _forget(self, step: int) -> Iterator[None]:
        """Forget what is gone and, once a minute, what is too old."""
        trims = step - self._trimmed >= MINUTE
        size_bytes = 0
        for number, thing in enumerate(list(self.series)):
            if not number % _EACH:
                yield
            if thing not in self._met:
                del self.series[thing]
            elif trims:
                series = self.series[thing]
                series.trim(step - self.fine_steps, step - self.coarse_steps)
                size_bytes += series.size_bytes
        self._met = {}
        if trims:
            self._trimmed = step
            self._fit(size_bytes)
        for vhost in [vhost for vhost in self._octets if self.node.vhosts.get(vhost.name) is not vhost]:
            del self._octets[vhost]

    def _fit(self, size_bytes: int) -> None:
        """Keep less of each object while there is too much of all of them."""
        self.size_bytes = size_bytes
        if size_bytes > self._bytes_max:
            self.fine_steps = max(2, self.fine_steps // 2)
            self.coarse_steps = max(MINUTE, self.coarse_steps // 2)
        elif size_bytes < self._bytes_max // 3:
            self.fine_steps = min(FINE_STEPS, self.fine_steps * 2)
            self.coarse_steps = min(COARSE_STEPS, self.coarse_steps * 2)


def series_row(series: Series | None, start: int, stop: int) -> Sequence[int]:
    """Values of the last row, from the column `start` on; zeros if there is none."""
    return series.last[start:stop] if series is not None else (0,) * (stop - start)


def _add(sums: list[int], values: Sequence[int]) -> None:
    for column, value in enumerate(values):
        sums[column] += value
