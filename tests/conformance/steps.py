"""What a random conversation consists of, for every protocol that is compared step by step."""

from __future__ import annotations

from typing import Any, NamedTuple


class Step(NamedTuple):
    """`verb` is a method of the protocol's `lockstep.Side`; `read` is not used, but shrinking knows it."""

    verb: str
    client: str
    arguments: dict[str, Any]
    read: bytes = b""

    def __repr__(self) -> str:
        return f"Step({self.verb!r}, {self.client!r}, {self.arguments!r})"
