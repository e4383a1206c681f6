"""A queue's places in the log, compared with a dictionary of its messages."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from menura.store.places import Entry, Places
from menura.store.segments import Segment, Segments

SEGMENT_BYTES = 1000
RECORD_BYTES = 100
MESSAGE_BYTES = 10


class Queue(RuleBasedStateMachine):
    """`live` has a message's place and index in the record there; what was settled or lost is not in it."""

    def __init__(self) -> None:
        super().__init__()
        self.places = Places()
        self.segments = Segments()
        self.live: dict[int, tuple[int, int]] = {}
        self.next = self.delivered = self.end = 0

    def record(self, count: int) -> int:
        """Room for one in the log."""
        if not self.segments or self.segments[-1].size_bytes >= SEGMENT_BYTES:
            self.segments.append(Segment(self.end, self.end))
        segment = self.segments[-1]
        self.end = segment.end = self.end + RECORD_BYTES
        segment.record_bytes += RECORD_BYTES
        segment.hold(count, count * MESSAGE_BYTES)
        return self.end - RECORD_BYTES

    @rule(count=st.integers(1, 8), gap=st.integers(0, 3), skip=st.integers(0, 2))
    def publish(self, count: int, gap: int, skip: int) -> None:
        first = self.next + gap
        place = self.record(count)
        self.places.add(first, count, place, skip, RECORD_BYTES, count * MESSAGE_BYTES)
        self.segments[-1].lose(-count, -count * MESSAGE_BYTES)
        self.live |= {first + number: (place, skip + number) for number in range(count)}
        self.next = first + count

    @rule(first=st.integers(0, 80), count=st.integers(1, 15))
    def settle(self, first: int, count: int) -> None:
        last = min(first + count, self.next) - 1
        if first <= last:
            self.places.settle(first, last, self.segments)
            for position in range(first, last + 1):
                self.live.pop(position, None)

    @precondition(lambda self: self.live)
    @rule()
    def settle_the_oldest(self) -> None:
        self.settle(min(self.live), 1)

    @rule(high=st.integers(0, 100))
    def deliver(self, high: int) -> None:
        high = min(high, self.next)
        self.places.saw_delivered(high)
        self.delivered = max(self.delivered, high)

    @precondition(lambda self: len(self.segments) > 1)
    @rule(data=st.data())
    def copy_the_oldest_segment_forward(self, data: st.DataObject) -> None:
        old = self.segments[0]
        copies = []
        for entry in list(self.places.live()):
            if entry.place < old.end:
                place = self.record(entry.number)
                copies.append(Entry(entry.first, entry.number, place, 0, RECORD_BYTES, entry.content_bytes))
        if copies and data.draw(st.booleans()):  # settled between the copy and its end
            self.settle(copies[0].first, 1)
        self.places.move(copies, self.segments)
        for copy in copies:
            for number in range(copy.number):
                if copy.first + number in self.live:
                    self.live[copy.first + number] = copy.place, number
        assert old.live == 0
        self.segments.remove(old)

    @precondition(lambda self: len(self.segments) > 1)
    @rule()
    def lose_the_oldest_segment(self) -> None:
        old = self.segments[0]
        self.places.drop(old.first, old.end, self.segments)
        self.live = {position: where for position, where in self.live.items() if where[0] >= old.end}
        assert old.live == 0
        self.segments.remove(old)

    @rule()
    def stop_and_start(self) -> None:
        self.places = Places.decode(self.places.encode())

    @rule(first=st.integers(0, 80), count=st.integers(1, 30))
    def some_of_it_is_asked_for(self, first: int, count: int) -> None:
        found = {}
        for entry in self.places.live(first, first + count - 1):
            assert entry.size == RECORD_BYTES
            found |= {entry.first + number: (entry.place, entry.skip + number) for number in range(entry.number)}
        assert found == {position: where for position, where in self.live.items() if first <= position < first + count}

    @invariant()
    def what_lives_is_known(self) -> None:
        found = [
            (entry.first + number, (entry.place, entry.skip + number))
            for entry in self.places.live()
            for number in range(entry.number)
        ]
        assert found == sorted(self.live.items())
        ranges = self.places.ranges()
        assert [position for first, last in ranges for position in range(first, last + 1)] == sorted(self.live)
        assert all(last + 1 < first for (_, last), (first, _) in pairwise(ranges))
        assert self.places.totals() == (len(self.live), MESSAGE_BYTES * len(self.live))

    @invariant()
    def segments_know_what_lives_in_them(self) -> None:
        for segment in self.segments:
            there = sum(segment.first <= place < segment.end for place, _ in self.live.values())
            assert segment.live == there
            assert segment.live_content_bytes == there * MESSAGE_BYTES
            assert bool(segment.live_bytes) == bool(there)
            places = {place for place, _ in self.live.values() if segment.first <= place < segment.end}
            assert places <= self.places.in_segment(segment.first, segment.end).keys()

    @invariant()
    def positions_are_not_given_out_again(self) -> None:
        assert self.places.next_position == max(self.next, self.delivered)
        assert self.places.delivered == self.delivered


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
