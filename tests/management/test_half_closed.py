"""Clients that shut their end behind their requests, as `nc -N` does: what was asked is answered, and then it ends."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.management.conftest import http_port
from tests.management.http_peer import Desk, HttpPeer, request
from tests.net.peer import eventually

import menura

DURABLE = b'{"durable": true}'


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[menura.Broker]:
    listen = ["amqp://127.0.0.1:0", "http://127.0.0.1:0"]
    with menura.Broker(data=str(tmp_path_factory.mktemp("data")), listen=listen) as broker:
        yield broker


def _said(port: int, asked: bytes) -> bytes:
    """All that is said to who has said this and shut its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(asked)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def _gone(broker: menura.Broker) -> None:
    def nobody() -> bool:
        return not broker._tick.connections and not broker._tick._lingering

    eventually(lambda: broker._call(nobody), "nobody is there")


def test_an_answer_that_waits_for_the_disk_is_given(broker: menura.Broker) -> None:
    said = _said(http_port(broker), request("PUT", "/api/queues/%2F/half", DURABLE))
    assert said.startswith(b"HTTP/1.1 201 ")
    assert "half" in broker.node.vhosts["/"].queues
    _gone(broker)


def test_all_requests_of_many_are_answered(broker: menura.Broker) -> None:
    asked = b"".join(request("PUT", f"/api/queues/%2F/half-{number}", DURABLE) for number in range(35))
    assert _said(http_port(broker), asked).count(b"HTTP/1.1 201 ") == 35
    _gone(broker)


def test_work_in_slices_is_answered_whole(broker: menura.Broker) -> None:
    broker._call(lambda: [broker.node.vhosts["/"].declare_queue(f"many-{number}") for number in range(1000)])
    head, _, body = _said(http_port(broker), request("GET", "/api/queues")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert len([queue for queue in json.loads(body) if queue["name"].startswith("many-")]) == 1000
    _gone(broker)


def test_half_a_request_is_refused(broker: menura.Broker) -> None:
    for asked in (request("PUT", "/api/queues/%2F/half-asked", DURABLE)[:-1], b"GET /api/overview HTTP/1.1\r\n"):
        assert _said(http_port(broker), asked).startswith(b"HTTP/1.1 400 ")
    assert "half-asked" not in broker.node.vhosts["/"].queues
    _gone(broker)


def test_who_says_nothing_or_follows_a_stream_has_gone(broker: menura.Broker) -> None:
    assert _said(http_port(broker), b"") == b""
    said = _said(http_port(broker), request("GET", "/api/menura/live?of=/api/whoami"))
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"data:" not in said
    _gone(broker)


def test_clients_of_other_protocols_have_gone_when_they_shut_their_end(broker: menura.Broker) -> None:
    assert _said(broker.amqp_port, b"AMQP\x00\x00\x09\x01").startswith(b"\x01")
    _gone(broker)


def test_it_is_the_same_in_an_event_loop_of_asyncio(tmp_path: Path) -> None:
    async def ask() -> bytes:
        async with menura.Broker(data=str(tmp_path), listen=["http://127.0.0.1:0"]) as broker:
            reader, writer = await asyncio.open_connection("127.0.0.1", http_port(broker))
            writer.write(request("PUT", "/api/queues/%2F/half", DURABLE) + request("GET", "/api/queues"))
            writer.write_eof()
            said = await reader.read()
            writer.close()
            await writer.wait_closed()
            return said

    assert asyncio.run(ask()).count(b"HTTP/1.1 20") == 2


def test_the_session_is_finished_when_all_is_answered() -> None:
    desk = Desk()
    peer = HttpPeer(desk)
    peer.session.receive(request("GET", "/test/slow/3") + request("GET", "/api/whoami"))
    peer.session.input_ended()
    peer.said += peer.session.flush()
    assert not peer.closed
    peer.finish()
    assert peer.closed
    assert peer.said.count(b"HTTP/1.1 200 ") == 2
