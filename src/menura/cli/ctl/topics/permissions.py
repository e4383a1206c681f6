"""Permissions of users in virtual hosts, and on topics."""

from __future__ import annotations

from typing import Any

from menura.cli.ctl.client import path
from menura.cli.ctl.errors import DATA, NO_USER, UNAVAILABLE, CtlError
from menura.cli.ctl.formats import Table
from menura.cli.ctl.topics.users import delete_if_there
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, Call, verb

_ACCESS = "Access Control"
_SEEN = (CTL, DIAGNOSTICS)


def _require(call: Call, user: str) -> None:
    """Refuse a virtual host or a user that there is not."""
    if call.client.find(path("vhosts", call.vhost)) is None:
        raise CtlError(UNAVAILABLE, f"Virtual host {call.vhost} does not exist")
    _require_user(call, user)


def _require_user(call: Call, name: str) -> None:
    if call.client.find(path("users", name)) is None:
        raise CtlError(NO_USER, f"User {name} does not exist")


@verb(
    "set_permissions",
    _ACCESS,
    "Sets user permissions for a vhost",
    "[--vhost <vhost>] <username> <conf> <write> <read>",
    4,
)
def set_permissions(call: Call) -> None:
    name, configure, write, read = call.arguments
    call.info(f'Setting permissions for user "{name}" in vhost "{call.vhost}" ...')
    _require(call, name)
    body = {"configure": configure, "write": write, "read": read}
    call.client.put(path("permissions", call.vhost, name), body)


@verb(
    "set_permissions_globally",
    _ACCESS,
    "Sets user permissions for all virtual hosts",
    "<username> <conf> <write> <read>",
    4,
)
def set_permissions_globally(call: Call) -> None:
    name, configure, write, read = call.arguments
    call.info(f'Setting permissions for user "{name}" in all virtual hosts ...')
    _require_user(call, name)
    for vhost in call.client.get("/vhosts"):
        body = {"configure": configure, "write": write, "read": read}
        call.client.put(path("permissions", vhost["name"], name), body)


@verb("clear_permissions", _ACCESS, "Revokes user permissions for a vhost", "[--vhost <vhost>] <username>", 1)
def clear_permissions(call: Call) -> None:
    name = call.argument(0)
    call.info(f'Clearing permissions for user "{name}" in vhost "{call.vhost}" ...')
    _require(call, name)
    delete_if_there(call, path("permissions", call.vhost, name))


_PATTERNS = ("configure", "write", "read")


@verb(
    "list_permissions",
    _ACCESS,
    "Lists user permissions in a virtual host",
    "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
    programs=_SEEN,
)
def list_permissions(call: Call) -> Table:
    call.info(f'Listing permissions for vhost "{call.vhost}" ...')
    found = _of_vhost(call, "permissions")
    return Table(("user", *_PATTERNS), [(each["user"], *(each[name] for name in _PATTERNS)) for each in found])


def _of_vhost(call: Call, what: str) -> list[dict[str, Any]]:
    found = call.client.find(path("vhosts", call.vhost, what))
    if found is None:
        raise CtlError(DATA, f"Virtual host '{call.vhost}' does not exist", bare=True)
    return list(found)


@verb(
    "list_user_permissions",
    _ACCESS,
    "Lists permissions of a user across all virtual hosts",
    "[--no-table-headers] <username> [--timeout <timeout>]",
    1,
    programs=_SEEN,
)
def list_user_permissions(call: Call) -> Table:
    name = call.argument(0)
    call.info(f'Listing permissions for user "{name}" ...')
    found = _of_user(call, name, "permissions")
    return Table(("vhost", *_PATTERNS), [(each["vhost"], *(each[key] for key in _PATTERNS)) for each in found])


def _of_user(call: Call, name: str, what: str) -> list[dict[str, Any]]:
    found = call.client.find(path("users", name, what))
    if found is None:
        raise CtlError(UNAVAILABLE, f'{{:no_such_user, "{name}"}}')
    return list(found)


# -- topic permissions -------------------------------------------------------------------------------------------

_TOPIC = ("exchange", "write", "read")


@verb(
    "set_topic_permissions",
    _ACCESS,
    "Sets user topic permissions for an exchange",
    "[--vhost <vhost>] <username> <exchange> <write> <read>",
    4,
)
def set_topic_permissions(call: Call) -> None:
    name, exchange, write, read = call.arguments
    call.info(f'Setting topic permissions on "{exchange}" for user "{name}" in vhost "{call.vhost}" ...')
    _require(call, name)
    body = {"exchange": exchange, "write": write, "read": read}
    call.client.put(path("topic-permissions", call.vhost, name), body)


@verb(
    "clear_topic_permissions",
    _ACCESS,
    "Clears user topic permissions for a vhost or exchange",
    "[--vhost <vhost>] <username> [<exchange>]",
    (1, 2),
)
def clear_topic_permissions(call: Call) -> None:
    name, *exchange = call.arguments
    on = f'on "{exchange[0]}" ' if exchange else ""
    call.info(f'Clearing topic permissions {on}for user "{name}" in vhost "{call.vhost}" ...')
    _require(call, name)
    delete_if_there(call, path("topic-permissions", call.vhost, name, *exchange))


@verb(
    "list_topic_permissions",
    _ACCESS,
    "Lists topic permissions in a virtual host",
    "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
    programs=_SEEN,
)
def list_topic_permissions(call: Call) -> Table:
    call.info(f'Listing topic permissions for vhost "{call.vhost}" ...')
    found = _of_vhost(call, "topic-permissions")
    return Table(("user", *_TOPIC), [(each["user"], *(each[key] for key in _TOPIC)) for each in found])


@verb(
    "list_user_topic_permissions",
    _ACCESS,
    "Lists user topic permissions",
    "[--no-table-headers] <username> [--timeout <timeout>]",
    1,
    programs=_SEEN,
)
def list_user_topic_permissions(call: Call) -> Table:
    name = call.argument(0)
    call.info(f'Listing topic permissions for user "{name}" ...')
    found = _of_user(call, name, "topic-permissions")
    # Of all tables this one has no header in rabbitmqctl.
    rows = [(each["vhost"], *(each[key] for key in _TOPIC)) for each in found]
    return Table(("vhost", *_TOPIC), rows, header=False)
