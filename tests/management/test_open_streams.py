"""Event streams cost as long as they are open: there may be so many of a user, to an address, and in all."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from tests.management.http_peer import HOST, Desk, HttpPeer, request

from menura.management import open_streams as limits

LIVE = "/api/menura/live?of=/api/whoami"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def _login(desk: Desk, user: str) -> bytes:
    if user not in desk.broker.node.users:
        desk.broker.node.add_user(user, "x", frozenset(("management",)))
    return b"Authorization: Basic " + b64encode(f"{user}:x".encode()) + b"\r\n"


def _open(desk: Desk, user: str, address: str) -> HttpPeer:
    peer = HttpPeer(desk, address=f"{address}:1234")
    return peer.send(request("GET", LIVE, login=_login(desk, user)))


def _refusal(peer: HttpPeer) -> str:
    (told,) = peer.answers()
    said = json.loads(told.body)
    assert (told.status, said["error"]) == (429, "too_many_requests")
    return str(said["reason"])


def _is_open(peer: HttpPeer) -> bool:
    return peer.said.startswith(b"HTTP/1.1 200 ") and not peer.closed


def test_a_user_may_have_so_many_wherever_they_lead(desk: Desk) -> None:
    opened = [_open(desk, "ann", f"10.0.0.{number}") for number in range(limits.OF_USER_MAX)]
    assert all(map(_is_open, opened))
    said = _refusal(_open(desk, "ann", "10.0.1.1"))
    assert said == f"user 'ann' has {limits.OF_USER_MAX} event streams, and may have no more"
    assert _is_open(_open(desk, "bob", "10.0.1.1"))
    opened[3].session.lost()
    assert _is_open(_open(desk, "ann", "10.0.1.1"))
    _refusal(_open(desk, "ann", "10.0.1.1"))


def test_to_an_address_there_may_be_so_many_whose_ever_they_are(desk: Desk) -> None:
    opened = [_open(desk, f"user-{number}", "10.0.0.1") for number in range(limits.OF_ADDRESS_MAX)]
    assert all(map(_is_open, opened))
    said = _refusal(_open(desk, "ann", "10.0.0.1"))
    assert said == f"there are {limits.OF_ADDRESS_MAX} event streams to 10.0.0.1, and may be no more"
    assert _is_open(_open(desk, "ann", "10.0.0.2"))


def test_in_all_there_may_be_so_many(desk: Desk) -> None:
    streams = desk.application.streams
    for number in range(limits.ALL_MAX):
        streams.enter(f"user-{number}", f"10.0.0.{number}")
    said = _refusal(_open(desk, "ann", "10.1.0.1"))
    assert said == f"there are {limits.ALL_MAX} event streams, and may be no more"
    streams.leave("user-0", "10.0.0.0")
    assert _is_open(_open(desk, "ann", "10.1.0.1"))


def test_who_was_refused_can_ask_for_something_else(desk: Desk) -> None:
    for number in range(limits.OF_USER_MAX):
        _open(desk, "ann", f"10.0.0.{number}")
    peer = _open(desk, "ann", "10.0.1.1")
    peer.send(request("GET", "/api/whoami", login=_login(desk, "ann")))
    assert [told.status for told in peer.answers()] == [429, 200]


@pytest.mark.parametrize("end", ["lost", "stop", "abandon", "input_ended"])
def test_a_stream_counts_until_its_connection_ends_and_then_not_twice(desk: Desk, end: str) -> None:
    peer = _open(desk, "ann", "10.0.0.1")
    assert desk.application.streams.count == 1
    getattr(peer.session, end)()
    peer.session.lost()
    assert desk.application.streams.count == 0
    desk.application.streams.enter("ann", "10.0.0.1")
    assert desk.application.streams.count == 1


def test_only_what_is_followed_counts(desk: Desk) -> None:
    for asked in (
        request("HEAD", LIVE),
        request("GET", "/api/menura/live"),
        request("GET", LIVE, login=b""),
        b"GET " + LIVE.encode() + b" HTTP/1.1\r\n" + HOST,
    ):
        HttpPeer(desk).send(asked)
    assert desk.application.streams.count == 0
