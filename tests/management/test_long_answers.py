"""A long answer goes out in parts, as the client takes it, and holds up nobody meanwhile."""

from __future__ import annotations

import pytest
from tests.management.http_peer import Desk, HttpPeer, request

from menura.management.http.session import PART_BYTES

BODY = bytes(range(256)) * (PART_BYTES // 64)  # four parts
HEAD_BYTES = 1000


@pytest.fixture
def peer() -> HttpPeer:
    return HttpPeer(Desk())


def asked(peer: HttpPeer, *more: bytes) -> None:
    peer.session.receive(request("POST", "/test/echo", BODY) + b"".join(more))


def parts(peer: HttpPeer) -> list[int]:
    """All there is to write, write by write."""
    lengths = []
    while data := peer.session.flush():
        lengths.append(len(data))
        peer.said += data
        peer.desk.run()
    return lengths


def test_each_write_has_a_part_of_it(peer: HttpPeer) -> None:
    asked(peer)
    lengths = parts(peer)
    assert len(lengths) >= 4
    assert max(lengths) <= PART_BYTES + HEAD_BYTES
    (told,) = peer.answers("POST")
    assert (told.status, told.body) == (200, BODY)


def test_no_more_is_made_ready_for_a_client_that_does_not_read(peer: HttpPeer) -> None:
    asked(peer)
    peer.said += peer.session.flush()
    peer.session.congested = True
    peer.said += peer.session.flush()
    assert peer.session.flush() == b""
    assert not peer.session.reading
    peer.session.congested = False
    peer.session.resume()
    parts(peer)
    (told,) = peer.answers("POST")
    assert told.body == BODY


def test_the_next_request_is_answered_behind_it(peer: HttpPeer) -> None:
    asked(peer, request("GET", "/api/whoami"))
    parts(peer)
    first, second = peer.answers("POST", "GET")
    assert first.body == BODY
    assert b'"guest"' in second.body
    assert peer.session.reading


def test_a_client_that_goes_leaves_nothing_behind(peer: HttpPeer) -> None:
    asked(peer)
    peer.said += peer.session.flush()
    peer.session.lost()
    peer.session.flush()
    assert peer.session.flush() == b""
    assert peer.session.finished
