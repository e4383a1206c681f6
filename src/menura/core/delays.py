"""Messages that are to be routed later: a queue of their own keeps them, and sends them on when it is time.

The header x-delay says for how many milliseconds. A message that is sent on has it with a minus before the number, so
that it is not held again. What is durable of them waits in the journal alone: of each, memory holds no more than when
it is due and how large it is.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from menura.core import fields, properties
from menura.core.content import properties_of, with_properties
from menura.core.line import Place
from menura.core.paging import Paged, read_through
from menura.core.rules import DUE_MESSAGES_MAX, Rules
from menura.core.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from menura.core.ports import Journal
    from menura.core.settings import QueueSettings

HEADER = "x-delay"
_KNOWN_BYTES_MAX = 512
DELAY_PREFIX = "amq.delayed."
DELAY_MS_MAX = 10 * 365 * 24 * 3600 * 1000


def delay_ms(headers: Mapping[str, Any]) -> int:
    """For how long a message with these headers is to be held; 0 for not at all."""
    value = headers.get(HEADER)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and 0 < value < DELAY_MS_MAX:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return 0
    return min(value, DELAY_MS_MAX)


class Held(NamedTuple):
    """What the properties of a message say that is held."""

    delay_ms: int
    ttl_ms: int | None
    sent_on: bytes
    """The properties with which it is routed."""


def _held(block: bytes) -> Held:
    return _known(block) if len(block) <= _KNOWN_BYTES_MAX else _known.__wrapped__(block)


@lru_cache(maxsize=2048)
def _known(block: bytes) -> Held:
    raw = properties.headers_raw(block)
    delay = delay_ms(fields.known_table(raw)) if raw else 0
    table = fields.raw_table(raw) if raw else {}
    table[HEADER] = fields.encode_value(-delay)
    sent_on = properties.replace_headers(block, fields.pack_raw_table(table))
    return Held(delay, properties.expiration_ms(block), sent_on)


def _delay_of(content: bytes) -> int:
    return _held(properties_of(content)).delay_ms


def _sent_on(content: bytes) -> tuple[int | None, bytes]:
    """The message as it is routed after its delay, behind its own time to live."""
    held = _held(properties_of(content))
    return held.ttl_ms, with_properties(content, held.sent_on)


def _way(due: tuple[int, Run]) -> tuple[bool, tuple[str, ...]]:
    """What messages have in common that are sent on together."""
    run = due[1]
    return run.persistent, (run.route.key, *run.route.further_keys)


class Delays(Rules):
    """The rules of a queue that holds the messages of the exchange it is named after."""

    pages: ClassVar[bool] = True
    selective: ClassVar[bool] = True
    __slots__ = ()

    def configure(self, settings: QueueSettings) -> None:
        """It follows no policies: what they are about is done where the messages go."""

    def enqueue(self, run: Run) -> None:
        now_ms = self.queue.vhost.agenda.wall_ms
        deadlines_ms = [now_ms + max(_delay_of(content), 1) for content in run.contents]
        self.queue.enqueue_apart(run, deadlines_ms)
        self.due(min(deadlines_ms))

    def deadline_of(self, content: bytes, at_ms: int) -> int:
        return (at_ms or self.queue.vhost.agenda.wall_ms) + max(_delay_of(content), 1)

    def recovered(self, journal: Journal, position: int, paged: Paged, redelivered: bool) -> list[Place]:
        return [
            Place(at, Paged(1, len(content), run.deadline_ms), redelivered, 0)
            for first, run in read_through(journal, self.queue.id, position, paged, self.deadline_of)
            for at, content in enumerate(run.contents, first)
        ]

    def returned(self, position: int, run: Run, failed: bool) -> None:
        self.queue.put_back(position, run)
        self.due(run.deadline_ms)

    def reject(self, position: int, run: Run) -> None:
        self.queue.settle(position, run)

    def _look(self) -> None:
        """It is time for some: hand them to the exchange, those that go one way together."""
        self._timer = None
        queue = self.queue
        if not queue.alive:
            return
        try:
            due = queue.take_all_due(queue.vhost.agenda.wall_ms, DUE_MESSAGES_MAX)
            failure: Exception | None = None
            with queue.vhost.together():
                for way, group in groupby(due, _way):
                    try:
                        self._send_on(way, list(group))
                    except Exception as error:  # is not that of the others
                        failure = error
            if failure is not None:
                raise failure
        finally:
            self._arm()

    def _send_on(self, way: tuple[bool, tuple[str, ...]], due: list[tuple[int, Run]]) -> None:
        try:
            self._publish(way, [content for _, run in due for content in run.contents])
        finally:
            for position, run in due:
                self.queue.drop(position, run)

    def _publish(self, way: tuple[bool, tuple[str, ...]], held: list[bytes]) -> None:
        persistent, keys = way
        vhost = self.queue.vhost
        name = self.queue.name.removeprefix(DELAY_PREFIX)
        if name not in vhost.exchanges:
            return
        route = vhost.letters.route(name, keys)
        # Their own time to live begins now.
        for ttl_ms, group in groupby(map(_sent_on, held), itemgetter(0)):
            contents = [content for _, content in group]
            due_ms = 0 if ttl_ms is None else vhost.agenda.wall_ms + ttl_ms
            vhost.publish(route, Run.of(route, contents, persistent, due_ms))
            vhost.take_refused()
