"""Shovels to a broker behind TLS: who is there is verified, unless the address says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.certificates import Authorities
from tests.shovels.conftest import Dig, State
from tests.shovels.queues import Queues

import menura


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def safe(folder: Path) -> Iterator[menura.Broker]:
    authorities = Authorities()
    query = authorities.query(folder)
    authorities.files(folder, "guest")
    with menura.Broker(listen=[f"amqps://127.0.0.1:0?{query}", "amqp://127.0.0.1:0"]) as broker:
        yield broker


@pytest.mark.parametrize("query", ["?cacertfile={0}/authority.pem", "?verify=verify_none"])
def test_messages_pass_through_tls(query: str, safe: menura.Broker, folder: Path, here: Queues, dig: Dig) -> None:
    here.declare("to")
    dig(src_uri=safe.amqps_url + query.format(folder), src_queue="from", dest_queue="to")
    with Queues(safe.amqp_url) as there:
        there.declare("from")
        there.fill("from", [b"m"])
        here.until("to", 1)


def test_a_certificate_says_who_connects(
    safe: menura.Broker, folder: Path, here: Queues, dig: Dig, state: State
) -> None:
    here.declare("to")
    port = safe.amqps_url.rpartition(":")[2].strip("/")
    query = f"cacertfile={folder}/authority.pem&certfile={folder}/guest.pem&keyfile={folder}/guest.key"
    uri = f"amqps://127.0.0.1:{port}?auth_mechanism=external&{query}"
    dig(src_uri=uri, src_queue="from", dest_queue="to", reconnect_delay=0)
    assert state.until("running")["src_uri"] == f"amqps://127.0.0.1:{port}"


def test_a_server_that_nobody_vouches_for_is_refused(safe: menura.Broker, dig: Dig, state: State) -> None:
    dig(src_uri=safe.amqps_url, src_queue="from", dest_queue="to", reconnect_delay=0)
    assert "TLS: " in state.until("terminated")["reason"]


def test_a_file_that_is_not_there_is_the_reason(safe: menura.Broker, dig: Dig, state: State) -> None:
    dig(src_uri=f"{safe.amqps_url}?cacertfile=/nowhere.pem", src_queue="from", dest_queue="to", reconnect_delay=0)
    assert "certificate: [Errno 2]" in state.until("terminated")["reason"]
