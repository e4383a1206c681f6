"""Counting deliveries without parsing them.

Every delivery of a scenario has the same size: one consumer tag, keys and bodies of one length, tags of
eight octets, no heartbeats. So the first one is parsed, and from then on the count of complete messages is
a division per read, whatever the read brought. What keeps this honest: the first octets after the last
complete message must be those of a delivery and the last octet must be a frame's end, so a message of
another size, or a close, is found in the read that brings it, and a scenario compares counts of both ends
when it has drained.
"""

import socket
import struct

from menura.bench import wire
from menura.bench.errors import BenchError, BrokerClosedError

READ_BYTES = 256 * 1024
_HEAD_BYTES = 11  # frame type, channel, length, class and method
_DELIVER = struct.pack(">HH", *wire.BASIC_DELIVER)


class DeliveryReader:
    """Reads a non-blocking or blocking socket on which nothing but messages of one size arrives."""

    def __init__(self, sock: socket.socket, body_bytes: int) -> None:
        self._sock = sock
        self._buffer = bytearray(READ_BYTES + 4 * body_bytes)
        self.view = memoryview(self._buffer)
        self.message_bytes = 0
        self._head = b""
        self._used = 0
        self._filled = 0

    def read(self) -> int:
        """Read once; how many complete messages stand at the front of `view`, until the next read."""
        view, tail = self.view, self._filled - self._used
        if self._used:
            view[:tail] = bytes(view[self._used : self._filled])
        self._used, self._filled = 0, tail
        try:
            got = self._sock.recv_into(view[tail:])
        except BlockingIOError:
            return 0
        if not got:
            raise BrokerClosedError("the broker closed the connection without a reason")
        self._filled = filled = tail + got
        if not self.message_bytes and not self._learn():
            return 0
        count = filled // self.message_bytes
        self._used = count * self.message_bytes
        self._check(self._used)
        return count

    def _learn(self) -> bool:
        data = self.view[: self._filled]
        if reason := wire.close_reason(data):
            raise BrokerClosedError(reason)
        self._head = bytes(data[:_HEAD_BYTES])
        if len(data) >= _HEAD_BYTES and not self._head.endswith(_DELIVER):
            raise BenchError("something that is no delivery came first")
        self.message_bytes = wire.message_end(data) or 0
        return bool(self.message_bytes)

    def _check(self, end: int) -> None:
        rest = self.view[end : self._filled]
        if reason := wire.close_reason(rest):
            raise BrokerClosedError(reason)
        head = bytes(rest[:_HEAD_BYTES])
        if not self._head.startswith(head) or (end and self._buffer[end - 1 : end] != wire.END):
            raise BenchError("the deliveries are not all of one size, so they can't be counted by their bytes")
