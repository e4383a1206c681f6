"""What settings do to a broker: at its start, at the first start of its data directory, and while it runs.

New connections read the settings from `Broker.config` as they come, so most of a change needs nothing else than
another record there. What has a state of its own is told here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import fields, replace

from menura.config import Config, processor_count
from menura.configuration.settings import SETTINGS
from menura.core.attempts import AttemptLimits
from menura.core.errors import Refusal
from menura.core.node import DEFAULT_VHOST, Node
from menura.core.passwords import matches
from menura.net.listener import Listener
from menura.storage import Storage

_log = logging.getLogger("menura")
LIVE = frozenset(setting.field for setting in SETTINGS.values() if setting.live and setting.field)


def prepare(node: Node, config: Config) -> None:
    """Give a node what it has to know of the settings."""
    node.logins.loopback_users = frozenset(config.loopback_users)
    node.logins.attempts.set_limits(AttemptLimits(config.login_failures_max, config.login_window_seconds))


def busy_poll_seconds(config: Config) -> float:
    """On a single processor it would be the client who has to wait for it."""
    return config.busy_poll_us / 1e6 if processor_count() > 1 else 0.0


class DefinitionsError(Exception):
    """The file of definitions cannot be loaded; the text says why."""


def begin(node: Node, config: Config, *, first: bool) -> None:
    """At each start: load the definitions that are to be there; at the first one, see to it that there is a user."""
    if config.load_definitions:
        _load(node, config.load_definitions)
    if first and not any(True for _ in node.users):
        welcome(node, config)


def _load(node: Node, path: str) -> None:
    from menura.management.definitions import import_definitions, parse, run

    try:
        with open(path, "rb") as file:
            imported = run(import_definitions(node, run(parse(file.read()))))
    except OSError as error:
        raise DefinitionsError(f"cannot read the definitions in {path}: {error.strerror}.") from None
    except Refusal as refusal:
        raise DefinitionsError(f"cannot load the definitions in {path}: {refusal}.") from None
    said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in imported.counts.items() if count)
    _log.info("definitions: loaded from %s: %s", path, said or "nothing")
    for skipped in imported.skipped:
        _log.warning("definitions: left out: %s '%s': %s", skipped.what, skipped.name, skipped.reason)


def welcome(node: Node, config: Config) -> None:
    """What every data directory begins with: a user, and where that user may be."""
    if config.default_vhost != DEFAULT_VHOST:
        node.add_vhost(config.default_vhost)
    if config.default_user:
        try:
            node.add_user(config.default_user, config.default_password, frozenset(("administrator",)))
        except Refusal as refusal:
            raise DefinitionsError(f"cannot make the first user (see default_user): {refusal}.") from None
        node.users.permit(config.default_user, config.default_vhost, *config.default_permissions)


def merged(old: Config, new: Config) -> tuple[Config, list[str]]:
    """The new settings as far as they can be changed while the broker runs; the fields that take a restart."""
    changed = {field.name for field in fields(Config) if getattr(old, field.name) != getattr(new, field.name)}
    return replace(old, **{name: getattr(new, name) for name in changed & LIVE}), sorted(changed - LIVE)


def change(old: Config, new: Config, node: Node, storage: Storage | None, listeners: Iterable[Listener]) -> None:
    """Go on with other settings; certificates are loaded again even if their files have the same names."""
    node.logins.loopback_users = frozenset(new.loopback_users)
    if (old.login_failures_max, old.login_window_seconds) != (new.login_failures_max, new.login_window_seconds):
        prepare(node, new)
    if old.memory_bytes_max != new.memory_bytes_max:
        node.memory.set_watermark(new.watermark_bytes)
    if storage is not None:
        storage.disk_free_bytes_min = new.disk_free_bytes_min
    for listener in listeners:
        if listener.certificates is not None:
            listener.certificates.renew(listener.address.tls_settings(new.common_tls))


def has_well_known_password(node: Node) -> bool:
    """Whether guest has the password that everybody knows."""
    return "guest" in node.users and matches("guest", node.users.get("guest").password_hash)
