"""Shovels over HTTP: set as parameters, seen, begun anew, deleted."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from tests.shovels.conftest import State
from tests.shovels.queues import Queues, eventually

import menura


@pytest.fixture(scope="module")
def near() -> Iterator[menura.Broker]:
    with menura.Broker(listen=["amqp://127.0.0.1:0", "http://127.0.0.1:0"]) as broker:
        broker.add_user("watcher", "w", ["monitoring"])
        broker.permit("watcher")
        broker.add_user("maker", "m", ["policymaker"])
        broker.permit("maker")
        yield broker


class Api:
    def __init__(self, broker: menura.Broker) -> None:
        self._port = next(each.port for each in broker.listeners if each.address.scheme == "http")

    def __call__(self, method: str, path: str, value: Any = None, login: str = "guest:guest") -> tuple[int, Any]:
        """Status and value of an answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/api{path}",
            None if value is None else json.dumps(value).encode(),
            {
                "authorization": "Basic " + base64.b64encode(login.encode()).decode(),
                "content-type": "application/json",
            },
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read()
        return status, json.loads(body) if body else None


@pytest.fixture
def api(near: menura.Broker) -> Api:
    return Api(near)


VALUE = {
    "src-uri": "amqp://",
    "dest-uri": "amqp://guest:s3cret@127.0.0.1:1/",
    "src-queue": "from",
    "dest-queue": "to",
    "reconnect-delay": 0,
}


@pytest.fixture
def dug(api: Api) -> Iterator[None]:
    assert api("PUT", "/parameters/shovel/%2F/s", {"value": VALUE}) == (201, None)
    yield
    api("DELETE", "/parameters/shovel/%2F/s")


@pytest.mark.usefixtures("dug")
def test_shovels_are_listed_with_their_state(api: Api, near: menura.Broker) -> None:
    State(near).until("terminated")
    status, (shovel,) = api("GET", "/shovels")
    assert status == 200
    del shovel["timestamp"]
    assert shovel == {
        "node": "menura@localhost",
        "name": "s",
        "vhost": "/",
        "type": "dynamic",
        "state": "terminated",
        "reason": "destination amqp://127.0.0.1:1/: connection refused",
    }
    assert api("GET", "/shovels/%2F?columns=name,state") == (200, [{"name": "s", "state": "terminated"}])
    assert api("GET", "/shovels/nowhere")[0] == 404


@pytest.mark.usefixtures("dug")
def test_no_answer_has_a_password(api: Api) -> None:
    shown = {**VALUE, "dest-uri": "amqp://guest:***@127.0.0.1:1/"}
    expected = {"value": shown, "vhost": "/", "component": "shovel", "name": "s"}
    assert api("GET", "/shovels/vhost/%2F/s") == (200, expected)
    assert api("GET", "/parameters/shovel/%2F/s") == (200, expected)
    for path in ("/shovels", "/parameters", "/parameters/shovel", "/parameters/shovel/%2F"):
        assert "s3cret" not in str(api("GET", path))


@pytest.mark.usefixtures("dug")
def test_what_was_got_can_be_put_again(api: Api, near: menura.Broker) -> None:
    _, got = api("GET", "/parameters/shovel/%2F/s")
    changed = {**got["value"], "src-queue": "other"}
    assert api("PUT", "/parameters/shovel/%2F/s", {"value": changed}) == (204, None)
    assert near.node.parameters.value("shovel", "s", "/") == {**VALUE, "src-queue": "other"}


def test_a_wrong_value_is_refused_with_the_reason(api: Api) -> None:
    wrong = {**VALUE, "ack-mode": "never", "dest-uri": "http://guest:s3cret@far"}
    status, answer = api("PUT", "/parameters/shovel/%2F/s", {"value": wrong})
    assert (status, answer["error"]) == (400, "bad_request")
    assert answer["reason"].startswith("Validation failed\n\n")
    assert "ack-mode should be one of" in answer["reason"]
    assert "s3cret" not in answer["reason"]
    assert api("GET", "/shovels") == (200, [])


@pytest.mark.usefixtures("dug")
def test_a_shovel_begins_anew_when_it_is_told_to(api: Api, near: menura.Broker) -> None:
    State(near).until("terminated")
    before = near.shovels.find("/", "s")
    assert api("DELETE", "/shovels/vhost/%2F/s/restart") == (204, None)
    assert near.shovels.find("/", "s") is not before
    assert api("DELETE", "/shovels/vhost/%2F/nowhere/restart")[0] == 404


@pytest.mark.usefixtures("dug")
def test_a_shovel_is_deleted(api: Api, near: menura.Broker) -> None:
    assert api("DELETE", "/shovels/vhost/%2F/s") == (204, None)
    assert api("GET", "/shovels") == (200, [])
    assert near.node.parameters.kept("shovel") == []
    assert api("DELETE", "/shovels/vhost/%2F/s")[0] == 404
    assert api("GET", "/shovels/vhost/%2F/s")[0] == 404


@pytest.mark.usefixtures("dug")
def test_watching_takes_one_tag_and_changing_another(api: Api) -> None:
    assert api("GET", "/shovels", login="watcher:w")[0] == 200
    assert api("GET", "/shovels/vhost/%2F/s", login="watcher:w")[0] == 200
    assert api("DELETE", "/shovels/vhost/%2F/s", login="watcher:w")[0] == 401
    assert api("DELETE", "/shovels/vhost/%2F/s/restart", login="watcher:w")[0] == 401
    assert api("GET", "/shovels", login="maker:m")[0] == 401
    assert api("DELETE", "/shovels/vhost/%2F/s", login="maker:m")[0] == 204


def test_definitions_have_shovels_with_all_they_need(api: Api, near: menura.Broker) -> None:
    with Queues(near.amqp_url) as queues:
        queues.declare("from")
        queues.declare("to")
        queues.fill("from", [b"m"])
        value = {**VALUE, "dest-uri": f"amqp://guest:guest@127.0.0.1:{near.amqp_port}", "src-delete-after": 2}
        definitions = {"parameters": [{"value": value, "vhost": "/", "component": "shovel", "name": "s"}]}
        assert api("POST", "/definitions", definitions)[0] in (200, 204)
        queues.until("to", 1)
        _, exported = api("GET", "/definitions")
        assert exported["parameters"] == definitions["parameters"]
        queues.fill("from", [b"m"])
        eventually(lambda: api("GET", "/shovels") == (200, []), "it has deleted itself")
