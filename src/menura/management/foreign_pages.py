"""Which pages may have a browser ask something here.

A browser sends a login it remembers with requests that somebody else's page makes, so what changes anything must not
come from a page whose origin is not ours or named by the listener (`?origin=`).

Browsers on this machine could be led here under any name that its owner lets point to 127.0.0.1, where users may be
known whom nobody else can log in as. So a name that is not this machine's is refused to browsers there. A browser is
known by headers that no script can take away; what it says of the page (`Sec-Fetch-Site`) is missing for just those
names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from menura.management.http.messages import SAFE_METHODS, HttpError
from menura.net.origins import is_own_name

if TYPE_CHECKING:
    from menura.management.http.messages import Request

_OF_BROWSERS = ("sec-fetch-site", "accept-language", "origin")
_HEADER_NAMES = re.compile(r"[A-Za-z0-9_, -]{0,1000}")


def check_page(request: Request) -> None:
    """Refuse what a page from elsewhere has made a browser ask."""
    headers = request.headers
    host, origin, site = headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site", "none")
    if "*" in request.origins or (origin is not None and origin in request.origins):
        return
    loopback = request.peer.loopback
    is_browser = any(name in headers for name in _OF_BROWSERS)
    if is_browser and loopback and not is_own_name(host) and not _named(host, request.origins):
        why = f"{host[:255]!r} is not a name of this machine: add ?origin=http://{host[:255]} to the listener"
        raise HttpError(421, "misdirected_request", why)
    if request.method in SAFE_METHODS:
        return
    if origin is None:
        welcome = site in ("none", "same-origin")
    else:
        welcome = _netloc(origin) == host and (is_own_name(host) or not loopback)
    if not welcome:
        raise HttpError(403, "forbidden", f"pages of {(origin or 'elsewhere')[:255]} may not change anything here")


def _named(host: str, origins: tuple[str, ...]) -> bool:
    return any(_netloc(origin) == host for origin in origins)


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def preflight(request: Request, allowed: list[str]) -> dict[str, str]:
    """What a browser wants to know before it asks for a page from elsewhere."""
    wanted = request.headers.get("access-control-request-headers", "")
    if "access-control-request-method" not in request.headers:
        return {}
    return {
        "access-control-allow-methods": ", ".join(allowed),
        "access-control-allow-headers": wanted if _HEADER_NAMES.fullmatch(wanted) else "",
        "access-control-max-age": "1800",
    }
