"""Who may ask what: logins, rights, pages of elsewhere, and what is no path, no JSON or no value."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from tests.management.http_peer import Desk, HttpPeer, Told, request

from menura.management import definitions
from menura.management.api import ALL
from menura.management.http.messages import SAFE_METHODS
from menura.management.identity import identity_of

ROUTES = [route for part in ALL for route in part.all]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def ask(desk: Desk, method: str, target: str, body: bytes = b"", **more: Any) -> Told:
    """One request on a connection of its own."""
    address, origins = more.pop("address", "127.0.0.1:1234"), more.pop("origins", ())
    peer = HttpPeer(desk, address=address, origins=origins)
    answer = peer.send(request(method, target, body, **more)).answers(method)[0]
    assert [line for line in peer.log if line[0] == "defect"] == []
    return answer


def login(user: str, password: str) -> bytes:
    return b"Authorization: Basic " + b64encode(f"{user}:{password}".encode()) + b"\r\n"


# -- logins ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Authorization: \r\n",
        b"Authorization: Basic\r\n",
        b"Authorization: Basic !!!\r\n",
        b"Authorization: Basic Z3Vlc3Q=\r\n",
        b"Authorization: Basic /////w==\r\n",
        b"Authorization: Bearer Z3Vlc3Q6Z3Vlc3Q=\r\n",
        b"Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n",
        login("guest", "wrong"),
        login("guest", ""),
        login("nobody", "guest"),
    ],
)
def test_no_login_or_a_wrong_one_gets_401_and_a_challenge(header: bytes, desk: Desk) -> None:
    for target in ("/api/whoami", "/api/unheard-of"):
        answer = ask(desk, "GET", target, login=header)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")


def test_the_pages_are_not_challenged_as_they_have_a_form_of_their_own(desk: Desk) -> None:
    answer = ask(desk, "GET", "/api/whoami", login=b"", headers=b"X-Menura-Page: 1\r\n")
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers


def test_guest_comes_from_this_machine_only(desk: Desk) -> None:
    answer = ask(desk, "GET", "/api/whoami", address="10.0.0.9:1234")
    assert answer.status == 401
    assert b"localhost" in answer.body


def test_who_guesses_has_to_wait(desk: Desk) -> None:
    tries = [ask(desk, "GET", "/api/whoami", login=login("guest", f"no{number}")).status for number in range(30)]
    assert tries[0] == 401
    assert tries[-1] == 429
    waiting = ask(desk, "GET", "/api/whoami")
    assert waiting.status == 429
    assert int(waiting.headers["retry-after"]) > 0


def test_logins_are_counted(desk: Desk) -> None:
    ask(desk, "GET", "/api/whoami")
    ask(desk, "GET", "/api/whoami", login=login("guest", "wrong"))
    count = desk.broker.node.login_counts.by_protocol["http"]
    assert (count.succeeded, count.failed) == (1, 1)


def test_the_form_of_a_login_says_whether_it_is_right(desk: Desk) -> None:
    desk.broker.node.add_user("plain", "secret")
    for form, status in (
        (b"username=guest&password=guest", 200),
        (b"username=guest&password=wrong", 401),
        (b"username=plain&password=secret", 401),
        (b"username=guest", 401),
        (b"", 401),
        (b"\xff\xfe", 400),
        (b"a=1&" * 50, 400),
    ):
        assert ask(desk, "POST", "/api/login", form, login=b"").status == status, form


# -- rights ------------------------------------------------------------------------------------------------------

TAGS = ("", "management", "policymaker", "monitoring", "administrator")


@pytest.mark.parametrize("tag", TAGS)
def test_every_route_asks_for_its_tag_before_anything_else(tag: str) -> None:
    desk = Desk()
    node = desk.broker.node
    node.add_user("user", "x", frozenset([tag] if tag else []))
    for route in ROUTES:
        if route.right is None:
            continue
        allowed = tag in route.right.value[0]
        if allowed and route.method not in SAFE_METHODS:
            continue  # would be done
        target = route.path.replace("{", "").replace("}", "")
        # A body that is none: who may not come in does not hear of it.
        answer = ask(desk, route.method, target, b"{" if route.method != "GET" else b"", login=login("user", "x"))
        assert (answer.status == 401 and b"Not " in answer.body) is not allowed, (route.method, target, answer)


def test_what_takes_no_login_changes_nothing_and_shows_no_names() -> None:
    open_to_all = {f"{route.method} {route.path}" for route in ROUTES if route.right is None}
    assert {found for found in open_to_all if not found.startswith("GET ")} == {"POST /api/login", "DELETE /api/login"}
    assert {found for found in open_to_all if found.startswith("GET /api/")} == {
        "GET /api/auth",
        "GET /api/health/checks/below-node-connection-limit",
        "GET /api/health/checks/is-in-service",
        "GET /api/health/checks/ready-to-serve-clients",
        "GET /api/index.html",
        "GET /api/openapi.json",
        "GET /api/version",
    }


def test_a_user_sees_the_virtual_hosts_that_are_open_to_them(desk: Desk) -> None:
    node = desk.broker.node
    node.add_vhost("mine")
    node.add_vhost("theirs")
    node.add_user("user", "x", frozenset(("policymaker",)))
    node.users.permit("user", "mine")
    name = login("user", "x")
    assert b"theirs" not in ask(desk, "GET", "/api/vhosts", login=name).body
    put = b'{"pattern":"a","definition":{"max-length":1}}'
    assert ask(desk, "PUT", "/api/policies/mine/p", put, login=name).status == 201
    for method, target in (
        ("PUT", "/api/policies/theirs/p"),
        ("GET", "/api/policies/theirs/p"),
        ("GET", "/api/policies/theirs"),
        ("GET", "/api/parameters/shovel/theirs"),
        ("GET", "/api/vhost-limits/theirs"),
        ("GET", "/api/aliveness-test/theirs"),
    ):
        assert ask(desk, method, target, put if method == "PUT" else b"", login=name).status == 401, target
    assert node.vhosts["theirs"].policies.by_name["policy"] == {}


def test_a_user_sees_their_own_limits_alone(desk: Desk) -> None:
    desk.broker.node.add_user("user", "x", frozenset(("management",)))
    assert ask(desk, "GET", "/api/user-limits/user", login=login("user", "x")).status == 200
    assert ask(desk, "GET", "/api/user-limits/guest", login=login("user", "x")).status == 401
    assert ask(desk, "GET", "/api/user-limits", login=login("user", "x")).status == 401


# -- pages of elsewhere --------------------------------------------------------------------------------------------

_PUT = b'{"tags":""}'


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"", 201),
        (b"Origin: http://127.0.0.1:15672\r\nSec-Fetch-Site: same-origin\r\n", 201),
        (b"Sec-Fetch-Site: same-origin\r\n", 201),
        (b"Origin: http://evil.example\r\n", 403),
        (b"Origin: http://127.0.0.1:8080\r\nSec-Fetch-Site: same-site\r\n", 403),
        (b"Origin: null\r\n", 403),
        (b"Origin: \r\n", 403),
        (b"Origin: http://[\r\n", 403),
        (b"Origin: http://127.0.0.1:15672.evil.example\r\n", 403),
        (b"Sec-Fetch-Site: cross-site\r\n", 403),
        (b"Sec-Fetch-Site: same-site\r\n", 403),
    ],
)
def test_a_page_of_elsewhere_changes_nothing(headers: bytes, status: int, desk: Desk) -> None:
    assert ask(desk, "PUT", "/api/users/anna", _PUT, headers=headers).status == status
    assert ("anna" in desk.broker.node.users) is (status == 201)


@pytest.mark.parametrize(
    "sign", [b"Accept-Language: en\r\n", b"Sec-Fetch-Site: same-origin\r\n", b"Origin: http://evil.example:15672\r\n"]
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_browser_is_not_led_here_under_a_name_of_elsewhere(method: str, sign: bytes, desk: Desk) -> None:
    peer = HttpPeer(desk)
    data = request(method, "/api/users/anna", _PUT if method == "PUT" else b"", headers=sign)
    told = peer.send(data.replace(b"Host: 127.0.0.1:15672", b"Host: evil.example:15672")).answers(method)
    assert [found.status for found in told] == [421]
    assert "anna" not in desk.broker.node.users


def test_a_program_may_call_this_machine_by_any_name(desk: Desk) -> None:
    data = request("GET", "/api/whoami").replace(b"Host: 127.0.0.1:15672", b"Host: broker.internal:15672")
    assert HttpPeer(desk).send(data).answers()[0].status == 200


def test_a_page_that_is_named_may_do_everything_and_read_it(desk: Desk) -> None:
    headers = b"Origin: https://board.example\r\nSec-Fetch-Site: cross-site\r\n"
    answer = ask(desk, "PUT", "/api/users/anna", _PUT, headers=headers, origins=("https://board.example",))
    assert answer.status == 201
    assert answer.headers["access-control-allow-origin"] == "https://board.example"
    other = ask(
        desk, "GET", "/api/whoami", headers=b"Origin: https://other.example\r\n", origins=("https://board.example",)
    )
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["vary"] == "origin"


def test_a_preflight_tells_what_may_be_asked_without_a_login(desk: Desk) -> None:
    headers = (
        b"Origin: https://board.example\r\nAccess-Control-Request-Method: PUT\r\n"
        b"Access-Control-Request-Headers: authorization, content-type\r\n"
    )
    answer = ask(desk, "OPTIONS", "/api/users/anna", headers=headers, origins=("https://board.example",), login=b"")
    assert answer.status == 200
    assert answer.headers["allow"] == "HEAD, GET, DELETE, PUT, OPTIONS"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization, content-type"


@pytest.mark.parametrize("wanted", [b"x\xffy", b"a: b", b"x" * 2000, b"<script>"])
def test_a_preflight_repeats_only_what_can_be_names_of_headers(wanted: bytes, desk: Desk) -> None:
    headers = b"Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: " + wanted + b"\r\n"
    answer = ask(desk, "OPTIONS", "/api/users/anna", headers=headers, login=b"")
    assert answer.status == 200
    assert answer.headers["access-control-allow-headers"] == ""


# -- paths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/users/%2e%2e", 404),
        ("/api/users/..%2f..%2fetc%2fpasswd", 404),
        ("/api/../api/whoami", 404),
        ("/api//whoami", 404),
        ("//api/whoami", 404),
        ("/api/whoami/", 200),
        ("/api/whoami//", 404),
        ("/API/whoami", 404),
        ("/api/whoami?", 200),
        ("/api/whoami?a=%", 200),
        ("/api/vhosts?page=%ff", 400),
        ("/api/vhosts?" + "a=1&" * 300, 400),
        ("/api/users/%ff", 400),
        ("/api/users/%c0%ae", 400),
        ("/api/users/%ed%a0%80", 400),
        ("/api/users/%zz", 404),
        ("/api/users/%00", 404),
        ("/api/users/a%0d%0aSet-Cookie:%20x=1", 404),
        ("/api/whoami#fragment", 404),
        ("/" + "a/" * 4000, 404),
        ("/api/users/" + "a" * 10_000, 404),
    ],
)  # fmt: skip
def test_a_path_is_what_it_says_and_nothing_else(target: str, status: int, desk: Desk) -> None:
    answer = ask(desk, "GET", target)
    assert answer.status == status
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("name", ["", "%00", "a%00b", "a" * 256, "%C3%BC" * 128])
def test_names_that_nobody_could_use_are_refused(name: str, desk: Desk) -> None:
    before = (set(desk.broker.node.vhosts), {user.name for user in desk.broker.node.users})
    for target, body in (
        (f"/api/users/{name}", b'{"tags":""}'),
        (f"/api/vhosts/{name}", b"{}"),
        (f"/api/policies/%2F/{name}", b'{"pattern":"a","definition":{"max-length":1}}'),
        (f"/api/global-parameters/{name}", b'{"value":1}'),
    ):
        assert ask(desk, "PUT", target, body).status in ((400,) if name else (400, 404, 405)), target
    assert (set(desk.broker.node.vhosts), {user.name for user in desk.broker.node.users}) == before


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: x=1", "ü/%2F?#&", "\t", "..", " ", "<script>", "名"])
def test_any_other_name_can_be_made_and_comes_back_as_it_is(name: str, desk: Desk) -> None:
    target = f"/api/users/{quote(name, safe='')}"
    answer = ask(desk, "PUT", target, b'{"tags":""}')
    assert answer.status == 201
    assert "set-cookie" not in answer.headers
    assert name in desk.broker.node.users
    assert ask(desk, "GET", target).status == 200
    assert ask(desk, "DELETE", target).status == 204


# -- bodies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nothing",
        b"[]",
        b"1",
        b'"text"',
        b"null",
        b'{"tags": NaN}',
        b'{"tags": 1e999}',
        b'{"tags": "\\ud800"}',
        b'{"tags": "\xff"}',
        b'{"tags": ' + b"[" * 50_000,
        b'{"tags": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"tags": ' + b"9" * 5000 + b"}",
        b"\x00",
    ],
)
def test_what_is_no_object_of_json_is_refused(body: bytes, desk: Desk) -> None:
    for target in ("/api/users/anna", "/api/vhosts/anna", "/api/global-parameters/anna", "/api/policies/%2F/anna"):
        assert ask(desk, "PUT", target, body).status == 400, target
    assert "anna" not in desk.broker.node.users
    assert "anna" not in desk.broker.node.vhosts
    assert desk.broker.node.parameters.globals == {}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("/api/users/anna", {"tags": 5}),
    ("/api/users/anna", {"tags": [5]}),
    ("/api/users/anna", {"tags": {"a": 1}}),
    ("/api/users/anna", {"tags": "", "password": 5}),
    ("/api/users/anna", {"tags": "", "password_hash": 5}),
    ("/api/users/anna", {"tags": "", "password_hash": "AAAA"}),
    ("/api/users/anna", {"tags": "", "limits": {"max-connections": "many"}}),
    ("/api/users/anna", {"tags": "", "limits": {"unheard-of": 1}}),
    ("/api/users/anna", {"tags": "", "limits": 5}),
    ("/api/users/anna", {"tags": ["x"] * 100}),
    ("/api/vhosts/anna", {"description": 5}),
    ("/api/vhosts/anna", {"tags": 5}),
    ("/api/vhosts/anna", {"tracing": "perhaps"}),
    ("/api/vhosts/anna", {"default_queue_type": "unheard-of"}),
    ("/api/vhosts/anna", {"default_queue_type": 5}),
    ("/api/vhosts/anna", {"protected_from_deletion": 5}),
    ("/api/permissions/%2F/guest", {"configure": 1, "write": 2, "read": 3}),
    ("/api/permissions/%2F/guest", {"configure": "(", "write": "", "read": ""}),
    ("/api/topic-permissions/%2F/guest", {"exchange": 1, "write": "", "read": ""}),
    ("/api/topic-permissions/%2F/guest", {"exchange": "amq.topic", "write": "(", "read": ""}),
    ("/api/policies/%2F/anna", {"pattern": 5, "definition": {"max-length": 1}}),
    ("/api/policies/%2F/anna", {"pattern": "a", "definition": 5}),
    ("/api/policies/%2F/anna", {"pattern": "a", "definition": {}}),
    ("/api/policies/%2F/anna", {"pattern": "a", "definition": {"max-length": -1}}),
    ("/api/policies/%2F/anna", {"pattern": "a", "definition": {"max-length": 1}, "priority": "high"}),
    ("/api/policies/%2F/anna", {"pattern": "a", "definition": {"max-length": 1}, "apply-to": "all sorts"}),
    ("/api/operator-policies/%2F/anna", {"pattern": "a", "definition": {"alternate-exchange": "x"}}),
    ("/api/vhost-limits/%2F/max-queues", {"value": "many"}),
    ("/api/vhost-limits/%2F/max-queues", {"value": True}),
    ("/api/vhost-limits/%2F/unheard-of", {"value": 1}),
    ("/api/user-limits/guest/max-channels", {"value": None}),
    ("/api/user-limits/guest/max-channels", {"value": 1.5}),
    ("/api/cluster-name", {"name": 5}),
    ("/api/parameters/unheard-of/%2F/anna", {"value": 1}),
]


@pytest.mark.parametrize(("target", "body"), WRONG)
def test_a_value_of_a_wrong_type_is_refused_with_a_reason(target: str, body: dict[str, Any], desk: Desk) -> None:
    node = desk.broker.node

    def everything() -> Any:
        return definitions.run(definitions.whole(node, identity_of(desk.broker)))

    before = everything()
    answer = ask(desk, "PUT", target, json.dumps(body).encode())
    assert answer.status == 400
    assert json.loads(answer.body)["error"] == "bad_request"
    assert json.loads(answer.body)["reason"]
    assert everything() == before


def test_a_method_that_a_path_does_not_have_is_named_with_those_it_has(desk: Desk) -> None:
    answer = ask(desk, "PATCH", "/api/users")
    assert answer.status == 405
    assert answer.headers["allow"] == "HEAD, GET, OPTIONS"
    assert ask(desk, "get", "/api/users").status == 405
