"""The health check of certificates, which reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from menura.core.node import NAME
from menura.management.api.health import failed, well
from menura.management.http.messages import Answer, Request, bad_request
from menura.management.rights import MANAGEMENT
from menura.management.routes import Routes
from menura.management.views.listeners import has_tls, is_open, protocol
from menura.management.views.schemas import STRING, fixed
from menura.net.expiry import validities
from menura.net.listener import Listener

routes = Routes("health checks")
_UNITS = {
    "days": timedelta(days=1),
    "weeks": timedelta(weeks=1),
    "months": timedelta(days=365 / 12),
    "years": timedelta(days=365),
}
_WITHIN_MAX = 10_000


@routes.get(
    "/api/health/checks/certificate-expiration/{within}/{unit}",
    MANAGEMENT,
    "Whether the certificates of all listeners are good for that long: days, weeks, months or years",
    returns=fixed({"status": STRING}, {"reason": STRING}),
)
def expiration(request: Request, within: str, unit: str) -> Answer:
    if not within.isascii() or not within.isdecimal() or len(within) > 18:
        raise bad_request("Invalid expiration value.")
    span = _UNITS.get(unit.lower())
    if span is None:
        raise bad_request(f"Time unit not recognised. Supported units: {', '.join(_UNITS)}.")
    until = datetime.now(UTC) + span * min(int(within), _WITHIN_MAX)
    common = request.backend.config.common_tls
    found = [
        view
        for listener in request.backend.listeners
        if has_tls(listener) and is_open(listener) and (view := _expiring(listener, common, until)) is not None
    ]
    return failed("Certificates expiring", expired=found) if found else well()


def _expiring(listener: Listener, common: dict[str, str], until: datetime) -> dict[str, Any] | None:
    """A listener with what is the matter with its certificates; None if nothing is."""
    settings = listener.address.tls_settings(common)
    own, authorities = (_troubles(settings.get(key, ""), until) for key in ("cert", "ca"))
    if not own and not authorities:
        return None
    return {
        "node": NAME,
        "protocol": protocol(listener),
        "interface": listener.address.host,
        "port": listener.port,
        "certfile": settings.get("cert", ""),
        "cacertfile": settings.get("ca", ""),
        "certfile_expires_on": own,
        "cacertfile_expires_on": authorities,
    }


def _troubles(path: str, until: datetime) -> list[str]:
    """When those certificates in a file end that do not last that long, or what is wrong with it."""
    if not path:
        return []
    try:
        found = validities(Path(path).read_text(encoding="ascii", errors="replace"))
    except (OSError, ValueError) as error:
        return [str(error)]
    now = datetime.now(UTC)
    early = ["Certificate is not yet valid" for validity in found if validity.since > now]
    return early + [f"{validity.until:%Y-%m-%d %H:%M:%S}" for validity in found if validity.until < until]
