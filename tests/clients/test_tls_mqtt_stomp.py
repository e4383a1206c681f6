"""MQTT and STOMP clients over TLS: what tests/clients/test_tls.py shows for AMQP, with paho-mqtt and stomp.py."""

from __future__ import annotations

import queue
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stomp
import trustme
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from tests.clients.certificates import Authorities
from tests.clients.paho_talk import DEADLINE_SECONDS, V3_1, V3_1_1, V5, MQTTProtocolVersion, Paho
from tests.clients.stomp_talk import Inbox

import menura

BODY = bytes(range(256)) * 4096
REFUSALS = (ssl.SSLError, ConnectionError)
Files = tuple[str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    return Authorities()


@pytest.fixture(scope="module")
def query(authorities: Authorities, folder: Path) -> str:
    """The part of the listeners' addresses that names their files."""
    return authorities.query(folder)


@pytest.fixture(scope="module")
def broker(query: str) -> Iterator[menura.Broker]:
    listen = [f"{scheme}://127.0.0.1:0?{query}" for scheme in ("mqtts", "stomps")]
    listen += [f"{scheme}://127.0.0.1:0?{query}&verify=required" for scheme in ("mqtts", "stomps")]
    with menura.Broker(listen=listen) as broker:
        broker.add_user("alice", "a password that no test uses")
        # What only she may not do tells her from guest.
        broker.permit("alice", write="^(mqtt-|amq\\.topic$)")
        broker.permit_topics("alice", "amq.topic", write="^alice\\.", read="^alice\\.")
        yield broker


def port_of(broker: menura.Broker, scheme: str, *, required: bool = False) -> int:
    """`required`: of the listener that demands a certificate."""
    ports = [listener.port for listener in broker.listeners if listener.address.scheme == scheme]
    return ports[1 if required else 0]


@pytest.fixture
def certificate(authorities: Authorities, tmp_path: Path) -> Callable[..., Files]:
    """A client's certificate in a name."""

    def issue(user: str, signed_by: trustme.CA | None = None) -> Files:
        return authorities.files(tmp_path, user, signed_by)

    return issue


# -- MQTT ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def paho(broker: menura.Broker, folder: Path) -> Callable[..., Paho]:
    def connect(**settings: Any) -> Paho:
        return Paho(port_of(broker, "mqtts"), tls=str(folder / "authority.pem"), **settings)

    return connect


def ended(port: int, folder: Path | None, certificate: Files | None = None) -> bool:
    """Whether the broker breaks off paho's connection, in its handshake or right after it. Without a folder, no TLS."""
    client = Client(CallbackAPIVersion.VERSION2)
    certfile, keyfile = certificate or (None, None)
    if folder is not None:
        client.tls_set(str(folder / "authority.pem"), certfile, keyfile)
    words: queue.Queue[bool] = queue.Queue()
    client.on_connect = lambda *_: words.put(False)
    client.on_disconnect = lambda *_: words.put(True)
    try:
        client.connect("127.0.0.1", port)
        client.loop_start()
        return words.get(timeout=DEADLINE_SECONDS)
    except REFUSALS:
        return True
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("version", [V3_1, V3_1_1, V5], ids=["3.1", "3.1.1", "5.0"])
def test_an_mqtt_password_login_works_over_tls(
    paho: Callable[..., Paho], name: str, version: MQTTProtocolVersion
) -> None:
    with paho(version=version) as peer:
        peer.subscribe(name, 1)
        peer.publish(name, BODY, 1)
        assert peer.message().payload == BODY


def test_a_client_certificate_is_an_mqtt_login(
    paho: Callable[..., Paho], certificate: Callable[..., Files], name: str
) -> None:
    with paho(user=None, certificate=certificate("alice")) as peer:
        assert [code.value for code in peer.subscribe(f"others/{name}", 1)] == [0x80]
        assert [code.value for code in peer.subscribe(f"alice/{name}", 1)] == [1]
        peer.publish(f"alice/{name}", b"mine", 1)
        assert peer.message().payload == b"mine"


def test_a_client_certificate_does_not_stop_an_mqtt_password_login(
    paho: Callable[..., Paho], certificate: Callable[..., Files], name: str
) -> None:
    with paho(user=("guest", "guest"), certificate=certificate("alice")) as peer:
        assert [code.value for code in peer.subscribe(f"others/{name}", 1)] == [1]


def test_a_certificate_of_an_unknown_user_is_no_mqtt_login(
    paho: Callable[..., Paho], certificate: Callable[..., Files]
) -> None:
    with paho(user=None, certificate=certificate("mallory")) as peer:
        assert peer.code.value == 0x86


def test_an_mqtt_certificate_of_a_foreign_authority_is_refused(
    broker: menura.Broker, folder: Path, certificate: Callable[..., Files]
) -> None:
    port = port_of(broker, "mqtts")
    assert ended(port, folder, certificate("alice", trustme.CA()))
    assert not ended(port, folder, certificate("alice"))


def test_an_mqtt_listener_may_demand_a_certificate(
    broker: menura.Broker, folder: Path, certificate: Callable[..., Files]
) -> None:
    port = port_of(broker, "mqtts", required=True)
    assert ended(port, folder)
    assert not ended(port, folder, certificate("alice"))


def test_mqtt_without_tls_fails_at_once_on_the_tls_port(broker: menura.Broker) -> None:
    assert ended(port_of(broker, "mqtts"), None)


# -- STOMP --------------------------------------------------------------------------------------------------------

Connect = Callable[..., tuple[Any, Inbox]]


@pytest.fixture
def connect(broker: menura.Broker, folder: Path) -> Iterator[Connect]:
    """Opens stomp.py's connections under TLS; closed after the test."""
    opened: list[Any] = []

    def open_one(
        certificate: Files | None = None,
        *,
        user: str | None = None,
    ) -> tuple[Any, Inbox]:
        place = ("127.0.0.1", port_of(broker, "stomps"))
        connection = stomp.Connection12([place], vhost="/")
        certfile, keyfile = certificate or (None, None)
        connection.set_ssl([place], keyfile, certfile, str(folder / "authority.pem"))
        inbox = Inbox()
        connection.set_listener("inbox", inbox)
        opened.append(connection)
        connection.connect(user, user, wait=True)
        return connection, inbox

    yield open_one
    for connection in opened:
        if connection.is_connected():
            connection.disconnect()
        # Under TLS its thread does not see that the broker has hung up: it would take a whole processor from there on.
        connection.transport.running = False
        connection.transport.io_thread.join(DEADLINE_SECONDS)
        assert not connection.transport.io_thread.is_alive()


def test_a_stomp_password_login_works_over_tls(connect: Connect, name: str) -> None:
    connection, inbox = connect(user="guest")
    body = "Lyrebird äöü" * 50_000
    connection.subscribe(f"/queue/{name}", id="1")
    connection.send(f"/queue/{name}", body)
    assert inbox.message().body == body


def test_a_client_certificate_is_a_stomp_login(connect: Connect, certificate: Callable[..., Files]) -> None:
    connection, inbox = connect(certificate("alice"))
    connection.send("/topic/alice.x", "x", receipt="hers")
    assert inbox.receipt() == "hers"
    connection.send("/exchange/amq.fanout", "x", receipt="not hers")
    assert "access to exchange 'amq.fanout' in vhost '/' refused for user 'alice'" in inbox.error().body


def test_a_client_certificate_does_not_stop_a_stomp_password_login(
    connect: Connect, certificate: Callable[..., Files]
) -> None:
    connection, inbox = connect(certificate("alice"), user="guest")
    connection.send("/exchange/amq.fanout", "x", receipt="guest's")
    assert inbox.receipt() == "guest's"


# stomp.py waits forever for some connections that end early: what is refused is asked with a socket.


def refused(port: int, context: ssl.SSLContext, login: str = "") -> bool:
    """Whether a CONNECT under TLS comes to nothing; the broker's alert may come in the handshake or behind it."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as peer:
                peer.sendall(f"CONNECT\naccept-version:1.2\nhost:/\n{login}\n\0".encode())
                while b"\0" not in said and (octets := peer.recv(4096)):
                    said += octets
        except REFUSALS:
            pass
    return not said.startswith(b"CONNECTED\n")


def test_only_a_certificate_of_a_known_user_is_a_stomp_login(broker: menura.Broker, authorities: Authorities) -> None:
    port = port_of(broker, "stomps")
    assert refused(port, authorities.context("mallory"))
    assert refused(port, authorities.context())
    assert not refused(port, authorities.context("alice"))


def test_a_stomp_certificate_of_a_foreign_authority_is_refused(broker: menura.Broker, authorities: Authorities) -> None:
    assert refused(port_of(broker, "stomps"), authorities.context("alice", trustme.CA()))


def test_a_stomp_listener_may_demand_a_certificate(broker: menura.Broker, authorities: Authorities) -> None:
    port = port_of(broker, "stomps", required=True)
    guest = "login:guest\npasscode:guest\n"
    assert refused(port, authorities.context(), guest)
    assert not refused(port, authorities.context("alice"), guest)
