"""redis-server beside the brokers: LPUSH as enqueueing, RPOP as dequeueing, pipelined and one at a time.

The same rules as for AMQP: raw sockets, commands encoded ahead, replies counted by their bytes. LPUSH
answers with the length of the list, whose digits are of known number for each command; RPOP with the body,
of one size.
"""

import secrets
from collections.abc import Iterator
from contextlib import closing
from socket import socket

from menura.bench.backlog import backlog_count
from menura.bench.connection import Address
from menura.bench.errors import BenchError
from menura.bench.meter import Meter
from menura.bench.result import Metric, Result, Settings, measured

PIPELINE_COMMANDS = 500


def command(*words: bytes) -> bytes:
    """A command as an array of bulk strings."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def integer_reply_bytes(first: int, count: int) -> int:
    """How long the replies `:first` to `:first + count - 1` are together."""
    total, number, last = 3 * count, first, first + count - 1
    while number <= last:
        digits = len(str(number))
        upto = min(last, 10**digits - 1)
        total += digits * (upto - number + 1)
        number = upto + 1
    return total


def enqueue_dequeue(settings: Settings) -> Result:
    """`settings.window` commands are sent before their replies are read: 1 is a round trip each."""
    count = backlog_count(settings)
    key = b"menura-bench." + secrets.token_hex(4).encode()
    body = b"x" * settings.body_bytes
    push, pop = command(b"LPUSH", key, body), command(b"RPOP", key)
    pop_reply_bytes = len(b"$%d\r\n\r\n" % len(body)) + len(body)
    meter = Meter(settings.broker_pid)
    with closing(Address.parse(settings.url, "redis", 6379).connect()) as sock:
        try:
            meter.start()
            for done, run in _runs(count, settings.window):
                _exchange(sock, push * run, integer_reply_bytes(done + 1, run))
            meter.stop()
            pushing = meter.seconds
            meter.start()
            for _, run in _runs(count, settings.window):
                _exchange(sock, pop * run, pop_reply_bytes * run)
            meter.stop()
        finally:
            sock.sendall(command(b"UNLINK", key))
    return measured(
        settings,
        meter,
        Metric("enqueue", count / pushing, "/s"),
        Metric("dequeue", count / (meter.seconds - pushing), "/s"),
        notes=(f"{count:,} messages of {settings.body_bytes:,} B",),
    )


def _runs(count: int, window: int) -> Iterator[tuple[int, int]]:
    for done in range(0, count, window):
        yield done, min(window, count - done)


def _exchange(sock: socket, commands: bytes, reply_bytes: int) -> None:
    sock.sendall(commands)
    while reply_bytes > 0:
        part = sock.recv(256 * 1024)
        if not part or part.startswith(b"-"):
            raise BenchError(f"redis-server answered {part[:100]!r}")
        reply_bytes -= len(part)
    if reply_bytes:
        raise BenchError("redis-server answered something else than was expected")
