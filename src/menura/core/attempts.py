"""How often somebody may fail to log in.

Failures are counted in three ways: of one address as one user, of one address in all, and of one user from
everywhere. Each count sinks to nothing within `window_seconds`, evenly. Whoever has reached a limit is refused without
the password being looked at, until the count has sunk below it: so guessing goes on at the pace at which it sinks.

The wider two counts must not lock out those who have done nothing: they are not asked for an address that lately
logged in as this user, nor on this machine. There, and there, only somebody's own failures count. A login that succeeds
clears those, and nothing else, so that who has one password does not get to guess others faster.

Addresses of IPv6 count by their first 64 bits, as one machine has all that follow. All tables are bounded; what has
not been touched for longest is forgotten first.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from menura.core.errors import AuthenticationFailed

_ENTRIES_MAX = 10_000
# A made-up name may be as long as a protocol allows, and there are that many entries.
_NAME_LETTERS_MAX = 255
# A neighbour's failures are not mine, and a user has more than one machine: so much more is allowed of them together.
_ADDRESS_FACTOR = 5
_USER_FACTOR = 20


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """`failures_max` of one address as one user within `window_seconds`; 0 for no limit at all."""

    failures_max: int = 20
    window_seconds: float = 60.0


class Attempts:
    """Counts failures. `now` is in seconds, monotonic; `address` may be empty where there is none."""

    def __init__(self, limits: AttemptLimits | None = None, entries_max: int = _ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._welcome: dict[tuple[str, str], None] = {}
        self.set_limits(limits or AttemptLimits())

    def set_limits(self, limits: AttemptLimits) -> None:
        """Begin to count anew, by other limits."""
        most, window, entries = limits.failures_max, limits.window_seconds, self._entries_max
        self.limits = limits
        self._own = _Counts(most, window, entries)
        self._address = _Counts(most * _ADDRESS_FACTOR, window, entries)
        self._user = _Counts(most * _USER_FACTOR, window, entries)

    def check(self, address: str, user: str, now: float) -> None:
        """Raise AuthenticationFailed if this attempt is not to be looked at."""
        if not self.limits.failures_max:
            return
        place, name = place_of(address), user[:_NAME_LETTERS_MAX]
        seconds = self._own.wait_seconds((place, name), now)
        if not seconds and not _is_here(address) and (place, name) not in self._welcome:
            seconds = max(self._address.wait_seconds(place, now), self._user.wait_seconds(name, now))
        if seconds:
            text = f"user '{name}' - too many failed logins: not looked at for {seconds:.0f} s"
            raise AuthenticationFailed(text, wait_seconds=seconds)

    def failed(self, address: str, user: str, now: float) -> None:
        if not self.limits.failures_max:
            return
        place, name = place_of(address), user[:_NAME_LETTERS_MAX]
        self._own.add((place, name), now)
        self._address.add(place, now)
        self._user.add(name, now)

    def succeeded(self, address: str, user: str, now: float) -> None:
        key = place_of(address), user[:_NAME_LETTERS_MAX]
        self._own.forget(key)
        self._welcome.pop(key, None)
        self._welcome[key] = None
        if len(self._welcome) > self._entries_max:
            del self._welcome[next(iter(self._welcome))]


class _Counts:
    """Numbers by key that sink by `most` in `window_seconds`; those touched last come last."""

    def __init__(self, most: int, window_seconds: float, entries_max: int) -> None:
        self._most = most
        self._per_second = most / window_seconds
        self._entries_max = entries_max
        self._levels: dict[Hashable, tuple[float, float]] = {}

    def _level(self, key: Hashable, now: float) -> float:
        level, at = self._levels.get(key, (0.0, now))
        return max(0.0, level - (now - at) * self._per_second)

    def wait_seconds(self, key: Hashable, now: float) -> float:
        """How long until there is room for another; 0 if there is."""
        return max(0.0, (self._level(key, now) - (self._most - 1)) / self._per_second)

    def add(self, key: Hashable, now: float) -> None:
        level = min(self._level(key, now) + 1, float(self._most))
        self._levels.pop(key, None)
        self._levels[key] = level, now
        if len(self._levels) > self._entries_max:
            del self._levels[next(iter(self._levels))]

    def forget(self, key: Hashable) -> None:
        self._levels.pop(key, None)


def host_of(address: str) -> str:
    """The host of "host:port", as connections name their peers."""
    host, colon, port = address.rpartition(":")
    return host.strip("[]") if colon and port.isdigit() and (":" not in host or host) else address


def place_of(address: str) -> str:
    """What counts as one place: a host, or the network of an IPv6 one."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return address if ip.is_loopback else ":".join(ip.exploded.split(":")[:4])


def _is_here(address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return not address
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return (mapped or ip).is_loopback
