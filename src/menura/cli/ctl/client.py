"""The HTTP API, as the command line uses it: one connection, requests one after another, JSON both ways.

An address is `http://`, `https://`, or `http+unix:///path/of/the/socket`. User and password are part of it; over
the socket none are needed, since the file system has decided who may open it. With `https` the certificate is checked;
behind a question mark, `ca=FILE` names who signed it, `cert=FILE&key=FILE` is our own, `insecure=1` leaves the check
out.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from menura.cli.ctl.errors import NO_HOST, TEMPORARY, UNAVAILABLE, CtlError, Unreachable

SOCKET_SCHEME = "http+unix"
_PORTS = {"http": 15672, "https": 15671}


class HttpFailure(CtlError):
    """An answer that says no."""

    def __init__(self, http_status: int, reason: str, answer: Any = None) -> None:
        super().__init__(UNAVAILABLE, reason or f"the broker answered with status {http_status}")
        self.http_status = http_status
        self.reason = reason
        self.answer = answer
        """Its JSON, if it had any."""


class Client:
    """A broker's HTTP API. Names in paths are escaped by `path`."""

    def __init__(self, url: str, timeout_seconds: float, prefix: str = "/api") -> None:
        parts = urlsplit(url)
        if parts.scheme not in (*_PORTS, SOCKET_SCHEME):
            raise CtlError(NO_HOST, f"{_public(url)} is no address: use http://, https:// or {SOCKET_SCHEME}://")
        self._prefix = prefix
        self._timeout_seconds = timeout_seconds
        self.place, self._connection = _connection(url, self._timeout_seconds)
        self._headers = {"accept": "application/json, */*;q=0.5"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["authorization"] = "Basic " + base64.b64encode(login.encode()).decode()

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, query=query)

    def put(self, path: str, body: Any) -> Any:
        return self.call("PUT", path, body)

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        return self.call("POST", path, body if body is not None else {}, query=query)

    def delete(
        self, path: str, headers: Mapping[str, str] | None = None, query: Mapping[str, Any] | None = None
    ) -> Any:
        return self.call("DELETE", path, query=query, headers=headers)

    def find(self, path: str, **query: Any) -> Any:
        """The same as `get`; None if there is no such thing."""
        try:
            return self.get(path, **query)
        except HttpFailure as failure:
            if failure.http_status == 404:
                return None
            raise

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer's JSON, None for an empty one. Raises HttpFailure, Unreachable."""
        target = self._prefix + path
        if query:
            target += "?" + urlencode(query)
        data = None if body is None else json.dumps(body).encode()
        sent = {**self._headers, **(headers or {})}
        if data is not None:
            sent["content-type"] = "application/json"
        return _answer(*self._exchange(method, target, data, sent))

    def _exchange(
        self, method: str, target: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        try:
            self._connection.request(method, target, data, dict(headers))
            response = self._connection.getresponse()
            return response, response.read()
        except TimeoutError:
            self._connection.close()
            text = f"Error: no answer from {self.place} within {self._timeout_seconds:g} seconds"
            raise CtlError(TEMPORARY, text, bare=True) from None
        except socket.gaierror as error:
            raise Unreachable(self.place, error.strerror or str(error), NO_HOST) from None
        except OSError as error:
            self._connection.close()
            raise Unreachable(self.place, error.strerror or str(error) or repr(error)) from None
        except HTTPException:
            self._connection.close()
            raise Unreachable(self.place, "what answers there does not speak HTTP") from None


def path(*segments: str) -> str:
    """A path below /api, each part of it escaped."""
    return "".join("/" + quote(segment, safe="") for segment in segments)


def _answer(response: HTTPResponse, data: bytes) -> Any:
    if response.status >= 300:
        raise HttpFailure(response.status, *_said(response, data))
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        raise HttpFailure(response.status, "the answer is not JSON: is this the address of an HTTP API?") from None


def _said(response: HTTPResponse, data: bytes) -> tuple[str, Any]:
    """The reason of a refusal, and all of it."""
    try:
        said = json.loads(data)
        reason = said["reason"]
    except (ValueError, KeyError, TypeError):
        return f"{response.status} {response.reason}", None
    if response.status == 401:
        return f"access refused: {reason}", said
    return reason if isinstance(reason, str) else json.dumps(reason), said


def _connection(url: str, timeout_seconds: float) -> tuple[str, HTTPConnection]:
    parts = urlsplit(url)
    if parts.scheme == SOCKET_SCHEME:
        return unquote(parts.path), _SocketConnection(unquote(parts.path), timeout_seconds)
    host = parts.hostname or "127.0.0.1"
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError as error:
        raise CtlError(NO_HOST, f"{_public(url)} is no address: {error}") from None
    place = f"{parts.scheme}://{host}:{port}"
    if parts.scheme == "http":
        return place, HTTPConnection(host, port, timeout=timeout_seconds)
    return place, _tls_connection(host, port, timeout_seconds, parse_qs(parts.query))


def _tls_connection(host: str, port: int, timeout_seconds: float, query: dict[str, list[str]]) -> HTTPConnection:
    import ssl

    files = {name: values[-1] for name, values in query.items() if name in ("ca", "cert", "key")}
    try:
        context = ssl.create_default_context(cafile=files.get("ca"))
        if "cert" in files:
            context.load_cert_chain(files["cert"], files.get("key"))
    except (OSError, ssl.SSLError) as error:
        raise CtlError(NO_HOST, f"{', '.join(files.values())}: {error}") from None
    if query.get("insecure", ["0"])[-1] not in ("0", "false"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=timeout_seconds, context=context)


def _public(url: str) -> str:
    """An address without the login in it."""
    scheme, mark, rest = url.partition("://")
    return scheme + mark + rest.rpartition("@")[2]


class _SocketConnection(HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, file: str, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._file = file

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._file)
