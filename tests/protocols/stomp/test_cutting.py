"""A session's output cut into frames again, whatever is in the bodies."""

from __future__ import annotations

from random import Random

import pytest

from menura.protocols.stomp.cutting import cut
from menura.protocols.stomp.frames import DIALECTS, encode_frame

BODIES = [b"", b"x", b"\n\n", b"\0\n", b"MESSAGE\n\n\0\n", b"content-length:3\n\n", b"\ncontent-length:1\n\n"]


@pytest.mark.parametrize("seed", range(10))
def test_what_was_joined_is_cut_into_the_same_frames(seed: int) -> None:
    chance = Random(seed)
    frames = []
    for _ in range(50):
        headers = [("destination", "/queue/a:b\n"), ("empty", ""), ("content-length-too", "9")][: chance.randrange(4)]
        dialect = DIALECTS[chance.choice(["1.0", "1.1", "1.2"])]
        frame = encode_frame("MESSAGE", headers, chance.choice(BODIES), dialect)
        frames.append(frame if chance.random() < 0.8 else b"\n")
    assert list(cut(b"".join(frames))) == frames, f"seed {seed}"


def test_nothing_is_cut_into_nothing() -> None:
    assert list(cut(b"")) == []
