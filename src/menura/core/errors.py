"""Why the core refuses. Reasons, not reply codes: each protocol translates them in one table of its own.

The text is written for the person who runs the client and reads as RabbitMQ words it, since client libraries
and people search logs for these sentences.
"""


class Refusal(Exception):
    """The request cannot be carried out; nothing has changed."""


class NotFound(Refusal):
    """A queue, exchange or virtual host of that name does not exist."""


class AccessRefused(Refusal):
    """The user may not do this, or nobody may (reserved names, internal exchanges)."""


class Locked(Refusal):
    """The queue belongs to another connection."""


class PreconditionFailed(Refusal):
    """The state of the object, or an argument, does not allow it."""


class NotAllowed(Refusal):
    """The connection itself may not do this; protocols end it."""


class AuthenticationFailed(Refusal):
    """Name, secret or address were not accepted.

    `near_only`: on this machine they might be. `wait_seconds`: nobody looked at them, and until then nobody will.
    """

    def __init__(self, text: str, *, near_only: bool = False, wait_seconds: float = 0.0) -> None:
        super().__init__(text)
        self.near_only = near_only
        self.wait_seconds = wait_seconds
