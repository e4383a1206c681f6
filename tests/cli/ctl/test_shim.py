"""Programs under the names of RabbitMQ's, and `menura ctl` itself, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.ctl.conftest import Ctl, http_url

import menura
from menura.cli.ctl import PROGRAMS
from menura.version import __version__

COMMAND = [sys.executable, "-W", "error", "-m", "menura", "ctl"]


def ran(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


@pytest.fixture
def programs(ctl: Ctl, tmp_path: Path) -> Path:
    directory = tmp_path / "bin"
    said = ctl("install-shim", str(directory))
    assert (said.status, said.err) == (0, "")
    assert sorted(file.name for file in directory.iterdir()) == sorted(PROGRAMS)
    return directory


def test_programs_drive_the_broker_they_were_made_for(programs: Path) -> None:
    said = ran(str(programs / "rabbitmqctl"), "-n", "rabbit@host", "add_user", "ann", "pw")
    assert (said.returncode, said.stderr) == (0, "")
    assert "See 'rabbitmqctl help set_permissions'" in said.stdout
    assert "ann" in ran(str(programs / "rabbitmqctl"), "list_users").stdout
    assert ran(str(programs / "rabbitmq-diagnostics"), "-q", "check_running").returncode == 0
    assert ran(str(programs / "rabbitmq-plugins"), "enable", "rabbitmq_management").returncode == 0
    assert ran(str(programs / "rabbitmqadmin"), "declare", "queue", "name=q").stdout == "queue declared\n"
    assert ran(str(programs / "rabbitmq-queues"), "peek", "q", "1").returncode == 0


def test_a_program_shows_help_and_says_what_it_does_not_know(programs: Path) -> None:
    for program in PROGRAMS[:4]:
        said = ran(str(programs / program), "--help")
        assert (said.returncode, program in said.stdout) == (0, True)
    helped = ran(str(programs / "rabbitmqctl"), "list_queues", "--help")
    assert (helped.returncode, "messages_ready" in helped.stdout) == (0, True)
    unknown = ran(str(programs / "rabbitmqctl"), "list_queue")
    assert (unknown.returncode, unknown.stderr) == (
        64,
        "\nCommand 'list_queue' not found. \nDid you mean 'list_queues'? \n\n",
    )


def test_programs_of_others_are_not_overwritten(ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "rabbitmqctl").write_text("#!/bin/sh\n")
    said = ctl("install-shim", str(tmp_path))
    assert said.status == 65
    assert (tmp_path / "rabbitmqctl").read_text() == "#!/bin/sh\n"
    assert ctl("install-shim", str(tmp_path), "--force").status == 0
    assert ctl("install-shim", str(tmp_path)).status == 0


def test_a_password_in_a_program_is_its_owners(programs: Path) -> None:
    assert "guest:guest@" in (programs / "rabbitmqctl").read_text()
    assert (programs / "rabbitmqctl").stat().st_mode & 0o077 == 0


def test_the_command_finds_a_broker_by_its_environment(broker: menura.Broker) -> None:
    said = ran(*COMMAND, "list_vhosts", "-q", MENURA_URL=http_url(broker))
    assert (said.returncode, said.stdout, said.stderr) == (0, "name\n/\n", "")


def test_the_exit_status_is_that_of_the_verb(broker: menura.Broker) -> None:
    said = ran(*COMMAND, "delete_user", "nobody", MENURA_URL=http_url(broker))
    assert (said.returncode, said.stderr) == (67, 'Error:\nUser "nobody" does not exist\n')


def test_versions_differ_by_the_name_it_is_called_by(programs: Path) -> None:
    assert ran(*COMMAND, "version").stdout == __version__ + "\n"
    assert ran(str(programs / "rabbitmqctl"), "version").stdout == menura.Config().product_version + "\n"


def test_a_reader_that_has_seen_enough_ends_it_without_a_word(broker: menura.Broker) -> None:
    command = " ".join([*COMMAND, "list_queues", "--help"])
    said = ran("bash", "-c", f"set -o pipefail; {command} | true", MENURA_URL=http_url(broker))
    assert "Traceback" not in said.stderr


def test_a_list_loads_nothing_of_the_broker_itself(broker: menura.Broker) -> None:
    """It is there at once: what takes time to load is left alone."""
    code = (
        "import sys\nfrom menura.cli.ctl.running import run\nstatus = run(sys.argv[1:])\n"
        "heavy = {'asyncio', 'rich', 'menura.broker', 'menura.core.node', 'sqlite3', 'uvloop'} & set(sys.modules)\n"
        "assert not heavy, heavy\nraise SystemExit(status)"
    )
    begun = time.perf_counter()
    said = ran(sys.executable, "-c", code, "list_queues", f"--url={http_url(broker)}")
    print(f"a list took {(time.perf_counter() - begun) * 1000:.0f} ms, with the start of Python")
    assert (said.returncode, said.stderr) == (0, "")
