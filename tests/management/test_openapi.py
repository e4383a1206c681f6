"""The description of the API: valid, complete, and true when somebody takes it at its word."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from tests.management.conftest import http_port
from tests.management.http_client import Client

import menura
from menura.management import openapi
from menura.management.api import ALL

schemathesis = pytest.importorskip("schemathesis")
validate = pytest.importorskip("openapi_spec_validator").validate
ROUTES = [route for part in ALL for route in part.all]
DESCRIPTION = openapi.described(ROUTES)
EXAMPLES = 2
# What would end the broker, or never ends itself.
_LEFT_OUT = re.compile(r"/api/menura/(node/|live)")


def test_it_is_valid_openapi(api: Client) -> None:
    told = api.get("/openapi.json").json
    validate(told)
    assert told == DESCRIPTION


def test_every_route_is_in_it_and_nothing_else() -> None:
    described = {
        (method.upper(), path)
        for path, found in DESCRIPTION["paths"].items()
        for method in found
        if method != "parameters"
    }
    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_operation_says_what_it_is_and_what_it_takes() -> None:
    ids = [openapi.operation_id(route) for route in ROUTES]
    assert len(set(ids)) == len(ids)
    for route in ROUTES:
        assert route.summary, route.path
        operation = DESCRIPTION["paths"][route.path][route.method.lower()]
        assert bool(operation["security"]) is (route.right is not None)
        assert operation["responses"].keys() & {"200", "201", "204"}
        if route.method in ("PUT", "POST") and route.body is not None:
            assert "requestBody" in operation


def test_it_can_be_read_as_a_page_without_a_script(api: Client) -> None:
    page = api.get("/index.html")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    text = page.body.decode()
    assert "<script" not in text
    for route in ROUTES:
        assert route.path in text
    assert api.get("").headers["location"] == "/api/index.html"


def test_every_path_in_it_answers(api: Client) -> None:
    """With names of nothing there is: each is known, so that it says what is not there rather than that it is not."""
    for route in ROUTES:
        if route.method != "GET" or _LEFT_OUT.search(route.path):
            continue
        target = re.sub(r"\{(\w+)\}", "nothing", route.path)
        answer = Client(api.port, prefix="").get(target, **api.login)
        assert answer.status not in (405, 500), (target, answer)
        head = Client(api.port, prefix="").ask("HEAD", target)
        assert (head.status, head.body) == (answer.status, b""), target


schema = schemathesis.openapi.from_dict(DESCRIPTION)
wanted = schema.exclude(func=lambda context: bool(_LEFT_OUT.search(context.operation.path)))


@pytest.fixture(scope="module")
def base_url(api_broker: menura.Broker) -> str:
    return f"http://127.0.0.1:{http_port(api_broker)}"


@wanted.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_whatever_the_description_allows_is_answered_as_it_says(case: Any, base_url: str, api: Client) -> None:
    answer = case.call(base_url=base_url, headers=api.login, timeout=20)
    assert answer.status_code not in (500, 501, 502), answer.text[:500]
    if answer.status_code != 503 or case.operation.path.startswith("/api/health"):
        case.validate_response(answer, checks=_checks())


def _checks() -> list[Any]:
    names = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
    return [check for check in schemathesis.checks.CHECKS.get_all() if check.__name__ in names]
