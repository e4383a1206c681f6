"""What must arrive when a publisher sends the same messages round and round: known to the last octet.

So a receiver parses nothing. It compares each read, of whatever length, with that stretch of the endless stream, which
costs a copy of it and finds a lost, doubled, changed or misplaced message in the read that brings it.
"""

from collections.abc import Sequence

from menura.bench.cycle import Cycle
from menura.bench.errors import BenchError

READ_BYTES = 256 * 1024


class Stream:
    """`pieces` repeated for ever; compared in stretches of up to READ_BYTES, or `stretch_bytes`."""

    def __init__(self, pieces: Sequence[bytes], stretch_bytes: int = READ_BYTES) -> None:
        self.cycle = Cycle(map(len, pieces))
        turn = b"".join(pieces)
        self.turn_bytes = len(turn)
        self._octets = turn * (2 + stretch_bytes // len(turn))

    def check(self, data: bytes, at: int) -> None:
        """Raise BenchError unless `data` is what stands at octet `at` of the stream."""
        start = at % self.turn_bytes
        if data != self._octets[start : start + len(data)]:
            raise BenchError(f"what arrives is not what was sent: {self._difference(data, start)}")

    def _difference(self, data: bytes, start: int) -> str:
        wanted = self._octets[start : start + len(data)]
        found = next((at for at in range(len(data)) if data[at : at + 1] != wanted[at : at + 1]), 0)
        return f"{data[found : found + 40]!r} in place of {wanted[found : found + 40]!r}"
