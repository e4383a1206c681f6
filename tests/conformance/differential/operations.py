"""What is said to a broker in one step of a random sequence.

Operations do not depend on answers, so that any of them can be left out: to settle means "the third of what is open on
this channel, if there is that much".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pamqp import base

QUEUES = ("q0", "q1", "q2", "q3")
EXCHANGES = ("x0", "x1", "x2")
RESTRICTED = 2
"""The connection of a user who may not do everything."""


@dataclass(frozen=True)
class Publish:
    exchange: str
    routing_key: str
    mandatory: bool
    properties: dict[str, Any]
    body: bytes


@dataclass(frozen=True)
class Settle:
    """Acknowledge (or reject, or nack) the delivery that is `which`, counted round those that are open."""

    method: type[base.Frame]
    which: int
    options: dict[str, bool]


class Lose:
    """The TCP connection ends without a word."""


@dataclass(frozen=True)
class Operation:
    link: int
    channel: int
    action: base.Frame | Publish | Settle | Lose

    def __str__(self) -> str:
        action = self.action
        if isinstance(action, base.Frame):
            said = {name: getattr(action, name) for name in action.__slots__}
            values = ", ".join(f"{name}={value!r}" for name, value in said.items() if value not in (False, None, 0))
            return f"{self.link}.{self.channel} {action.name}({values})"
        return f"{self.link}.{self.channel} {'Lose()' if isinstance(action, Lose) else action}"
