"""The hot loop out: runs to MESSAGE frames of one subscription.

    MESSAGE, subscription, destination, message-id up to the tag      the same for a route       `Opening`
    the tag, redelivered, ack                                         the tag is the difference
    the headers of the message                                        the same for a block of properties
    content-length, body, NUL, line end

A run is joined once. The headers of a block of properties are remembered by the session, as messages of one publisher
mostly share them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.protocols.stomp.destinations import format_destination
from menura.protocols.stomp.headers import message_lines

if TYPE_CHECKING:
    from menura.core.routing import Route
    from menura.core.run import Run
    from menura.protocols.stomp.frames import Dialect
    from menura.protocols.stomp.session import Session

_PROPERTIES_AT = 19  # see core.content
_ROUTES_MAX = 512
_BLOCKS_MAX = 1024
_BLOCK_BYTES_MAX = 1024


class Writer:
    """Writes the MESSAGE frames of one subscription. `token` is a message's id less its tag."""

    __slots__ = ("_acks", "_dialect", "_openings", "_subscription", "_token")

    def __init__(self, subscription: str | None, token: str, dialect: Dialect, *, acks: bool) -> None:
        self._subscription = subscription
        self._token = token
        self._dialect = dialect
        # From 1.2 on, an acknowledgement names the header `ack` (1.2, section MESSAGE).
        self._acks = acks and dialect.version == "1.2"
        self._openings: dict[Route, bytes] = {}

    def _opening(self, route: Route) -> bytes:
        """Everything up to the tag."""
        if len(self._openings) >= _ROUTES_MAX:
            self._openings.clear()
        escape = self._dialect.escape
        subscription = "" if self._subscription is None else f"subscription:{escape(self._subscription)}\n"
        destination = escape(format_destination(route.exchange, route.key))
        opening = f"MESSAGE\n{subscription}destination:{destination}\nmessage-id:{escape(self._token)}".encode()
        self._openings[route] = opening
        return opening

    def write(self, session: Session, first: int, run: Run, redelivered: bool) -> bytes:
        """The frames of a run whose messages go out under the tags from `first` on."""
        opening = self._openings.get(run.route) or self._opening(run.route)
        flag = b"\nredelivered:true\n" if redelivered else b"\nredelivered:false\n"
        ack = b"ack:" + self._dialect.escape(self._token).encode() if self._acks else b""
        blocks = session.blocks
        parts: list[bytes] = []
        tag = first
        for content in run.contents:
            end = 7 + int.from_bytes(content[3:7], "big")
            block = content[_PROPERTIES_AT:end]
            lines = blocks.get(block)
            if lines is None:
                lines = _remember(blocks, block, self._dialect)
            tag_text = b"%d" % tag
            middle = b"%b%b%b\n%b" % (flag, ack, tag_text, lines) if ack else flag + lines
            body = content[end + 8 : -1]
            if body:
                parts += (opening, tag_text, middle, b"content-length:%d\n\n" % len(body), body, b"\x00\n")
            else:
                parts += (opening, tag_text, middle, b"\n\x00\n")
            tag += 1
        return b"".join(parts)


def _remember(blocks: dict[bytes, bytes], block: bytes, dialect: Dialect) -> bytes:
    lines = message_lines(block, dialect)
    if len(block) <= _BLOCK_BYTES_MAX:
        if len(blocks) >= _BLOCKS_MAX:
            blocks.clear()
        blocks[block] = lines
    return lines
