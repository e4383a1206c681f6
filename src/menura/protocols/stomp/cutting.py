"""A session's output cut into frames, for transports that carry each in a message of its own, as WebSockets do.

It reads only what sessions write: frames with a line end behind them, heart-beats, and `content-length` as the last
header of every frame with a body. Many clients take one message for one frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_length = re.compile(rb"\ncontent-length:(\d+)\n\n").search
_AROUND = len(b"\0\n")


def cut(octets: bytes) -> Iterator[bytes]:
    """The frames and heart-beats in their order."""
    at = 0
    while at < len(octets):
        blank = octets.find(b"\n\n", at)
        if octets.startswith(b"\n", at):
            end = at + 1
        elif blank < 0:
            end = len(octets)
        else:
            found = _length(octets, at, blank + 2)
            end = blank + 2 + (int(found[1]) if found else 0) + _AROUND
        yield octets[at:end]
        at = end
