"""How many logins there were, and how many failed: by protocol, and by where they came from and as whom.

Anybody can make up names and, with IPv6, addresses: the second table is bounded, and forgets what it has not seen for
the longest time. Of a long name it keeps the beginning.
"""

from __future__ import annotations

SOURCES_MAX = 1024
USER_LENGTH_MAX = 255
Source = tuple[str, str, str]
"""Protocol, host and user."""


class LoginCount:
    __slots__ = ("failed", "succeeded")

    def __init__(self) -> None:
        self.succeeded = self.failed = 0

    @property
    def total(self) -> int:
        return self.succeeded + self.failed

    def note(self, succeeded: bool) -> None:
        if succeeded:
            self.succeeded += 1
        else:
            self.failed += 1


class LoginCounts:
    def __init__(self) -> None:
        self.by_protocol: dict[str, LoginCount] = {}
        self.by_source: dict[Source, LoginCount] = {}

    def note(self, protocol: str, host: str, user: str, succeeded: bool) -> None:
        """Somebody has tried to log in."""
        self.by_protocol.setdefault(protocol, LoginCount()).note(succeeded)
        source = (protocol, host, user[:USER_LENGTH_MAX])
        count = self.by_source.pop(source, None) or LoginCount()
        count.note(succeeded)
        self.by_source[source] = count
        if len(self.by_source) > SOURCES_MAX:
            del self.by_source[next(iter(self.by_source))]

    def clear(self) -> None:
        self.by_protocol.clear()
        self.clear_sources()

    def clear_sources(self) -> None:
        self.by_source.clear()
