"""What ends a connection, and the one table from the core's reasons to the `message` header of an ERROR frame.

STOMP has no softer way to refuse: after an ERROR frame the connection is closed (1.2, section ERROR). The short text
in the header and the longer one in the body are worded as RabbitMQ words them, where it has words.
"""

from __future__ import annotations

from menura.core import errors as core
from menura.core.fields import FieldError
from menura.core.properties import PropertiesError


class StompError(Exception):
    """Ends the connection with an ERROR frame: `message` for its header, `detail` for its body.

    `receipt` is the receipt that the frame at fault asked for, if it did.
    """

    receipt: str | None = None

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(f"{message}: {detail.strip()}")
        self.message = message
        self.detail = detail


_MESSAGES: dict[type[Exception], str] = {
    core.NotFound: "not_found",
    core.AccessRefused: "access_refused",
    core.Locked: "resource_locked",
    core.PreconditionFailed: "precondition_failed",
    core.NotAllowed: "not_allowed",
    core.AuthenticationFailed: "access_refused",
    FieldError: "Invalid header",
    PropertiesError: "Invalid header",
}
REASONS = tuple(_MESSAGES)
FAULTS: tuple[type[Exception], ...] = (StompError, *REASONS)


def translate(reason: Exception) -> StompError:
    """The ERROR frame for one of the `REASONS`; those of the core say their name in the body as well."""
    message = _MESSAGES[type(reason)]
    name = f"{message.upper()} - " if isinstance(reason, core.Refusal) else ""
    return StompError(message, f"{name}{reason}")
