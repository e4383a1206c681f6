"""Messages that wait in a queue are moved, copied, replayed or deleted, in steps of bounded work (see `browsing`).

A message that is moved is published anew where it goes to: the priority, the time to live and the limits there are its
own from then on, and its `expiration` begins again. It leaves the queue it was in within the same transaction of the
journal, so after a crash it is in one of the two places. What nobody would take stays where it was, at its place; a
message that several queues were to have and one refused is treated as a publisher's would be, and may be in the others.
A queue that is full ends what goes to it.

Dead letters are replayed to where the newest entry of their history says they died: by the exchange and the keys it
names, or into the queue it names, where the exchange is gone or leads nowhere. The history stays with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from menura.core import fields, properties
from menura.core.browsing import Find, Walk
from menura.core.content import properties_of, with_properties
from menura.core.dead_letters import DEATHS
from menura.core.delivery_counts import HEADER as COUNT_HEADER
from menura.core.line import Entry, Place
from menura.core.paging import Paged
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.selecting import EVERYTHING, Selection

if TYPE_CHECKING:
    from menura.core.queue import Queue
    from menura.core.vhost import VHost


Permit = Callable[[str, Sequence[str]], bool]
"""Whether something may be published to an exchange with certain keys."""


def _anywhere(exchange: str, keys: Sequence[str]) -> bool:
    return True


class Moved(NamedTuple):
    """How many messages were looked at and meant; and of those, what was done, what had nowhere to go, and what was
    refused for lack of room."""

    examined: int
    found: int
    done: int
    unrouted: int
    refused: int


class Destination:
    """Where messages go. `send` gives those that were not taken, as (unrouted, refused) places in the run.

    What may not be published to an exchange with these keys stays where it is, as if it led nowhere.
    """

    def __init__(self, vhost: VHost, may: Permit = _anywhere) -> None:
        self._vhost = vhost
        self._may = may

    def send(self, run: Run) -> tuple[list[int], list[int]]:
        raise NotImplementedError

    def check(self) -> None:
        """Raise a refusal if there is no such place (any more)."""

    def _publish(self, route: Route, run: Run, places: Sequence[int]) -> tuple[list[int], list[int]]:
        """Publish some messages of a run."""
        if not self._may(route.exchange, (route.key, *route.further_keys)):
            return list(places), []
        unrouted, refused = [], []
        for at, piece in _anew(self._vhost, route, run, places):
            before = list(piece.contents)
            left = self._vhost.publish(route, piece)
            full = self._vhost.take_refused()
            unwanted = {id(content) for content in left}
            for place, content in zip(at, before, strict=True):
                if id(content) in unwanted:
                    unrouted.append(place)
            refused += at[len(at) - full :] if full else []
        return unrouted, [place for place in refused if place not in unrouted]


class ToExchange(Destination):
    """An exchange, with a key of one's own or the message's."""

    def __init__(self, vhost: VHost, exchange: str, key: str | None, may: Permit = _anywhere) -> None:
        super().__init__(vhost, may)
        self._exchange = exchange
        self._key = key

    def check(self) -> None:
        self._vhost.exchange(self._exchange)

    def send(self, run: Run) -> tuple[list[int], list[int]]:
        keys = (run.route.key, *run.route.further_keys) if self._key is None else (self._key,)
        return self._publish(self._vhost.letters.route(self._exchange, keys), run, range(len(run)))


class ToQueue(Destination):
    """A queue, which gets the messages as they were published: with the exchange and the keys they had."""

    def __init__(self, vhost: VHost, queue: Queue) -> None:
        super().__init__(vhost)
        self._queue = queue

    def check(self) -> None:
        self._vhost.queue(self._queue.name, self._queue.owner)

    def send(self, run: Run) -> tuple[list[int], list[int]]:
        refused: list[int] = []
        for at, piece in _anew(self._vhost, run.route, run, range(len(run))):
            room = len(piece) if self._queue.rules is None else self._queue.rules.room(piece)
            refused += at[room:]
            if room:
                self._vhost.append(self._queue, piece if room == len(piece) else piece.piece(0, room))
        return [], refused


class ToOrigin(Destination):
    """Where each of them died."""

    def send(self, run: Run) -> tuple[list[int], list[int]]:
        by_origin: dict[Origin | None, list[int]] = {}
        for at, content in enumerate(run.contents):
            by_origin.setdefault(origin(content), []).append(at)
        unrouted = by_origin.pop(None, [])
        refused: list[int] = []
        for place, left in by_origin.items():
            assert place is not None
            for exchange, keys in ((place.exchange, place.keys), ("", (place.queue,))):
                if left and exchange in self._vhost.exchanges:
                    left, full = self._publish(self._vhost.letters.route(exchange, keys), run, left)
                    refused += full
            unrouted += left
        return unrouted, refused


class Origin(NamedTuple):
    exchange: str
    keys: tuple[str, ...]
    queue: str


def origin(content: bytes) -> Origin | None:
    """Where a dead letter died last; None if it does not say."""
    try:
        raw = properties.headers_raw(properties_of(content))
        deaths = fields.decode_table(raw)[0].get(DEATHS) if raw else None
    except (properties.PropertiesError, fields.FieldError):
        return None
    newest = deaths[0] if isinstance(deaths, list) and deaths else None
    if not isinstance(newest, dict):
        return None
    exchange, queue, keys = newest.get("exchange"), newest.get("queue"), newest.get("routing-keys")
    if not isinstance(exchange, str) or not isinstance(queue, str) or not isinstance(keys, list):
        return None
    named = tuple(key for key in keys if isinstance(key, str))
    return Origin(exchange, named or (queue,), queue)


class Transfer:
    """Messages of a queue on their way to a destination, or, without one, to nowhere."""

    def __init__(
        self, queue: Queue, selection: Selection, destination: Destination | None, *, stay: bool = False
    ) -> None:
        self._queue = queue
        self._destination = destination
        self._stay = stay
        self._walk = Walk(queue, selection)
        self._done = self._unrouted = self._refused = 0
        if destination is not None:
            destination.check()

    def step(self) -> bool:
        """Do some of it; whether there is more to do."""
        if self._destination is not None:
            self._destination.check()
        finds = self._walk.step()
        if finds:
            vhost = self._queue.vhost
            with vhost.together():
                self._carry(finds)
            vhost.agenda.after(0, vhost.dispatch)
        return not self._walk.ended and not self._refused

    @property
    def result(self) -> Moved:
        return Moved(self._walk.examined, self._walk.found, self._done, self._unrouted, self._refused)

    def _carry(self, finds: list[Find]) -> None:
        for place in [place for find in finds for place in parted(find)] if self._stay else lift(self._queue, finds):
            run = place.waiting
            assert isinstance(run, Run)
            unrouted, refused = ([], []) if self._refused else self._send(run)
            if self._refused:  # there is no more room
                refused = list(range(len(run)))
            self._unrouted += len(unrouted)
            self._refused += len(refused)
            left = {*unrouted, *refused}
            self._done += len(run) - len(left)
            if not self._stay:
                self._settle(place, run, left)

    def _send(self, run: Run) -> tuple[list[int], list[int]]:
        if self._destination is None:
            return [], []
        rules = self._queue.rules
        if rules is not None and rules.settings.quorum:
            contents = list(map(_uncounted, run.contents))
            run = Run.of(run.route, contents, run.persistent)
        return self._destination.send(run)

    def _settle(self, place: Place, run: Run, left: set[int]) -> None:
        """What has gone is gone; what is left goes back."""
        for start, stop, stays in _stretches(len(run), left):
            piece = run if stop - start == len(run) else run.piece(start, stop)
            if not stays:
                self._queue.drop(place.position + start, piece)
                continue
            self._queue.insert(place._replace(position=place.position + start, waiting=piece))
            if self._queue.rules is not None:
                self._queue.rules.weigh(piece, 1)


def lift(queue: Queue, finds: list[Find]) -> list[Place]:
    """Take what was found off the queue; they are not settled, and weigh on the memory account."""
    rest = {find.place.position: remains(find) for find in finds}
    queue.replace([find.place for find in finds], rest)
    lifted = [place for find in finds for place in parted(find)]
    for find in finds:
        for _, run in find.runs:
            if isinstance(find.place.waiting, Paged):
                queue.vhost.memory.charge(run)
            if queue.rules is not None:
                queue.rules.weigh(run, -1)
    return lifted


def parted(find: Find) -> Iterable[Place]:
    """What was found, as entries of their own."""
    return (find.place._replace(position=position, waiting=run) for position, run in find.runs)


def remains(find: Find) -> list[Entry]:
    """What is left of an entry without what was found in it."""
    position, waiting, _, _ = find.place
    end = position + len(waiting)
    gaps = []
    for first, run in find.runs:
        if first > position:
            gaps.append((position, first))
        position = first + len(run)
    if position < end:
        gaps.append((position, end))
    first = find.place.position
    if isinstance(waiting, Run):
        return [(start, waiting.piece(start - first, stop - first)) for start, stop in gaps]
    left_bytes = max(waiting.size_bytes - sum(run.size_bytes for _, run in find.runs), 0)
    left_count = sum(stop - start for start, stop in gaps)
    entries: list[Entry] = []
    for start, stop in gaps:
        share_bytes = left_bytes * (stop - start) // left_count
        left_bytes -= share_bytes
        left_count -= stop - start
        entries.append((start, Paged(stop - start, share_bytes, waiting.deadline_ms)))
    return entries


def _stretches(length: int, left: set[int]) -> Iterator[tuple[int, int, bool]]:
    """Runs of places that are in `left` or not: from, to, which."""
    start = 0
    for stop in range(1, length + 1):
        if stop == length or (stop in left) is not (start in left):
            yield start, stop, start in left
            start = stop


def _anew(vhost: VHost, route: Route, run: Run, places: Sequence[int]) -> Iterator[tuple[list[int], Run]]:
    """Messages of a run as a publisher would hand them in, those due at the same time together."""
    now_ms = vhost.agenda.wall_ms
    due_ms = [_due_ms(run.contents[place], now_ms) for place in places]
    start = 0
    for stop in range(1, len(places) + 1):
        if stop == len(places) or due_ms[stop] != due_ms[start]:
            at = list(places[start:stop])
            contents = [run.contents[place] for place in at]
            yield at, Run.of(route, contents, run.persistent, due_ms[start])
            start = stop


def _due_ms(content: bytes, now_ms: int) -> int:
    """When a message is due that is published now."""
    expiration_ms = properties.expiration_ms(properties_of(content))
    return 0 if expiration_ms is None else now_ms + expiration_ms


def _uncounted(content: bytes) -> bytes:
    """The message as if it had never been handed out."""
    block = properties_of(content)
    raw = properties.headers_raw(block)
    table = fields.raw_table(raw) if raw else {}
    if table.pop(COUNT_HEADER, None) is None:
        return content
    return with_properties(content, properties.replace_headers(block, fields.pack_raw_table(table)))


# -- what can be done ----------------------------------------------------------------------------------------


def move(queue: Queue, destination: Destination, selection: Selection = EVERYTHING) -> Transfer:
    """Take messages out of a queue and send them to a destination."""
    return Transfer(queue, selection, destination)


def copy(queue: Queue, destination: Destination, selection: Selection = EVERYTHING) -> Transfer:
    """Send messages of a queue to a destination as well."""
    return Transfer(queue, selection, destination, stay=True)


def replay(queue: Queue, selection: Selection = EVERYTHING, may: Permit = _anywhere) -> Transfer:
    """Send dead letters back to where they died."""
    return Transfer(queue, selection, ToOrigin(queue.vhost, may))


def delete(queue: Queue, selection: Selection = EVERYTHING) -> Transfer:
    """Drop messages; they are no dead letters."""
    return Transfer(queue, selection, None)
