"""Protocol errors, and the one table from the core's reasons to reason codes.

A packet that cannot be answered for itself ends the connection. Version 5 says why in DISCONNECT (CONNACK while the
connection is being made); before, only a failed CONNECT has codes, and everything else is a closed socket.
"""

from __future__ import annotations

from menura.core import errors as core
from menura.protocols.mqtt import spec


class MqttError(Exception):
    """Ends the connection with a reason code of version 5."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def malformed(text: str) -> MqttError:
    return MqttError(spec.MALFORMED_PACKET, text)


def violation(text: str) -> MqttError:
    """Well formed, but not allowed."""
    return MqttError(spec.PROTOCOL_ERROR, text)


CODES: dict[type[Exception], int] = {
    core.NotFound: spec.IMPLEMENTATION_SPECIFIC_ERROR,
    core.AccessRefused: spec.NOT_AUTHORIZED,
    core.Locked: spec.NOT_AUTHORIZED,
    core.PreconditionFailed: spec.IMPLEMENTATION_SPECIFIC_ERROR,
    core.NotAllowed: spec.NOT_AUTHORIZED,
    core.AuthenticationFailed: spec.BAD_USER_NAME_OR_PASSWORD,
}
REASONS = tuple(CODES)


def code_of(reason: Exception) -> int:
    return CODES[type(reason)]
