"""Protocol errors, and the one table from the core's reasons to reply codes.

Two questions decide: which code, and how much dies with it. A soft error closes the channel, a hard one the
connection; which codes are which stands in `spec`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core import errors as core
from menura.core.fields import FieldError
from menura.core.properties import PropertiesError
from menura.protocols.amqp import spec

if TYPE_CHECKING:
    from menura.protocols.amqp.channel import Channel

Ids = tuple[int, int]
NO_METHOD: Ids = (0, 0)
REPLY_TEXT_BYTES_MAX = 255


class AmqpError(Exception):
    """Ends a channel or the connection with a reply code.

    `name` is a key of `spec.REPLY_BY_NAME`; `text` goes behind it in the reply text. `fatal` makes a soft error
    end the connection; so does the lack of a `channel` it could be charged to.
    """

    channel: Channel | None = None
    framing = False
    """The stream cannot be read on."""

    def __init__(self, name: str, text: str, method: Ids = NO_METHOD, *, fatal: bool = False) -> None:
        super().__init__(text)
        self.name = name
        self.text = text
        self.method = method
        self.code = spec.REPLY_BY_NAME[name].code
        self.hard = fatal or spec.REPLY_BY_NAME[name].hard

    @property
    def reply_text(self) -> str:
        text = f"{self.name} - {self.text}"
        octets = text.encode()
        if len(octets) <= REPLY_TEXT_BYTES_MAX:
            return text
        return octets[: REPLY_TEXT_BYTES_MAX - 3].decode(errors="ignore") + "..."


class DisconnectError(Exception):
    """The peer is cut off without a reply (there is none for its state)."""


_NAMES: dict[type[Exception], str] = {
    core.NotFound: "NOT_FOUND",
    core.AccessRefused: "ACCESS_REFUSED",
    core.Locked: "RESOURCE_LOCKED",
    core.PreconditionFailed: "PRECONDITION_FAILED",
    core.NotAllowed: "NOT_ALLOWED",
    core.AuthenticationFailed: "ACCESS_REFUSED",
    FieldError: "SYNTAX_ERROR",
    PropertiesError: "SYNTAX_ERROR",
}
REASONS = tuple(_NAMES)


def shown(octets: bytes) -> str:
    """Octets as RabbitMQ prints them, cut to what a reply text has room for."""
    octets = octets[:60]
    if octets and all(32 <= octet < 127 for octet in octets):
        return f'<<"{octets.decode()}">>'
    return f"<<{','.join(map(str, octets))}>>"


def unknown(kind: int, payload: bytes, why: str = "unknown_frame") -> AmqpError:
    """A frame that is none."""
    error = AmqpError("FRAME_ERROR", f"type {kind}, all octets = {shown(payload)}: {why}")
    error.framing = why != "unknown_frame"
    return error


def unexpected(kind: int, payload: bytes) -> AmqpError:
    """A frame on a channel where it cannot be."""
    return AmqpError("UNEXPECTED_FRAME", f"type {kind}, all octets = {shown(payload)}")


def translate(reason: Exception, method: Ids = NO_METHOD, channel: Channel | None = None) -> AmqpError:
    """The protocol's error for one of the `REASONS`, charged to a channel."""
    error = AmqpError(_NAMES[type(reason)], str(reason), method)
    error.channel = channel
    return error
