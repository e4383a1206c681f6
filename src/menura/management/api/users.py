"""Users: who may log in, and what they are."""

from __future__ import annotations

from menura.core.passwords import SALT_BYTES, hash_password
from menura.management import accounts, bodies, lists
from menura.management.http.messages import Answer, Request, bad_request, created, not_found
from menura.management.rights import ADMINISTRATOR
from menura.management.routes import Routes
from menura.management.views import schemas
from menura.management.views.schemas import INTEGER, STRING, STRINGS, TAGS, fixed
from menura.management.views.user import USER_SCHEMA, user_view

routes = Routes("users")
_BODY = fixed(
    {"tags": {**TAGS, "description": "administrator, monitoring, policymaker, management, or others"}},
    {
        "password": STRING,
        "password_hash": {**STRING, "description": "instead of a password; without both, none is right"},
        "hashing_algorithm": {**STRING, "description": "of the hash; found by its length otherwise"},
        "limits": {"type": "object", "properties": dict.fromkeys(accounts.LIMITS, INTEGER)},
    },
)
_LIST = {"query": lists.QUERY, "returns": lists.schema(USER_SCHEMA)}


@routes.get("/api/users", ADMINISTRATOR, "All users", **_LIST)
def every(request: Request) -> Answer:
    return lists.listed(request, request.node.users, user_view, ["name"])


@routes.get("/api/users/without-permissions", ADMINISTRATOR, "Users who may enter no virtual host", **_LIST)
def without_permissions(request: Request) -> Answer:
    return lists.listed(request, [user for user in request.node.users if not user.permissions], user_view, ["name"])


@routes.post(
    "/api/users/bulk-delete",
    ADMINISTRATOR,
    "Delete several users: all of them, or none if there is one that does not exist",
    body=fixed({"users": STRINGS}),
    returns=schemas.NOTHING,
)
def bulk_delete(request: Request) -> Answer:
    body = request.json()
    bodies.require(body, "users")
    wanted = dict.fromkeys(bodies.names(body, "users"))
    for name in wanted:
        if name not in request.node.users:
            raise bad_request(["no_such_user", name])
    for name in wanted:
        _remove(request, name)


@routes.get("/api/users/{user}", ADMINISTRATOR, "A user", returns=USER_SCHEMA)
def one(request: Request, user: str) -> Answer:
    _require(request, user)
    return user_view(request.node.users.get(user))


@routes.put(
    "/api/users/{user}",
    ADMINISTRATOR,
    "Make a user, or set password and tags of one",
    body=_BODY,
    returns=schemas.NOTHING,
)
def put(request: Request, user: str) -> Answer:
    is_new = accounts.put(request.node, user, request.json())
    request.audit("user.put", name=user, tags=sorted(request.node.users.get(user).tags))
    return created() if is_new else None


@routes.delete("/api/users/{user}", ADMINISTRATOR, "Delete a user", returns=schemas.NOTHING)
def delete(request: Request, user: str) -> Answer:
    _require(request, user)
    _remove(request, user)


@routes.get(
    "/api/auth/hash_password/{password}",
    ADMINISTRATOR,
    "The hash of a password, for definitions",
    returns=fixed({"ok": STRING}),
)
def hashed(request: Request, password: str) -> Answer:
    return {"ok": hash_password(password, request.node.random_bytes(SALT_BYTES))}


def _require(request: Request, user: str) -> None:
    if user not in request.node.users:
        raise not_found()


def _remove(request: Request, name: str) -> None:
    request.node.remove_user(name)
    request.audit("user.deleted", name=name)
