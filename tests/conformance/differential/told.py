"""What a broker has told, in a form that compares.

Names that a broker makes up and times are shown as a star; everything else counts, properties octet by octet.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.typed_fields import decode_properties

_VERB = re.compile("(configure|write|read) access to")
_MADE_UP = re.compile(r"amq\.(gen|ctag)-[\w-]{22}|(amq\.rabbitmq\.reply-to)\.[\w+/=.-]{20,}")


@dataclass
class Said:
    """What one channel was told in one step."""

    answers: list[str] = field(default_factory=list)
    deliveries: list[tuple[str, int, str]] = field(default_factory=list)
    returns: list[str] = field(default_factory=list)
    confirms: set[str] = field(default_factory=set)
    cancels: list[str] = field(default_factory=list)

    def loose(self) -> tuple[Any, ...]:
        """The same without the order between what different queues send."""
        by_consumer = defaultdict(list)
        for consumer, _, text in self.deliveries:
            by_consumer[consumer].append(text)
        return self.answers, dict(by_consumer), self.returns, self.confirms, sorted(self.cancels)

    def strict(self) -> tuple[Any, ...]:
        return *self.loose(), self.deliveries

    def counted(self) -> tuple[Any, ...]:
        """The same without what has been delivered."""
        return self.answers, len(self.deliveries), self.returns, self.confirms, sorted(self.cancels)

    def lines(self) -> list[str]:
        delivered = [f"{consumer}:{tag} {text}" for consumer, tag, text in self.deliveries]
        return self.answers + delivered + self.returns + sorted(self.confirms) + sorted(self.cancels)


def starred(text: str) -> str:
    text = _VERB.sub("access to", text)  # newer versions name it
    return re.sub(r"<[\d.]+>", "<*>", _MADE_UP.sub(lambda found: f"amq.{found[1] or 'reply-to'}-*", text))


def shown_properties(data: bytes) -> str:
    """Properties as they came. Those of dead letters, and those with a name made up, are taken apart.

    A dead letter's headers are sorted, as RabbitMQ does on adding one; newer versions add the last death.
    """
    if b"x-death" not in data and b"reply-to." not in data:
        return data.hex()
    properties = decode_properties(data)
    headers = properties.get("headers", {})
    properties["headers"] = {name: headers[name] for name in sorted(headers) if not name.startswith("x-last-death-")}
    deaths = headers.get("x-death", ("A", []))[1]
    for _, entry in deaths if isinstance(deaths, list) else ():
        if isinstance(entry, dict) and "time" in entry:
            entry["time"] = "*"
    return str(properties)
