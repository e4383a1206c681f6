"""Which web pages may make a browser talk to us.

A browser says which page it acts for (its origin). Where guests of this machine may log in, a page from elsewhere must
not do so on its own: pages of this machine are welcome, and to clients of other machines those of the host they asked
for; others only if they are named, or all are (`*`). On this machine the host proves nothing, as whoever made the page
may have its name lead here. Programs send no origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_welcome(origin: str, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of this origin may; `host` is ours to a client that may trust the name."""
    if origin in allowed or "*" in allowed:
        return True
    try:
        name, own = urlsplit(origin).hostname, urlsplit(f"//{host}").hostname
        return name is not None and (name == own or _is_here(name))
    except ValueError:
        return False


def is_own_name(host: str) -> bool:
    """Whether a Host header names this machine in a way that nobody else can."""
    try:
        name = urlsplit(f"//{host}").hostname
        return name is not None and _is_here(name)
    except ValueError:
        return False


def _is_here(name: str) -> bool:
    """Whether a name is this machine's. Raises ValueError for one that is neither an address nor well known."""
    return name == "localhost" or ip_address(name).is_loopback
