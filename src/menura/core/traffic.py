"""The way of messages through a virtual host: from a route to its queues, and from queues to their consumers.

`Traffic` is the part of a virtual host that messages pass. A run of a plain route goes into its queues as it is; one
that is `special` is looked at on the way: message by message where a destination depends on more than the key, and by
how much there is room where queues have rules.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from menura.core.dead_letters import Letters
from menura.core.errors import NotFound
from menura.core.exchange import KEY, Exchange
from menura.core.ports import Published
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.tallies import Register

if TYPE_CHECKING:
    from menura.core.agenda import Agenda
    from menura.core.keeping import Keeper
    from menura.core.memory import MemoryAccount
    from menura.core.ports import Dispatcher

# So many of the messages that leave the journal one by one are kept there together.
_APART_MAX = 8


class Traffic:
    """`version` is another one whenever routes may lead elsewhere."""

    def __init__(self, name: str, memory: MemoryAccount, keeper: Keeper | None, agenda: Agenda) -> None:
        self.name = name
        self.memory = memory
        self.keeper = keeper
        self.agenda = agenda
        self.version = 0
        self.exchanges: dict[str, Exchange] = {}
        self.touched: list[Dispatcher] = []
        self.letters = Letters(self)
        self.register = Register()
        # See `take_refused`, which whoever publishes has to call if this is not 0.
        self.refused = 0

    def publish(self, route: Route, run: Run, without: Collection[str] = ()) -> Sequence[bytes]:
        """Put a run into the queues its route leads to, but for those named; the messages no queue wanted.

        Raises NotFound for a missing exchange.
        """
        exchange = self.exchanges.get(route.exchange)
        if exchange is None:
            raise NotFound(f"no exchange '{route.exchange}' in vhost '{self.name}'")
        if route.version != self.version:
            route.resolve(self.exchanges, exchange, self.version)
        count = len(run.contents)
        sending = route.sending
        sending.publish += count
        if route.special:
            return self._publish_specially(route, exchange, run, without)
        queues = route.queues
        if without:
            queues = _others(queues, without)
        if not queues:
            return run.contents
        sending.routed += count * len(queues)
        if run.deadline_ms:
            self._enqueue_some(run, queues)
        else:
            self._enqueue(run, queues)
        return ()

    def take_refused(self) -> int:
        """How many messages at the end of the run just published found no room in some queue."""
        refused, self.refused = self.refused, 0
        return refused

    def append(self, queue: Queue, run: Run) -> None:
        """Put a run into one queue, whatever its route."""
        self._enqueue_some(run, [queue])

    def _publish_specially(
        self, route: Route, exchange: Exchange, run: Run, without: Collection[str]
    ) -> Sequence[bytes]:
        """Put messages into their queues where somebody on the way records them, or chooses by more than the key, or
        where a queue has rules for what comes."""
        queues, recorders, asks = route.found
        if asks != KEY:
            return self._publish_singly(route, exchange, run, without)
        for recorder in recorders:
            recorder.record(run, self.memory)
        if without:
            queues = _others(queues, without)
        if not queues:
            return run.contents
        route.sending.routed += len(run.contents) * len(queues)
        self._enqueue_some(run, queues)
        return ()

    def _publish_singly(self, route: Route, exchange: Exchange, run: Run, without: Collection[str]) -> list[bytes]:
        """Put each message where it alone leads, those for one and the same queue as one run."""
        unwanted = []
        gathered: dict[Queue, list[int]] = {}
        for at, content in enumerate(run.contents):
            queues, recorders, _ = route.find(self.exchanges, exchange, content)
            for recorder in recorders:
                recorder.record(_run_of(run, [content]), self.memory)
            if without:
                queues = _others(queues, without)
            route.sending.routed += len(queues)
            if len(queues) == 1:
                gathered.setdefault(queues[0], []).append(at)
            elif queues:
                self._enqueue_gathered(run, gathered)
                self._enqueue_at(run, [at], queues)
            else:
                unwanted.append(content)
        self._enqueue_gathered(run, gathered)
        return unwanted

    def _enqueue_gathered(self, run: Run, gathered: dict[Queue, list[int]]) -> None:
        for queue, places in gathered.items():
            # What leaves the journal one by one is not kept there with too much else.
            step = _APART_MAX if queue.rules is not None and queue.rules.pages else len(places)
            for at in range(0, len(places), step):
                self._enqueue_at(run, places[at : at + step], [queue])
        gathered.clear()

    def _enqueue_at(self, run: Run, places: list[int], queues: list[Queue]) -> None:
        """`_enqueue_some` of a run's messages. What is refused is told from the end of the run: all from the first."""
        before, self.refused = self.refused, 0
        self._enqueue_some(_run_of(run, [run.contents[at] for at in places]), queues)
        if self.refused:
            self.refused = len(run.contents) - places[-self.refused]
        self.refused = max(self.refused, before)

    def _hand_on(self, exchange: Exchange, destination: Exchange | Queue) -> None:
        """Give a new destination of an exchange what that has recorded."""
        for run in exchange.recorded():
            if isinstance(destination, Queue):
                self._enqueue_some(run, [destination])
            else:
                self.publish(Route(destination.name, run.route.key, run.route.further_keys), run)

    def _enqueue_some(self, run: Run, queues: list[Queue]) -> None:
        """`_enqueue` where a queue may have no room, or wants to know more of the messages."""
        count = len(run.contents)
        takers: dict[int, list[Queue]] = {}
        for queue in queues:
            room = count if queue.rules is None else queue.rules.room(run)
            takers.setdefault(room, []).append(queue)
        if count in takers and len(takers) == 1:
            self._enqueue(run, queues, ruled=True)
            return
        self.refused = max(self.refused, count - min(takers))
        for room, piece in [(room, run.piece(0, room)) for room in takers if room]:
            self._enqueue(piece, takers[room], ruled=True)
        for room, piece in [(room, run.piece(room, count)) for room in takers if room < count]:
            for queue in takers[room]:
                queue.rule().refuse(piece)

    def _enqueue(self, run: Run, queues: list[Queue], ruled: bool = False) -> None:
        """Put a run into queues; `ruled`: some may have rules for what comes."""
        if len(queues) > 1:
            self.memory.charge_shared(run, len(queues))
        if self.keeper is not None and run.persistent:
            if ruled and len(queues) == 1 and queues[0].rules is not None:
                run = queues[0].rules.ordered(run)
            self._log(run, queues)
        failure: Exception | None = None
        for queue in queues:
            try:
                if ruled and (queue.rules is not None or run.deadline_ms):
                    queue.rule().enqueue(run)
                else:
                    queue.enqueue(run)
            except Exception as error:  # one subscriber's failure is not the other queues'
                failure = error
        if ruled:
            # Not before all have it: what has to leave may go to one of them, and the journal knows their positions.
            for queue in queues:
                try:
                    if queue.rules is not None:
                        queue.rules.taken_in()
                except Exception as error:
                    failure = error
        if failure is not None:
            raise failure

    def _log(self, run: Run, queues: list[Queue]) -> None:
        """Hand a persistent run to the journal, if a durable queue is among its queues."""
        assert self.keeper is not None
        durable = [(queue.id, queue.next_position) for queue in queues if queue.id]
        if durable:
            for queue in queues:
                queue.disk_writes += len(run.contents)
            route = run.route
            keys = (route.key, *route.further_keys)
            self.keeper.append(Published(durable, route.exchange, keys, run.contents, self.agenda.wall_ms))

    def together(self) -> AbstractContextManager[None]:
        """What is published and settled within happens as a whole or, after a crash, not at all."""
        return self.keeper.together() if self.keeper is not None else nullcontext()

    def dispatch(self) -> None:
        """Serve the queues that were touched, and whoever waits for that, since the last time."""
        while self.touched:
            touched, self.touched = self.touched, []
            for at, queue in enumerate(touched):
                try:
                    queue.dispatch()
                except BaseException:
                    self.touched += touched[at + 1 :]
                    raise


def _others(queues: list[Queue], without: Collection[str]) -> list[Queue]:
    return [queue for queue in queues if queue.name not in without]


def _run_of(run: Run, contents: list[bytes]) -> Run:
    """Some messages of a run as one of their own."""
    return Run.of(run.route, contents, run.persistent, run.deadline_ms)
