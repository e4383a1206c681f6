"""Counting deliveries without parsing them.

The deliveries of a scenario are either all of one size (one consumer tag, keys and bodies of one length,
tags of eight octets, no heartbeats) or of sizes that repeat as their publisher repeats its messages. So the
first one is parsed, and from then on the count of complete messages is arithmetic per read, whatever the
read brought. What keeps this honest: the first octets after the last complete message must be those of a
delivery and the last octet must be a frame's end, so a message of another size, or a close, is found in the
read that brings it, and a scenario compares the counts of both ends when it has drained.
"""

import socket
import struct
from collections.abc import Sequence

from menura.bench import wire
from menura.bench.cycle import Cycle
from menura.bench.errors import BenchError, BrokerClosedError

READ_BYTES = 256 * 1024
_HEAD_BYTES = 11  # frame type, channel, length, class and method
_DELIVER = struct.pack(">HH", *wire.BASIC_DELIVER)


class DeliveryReader:
    """Reads a socket, blocking or not, on which nothing but deliveries arrives.

    `content_bytes` are the sizes of header and body frames of the messages in turn, when these differ.
    """

    def __init__(self, sock: socket.socket, body_bytes: int, content_bytes: Sequence[int] = ()) -> None:
        self._sock = sock
        self._buffer = bytearray(READ_BYTES + 4 * body_bytes)
        self.view = memoryview(self._buffer)
        self.message_bytes = 0  # of the first delivery
        self.received = 0
        self._content_bytes = content_bytes
        self._cycle: Cycle | None = None
        self._head = b""
        self._before = 0  # octets of the stream that have left the buffer
        self._used = 0
        self._filled = 0

    def read(self) -> int:
        """Read once; how many complete messages stand at the front of `view`, until the next read."""
        view, tail = self.view, self._filled - self._used
        if self._used:
            view[:tail] = bytes(view[self._used : self._filled])
            self._before += self._used
        self._used, self._filled = 0, tail
        try:
            got = self._sock.recv_into(view[tail:])
        except BlockingIOError:
            return 0
        if not got:
            raise BrokerClosedError("the broker closed the connection without a reason")
        self._filled = tail + got
        cycle = self._cycle or self._learn()
        if cycle is None:
            return 0
        total = cycle.whole(self._before + self._filled)
        count = total - self.received
        if count:
            self.received = total
            self._used = cycle.end(total) - self._before
        self._check(self._used)
        return count

    def _learn(self) -> Cycle | None:
        data = self.view[: self._filled]
        if reason := wire.close_reason(data):
            raise BrokerClosedError(reason)
        self._head = bytes(data[:_HEAD_BYTES])
        if len(data) >= _HEAD_BYTES and not self._head.endswith(_DELIVER):
            raise BenchError("something that is no delivery came first")
        self.message_bytes = wire.message_end(data) or 0
        if self.message_bytes:
            method_bytes = 8 + struct.unpack_from(">I", data, 3)[0]
            sizes = [method_bytes + size for size in self._content_bytes] or [self.message_bytes]
            self._cycle = Cycle(sizes)
        return self._cycle

    def _check(self, end: int) -> None:
        rest = self.view[end : self._filled]
        if reason := wire.close_reason(rest):
            raise BrokerClosedError(reason)
        head = bytes(rest[:_HEAD_BYTES])
        if not self._head.startswith(head) or (end and self._buffer[end - 1 : end] != wire.END):
            raise BenchError("the deliveries have not the sizes that they were sent with")
