"""TLS, with certificates made for the occasion, and logins by certificate."""

from __future__ import annotations

import signal
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from tests.cli.process import Process
from tests.net.peer import Peer, eventually
from tests.protocols.amqp.memory import HEADER, Basic, Channel, Connection, Queue, method, publish, start_ok, tune_ok

from menura import Broker


class Files(NamedTuple):
    authority: trustme.CA
    ca: Path
    cert: Path
    key: Path

    def url(self, verify: str = "") -> str:
        query = f"cert={self.cert}&key={self.key}"
        return f"amqps://127.0.0.1:0?{query}&ca={self.ca}&verify={verify}" if verify else f"amqps://127.0.0.1:0?{query}"

    def context(self, name: str | None = None, authority: trustme.CA | None = None) -> ssl.SSLContext:
        """A client's settings, with a certificate of this common name."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if name is not None:
            (authority or self.authority).issue_cert("client@localhost", common_name=name).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    files = Files(authority, directory / "ca.pem", directory / "cert.pem", directory / "key.pem")
    authority.cert_pem.write_to_path(files.ca)
    for blob in server.cert_chain_pems:
        blob.write_to_path(files.cert, append=True)
    server.private_key_pem.write_to_path(files.key)
    return files


Serve = Callable[[str], Broker]


@pytest.fixture
def serve(files: Files) -> Iterator[Serve]:
    started: list[Broker] = []

    def start(verify: str = "") -> Broker:
        broker = Broker(listen=[files.url(verify)])
        broker.add_user("lyre", "")
        broker.permit("lyre")
        started.append(broker.__enter__())
        return broker

    yield start
    for broker in started:
        broker.__exit__(None, None, None)


def port(broker: Broker) -> int:
    return int(broker.amqps_url.rsplit(":", 1)[1].rstrip("/"))


def external(peer: Peer) -> None:
    peer.send(HEADER)
    assert "EXTERNAL" in peer.expect("Connection.Start").mechanisms
    peer.send(start_ok("EXTERNAL", ""))


def test_messages_pass_under_tls(serve: Serve, files: Files) -> None:
    with Peer(port(serve("")), files.context()) as peer:
        peer.connect().call(Queue.Declare(0, "q"))
        peer.send(publish("q", b"m" * 1_000_000))
        peer.send(method(Basic.Get(0, "q", True)))
        assert peer.expect("Basic.GetOk").body == b"m" * 1_000_000


def test_a_verified_certificate_is_a_login(serve: Serve, files: Files) -> None:
    broker = serve("required")
    with Peer(port(broker), files.context("lyre")) as peer:
        external(peer)
        peer.expect("Connection.Tune")
        peer.send(tune_ok() + method(Connection.Open("/"), 0))
        peer.expect("Connection.OpenOk")
        assert peer.call(Channel.Open()).channel == 1
        (connection,) = broker._tick.connections
        assert connection.session.user == "lyre"  # type: ignore[attr-defined]


def test_a_certificate_of_nobody_is_no_login(serve: Serve, files: Files) -> None:
    with Peer(port(serve("required")), files.context("nobody")) as peer:
        external(peer)
        assert peer.expect("Connection.Close").reply_code == 403


def test_a_certificate_does_not_stand_in_for_a_password(serve: Serve, files: Files) -> None:
    with Peer(port(serve("required")), files.context("lyre")) as peer:
        peer.send(HEADER + start_ok("PLAIN", "\0lyre\0"))
        assert peer.expect("Connection.Close").reply_code == 403


@pytest.mark.parametrize("stranger", [False, True])
def test_where_certificates_are_required_others_do_not_get_in(serve: Serve, files: Files, stranger: bool) -> None:
    context = files.context("lyre", trustme.CA()) if stranger else files.context()
    broker = serve("required")

    def start() -> None:
        with Peer(port(broker), context) as peer:
            peer.send(HEADER)
            peer.expect("Connection.Start")

    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        start()


def test_where_certificates_are_optional_a_password_will_do(serve: Serve, files: Files) -> None:
    with Peer(port(serve("optional")), files.context()) as peer:
        peer.send(HEADER)
        assert "EXTERNAL" not in peer.expect("Connection.Start").mechanisms
        peer.send(start_ok())
        peer.expect("Connection.Tune")


def test_many_come_under_tls_at_once(serve: Serve, files: Files) -> None:
    broker = serve("")
    context = files.context()

    def talk(count: int) -> None:
        for _ in range(count):
            with Peer(port(broker), context) as peer:
                peer.connect()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(talk, 15) for _ in range(8)]:
            done.result()
    eventually(lambda: not broker._tick.connections, "connections gone")


def test_plain_octets_do_not_harm_a_tls_listener(serve: Serve, files: Files) -> None:
    broker = serve("")
    with Peer(port(broker)) as peer:
        peer.send(HEADER)
        assert not peer.read().startswith(b"AMQP")
    with Peer(port(broker), files.context()) as peer:
        peer.connect()


def test_a_broker_stops_amid_tls_handshakes(files: Files) -> None:
    process = Process("--listen", files.url())
    try:
        with Peer(process.port()) as peer:
            peer.send(b"\x16\x03\x01")
            begin = time.monotonic()
            process.process.send_signal(signal.SIGTERM)
            status, _, err = process.end()
        assert (status, err) == (0, "")
        assert time.monotonic() - begin < 8
    finally:
        process.kill()
