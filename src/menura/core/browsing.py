"""Looking at what waits in a queue, in its order, without taking it.

A `Walk` goes through a queue in steps, each of a bounded number of messages, octets and milliseconds, so that others
are served in between. Where it stands is a `Mark`: a place in the order, not an entry of the line, so the queue may
change as it likes meanwhile. What was there when the walk began and stays there is looked at once; what comes later is
not, hence every walk ends. Messages in the journal alone are read from there and stay there.

`Peek` is a walk that keeps what it finds for people to read; `moving` has those that do something about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from menura.core.content import body_length, body_of, properties_of
from menura.core.line import BEGINNING, Mark, Place
from menura.core.paging import Paged
from menura.core.properties import Properties, PropertiesError
from menura.core.selecting import EVERYTHING, Matcher, Selection

if TYPE_CHECKING:
    from menura.core.queue import Queue
    from menura.core.run import Run

# One step looks at no more than this.
STEP_MESSAGES_MAX = 1000
STEP_BYTES_MAX = 1024 * 1024
STEP_SECONDS_MAX = 0.003
STEP_ENTRIES_MAX = 256
# Bounds of a peek, where nothing else is asked for.
MESSAGES_MAX = 100
BYTES_MAX = 16 * 1024 * 1024
EXAMINED_MAX = 1_000_000


class Find(NamedTuple):
    """What was found in one entry: runs of messages that stand together, with the position of the first."""

    place: Place
    runs: list[tuple[int, Run]]


class Walk:
    """Goes through the messages of a queue that are meant by a selection, those behind a mark."""

    def __init__(self, queue: Queue, selection: Selection, mark: Mark = BEGINNING) -> None:
        self.queue = queue
        self.ended = False
        self.examined = self.found = 0
        self._matcher = Matcher(selection)
        self._to_skip = selection.skip
        self._to_find = selection.count
        self._mark = mark
        self._end = queue.next_position

    def step(self) -> list[Find]:
        """Look at some more; what was found, one entry after the other, each once."""
        queue = self.queue
        if not queue.alive:
            self.ended = True
            return []
        if queue.rules is not None:
            queue.rules.expire()
        places = queue.after(self._mark, STEP_ENTRIES_MAX)
        if not places or self._to_find == 0:
            self.ended = True
            return []
        self._left_messages, self._left_bytes = STEP_MESSAGES_MAX, STEP_BYTES_MAX
        self._until = queue.vhost.agenda.now + STEP_SECONDS_MAX
        finds = []
        for place in places:
            runs = list(self._look_through(place))
            if runs:
                finds.append(Find(place, runs))
            if self._over or self._mark[1] < place.position + len(place.waiting) - 1:
                return finds
        # Was that all there is, what comes now is not meant.
        self.ended = len(places) < STEP_ENTRIES_MAX
        return finds

    @property
    def mark(self) -> Mark:
        """Where it stands."""
        return self._mark

    @property
    def all_found(self) -> bool:
        """Whether it has found as many as are meant."""
        return self._to_find == 0

    @property
    def _over(self) -> bool:
        return (
            self.ended or self._left_messages <= 0 or self._left_bytes <= 0 or self.queue.vhost.agenda.now > self._until
        )

    def _look_through(self, place: Place) -> Iterator[tuple[int, Run]]:
        """What is found in an entry, up to where the step is over."""
        order, end = self.queue.order(place), place.position + len(place.waiting)
        first = max(place.position, self._mark[1] + 1 if self._mark[0] == order else 0)
        self._mark = order, end - 1
        stretch = self._matcher.stretch(first, min(end, self._end) - 1)
        if stretch is None:
            return
        first, last = stretch
        stop = min(last + 1, first + self._left_messages)
        if isinstance(place.waiting, Paged):
            stop = min(stop, first + place.waiting.first_part())
            parts = self.queue.read(place, first, stop - first)
        else:
            parts = [(first, place.waiting.piece(first - place.position, stop - place.position))]
        for position, run in parts:
            yield from self._look_at(position, run, order)
            if self._over:
                return
        self._mark = order, end - 1 if stop > last else stop - 1

    def _look_at(self, position: int, run: Run, order: int) -> Iterator[tuple[int, Run]]:
        """Runs of the messages of a run that are meant."""
        begin = None
        at = 0
        for at, content in enumerate(run.contents, 1):
            self._left_messages -= 1
            self._left_bytes -= len(content)
            self.examined += 1
            if self._matcher.fits(position + at - 1, run.route, content) and self._meant():
                begin = at - 1 if begin is None else begin
            elif begin is not None:
                yield position + begin, run.piece(begin, at - 1)
                begin = None
            if self._over:
                break
        self._mark = order, position + at - 1
        if begin is not None:
            yield position + begin, run.piece(begin, at)

    def _meant(self) -> bool:
        """Whether a message that fits is neither passed over nor one too many."""
        if self._to_skip:
            self._to_skip -= 1
            return False
        self.found += 1
        if self._to_find is not None:
            self._to_find -= 1
            if not self._to_find:
                self.ended = True
        return True


class Seen(NamedTuple):
    """A message that waits in a queue. `body` may be cut; `body_bytes` is its whole length.

    `due_ms` is when it will expire, in milliseconds since 1970, or 0.
    """

    position: int
    redelivered: bool
    rank: int
    exchange: str
    routing_keys: tuple[str, ...]
    properties: Properties
    body: bytes
    body_bytes: int
    due_ms: int


class Seeing(NamedTuple):
    """What a peek came to: `complete` unless it stopped at a bound before all that was meant had been found.

    `mark` is where another one can go on, if there may be more behind it.
    """

    messages: list[Seen]
    examined: int
    complete: bool
    mark: Mark | None = None


class Peek:
    """Reads messages that wait, behind a mark, at most `bytes_max` of properties and bodies, each body cut to
    `body_bytes_max`."""

    def __init__(
        self,
        queue: Queue,
        selection: Selection = EVERYTHING,
        *,
        bytes_max: int = BYTES_MAX,
        body_bytes_max: int | None = None,
        examined_max: int = EXAMINED_MAX,
        after: Mark = BEGINNING,
    ) -> None:
        self._walk = Walk(queue, selection, after)
        self._kept = after
        self._left_bytes = bytes_max
        self._body_bytes_max = body_bytes_max
        self._examined_max = examined_max
        self._complete = True
        self._rest: Mark | None = None
        self._messages: list[Seen] = []

    def step(self) -> bool:
        """Look at some more; whether there is more to do."""
        queue = self._walk.queue
        for place, runs in self._walk.step():
            for position, run in runs:
                for at, content in enumerate(run.contents):
                    if not self._keep(place, position + at, run, content):
                        self._complete = False
                        self._rest = self._kept
                        return False
                    self._kept = queue.order(place), position + at
        if self._walk.ended:
            self._rest = self._kept if self._walk.all_found else None
            return False
        if self._walk.examined >= self._examined_max:
            self._complete = False
            self._rest = self._walk.mark
            return False
        return True

    @property
    def result(self) -> Seeing:
        return Seeing(self._messages, self._walk.examined, self._complete, self._rest)

    def _keep(self, place: Place, position: int, run: Run, content: bytes) -> bool:
        """Note a message, if it is not too much."""
        body = body_of(content)
        if self._body_bytes_max is not None:
            body = body[: self._body_bytes_max]
        block = properties_of(content)
        size_bytes = len(body) + len(block)
        if size_bytes > self._left_bytes:
            return False
        self._left_bytes -= size_bytes
        route = run.route
        self._messages.append(
            Seen(
                position,
                place.redelivered,
                place.rank,
                route.exchange,
                (route.key, *route.further_keys),
                _decoded(block),
                body,
                body_length(content),
                run.deadline_ms,
            )
        )
        return True


def _decoded(block: bytes) -> Properties:
    """Properties; none where they cannot be read."""
    try:
        return Properties.decode(block)
    except PropertiesError:
        return Properties()
