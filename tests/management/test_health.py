"""Health checks tell the truth: each is made to fail by what it is about, and is well again afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika
import pytest
import trustme
from tests.management.conftest import http_port
from tests.management.http_client import Answer, Client
from tests.net.peer import eventually

import menura
from menura.net.expiry import validities


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[menura.Broker]:
    with menura.Broker(data=str(tmp_path), listen=["amqp://127.0.0.1:0", "http://127.0.0.1:0"]) as broker:
        yield broker


@pytest.fixture
def client(broker: menura.Broker) -> Client:
    return Client(http_port(broker))


def until(look: Callable[[], Answer], status: int) -> Answer:
    """What a check says once it says so with this status."""
    eventually(lambda: look().status == status, f"status {status}")
    return look()


def check(client: Client, name: str) -> Answer:
    return client.get(f"/health/checks/{name}")


ALARMS = ("/health/checks/alarms", "/health/checks/local-alarms", "/healthchecks/node")
SERVICE = (
    "/health/checks/is-in-service", "/health/checks/virtual-hosts", "/health/checks/ready-to-serve-clients",
    "/healthchecks/node", "/aliveness-test/%2F",
)  # fmt: skip


def test_a_quiet_broker_is_well(client: Client) -> None:
    for path in (*ALARMS, *SERVICE, "/health/checks/metadata-store/initialized/with-data"):
        assert client.get(path).json["status"] == "ok", path


def test_memory_that_blocks_publishers_is_an_alarm(broker: menura.Broker, client: Client) -> None:
    with pika.BlockingConnection(pika.URLParameters(broker.amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("held")
        channel.basic_publish("", "held", b"x" * 10_000)
        broker.set_memory_watermark(1000)
        for path in ALARMS:
            failed = client.get(path)
            assert (failed.status, failed.json["status"]) == (503, "failed"), path
        assert check(client, "alarms").json["alarms"] == [{"node": "menura@localhost", "resource": "memory"}]
        broker.set_memory_watermark(1 << 30)
        for path in ALARMS:
            assert client.get(path).status == 200, path


def test_a_full_disk_is_an_alarm(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path), listen=["http://127.0.0.1:0"], disk_free_bytes_min=1 << 60) as broker:
        client = Client(http_port(broker))
        failed = until(lambda: check(client, "alarms"), 503)
        assert [alarm["resource"] for alarm in failed.json["alarms"]] == ["disk"]


def test_a_disk_that_stalls_is_an_alarm(broker: menura.Broker, client: Client) -> None:
    assert broker.storage is not None
    go_on = threading.Event()
    try:
        broker.storage._workers[1].run(go_on.wait)
        with pika.BlockingConnection(pika.URLParameters(broker.amqp_url)) as connection:
            channel = connection.channel()
            # The catalog gets on, so that the queue is there.
            channel.queue_declare("kept", durable=True)
            channel.basic_publish("", "kept", b"x", pika.BasicProperties(delivery_mode=2))
            failed = until(lambda: check(client, "alarms"), 503)
            assert "has not finished a write" in failed.json["alarms"][0]["reason"]
            go_on.set()
            until(lambda: check(client, "alarms"), 200)
    finally:
        go_on.set()


def test_a_broker_that_is_closed_to_clients_says_so(client: Client) -> None:
    assert client.post("/menura/node/suspend_listeners").status == 204
    assert check(client, "is-in-service").status == 200
    assert check(client, "ready-to-serve-clients").json["reason"] == "no active listeners for AMQP/AMQPS"
    assert check(client, "protocol-listener/amqp").status == 503
    assert client.post("/menura/node/stop_app").status == 204
    for path in SERVICE:
        assert client.get(path).status == 503, path
    assert client.post("/menura/node/start_app").status == 204
    for path in SERVICE:
        assert client.get(path).status == 200, path


def test_ports_and_protocols_are_those_that_are_open(broker: menura.Broker, client: Client) -> None:
    amqp, http = broker.amqp_port, http_port(broker)
    assert check(client, f"port-listener/{amqp}").json == {"status": "ok", "port": amqp}
    missing = check(client, "port-listener/1")
    assert (missing.status, missing.json["missing"], missing.json["ports"]) == (503, 1, sorted((amqp, http)))
    for port in ("x", "-1", "1e3", quote("٣"), "123456"):
        assert check(client, f"port-listener/{port}").status == 400, port
    assert check(client, "protocol-listener/AMQP091,http").json == {"status": "ok", "protocols": ["amqp", "http"]}
    assert check(client, "protocol-listener/amqp,mqtts").json["missing"] == ["mqtt/ssl"]


def test_checks_that_take_several_nodes_are_well_and_want_to_make_sense(client: Client) -> None:
    leaders = "quorum-queues-without-elected-leaders"
    for path in ("node-is-quorum-critical", "reached-target-cluster-size", f"{leaders}/all-vhosts/pattern/a.*"):
        assert check(client, path).status == 200, path
    assert check(client, f"{leaders}/vhost/%2F/pattern/%5Ba").status == 400
    assert check(client, f"{leaders}/vhost/none").status == 404


def test_load_balancers_need_no_login(broker: menura.Broker) -> None:
    stranger = Client(http_port(broker), user="")
    for name in ("is-in-service", "ready-to-serve-clients", "below-node-connection-limit"):
        assert check(stranger, name).json == {"status": "ok"}
    assert check(stranger, "alarms").status == 401


# -- certificates ------------------------------------------------------------------------------------------------


def _files(directory: Path, **dates: datetime) -> tuple[Path, Path]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", **dates)
    cert, key = directory / "cert.pem", directory / "key.pem"
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    return cert, key


@pytest.mark.parametrize(
    ("days", "asked", "status"),
    [(20, "2/weeks", 200), (20, "3/weeks", 503), (20, "1/MONTHS", 503), (1000, "2/years", 200), (99, "999/years", 503)],
)
def test_certificates_that_end_soon_are_found(days: int, asked: str, status: int, tmp_path: Path) -> None:
    ends = datetime.now(UTC) + timedelta(days=days)
    cert, key = _files(tmp_path, not_after=ends)
    listen = [f"amqps://127.0.0.1:0?cert={cert}&key={key}", "http://127.0.0.1:0"]
    with menura.Broker(listen=listen) as broker:
        answer = check(Client(http_port(broker)), f"certificate-expiration/{asked}")
    assert answer.status == status
    if status == 503:
        (expired,) = answer.json["expired"]
        assert (expired["protocol"], expired["certfile"]) == ("amqp/ssl", str(cert))
        assert expired["certfile_expires_on"] == [f"{ends:%Y-%m-%d %H:%M:%S}"]


@pytest.mark.parametrize("asked", ["many/weeks", "-1/weeks", "1.5/weeks", "1/moons", f"{'9' * 30}/days"])
def test_a_span_that_is_none_is_refused(asked: str, client: Client) -> None:
    assert check(client, f"certificate-expiration/{asked}").status == 400


def test_the_times_of_certificates_are_read_as_others_read_them(tmp_path: Path) -> None:
    x509 = pytest.importorskip("cryptography.x509")
    for year in (2026, 2049, 2050, 2500):
        cert, _ = _files(tmp_path, not_after=datetime(year, 6, 7, 8, 9, 10, tzinfo=UTC))
        theirs: Any = x509.load_pem_x509_certificate(cert.read_bytes())
        (ours,) = validities(cert.read_text())
        assert (ours.since, ours.until) == (theirs.not_valid_before_utc, theirs.not_valid_after_utc)


@pytest.mark.parametrize("cut", [0, 1, 2, 10, 60, 120])
def test_what_is_no_certificate_is_told(cut: int) -> None:
    from ssl import DER_cert_to_PEM_cert, PEM_cert_to_DER_cert

    whole = PEM_cert_to_DER_cert(trustme.CA().cert_pem.bytes().decode())
    with pytest.raises(ValueError, match="certificate"):
        validities(DER_cert_to_PEM_cert(whole[:cut]) if cut else "nothing")
