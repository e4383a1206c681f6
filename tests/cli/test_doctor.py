"""`menura doctor`: what it finds of a broker that runs, and of one that is to run."""

from __future__ import annotations

import json
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner

import menura
from menura.cli.doctor import doctor, machine
from menura.config import Config


def examined(*words: str, **environment: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Status, and findings by check."""
    result = CliRunner(env=environment).invoke(doctor, [*words, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(result.stdout):
        found.setdefault(finding["check"], []).append(finding)
    return result.exit_code, found


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MENURA_")]:
        monkeypatch.delenv(name)


def settings(tmp_path: Path, **values: Any) -> str:
    """A file of settings."""
    values = {"listen": ["amqp://127.0.0.1:0"], "data": str(tmp_path / "data"), **values}
    file = tmp_path / "settings.toml"
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return str(file)


def grades(findings: list[dict[str, str]]) -> list[str]:
    return [finding["grade"] for finding in findings]


def test_a_machine_that_is_ready(tmp_path: Path) -> None:
    status, found = examined("--config", settings(tmp_path))
    assert set(found) >= {"settings", "disk", "open files", "memory", "clock", "access"}
    assert grades(found["settings"]) == grades(found["access"]) == ["well"]
    assert "a sync takes" in found["disk"][-1]["text"]
    assert status == int(any("wrong" in grades(each) for each in found.values()))
    assert not (tmp_path / "data").exists(), "it makes nothing"
    assert list(tmp_path.iterdir()) == [tmp_path / "settings.toml"], "it leaves nothing"


def test_a_broker_that_runs_is_asked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with menura.Broker(listen=["amqp://127.0.0.1:0"], data=str(data)) as broker:
        status, found = examined("--data", str(data))
        assert f"runs as process {os.getpid()}" in found["broker"][0]["text"]
        assert [finding["text"] for finding in found["ports"]] == [f"{broker.listeners[0].url} answers"]
        broker._call(lambda: broker.node.alarms.force("memory"))
        status, found = examined("--data", str(data))
        assert (status, grades(found["broker"])) == (1, ["well", "wrong"])
        assert "low on memory" in found["broker"][1]["text"]


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        url = f"amqp://127.0.0.1:{taken.getsockname()[1]}"
        status, found = examined("--config", settings(tmp_path, listen=[url]))
    assert (status, grades(found["ports"])) == (1, ["wrong"])
    assert url in found["ports"][0]["text"]
    assert "--listen" in found["ports"][0]["advice"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"listen": ["amqps://127.0.0.1:0"]}, "certificate"),
        ({"listen": ["gopher://x"]}, "scheme"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, values: dict[str, Any], text: str) -> None:
    status, found = examined("--config", settings(tmp_path, **values))
    assert (status, grades(found["settings"])) == (1, ["wrong"])
    assert text in found["settings"][0]["text"]


def test_guest_who_may_come_from_elsewhere(tmp_path: Path) -> None:
    file = settings(tmp_path, listen=["amqp://0.0.0.0:0"], loopback_users=[])
    status, found = examined("--config", file)
    assert (status, grades(found["access"])) == (1, ["wrong", "beware"])
    assert "guest may log in from elsewhere" in found["access"][0]["text"]
    assert "in the open" in found["access"][1]["text"]
    _, found = examined("--config", settings(tmp_path, listen=["amqp://0.0.0.0:0"]))
    assert grades(found["access"]) == ["beware"]


@pytest.mark.parametrize(("days", "grade"), [(400, "well"), (10, "beware"), (-1, "wrong")])
def test_certificates_that_expire(tmp_path: Path, days: int, grade: str) -> None:
    until = datetime.now(UTC) + timedelta(days=days)
    issued = trustme.CA().issue_cert("localhost", not_after=until, not_before=until - timedelta(days=500))
    file = tmp_path / "server.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(str(file))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file)
    _, found = examined("--config", settings(tmp_path, listen=[f"amqps://127.0.0.1:0?cert={file}"]))
    assert grades(found["certificates"]) == [grade]
    assert f"{until:%Y-%m-%d}" in found["certificates"][0]["text"]


def test_a_directory_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (finding,) = machine.disk(Config(data=str(tmp_path / "data")))
    assert (finding.grade.name, "cannot be written to" in finding.text) == ("WRONG", True)


def test_memory_that_is_not_there(tmp_path: Path) -> None:
    (finding,) = machine.memory(Config(memory_bytes_max=1 << 60))
    assert finding.grade.name == "BEWARE"
    (finding,) = machine.memory(Config(memory_bytes_max=1 << 20))
    assert finding.grade.name == "WELL"


def test_a_disk_with_too_little_room(tmp_path: Path) -> None:
    findings = list(machine.disk(Config(data=str(tmp_path), disk_free_bytes_min=1 << 60)))
    assert "WRONG" in [finding.grade.name for finding in findings]


def test_nothing_is_kept_in_memory_and_that_is_told() -> None:
    (finding,) = machine.disk(Config())
    assert finding.grade.name == "BEWARE"


def test_it_is_readable_for_people(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        doctor, ["--config", settings(tmp_path, listen=["amqp://0.0.0.0:0"], loopback_users=[])]
    )
    assert "✓ settings:" in result.output
    assert "✗ access: guest may log in" in result.output
    assert "\n    → Choose another default_password" in result.output
