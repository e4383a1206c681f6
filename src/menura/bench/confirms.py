"""Counting publisher confirms: single ones, ranges, and any mixture and order of both."""

import struct

from menura.bench import wire
from menura.bench.errors import BenchError, BrokerClosedError

_ACK = struct.Struct(">11sQBs")
_HEAD = wire.ack_range(0)[:11]


class Confirms:
    """Fed with what the broker sends to a publisher; `count` messages are confirmed so far."""

    def __init__(self) -> None:
        self._below = 0  # every tag up to here is confirmed
        self._ahead: set[int] = set()  # and these beyond it
        self._rest = b""

    @property
    def count(self) -> int:
        return self._below + len(self._ahead)

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        whole = len(data) - len(data) % wire.ACK_BYTES
        self._rest = data[whole:]
        ahead = self._ahead
        for head, tag, multiple, _ in _ACK.iter_unpack(data[:whole]):
            if head != _HEAD:
                raise self._refusal(data)
            if multiple:
                self._below = max(self._below, tag)
            elif tag == self._below + 1:
                self._below = tag
            else:
                ahead.add(tag)
        if ahead:
            self._close_up()

    def _close_up(self) -> None:
        ahead = self._ahead
        if self._below >= min(ahead):
            ahead.difference_update([tag for tag in ahead if tag <= self._below])
        while self._below + 1 in ahead:
            self._below += 1
            ahead.remove(self._below)

    def _refusal(self, data: bytes) -> BenchError:
        for at in range(0, len(data), wire.ACK_BYTES):
            if reason := wire.close_reason(data[at:]):
                return BrokerClosedError(reason)
        return BenchError("the broker refused a message (basic.nack) or sent something that is no confirm")
