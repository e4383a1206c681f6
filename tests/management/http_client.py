"""A client of the HTTP API that hides nothing: one request, one connection, the answer as it came."""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection
from typing import Any, NamedTuple

TIMEOUT_SECONDS = 20.0


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks as one user; `prefix` stands in front of every path."""

    def __init__(
        self, port: int, user: str = "guest", password: str = "guest", *, host: str = "127.0.0.1", prefix: str = "/api"
    ) -> None:
        self.port = port
        self.host = host
        self.prefix = prefix
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.login = {"authorization": f"Basic {token}"} if user else {}

    def as_user(self, user: str, password: str) -> Client:
        return Client(self.port, user, password, host=self.host, prefix=self.prefix)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, raw: bytes = b""
    ) -> Answer:
        """`body` is sent as JSON, `raw` as it is."""
        data = raw if body is None else json.dumps(body).encode()
        sent = {**self.login, **({} if body is None else {"content-type": "application/json"}), **(headers or {})}
        connection = HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, self.prefix + path, data or None, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def put(self, path: str, body: Any = None) -> Answer:
        return self.ask("PUT", path, {} if body is None else body)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.ask("POST", path, {} if body is None else body)

    def delete(self, path: str) -> Answer:
        return self.ask("DELETE", path)
