"""The event stream behind the pages: what it sends, to whom, and when it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.management.http_client import TIMEOUT_SECONDS, Client
from tests.management.pages.conftest import http_port

import menura
from menura.management.api.live import PATHS_MAX


@pytest.fixture
def api(broker: menura.Broker) -> Client:
    return Client(http_port(broker))


class Events:
    """The events of a stream, one by one."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def next(self) -> tuple[int, int, Any]:
        """(which path, status, body)"""
        while True:
            line = self._answer.readline()
            assert line, "the stream has ended"
            if line.startswith(b"data: "):
                said = json.loads(line[6:])
                return said["of"], said["status"], said["body"]


@contextmanager
def following(client: Client, *paths: str) -> Iterator[Events]:
    connection = HTTPConnection(client.host, client.port, timeout=TIMEOUT_SECONDS)
    try:
        query = urlencode([("of", path) for path in paths])
        connection.request("GET", f"/api/menura/live?{query}", headers=client.login)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        yield Events(answer)
        answer.close()
    finally:
        connection.close()


def test_what_changes_is_sent_again_and_what_does_not_is_not(api: Client) -> None:
    api.put("/queues/%2F/live")
    columns = "columns=name,messages"
    with following(api, f"/api/queues/%2F/live?{columns}", "/api/whoami") as events:
        first = {at: body for at, _, body in (events.next(), events.next())}
        assert first[0]["messages"] == 0
        assert first[1]["name"] == "guest"
        said = {"properties": {}, "routing_key": "live", "payload": "x", "payload_encoding": "string"}
        api.post("/exchanges/%2F/amq.default/publish", said)
        # The next event is about the queue again: nothing has changed about who asks.
        while (event := events.next())[2].get("messages") != 1:
            assert event[0] == 0
        assert event[:2] == (0, 200)


def test_a_failure_is_an_event_with_its_status(api: Client) -> None:
    with following(api, "/api/queues/%2F/nothing", "/api/queues?page=0") as events:
        statuses = {at: status for at, status, _ in (events.next(), events.next())}
    assert statuses == {0: 404, 1: 400}


@pytest.mark.parametrize(
    "path",
    ["/api/menura/live?of=/api/whoami", "/js/main.js", "/metrics", "whoami", "http://elsewhere/api/whoami", "/api/no"],
)
def test_only_the_api_can_be_followed(api: Client, path: str) -> None:
    with following(api, path) as events:
        assert events.next()[1] in (400, 404)


def test_so_many_paths_and_no_more(api: Client) -> None:
    assert api.get("/menura/live").status == 400
    query = urlencode([("of", "/api/whoami")] * (PATHS_MAX + 1))
    assert api.get(f"/menura/live?{query}").status == 400


def test_nobody_follows_what_they_may_not_see(api: Client) -> None:
    assert Client(api.port, user="", prefix="/api").get("/menura/live?of=/api/whoami").status == 401
    api.put("/users/plain", {"password": "secret", "tags": "management"})
    with following(api.as_user("plain", "secret"), "/api/nodes", "/api/users", "/api/whoami") as events:
        answers = {at: (status, body) for at, status, body in (events.next() for _ in range(3))}
    assert [answers[at][0] for at in range(3)] == [401, 401, 200]
    assert answers[1][1]["error"] == "not_authorised"


@pytest.mark.parametrize("change", ["password", "tags", "gone"])
def test_a_stream_says_nothing_more_to_a_user_who_was_changed_or_removed(api: Client, change: str) -> None:
    api.put("/users/shortly", {"password": "secret", "tags": "administrator"})
    with following(api.as_user("shortly", "secret"), "/api/users/shortly") as events:
        assert events.next()[1] == 200
        if change == "gone":
            assert api.ask("DELETE", "/users/shortly").status == 204
        else:
            said = {"password": "other" if change == "password" else "secret", "tags": "administrator"}
            api.put("/users/shortly", {**said, "tags": "management" if change == "tags" else said["tags"]})
        at, status, body = events.next()
        assert (at, status, body["error"]) == (0, 401, "not_authorized")
