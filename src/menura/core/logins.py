"""Letting users in: from where, and how often they may try. Every protocol asks here.

A name among `loopback_users` is good on this machine only. Failures are counted (`attempts`): too many, and further
attempts are refused for a while as if they were wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from menura.core.access import User, Users
from menura.core.attempts import Attempts, host_of
from menura.core.errors import AuthenticationFailed, NotFound
from menura.core.peers import Peer


class Logins:
    """`clock` is in seconds, monotonic."""

    def __init__(self, users: Users, clock: Callable[[], float]) -> None:
        self._users = users
        self._clock = clock
        self.loopback_users: frozenset[str] = frozenset(("guest",))
        self.attempts = Attempts()

    def log_in(self, peer: Peer, name: str, password: str) -> User:
        """The user of that name and password. Raises AuthenticationFailed."""
        self.require_near(peer, name)
        host, now = host_of(peer.address), self._clock()
        self.attempts.check(host, name, now)
        try:
            user = self._users.authenticate(name, password)
        except AuthenticationFailed:
            self.attempts.failed(host, name, now)
            raise
        self.attempts.succeeded(host, name, now)
        return user

    def known(self, name: str) -> User:
        """A user who has proved it otherwise, by a certificate for example, or need not."""
        try:
            return self._users.get(name)
        except NotFound:
            raise AuthenticationFailed(f"user '{name}' - does not exist") from None

    def require_near(self, peer: Peer, name: str) -> None:
        if not peer.loopback and name in self.loopback_users:
            raise AuthenticationFailed(f"user '{name}' can only connect via localhost", near_only=True)
