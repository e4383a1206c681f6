"""What a case is made of, whatever protocol the clients speak: reads, and the steps in which they come."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import NamedTuple


class Step(NamedTuple):
    """A read of one of the hostile clients, and what the world does afterwards."""

    client: int
    read: bytes
    seconds: float = 0.0
    flush: bool = True
    congested: bool = False
    durable: bool = True
    lost: bool = False


def reads(chance: Random, frames: list[bytes]) -> list[bytes]:
    """The octets of these frames as reads could bring them."""
    how = chance.random()
    if how < 0.3:
        return [frame for frame in frames if frame]
    octets = b"".join(frames)
    if how < 0.5 or not octets:
        return [octets]
    if how < 0.7:
        size = chance.choice((1, 2, 3, 7)) if len(octets) < 3000 else chance.choice((64, 1000, 5000))
        return [octets[at : at + size] for at in range(0, len(octets), size)]
    cuts = sorted(chance.randrange(len(octets) + 1) for _ in range(chance.choice((1, 3, 20, 100))))
    edges = [0, *cuts, len(octets)]
    return [octets[low:high] for low, high in pairwise(edges) if low < high]


def steps_of(chance: Random, waiting: list[tuple[int, list[bytes]]]) -> list[Step]:
    """The reads of several clients, by their numbers, in turn, at most three of them at a time."""
    steps = []
    patient = chance.random() < 0.5
    while waiting:
        at = chance.randrange(min(len(waiting), 3))
        number, parts = waiting[at]
        read = parts.pop(0) if parts else b""
        if not parts:
            del waiting[at]
        quiet = patient or chance.random() < 0.9
        steps.append(
            Step(
                number,
                read,
                0.0 if quiet else chance.choice((0.5, 1.0, 4.0)),
                quiet or chance.random() < 0.5,
                not quiet and chance.random() < 0.3,
                quiet or chance.random() < 0.5,
                not parts or chance.random() < 0.01,
            )
        )
    return steps
