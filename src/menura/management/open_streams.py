"""How many event streams there are, and of whom: each costs work and memory for as long as somebody listens."""

from __future__ import annotations

from collections import Counter

from menura.management.http.messages import HttpError

ALL_MAX = 256
OF_USER_MAX = 32
OF_ADDRESS_MAX = 64


class OpenStreams:
    """Counts them. Whoever was let in has to `leave`."""

    def __init__(self) -> None:
        self._of_user: Counter[str] = Counter()
        self._of_address: Counter[str] = Counter()
        self.count = 0

    def enter(self, user: str, address: str) -> None:
        """One more; raises HttpError (429) where there are enough."""
        if self._of_user[user] >= OF_USER_MAX:
            raise _too_many(f"user '{user}' has {OF_USER_MAX} event streams, and may have no more")
        if self._of_address[address] >= OF_ADDRESS_MAX:
            raise _too_many(f"there are {OF_ADDRESS_MAX} event streams to {address}, and may be no more")
        if self.count >= ALL_MAX:
            raise _too_many(f"there are {ALL_MAX} event streams, and may be no more")
        self._of_user[user] += 1
        self._of_address[address] += 1
        self.count += 1

    def leave(self, user: str, address: str) -> None:
        self.count -= 1
        for counted, key in ((self._of_user, user), (self._of_address, address)):
            counted[key] -= 1
            if not counted[key]:
                del counted[key]


def _too_many(reason: str) -> HttpError:
    return HttpError(429, "too_many_requests", reason)
