"""A line for every change that somebody makes to the broker itself: who, from where, what.

The lines go to the logger `menura.audit`, below `menura`, so that they can be sent elsewhere; none is ever summed up.
Values under the names of secrets are not written.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from typing import Any

_log = logging.getLogger("menura.audit")
_SECRET = re.compile(r"passw|secret|token|credential|passcode|api_?key", re.IGNORECASE)
# A URI may have a password between the name and the host.
_URI_PASSWORD = re.compile(r"(\w+://[^/\s:@]*):[^/\s@]*@")
HIDDEN = "***"


def auditor(user: str, peer: str) -> Callable[..., None]:
    """What notes the doings of one user who is at `peer`: called with an event and its details."""
    return partial(_audit, user, peer)


def _audit(by: str, peer: str, event: str, /, **details: Any) -> None:
    """`event` is such as "queue.deleted"."""
    if not _log.isEnabledFor(logging.INFO):
        return
    known = {name: without_secrets(value, name) for name, value in details.items()}
    said = " ".join(f"{name}={value!r}" for name, value in known.items())
    line = f"audit: {event} by {by} from {peer}{': ' if said else ''}{said}"
    _log.info("%s", line, extra={"event": event, "fields": {**known, "audit": True, "by": by, "from": peer}})


def without_secrets(value: Any, name: str = "") -> Any:
    """The same with secrets hidden: at any depth, by the names they stand under, and in URIs."""
    if _SECRET.search(name) and value not in (None, ""):
        return HIDDEN
    if isinstance(value, dict):
        return {key: without_secrets(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(inner, name) for inner in value]
    if isinstance(value, str):
        return _URI_PASSWORD.sub(rf"\1:{HIDDEN}@", value)
    return value
