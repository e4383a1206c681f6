"""Which broker is meant."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.ctl.conftest import call

import menura
from menura.cli.ctl.client import Client
from menura.cli.ctl.errors import NO_HOST, UNAVAILABLE, CtlError
from menura.cli.ctl.finding import DEFAULT_URL, SOCKET_NAME, broker_url


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the working directory nor the home of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MENURA_URL", raising=False)
    monkeypatch.delenv("MENURA_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Path]:
    """A directory with a socket that somebody listens at."""
    directory = tmp_path / "menura-data"
    directory.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory / SOCKET_NAME))
        server.listen()
        yield directory


def test_without_anything_it_is_guest_on_this_machine() -> None:
    assert broker_url(None, None, {}) == DEFAULT_URL


def test_a_url_beats_everything(listening: Path) -> None:
    assert broker_url("http://h", str(listening), {"MENURA_URL": "http://e"}) == "http://h"


def test_a_directory_means_its_socket(listening: Path) -> None:
    assert broker_url(None, str(listening), {"MENURA_URL": "http://e"}) == f"http+unix://{listening / SOCKET_NAME}"


def test_the_environment_names_an_address_or_a_directory(listening: Path) -> None:
    assert broker_url(None, None, {"MENURA_URL": "http://e", "MENURA_DATA": str(listening)}) == "http://e"
    assert broker_url(None, None, {"MENURA_DATA": str(listening)}).endswith(SOCKET_NAME)


def test_the_usual_data_directory_is_found(listening: Path) -> None:
    assert broker_url(None, None, {}) == f"http+unix://{listening / SOCKET_NAME}"


def test_a_socket_that_was_left_behind_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "menura-data").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "menura-data" / SOCKET_NAME))
    assert broker_url(None, None, {}) == DEFAULT_URL


def test_a_file_in_the_home_directory_names_an_address(tmp_path: Path) -> None:
    file = tmp_path / ".menura"
    file.write_text("https://ann:secret@host\n")
    file.chmod(0o600)
    assert broker_url(None, None, {"HOME": str(tmp_path)}) == "https://ann:secret@host"


def test_a_file_with_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / ".menura"
    file.write_text("https://ann:secret@host\n")
    file.chmod(0o644)
    with pytest.raises(CtlError, match="chmod 600") as refused:
        broker_url(None, None, {"HOME": str(tmp_path)})
    assert refused.value.status == NO_HOST


def test_a_directory_without_a_broker_is_told(tmp_path: Path) -> None:
    said = call("list_queues", "--data", str(tmp_path))
    assert said.status == NO_HOST
    assert f"menura serve --data {tmp_path}" in said.err


def test_nobody_there_is_told_with_what_to_do() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        said = call("list_queues", f"--url=http://127.0.0.1:{unused.getsockname()[1]}")
    assert said.status == UNAVAILABLE
    assert "refused" in said.err
    assert "menura doctor" in said.err


@pytest.mark.parametrize("url", ["ftp://u:secret@h", "nonsense", "http://u:secret@h:port"])
def test_what_is_no_address_is_told_without_its_password(url: str) -> None:
    said = call("list_queues", f"--url={url}")
    assert said.status == NO_HOST
    assert "is no address" in said.err
    assert "secret" not in said.err


def test_a_wrong_password_is_told(broker: menura.Broker) -> None:
    url = broker.url("http").replace("guest:guest", "guest:wrong")
    said = call("list_queues", f"--url={url}")
    assert (said.status, "access refused" in said.err) == (UNAVAILABLE, True)
    assert "wrong" not in said.err


def test_the_socket_of_a_data_directory_needs_no_password(tmp_path: Path) -> None:
    data = tmp_path / "d"
    with menura.Broker(listen=[], data=str(data)):
        said = call("list_users", "-q", "-d", str(data))
    assert said.lines == ["user\ttags", "guest\t[administrator]"]


def test_an_answer_that_is_not_json_is_told() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client = Client(f"http://127.0.0.1:{server.getsockname()[1]}", 10)
        client._connection.connect()
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            with pytest.raises(CtlError, match="not JSON"):
                client.get("/overview")
        client.close()
