"""The other end of a connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end as the listener knows it. `subject` is the common name of a verified certificate."""

    address: str = ""
    loopback: bool = True
    tls: bool = False
    subject: str | None = None
