"""What becomes of messages that leave a queue in another way than a consumer's.

A queue with a dead letter exchange hands them to it, with their history in the header x-death: an entry for each
queue and reason, the latest first, with how often that happened. Those that were rejected may come round again; a
message that comes back to a queue without anybody having rejected it on the way would do so for ever, and is dropped.

One dead letter may push others out of a full queue, and so on: what is to be buried waits its turn in a list of the
virtual host instead of going deeper each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from menura.core import fields, properties
from menura.core.arguments import queue_type
from menura.core.content import properties_of, with_properties
from menura.core.delivery_counts import HEADER as COUNT_HEADER
from menura.core.routing import Route
from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.queue import Queue
    from menura.core.traffic import Traffic

REJECTED, EXPIRED, MAXLEN, DELIVERY_LIMIT = "rejected", "expired", "maxlen", "delivery_limit"
DEATHS = "x-death"
# Of a message that goes round, so many entries are kept: of the reasons and queues that came last.
DEATHS_MAX = 256
_COUNT_MAX = (1 << 63) - 1
_ROUTES_MAX = 1024
_NO_QUEUES: frozenset[str] = frozenset()
Entry = dict[str, bytes]
"""One death: encoded values by name."""


class Death(NamedTuple):
    """Messages that are to leave a queue, or were not let in."""

    queue: Queue
    run: Run
    reason: str


class Letters:
    """The dead letters of a virtual host on their way."""

    def __init__(self, vhost: Traffic) -> None:
        self._vhost = vhost
        self._waiting: list[Death] = []
        self._routes: dict[tuple[str, tuple[str, ...]], Route] = {}

    def send(self, death: Death) -> bool:
        """Publish the messages anew; whether all of them have found a queue, as far as that is known now.

        What they push out elsewhere has left there, for the disk as well, in the moment in which it is where it goes.
        """
        self._waiting.append(death)
        if len(self._waiting) > 1:
            return True
        found: list[bool] = []
        failure: Exception | None = None
        with self._vhost.together():
            for next in self._waiting:  # it grows meanwhile
                try:
                    found.append(self._publish(next))
                except Exception as error:  # one letter's failure is not the others'
                    failure = error
            self._waiting.clear()
        if failure is not None:
            raise failure
        return found[0]

    def count(self, queue: Queue, reason: str, count: int) -> None:
        """So many messages have left a queue otherwise, wherever they went."""
        settings = queue.rules.settings if queue.rules is not None else None
        if settings is None or settings.dead_letter_exchange is None:
            strategy = "disabled"
        else:
            strategy = "at_least_once" if settings.dead_letters_certain else "at_most_once"
        kind = queue_type(queue.arguments)
        dead = self._vhost.register.dead
        dead[reason, kind, strategy] += count
        if strategy == "at_least_once":
            dead["confirmed", kind, strategy] += count

    def _publish(self, death: Death) -> bool:
        rules = death.queue.rules
        assert rules is not None
        settings = rules.settings
        name = settings.dead_letter_exchange
        if name is None or name not in self._vhost.exchanges:
            return False
        route = death.run.route
        keys = (route.key, *route.further_keys) if settings.dead_letter_key is None else (settings.dead_letter_key,)
        route = self.route(name, keys)
        post = Post(death, self._vhost.agenda.wall_ms // 1000, settings.dead_letter_key is not None)
        contents: list[bytes] = []
        passed = _NO_QUEUES
        found = True
        for content in death.run.contents:
            letter, without = post.letter(content)
            if without != passed and contents:
                found &= self._hand_over(route, contents, death.run.persistent, passed)
                contents = []
            passed = without
            contents.append(letter)
        return self._hand_over(route, contents, death.run.persistent, passed) and found

    def _hand_over(self, route: Route, contents: list[bytes], persistent: bool, without: frozenset[str]) -> bool:
        """Whether all of them have found a queue."""
        vhost = self._vhost
        refused, vhost.refused = vhost.refused, 0
        unwanted = vhost.publish(route, Run.of(route, contents, persistent), without)
        found = not unwanted and not vhost.refused
        vhost.refused = refused  # no publisher is told that there was no room for a dead letter
        return found

    def route(self, exchange: str, keys: tuple[str, ...]) -> Route:
        """The route that leads there, which is the same one while many go there."""
        route = self._routes.get((exchange, keys))
        if route is None:
            if len(self._routes) >= _ROUTES_MAX:
                self._routes.clear()
            route = self._routes[exchange, keys] = Route(exchange, keys[0], keys[1:])
        return route


def bury(queue: Queue, run: Run, reason: str) -> bool:
    """Send messages to where the dead ones of a queue go, if it has such a place; whether they have found a queue."""
    if queue.rules is None or queue.rules.settings.dead_letter_exchange is None:
        return False
    return queue.vhost.letters.send(Death(queue, run, reason))


class Post:
    """Makes dead letters of messages that died together; equal properties are rewritten once."""

    def __init__(self, death: Death, now: int, readdressed: bool) -> None:
        self._queue = death.queue.name
        self._reason = death.reason
        self._exchange = death.run.route.exchange
        self._route = death.run.route
        self._now = now
        self._readdressed = readdressed
        self._known: dict[bytes, tuple[bytes, frozenset[str]]] = {}

    def letter(self, content: bytes) -> tuple[bytes, frozenset[str]]:
        """The message as it is sent on, and the queues it must not get into."""
        block = properties_of(content)
        known = self._known.get(block)
        if known is None:
            known = self._known[block] = self._rewritten(block)
        return with_properties(content, known[0]), known[1]

    def _rewritten(self, block: bytes) -> tuple[bytes, frozenset[str]]:
        raw = properties.headers_raw(block)
        table = fields.raw_table(raw) if raw else {}
        expiration = properties.text(block, "expiration")
        deaths = self._deaths(table.get(DEATHS, b""), expiration, self._open_keys(table))
        table.pop(COUNT_HEADER, None)
        if self._readdressed:
            table.pop("CC", None)
        table[DEATHS] = fields.pack_raw_items(b"F" + fields.pack_raw_table(entry) for entry in deaths)
        place = (("exchange", self._exchange), ("queue", self._queue), ("reason", self._reason))
        if "x-first-death-reason" not in table:
            table.update((f"x-first-death-{name}", _raw(value)) for name, value in place)
        table.update((f"x-last-death-{name}", _raw(value)) for name, value in place)
        if expiration is not None:
            block = properties.replace_field(block, "expiration", None)
        return properties.replace_headers(block, fields.pack_raw_table(table)), passed_without_rejection(deaths)

    def _open_keys(self, headers: Entry) -> list[str]:
        """The keys the message was routed by, but for those nobody is to know."""
        copied = fields.decode_value(headers.get("CC", b"V")) if self._route.further_keys else None
        others = copied if isinstance(copied, list) else []
        return [self._route.key, *(key for key in others if isinstance(key, str))]

    def _deaths(self, raw: bytes, expiration: str | None, keys: list[str]) -> list[Entry]:
        """The history with the present death in it; values stay as they are encoded."""
        entries = [fields.raw_table(item, 1) for item in fields.raw_items(raw) if item.startswith(b"F")]
        for at, entry in enumerate(entries):
            if entry.get("queue") == _raw(self._queue) and entry.get("reason") == _raw(self._reason):
                del entries[at]
                entry["count"] = _long(_next(fields.decode_value(entry.get("count", b"V"))))
                return [entry, *entries]
        entry = {
            "count": _long(1),
            "reason": _raw(self._reason),
            "queue": _raw(self._queue),
            "time": b"T" + self._now.to_bytes(8, "big"),
            "exchange": _raw(self._exchange),
            "routing-keys": _raw(keys),
        }
        if expiration is not None:
            entry["original-expiration"] = _raw(expiration)
        return [entry, *entries[: DEATHS_MAX - 1]]


def passed_without_rejection(deaths: list[Entry]) -> frozenset[str]:
    """The queues a message has been in since somebody rejected it last."""
    names = set()
    for entry in deaths:
        if entry.get("reason") == _raw(REJECTED):
            break
        name = fields.decode_value(entry.get("queue", b"V"))
        if isinstance(name, str):
            names.add(name)
    return frozenset(names)


_raw = fields.encode_value


def _long(value: int) -> bytes:
    return b"l" + value.to_bytes(8, "big", signed=True)


def _next(count: object) -> int:
    """A client may have written the history, with any count in it."""
    return count + 1 if isinstance(count, int) and 0 <= count < _COUNT_MAX else 1
