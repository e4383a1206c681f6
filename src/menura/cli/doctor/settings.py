"""Of the settings: whether they are good, who could come in, how long certificates last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from menura import voices
from menura.broker import ListenError, check_listeners
from menura.cli.doctor.findings import Findings, beware, well, wrong
from menura.config import Config
from menura.configuration.layers import Effective
from menura.net.expiry import validities
from menura.net.listener import Address

_SOON = timedelta(days=30)
_HERE = frozenset(("127.0.0.1", "localhost", "::1", ""))


def addresses(config: Config) -> list[Address]:
    """Where it listens; nothing for what is no address, of which another check tells."""
    try:
        return [Address.parse(url, voices.STANDARD_PORTS) for url in config.listen]
    except ListenError:
        return []


def settings(effective: Effective) -> Findings:
    source = effective.file or "the defaults"
    for remark in effective.remarks:
        yield beware("settings", str(remark), "Remove it, or correct its name; `menura config show` lists all.")
    try:
        check_listeners(effective.config())
    except ListenError as error:
        yield wrong("settings", str(error), "`menura config check` tells what is wrong with them.")
        return
    yield well("settings", f"{source}: good")


class Place(NamedTuple):
    """Somewhere that clients may come in."""

    url: str
    host: str
    tls: bool


def places(config: Config) -> list[Place]:
    """Where it would listen."""
    return [
        Place(f"{each.scheme}://{each.host}:{each.port}", each.host, voices.VOICES[each.scheme].tls)
        for each in addresses(config)
    ]


def exposure(config: Config, listening: list[Place]) -> Findings:
    reachable = [place for place in listening if place.host not in _HERE]
    if not reachable:
        yield well("access", "it listens on this machine only")
        return
    where = ", ".join(place.url for place in reachable)
    if _guest_may_come(config):
        yield wrong(
            "access",
            f"{config.default_user} may log in from elsewhere with a well-known password: {where}",
            "Choose another default_password, or put the user back into loopback_users.",
        )
    if plain := [place.url for place in reachable if not place.tls]:
        yield beware(
            "access",
            f"passwords travel in the open to {', '.join(plain)}",
            "Use the TLS schemes (amqps://, https:// ...) where the network is not your own.",
        )
    else:
        yield well("access", f"others reach it over TLS only: {where}")
    if config.allow_anonymous:
        yield beware("access", f"anybody may come without a password: {where}", "Leave allow_anonymous off.")


def _guest_may_come(config: Config) -> bool:
    well_known = config.default_password in (config.default_user, "guest", "password", "admin")
    return bool(config.default_user) and well_known and config.default_user not in config.loopback_users


def certificates(config: Config) -> Findings:
    now = datetime.now(UTC)
    seen: set[str] = set()
    for address in addresses(config):
        file = address.tls_settings(config.common_tls).get("cert", "") if voices.VOICES[address.scheme].tls else ""
        if file and file not in seen:
            seen.add(file)
            yield from _certificate(file, now)


def _certificate(file: str, now: datetime) -> Findings:
    try:
        until = min(validity.until for validity in validities(Path(file).read_text()))
    except (OSError, ValueError) as error:
        yield wrong("certificates", f"{file}: {error}", "Name a file with a certificate in PEM format.")
        return
    said = f"{file} is good until {until:%Y-%m-%d}"
    if until <= now:
        yield wrong(
            "certificates",
            f"{file} expired on {until:%Y-%m-%d}",
            "Put a new one in its place: it is read anew by itself.",
        )
    elif until <= now + _SOON:
        yield beware("certificates", said, "Put a new one in its place soon: it is read anew by itself.")
    else:
        yield well("certificates", said)
