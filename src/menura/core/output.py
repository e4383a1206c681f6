"""What one connection is to say, in order, and what of it has to wait for the disk.

There are two ways of waiting. `promise` draws a line: whatever is said from then on stays here until all that was done
before is certain. `vouch` sets one piece aside until what it vouches for is certain, while everything else goes on;
such pieces keep their order among themselves.

    pieces     a  b | c  d | e         `take` joins a and b, and more once the promises at the lines are fulfilled
    vouched    f  g                    go behind the last piece, one after the other, as their promises are fulfilled

Where nothing waits, `take` is one join. Where something does, the keeper is asked to wake the connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from menura.core.keeping import Promise

if TYPE_CHECKING:
    from menura.core.keeping import Keeper

# All up to the next `take`: what is to be waited for is not in the journal yet.
_LATER = Promise(1 << 62, 1 << 62)


class Output:
    """`pieces` may be added to, if `size_bytes` is and `wake` is called for the first of them."""

    __slots__ = (
        "_asked", "_keeper", "_later", "_taken", "_vouched", "lines", "pieces", "size_bytes", "vouched_bytes", "wake"
    )  # fmt: skip

    def __init__(self, keeper: Keeper | None, wake: Callable[[], None]) -> None:
        self.pieces: list[bytes] = []
        self.size_bytes = 0
        self.vouched_bytes = 0
        self.wake = wake
        self.lines: deque[tuple[int, Promise]] = deque()
        """From which piece on all has to wait for what. Pieces are counted from when the first line was drawn."""
        self._keeper = keeper
        self._taken = 0  # pieces that have left since then
        self._later = False
        self._vouched: deque[tuple[Promise, bytes]] = deque()
        self._asked: list[bytes] = []  # come behind those, with a promise that `take` will ask for

    def send(self, data: bytes) -> None:
        if data:
            if not self.pieces:
                self.wake()
            self.pieces.append(data)
            self.size_bytes += len(data)

    def send_first(self, data: bytes) -> None:
        """Say this ahead of all that waits."""
        self.pieces.insert(0, data)
        self.size_bytes += len(data)
        self._taken -= 1
        self.wake()

    # -- waiting ---------------------------------------------------------------------------------------------

    def promise(self) -> None:
        """Whatever is said from now on waits until all definitions and messages up to now are certain."""
        keeper = self._keeper
        if keeper is not None:
            promise = keeper.promise()
            if not keeper.fulfilled(promise):
                self._draw(promise)

    def promise_later(self) -> None:
        """The same for what is not in the journal yet, as it is part of something greater: all up to `take`."""
        if self._keeper is not None and not (self.lines and self.lines[-1][1] is _LATER):
            self._draw(_LATER)
            self._later = True

    def _draw(self, promise: Promise) -> None:
        if not self.lines:
            self._taken = 0
        self.lines.append((self._taken + len(self.pieces), promise))

    def vouch(self, data: bytes, certain: bool = False) -> None:
        """Say this behind what was vouched for before, and once all up to now is certain, unless it is known to be."""
        keeper = self._keeper
        if self._vouched:
            self._asked.append(data)
            self.vouched_bytes += len(data)
            self.wake()
            return
        if keeper is not None and not certain:
            promise = keeper.promise()
            if not keeper.fulfilled(promise):
                self._vouched.append((promise, data))
                self.vouched_bytes += len(data)
                self.wake()
                return
        self.send(data)

    @property
    def waiting(self) -> bool:
        """Whether something waits for the disk."""
        return bool(self.lines or self._vouched)

    def backed_up(self, bytes_max: int) -> bool:
        """Whether more than that waits for the disk, or behind what does: its peer has to be heard later."""
        return bool(self.lines or self._vouched) and self.size_bytes + self.vouched_bytes > bytes_max

    def wait(self) -> None:
        """Ask to be woken as soon as something more is certain."""
        if self._keeper is not None:
            self._keeper.wait(self)

    # -- what may be said ------------------------------------------------------------------------------------

    def take(self) -> bytes:
        """Everything that may be said now."""
        if self.lines or self._vouched:
            self.settle()
            if self.lines or self._vouched:
                self.wait()
            if self.lines:
                return self._take_certain()
        if not self.pieces:
            return b""
        data = b"".join(self.pieces)
        self.pieces.clear()
        self.size_bytes = 0
        return data

    def settle(self) -> None:
        """Let go what has become certain."""
        keeper, vouched = self._keeper, self._vouched
        if keeper is None:
            return
        if self._asked:
            # One promise for all that was asked for since the last write.
            vouched.append((keeper.promise(), b"".join(self._asked)))
            self._asked.clear()
        if self._later:
            self._later = False
            now = keeper.promise()
            self.lines = deque((at, now if promise is _LATER else promise) for at, promise in self.lines)
        lines = self.lines
        while lines and keeper.fulfilled(lines[0][1]):
            lines.popleft()
        while vouched and keeper.fulfilled(vouched[0][0]):
            data = vouched.popleft()[1]
            self.vouched_bytes -= len(data)
            self.pieces.append(data)
            self.size_bytes += len(data)

    def _take_certain(self) -> bytes:
        """What stands before the first line."""
        certain = self.lines[0][0] - self._taken
        data = b"".join(self.pieces[:certain])
        del self.pieces[:certain]
        self._taken += certain
        self.size_bytes -= len(data)
        return data

    # -- what will never be said -----------------------------------------------------------------------------

    def forget_vouched(self) -> None:
        """Drop what was vouched for and is not certain."""
        self.settle()
        self._vouched.clear()
        self.vouched_bytes = 0

    def forget_uncertain(self) -> bool:
        """Drop all that is not certain; whether there was a line."""
        self.forget_vouched()
        if not self.lines:
            return False
        del self.pieces[self.lines[0][0] - self._taken :]
        self.size_bytes = sum(map(len, self.pieces))
        self.lines.clear()
        return True

    def clear(self) -> None:
        """Say nothing of all this."""
        self.pieces.clear()
        self.size_bytes = 0
        self.lines.clear()
        self._asked.clear()
        self._vouched.clear()
        self.vouched_bytes = 0
