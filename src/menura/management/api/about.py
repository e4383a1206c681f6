"""Who asks, how to log in, and what there is besides."""

from __future__ import annotations

from urllib.parse import parse_qs

from menura.management.authentication import log_in
from menura.management.http.messages import Answer, Request, bad_request
from menura.management.rights import MANAGEMENT
from menura.management.routes import Routes
from menura.management.views import schemas
from menura.management.views.schemas import BOOLEAN, OBJECT, STRING, STRINGS, array, fixed

routes = Routes("about")
_FIELDS_MAX = 10


@routes.get(
    "/api/whoami",
    MANAGEMENT,
    "The user who asks",
    returns=fixed({"name": STRING, "tags": STRINGS, "is_internal_user": BOOLEAN}),
)
def whoami(request: Request) -> Answer:
    user = request.user
    return {"name": user.name, "tags": sorted(user.tags), "is_internal_user": True}


@routes.get(
    "/api/auth", None, "Ways to log in besides name and password: none", returns=fixed({"oauth_enabled": BOOLEAN})
)
def ways(request: Request) -> Answer:
    return {"oauth_enabled": False}


@routes.get("/api/extensions", MANAGEMENT, "What extends the pages of the plugin: nothing", returns=array(OBJECT))
def extensions(request: Request) -> Answer:
    return []


@routes.post(
    "/api/login",
    None,
    "Whether a name and a password, as a form sends them, are right. No session begins: each request brings its login",
    returns=STRING,
)
def login(request: Request) -> Answer:
    try:
        form = parse_qs(request.body.decode(), max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError as error:
        raise bad_request(f"not a form: {error}") from None
    name, password = (form.get(field, [""])[-1] for field in ("username", "password"))
    MANAGEMENT.require(log_in(request, name, password))
    return "ok"


@routes.delete("/api/login", None, "The end of what `login` began, which is nothing", returns=schemas.NOTHING)
def logout(request: Request) -> Answer:
    return None
