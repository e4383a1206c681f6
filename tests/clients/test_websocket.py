"""Python's clients over WebSocket, plain and under TLS: paho-mqtt, aiomqtt and stomp.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import stomp
from tests.clients.certificates import Authorities
from tests.clients.paho_talk import DEADLINE_SECONDS, V3_1, V3_1_1, V5, MQTTProtocolVersion, Paho
from tests.clients.stomp_talk import Inbox

import menura

SECONDS = 20.0
VERSIONS = pytest.mark.parametrize("version", [V3_1, V3_1_1, V5], ids=["3.1", "3.1.1", "5.0"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    return Authorities()


@pytest.fixture(scope="module")
def broker(authorities: Authorities, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[menura.Broker]:
    query = authorities.query(folder)
    plain = ["mqtt+ws://127.0.0.1:0", "stomp+ws://127.0.0.1:0"]
    listen = [*plain, f"mqtt+wss://127.0.0.1:0?{query}", f"stomp+wss://127.0.0.1:0?{query}"]
    with menura.Broker(data=str(tmp_path_factory.mktemp("data")), listen=listen) as broker:
        broker.add_user("alice", "a password that no test uses")
        broker.permit("alice")
        yield broker


def port_of(broker: menura.Broker, scheme: str) -> int:
    return next(listener.port for listener in broker.listeners if listener.address.scheme == scheme)


@pytest.fixture
def paho(broker: menura.Broker, folder: Path) -> Callable[..., Paho]:
    """Connects paho's client through a WebSocket of the scheme."""

    def connect(scheme: str = "mqtt+ws", client_id: str = "", **settings: Any) -> Paho:
        tls = str(folder / "authority.pem") if scheme.endswith("wss") else None
        return Paho(port_of(broker, scheme), client_id, transport="websockets", tls=tls, **settings)

    return connect


Connect = Callable[..., tuple[Any, Inbox]]


@pytest.fixture
def stomp_py(broker: menura.Broker, folder: Path) -> Iterator[Connect]:
    """Connects stomp.py through a WebSocket of the scheme; disconnected after the test."""
    opened: list[Any] = []

    def connect(scheme: str = "stomp+ws", **settings: Any) -> tuple[Any, Inbox]:
        place = ("127.0.0.1", port_of(broker, scheme))
        connection = stomp.WSStompConnection([place], vhost="/", ws_path="/ws", **settings)
        if scheme.endswith("wss"):
            connection.set_ssl([place], ca_certs=str(folder / "authority.pem"))
        inbox = Inbox()
        connection.set_listener("inbox", inbox)
        connection.connect("guest", "guest", wait=True)
        opened.append((connection, inbox))
        return connection, inbox

    yield connect
    for connection, inbox in opened:
        connection.disconnect()
        assert inbox.ends.get(timeout=DEADLINE_SECONDS)


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_paho_gets_a_thousand_messages_in_order(
    paho: Callable[..., Paho], name: str, version: MQTTProtocolVersion, qos: int
) -> None:
    with paho(client_id=f"{name}r", version=version) as reader, paho(client_id=f"{name}w", version=version) as writer:
        reader.subscribe(f"{name}/+", qos)
        sent = [writer.client.publish(f"{name}/x", b"%d" % number, qos) for number in range(1000)]
        assert [reader.message().payload for _ in range(1000)] == [b"%d" % number for number in range(1000)]
        for each in sent:
            each.wait_for_publish(DEADLINE_SECONDS)
            assert each.is_published()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 3_000_000])
def test_paho_gets_a_message_of_any_size(paho: Callable[..., Paho], name: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    with paho() as peer:
        peer.subscribe(name, 1)
        peer.publish(name, body[:size], 1)
        assert peer.message().payload == body[:size]


def test_paho_is_told_of_a_wrong_password(paho: Callable[..., Paho]) -> None:
    with paho(user=("guest", "wrong")) as peer:
        assert peer.code == "Bad user name or password"


def test_paho_leaves_its_will_when_its_socket_breaks(paho: Callable[..., Paho], name: str) -> None:
    with paho() as watcher:
        watcher.subscribe(f"{name}/will", 1)
        paho(will={"topic": f"{name}/will", "payload": b"gone", "qos": 1}).break_off()
        assert watcher.message().payload == b"gone"


def test_paho_talks_under_tls(paho: Callable[..., Paho], name: str) -> None:
    with paho("mqtt+wss") as peer, paho() as plain:
        plain.subscribe(name, 1)
        peer.publish(name, b"x" * 100_000, 1)
        assert plain.message().payload == b"x" * 100_000


def test_a_client_certificate_is_a_login_under_a_websocket(
    paho: Callable[..., Paho], authorities: Authorities, folder: Path, name: str
) -> None:
    with paho("mqtt+wss", user=None, certificate=authorities.files(folder, "alice")) as peer:
        assert peer.code == "Success"
        peer.subscribe(name, 1)
        peer.publish(name, b"mine", 1)
        assert peer.message().payload == b"mine"


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_aiomqtt_publishes_and_subscribes(broker: menura.Broker, name: str, qos: int) -> None:
    settings: dict[str, Any] = {"transport": "websockets", "websocket_path": "/ws"}
    account = {"username": "guest", "password": "guest"}
    port = port_of(broker, "mqtt+ws")
    async with (
        asyncio.timeout(SECONDS),
        aiomqtt.Client("127.0.0.1", port, **account, **settings) as reader,
        aiomqtt.Client("127.0.0.1", port, **account, **settings) as writer,
    ):
        await reader.subscribe(f"{name}/+", qos=qos)
        for number in range(50):
            await writer.publish(f"{name}/{number}", b"%d" % number, qos=qos)
        messages = aiter(reader.messages)
        assert [(await anext(messages)).payload for _ in range(50)] == [b"%d" % number for number in range(50)]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("scheme", ["stomp+ws", "stomp+wss"])
def test_stomp_py_sends_and_receives(stomp_py: Connect, name: str, scheme: str, binary: bool) -> None:
    connection, inbox = stomp_py(scheme, binary_mode=binary)
    connection.subscribe(f"/queue/{name}", id="1", ack="client-individual", headers={"receipt": "subscribed"})
    assert inbox.receipt() == "subscribed"
    for number in range(100):
        connection.send(f"/queue/{name}", f"{number} äöü", content_type="text/plain")
    for number in range(100):
        message = inbox.message()
        assert (message.body, message.headers["content-type"]) == (f"{number} äöü", "text/plain")
        connection.ack(message.headers["ack"])
