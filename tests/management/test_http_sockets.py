"""HTTP over real sockets, while messages flow: crowds, slow ones, curl, and the broker's own disk."""

from __future__ import annotations

import json
import resource
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPSConnection
from pathlib import Path

import pika
import pytest
import trustme
from tests.management.conftest import http_port
from tests.management.http_client import Client
from tests.management.http_peer import HOST, LOGIN, request
from tests.net.peer import eventually

import menura

CROWD = 1000
MESSAGES = 500


@pytest.fixture(scope="module")
def broker() -> Iterator[menura.Broker]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, max(soft, 4 * CROWD)) if hard != resource.RLIM_INFINITY else max(soft, 4 * CROWD)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        with menura.Broker(listen=["amqp://127.0.0.1:0", "http://127.0.0.1:0"]) as broker:
            yield broker
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _round_trip(broker: menura.Broker) -> int:
    """How many messages came through and back."""
    with pika.BlockingConnection(pika.URLParameters(broker.amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        queue = channel.queue_declare("", exclusive=True).method.queue
        for number in range(MESSAGES):
            channel.basic_publish("", queue, b"%d" % number)
        return sum(channel.basic_get(queue, auto_ack=True)[0] is not None for _ in range(MESSAGES))


def test_a_crowd_that_says_little_and_slowly_holds_up_nobody(broker: menura.Broker) -> None:
    port = http_port(broker)
    body = request("POST", "/api/definitions", b"{" + b" " * 100_000)
    with ExitStack() as stack:
        crowd = []
        for number in range(CROWD):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            # Nothing, half a head, a head without its body.
            slow.sendall((b"", b"GET /api/over", body[:-50_000])[number % 3])
            crowd.append(slow)
        eventually(lambda: broker._call(lambda: len(broker._tick.connections)) >= CROWD, "all are here")
        assert _round_trip(broker) == MESSAGES
        assert Client(port).get("/health/checks/is-in-service").status == 200
        assert Client(port).get("/overview").json["object_totals"]["connections"] == 0
    eventually(lambda: broker._call(lambda: not broker._tick.connections), "all have gone")


def test_a_client_that_never_reads_is_given_no_more_than_fits(broker: menura.Broker) -> None:
    broker._call(lambda: [broker.node.vhosts["/"].declare_queue(f"q{number}") for number in range(2000)])
    asked = request("GET", "/api/queues") * 200
    with socket.socket() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.connect(("127.0.0.1", http_port(broker)))
        greedy.sendall(asked)

        def unread_bytes() -> list[int]:
            held = [found for found in broker._tick.connections if found.session.congested]
            return [found.transport.get_write_buffer_size() for found in held]

        eventually(lambda: broker._call(unread_bytes), "it is congested")
        assert _round_trip(broker) == MESSAGES
        assert 0 < max(broker._call(unread_bytes)) < 8 << 20
    eventually(lambda: broker._call(lambda: not broker._tick.connections), "it has gone")


def test_a_wrong_client_is_answered_before_it_has_said_everything(broker: menura.Broker) -> None:
    with socket.create_connection(("127.0.0.1", http_port(broker))) as stranger:
        stranger.sendall(request("POST", "/api/definitions", b"{" * 5_000_000, login=b"")[:2_000_000])
        stranger.settimeout(20)
        assert stranger.recv(100).startswith(b"HTTP/1.1 401 ")


def test_an_answer_to_a_change_comes_when_the_change_is_on_the_disk(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path), listen=["http://127.0.0.1:0"]) as broker:
        client = Client(http_port(broker))
        for number in range(20):
            assert client.put(f"/users/user-{number}", {"tags": ""}).status == 201
            kept = broker.storage
            assert kept is not None
            keeper = broker.node.keeper
            assert keeper is not None
            assert broker._call(lambda keeper=keeper: keeper.fulfilled(keeper.promise()))  # type: ignore[misc]


def test_curl_speaks_to_it(broker: menura.Broker, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl here")
    base = f"http://127.0.0.1:{http_port(broker)}/api"

    def run(*arguments: str) -> str:
        command = [curl, "-sS", "-u", "guest:guest", "-w", "\n%{http_code}", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    assert run("-X", "PUT", f"{base}/vhosts/from-curl").endswith("\n201")
    file = tmp_path / "definitions.json"
    assert run("-o", str(file), f"{base}/definitions").endswith("200")
    assert '"from-curl"' in file.read_text()
    assert run("-F", f"file=@{file}", f"{base}/definitions").endswith("\n204")
    assert run("--http1.0", f"{base}/version") == '"4.2.0"\n200'
    assert run("-I", f"{base}/overview").endswith("\n200")
    assert run("-H", "Transfer-Encoding: chunked", "-d", "{}", "-X", "PUT", f"{base}/vhosts/chunked").endswith("\n201")
    assert run("-H", "Expect: 100-continue", "-T", str(file), "-X", "POST", f"{base}/definitions").endswith("\n204")
    assert run(f"{base}/whoami", f"{base}/whoami").count('"guest"') == 2


def test_octets_of_other_protocols_are_refused(broker: menura.Broker) -> None:
    amqp, tls, mqtt = b"AMQP\x00\x00\x09\x01", b"\x16\x03\x01\x02\x00" + bytes(500), b"\x10\x10\x00\x04MQTT\x04"
    for data in (amqp + b"\r\n\r\n", tls, mqtt + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", http_port(broker)), timeout=20) as wrong:
            wrong.sendall(data)
            said = b""
            while piece := wrong.recv(4096):
                said += piece
        assert said.startswith(b"HTTP/1.1 4"), data


def test_a_half_closed_connection_gets_its_answer(broker: menura.Broker) -> None:
    with socket.create_connection(("127.0.0.1", http_port(broker)), timeout=20) as client:
        client.sendall(b"GET /api/version HTTP/1.1\r\n" + HOST + LOGIN + b"Connection: close\r\n\r\n")
        said = b""
        while piece := client.recv(4096):
            said += piece
    assert said.endswith(b'"4.2.0"')


def test_it_is_spoken_inside_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert = tmp_path / "cert.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(cert)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with menura.Broker(listen=[f"https://127.0.0.1:0?cert={cert}"]) as broker:
        (listener,) = broker.listeners
        connection = HTTPSConnection("127.0.0.1", listener.port, context=context, timeout=20)
        connection.request("GET", "/api/overview", headers=Client(0).login)
        answer = json.loads(connection.getresponse().read())
        connection.close()
    assert [found["protocol"] for found in answer["listeners"]] == ["https"]
    assert answer["listeners"][0]["tls"] is True


def test_whoever_may_open_the_socket_in_the_data_directory_may_do_everything(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path), listen=["amqp://127.0.0.1:0"]) as broker:
        assert broker.local is not None

        def ask(data: bytes) -> bytes:
            with socket.socket(socket.AF_UNIX) as local:
                local.settimeout(20)
                local.connect(broker.local.address.path)
                local.sendall(data.replace(HOST, HOST + b"Connection: close\r\n"))
                said = b""
                while piece := local.recv(65536):
                    said += piece
            return said

        assert b'"menura-local"' in ask(request("GET", "/api/whoami", login=b""))
        assert ask(request("PUT", "/api/vhosts/mine", b"{}", login=b"")).startswith(b"HTTP/1.1 201")
        # Nobody's name is put down for it.
        assert broker.node.users.get("guest").permissions.keys() == {"/"}
        policy = b'{"pattern":"a","definition":{"max-length":1}}'
        assert ask(request("PUT", "/api/policies/mine/p", policy, login=b"")).startswith(b"HTTP/1.1 201")
