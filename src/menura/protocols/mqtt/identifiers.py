"""Packet identifiers in use by one client, both ways, and what each stands for (sections 2.2.1 and 4.3).

The identifier of a message follows from its position in the client's queue, so the same message has the same identifier
after a reconnect or a restart. What a shared subscription sends has identifiers of its own, from the upper half.

A message for which the client's PUBREC has arrived is settled, and its identifier noted as released in the same breath;
a message of QoS 2 that the client publishes is noted as received in the same breath. The notes of a client that
outlives its connections are tiny messages of a durable queue, taken from it and settled when they are not needed any
more. So the journal's own all or nothing is that of QoS 2. A will is such a note, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from menura.core import content as packed
from menura.core.consumer import Consumer
from menura.core.routing import Route
from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.queue import Queue
    from menura.core.vhost import VHost

# Identifiers 1 to here follow from positions; those above are for shared subscriptions.
OWN_IDS = 32767
_RECEIVED, _RELEASED, _WILL = b"\x01", b"\x02", b"\x03"
_ALL = 1 << 30
# An exchange of this name nobody can declare: what has come by it is ours, and what else is in a queue of notes is not.
NOTES = "amq.notes"
Note = tuple["Queue", int, Run]
"""A tiny message of a queue of notes, and its position."""


class Flight(NamedTuple):
    """A message that was sent and is not settled: number `at` of a run whose first is at `position`."""

    consumer: Consumer
    position: int
    run: Run
    at: int
    qos: int


class Identifiers:
    """`inflight`: sent and not settled; `released`: settled, PUBCOMP is awaited; `received`: the client's own messages
    of QoS 2, PUBREL is awaited. Notes go to the queue `name`; without one there are none."""

    def __init__(self, vhost: VHost, name: str) -> None:
        self.inflight: dict[int, Flight] = {}
        self.released: dict[int, tuple[Note | None, Consumer | None]] = {}
        self.received: dict[int, Note | None] = {}
        self._will: Note | None = None
        self._vhost = vhost
        self._name = name
        self._state: Queue | None = None
        self._next_shared = OWN_IDS + 1

    def restore(self) -> None:
        """Begin with the notes that outlived the process."""
        queue = self._vhost.queues.get(self._name)
        if queue is not None:
            self._own(queue)
        while queue is not None and (taken := queue.take(_ALL)) is not None:
            position, run, _ = taken
            if run.route.exchange != NOTES:
                queue.settle(position, run)
                continue
            for at in range(len(run)):
                self._recall((queue, position + at, run.piece(at, at + 1)))

    def _recall(self, note: Note) -> None:
        body = packed.body_of(note[2].contents[0])
        id = int.from_bytes(body[1:3], "big")
        if body[:1] == _RECEIVED:
            self.received[id] = note
        elif body[:1] == _WILL:
            self._will = note
        else:
            self.released[id] = note, None

    def disconnect(self) -> None:
        """The connection is gone: what was not settled goes back to its queues."""
        self.requeue(list(self.inflight))
        self.released = {id: (note, None) for id, (note, _) in self.released.items()}

    def end(self) -> None:
        """The client is forgotten."""
        if self._state is not None:
            self._vhost.remove_queue(self._state)
        for note in (*self.received.values(), *(note for note, _ in self.released.values()), self._will):
            self._erase(note)
        self._will = None
        self.received.clear()
        self.released.clear()

    def shared_id(self) -> int | None:
        """A packet identifier for a message of a shared subscription; None if all are in use."""
        for _ in range(65535 - OWN_IDS):
            id = self._next_shared
            self._next_shared = id + 1 if id < 65535 else OWN_IDS + 1
            if id not in self.inflight and id not in self.released:
                return id
        return None

    # -- what the peer has answered --------------------------------------------------------------------------

    def settle(self, ids: Iterable[int]) -> None:
        """The client has these messages for good; identifiers that are in use."""
        for consumer, position, piece in self._pieces(ids):
            count = len(piece.contents)
            consumer.queue.settle(position, piece)
            consumer.taking.ack += count
            consumer.settled(count)

    def requeue(self, ids: Iterable[int]) -> None:
        for consumer, position, piece in self._pieces(ids):
            consumer.queue.requeue(position, piece)
            consumer.settled(len(piece.contents))

    def _pieces(self, ids: Iterable[int]) -> list[tuple[Consumer, int, Run]]:
        """Take these out of what is in flight, neighbours together: consumer, position and messages."""
        found = []
        start: Flight | None = None
        last = -1
        for id in ids:
            flight = self.inflight.pop(id)
            if start is not None and flight.run is start.run and flight.at == last + 1:
                last += 1
                continue
            if start is not None:
                found.append(_piece(start, last))
            start, last = flight, flight.at
        if start is not None:
            found.append(_piece(start, last))
        return found

    def forget_received(self, id: int) -> bool:
        """The client will not send this one again; whether it had."""
        if id not in self.received:
            return False
        self._erase(self.received.pop(id))
        return True

    def release(self, id: int) -> None:
        """The client has received a message of QoS 2, and must not be sent it again."""
        flight = self.inflight.pop(id)
        piece = flight.run.piece(flight.at, flight.at + 1)
        with self._vhost.together():
            flight.consumer.queue.settle(flight.position + flight.at, piece)
            queue = self._append_note(_RELEASED, id)
        flight.consumer.taking.ack += 1
        self.released[id] = self._take_note(queue), flight.consumer

    def complete(self, id: int) -> bool:
        """The client has forgotten the identifier; whether it was in use."""
        found = self.released.pop(id, None)
        if found is None:
            return False
        note, consumer = found
        self._erase(note)
        if consumer is not None:
            consumer.settled(1)
        return True

    def keep_will(self, octets: bytes) -> None:
        self._will = self._take_note(self._append(_WILL + octets))

    def kept_will(self) -> bytes | None:
        return packed.body_of(self._will[2].contents[0])[1:] if self._will is not None else None

    def forget_will(self) -> None:
        note, self._will = self._will, None
        self._erase(note)

    def append_received(self, id: int) -> Queue | None:
        """Note that a message of QoS 2 is about to be published; to be followed by `keep_received`."""
        return self._append_note(_RECEIVED, id)

    def keep_received(self, id: int, queue: Queue | None) -> None:
        self.received[id] = self._take_note(queue)

    def _append_note(self, kind: bytes, id: int) -> Queue | None:
        return self._append(kind + id.to_bytes(2, "big"))

    def _append(self, note: bytes) -> Queue | None:
        if not self._name:
            return None
        queue = self._state
        if queue is None or not queue.alive:
            queue = self._own(self._vhost.declare_queue(self._name, durable=True))
        content = packed.pack(b"\0\0", note)
        self._vhost.append(queue, Run(Route(NOTES, self._name), [content], len(content), len(content), True))
        return queue

    def _own(self, queue: Queue) -> Queue:
        """Keep clients of other protocols away from the notes."""
        self._state = queue
        queue.owner = self
        return queue

    def disown(self, queue: Queue) -> None:
        """The queue of notes is gone (core.ports.Owner)."""
        self._state = None

    def _take_note(self, queue: Queue | None) -> Note | None:
        while queue is not None and (taken := queue.take(1)) is not None:
            position, run, _ = taken
            if run.route.exchange == NOTES:
                return queue, position, run
            queue.settle(position, run)
        return None

    def _erase(self, note: Note | None) -> None:
        if note is not None:
            queue, position, run = note
            with self._vhost.together():
                queue.settle(position, run)


def _piece(flight: Flight, last: int) -> tuple[Consumer, int, Run]:
    """The messages of a run from this flight's to the one at `last`."""
    run, first = flight.run, flight.at
    piece = run if last + 1 - first == len(run.contents) else run.piece(first, last + 1)
    return flight.consumer, flight.position + first, piece
