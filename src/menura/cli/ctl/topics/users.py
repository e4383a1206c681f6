"""Users, their passwords, tags and limits."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Any

from menura.cli.ctl.arguments import FLAG, TEXT, parse_json
from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import DATA, NO_USER, SOFTWARE, CtlError
from menura.cli.ctl.formats import Table, compact
from menura.cli.ctl.terms import Tags
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, Call, verb

_USERS = "Users"
_SALT_BYTES = 4
_SEEN = (CTL, DIAGNOSTICS)


def _user(call: Call, name: str) -> dict[str, Any]:
    found = call.client.find(path("users", name))
    if found is None:
        raise CtlError(NO_USER, f'User "{name}" does not exist')
    return dict(found)


def _tags(user: dict[str, Any]) -> list[str]:
    # Older brokers have them in one text.
    tags = user["tags"]
    return [tag for tag in tags.split(",") if tag] if isinstance(tags, str) else list(tags)


@verb(
    "add_user",
    _USERS,
    "Creates a new user, who has no permissions for any virtual host at first",
    "<username> [<password>] [<password_hash> --pre-hashed-password]",
    (1, 2),
    options={"pre-hashed-password": FLAG},
)
def add_user(call: Call) -> str | None:
    name = call.argument(0)
    call.info(f'Adding user "{name}" ...')
    hashed = call.options.get("pre-hashed-password")
    password = call.secret(1)
    if call.client.find(path("users", name)) is not None:
        raise CtlError(SOFTWARE, f'User "{name}" already exists')
    call.client.put(path("users", name), {"password_hash" if hashed else "password": password, "tags": ""})
    if call.quiet:
        return None
    return (
        "Done. Don't forget to grant the user permissions to some virtual hosts! "
        f"See '{call.program} help set_permissions' to learn more."
    )


@verb("delete_user", _USERS, "Removes a user with all permissions; the user's connections end.", "<username>", 1)
def delete_user(call: Call) -> None:
    name = call.argument(0)
    call.info(f'Deleting user "{name}" ...')
    _user(call, name)
    call.client.delete(path("users", name))


@verb("change_password", _USERS, "Changes the user password", "<username> [<password>]", (1, 2))
def change_password(call: Call) -> None:
    name = call.argument(0)
    call.info(f'Changing password for user "{name}" ...')
    password = call.secret(1)
    call.client.put(path("users", name), {"password": password, "tags": ",".join(_tags(_user(call, name)))})


@verb("clear_password", _USERS, "Disables password login for a user", "<username>", 1)
def clear_password(call: Call) -> None:
    name = call.argument(0)
    call.info(f'Clearing password for user "{name}" ...')
    call.client.put(path("users", name), {"password_hash": "", "tags": ",".join(_tags(_user(call, name)))})


@verb(
    "authenticate_user",
    _USERS,
    "Checks a user's password. Exits with a non-zero code if it is wrong.",
    "<username> [<password>]",
    (1, 2),
)
def authenticate_user(call: Call) -> str:
    name = call.argument(0)
    call.info(f'Authenticating user "{name}" ...')
    try:
        call.client.post("/menura/authenticate", {"username": name, "password": call.secret(1)})
    except HttpFailure as failure:
        if failure.http_status != 400:
            raise
        raise CtlError(DATA, f'Error: failed to authenticate user "{name}"\n{failure.reason}') from None
    return "Success"


@verb("set_user_tags", _USERS, "Sets user tags", "<username> <tag> [<tag> ...]", (1, None))
def set_user_tags(call: Call) -> None:
    name, *tags = call.arguments
    call.info(f'Setting tags for user "{name}" to [{", ".join(tags)}] ...')
    user = _user(call, name)
    body = {"password_hash": user["password_hash"], "tags": ",".join(tags)}
    if user.get("hashing_algorithm"):
        body["hashing_algorithm"] = user["hashing_algorithm"]
    call.client.put(path("users", name), body)


@verb("list_users", _USERS, "List user names and tags", "[--no-table-headers] [--timeout <timeout>]", programs=_SEEN)
def list_users(call: Call) -> Table:
    call.info("Listing users ...")
    return Table(("user", "tags"), [(user["name"], Tags(_tags(user))) for user in call.client.get("/users")])


def delete_if_there(call: Call, what: str) -> None:
    """Delete something that may not be there."""
    try:
        call.client.delete(what)
    except HttpFailure as failure:
        if failure.http_status != 404:
            raise


@verb("hash_password", _USERS, "Prints the hash of a password, for definitions", "[<password>]", (0, 1))
def hash_password(call: Call) -> str:
    import hashlib

    call.info("Will hash password")
    salt = os.urandom(_SALT_BYTES)
    return b64encode(salt + hashlib.sha256(salt + call.secret(0).encode()).digest()).decode()


# -- limits ------------------------------------------------------------------------------------------------------


@verb("set_user_limits", _USERS, "Sets user limits", "<username> <definition>", 2)
def set_user_limits(call: Call) -> None:
    name, definition = call.arguments
    call.info(f'Setting user limits to "{definition}" for user "{name}" ...')
    for limit, value in dict(parse_json(definition)).items():
        call.client.put(path("user-limits", name, limit), {"value": value})


@verb("clear_user_limits", _USERS, "Clears user limits", "<username> <limit_type> | all", 2)
def clear_user_limits(call: Call) -> None:
    name, limit = call.arguments
    which = "all limits" if limit == "all" else f'"{limit}" limit'
    call.info(f'Clearing {which} for user "{name}" ...')
    for each in ("max-connections", "max-channels") if limit == "all" else (limit,):
        delete_if_there(call, path("user-limits", name, each))


@verb(
    "list_user_limits",
    _USERS,
    "Displays configured user limits",
    "[--user <username>] [--global]",
    options={"user": TEXT, "global": FLAG},
    programs=_SEEN,
)
def list_user_limits(call: Call) -> Table | str:
    if call.options.get("global"):
        call.info("Listing limits for all users ...")
        found = call.client.get("/user-limits")
        return Table(("user", "limits"), [(each["user"], compact(each["value"])) for each in found])
    name = call.options.get("user", "guest")
    call.info(f'Listing limits for user "{name}" ...')
    _user(call, name)
    found = call.client.get(path("user-limits", name))
    return compact(found[0]["value"] if found else {})
