"""`menura config`: what holds, where it comes from, what is wrong with it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.conftest import Start
from tests.clients.certificates import Authorities

from menura.cli import main
from menura.configuration.settings import SETTINGS


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["config", *arguments])


def wrote(text: str, name: str = "menura.toml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_a_good_file_is_good() -> None:
    result = config("check", wrote('[log]\nlevel = "debug"\n', "my.toml"))
    assert (result.exit_code, result.output) == (0, "my.toml: good\n")
    assert config("check").output == "the defaults: good\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[log]\nlevle = "debug"', "my.toml:2: log.levle: no such setting; did you mean log.level?"),
        ('listen = ["ampq://"]', "my.toml:1: listen: ampq://: unknown scheme"),
        ('listen = ["amqps://"]', "my.toml:1: listen: amqps://127.0.0.1: needs a certificate"),
        ('listen = ["amqp://?cert=a"]', "my.toml:1: listen: amqp:// takes no TLS settings"),
        (
            'listen = ["amqps://"]\n[tls]\ncert = "none.pem"',
            "certificate: [Errno 2] No such file or directory (none.pem)",
        ),
        ('load_definitions = "none.json"', "my.toml:1: load_definitions: there is no file none.json"),
    ],
)
def test_a_file_that_no_broker_would_start_with_is_not(text: str, complaint: str) -> None:
    result = config("check", wrote(text, "my.toml"))
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert "good" not in result.output


def test_a_rabbitmq_conf_is_checked_and_what_is_ignored_is_said() -> None:
    result = config("check", wrote("heartbeat = 10\ncluster_name = c\n", "rabbitmq.conf"))
    assert result.exit_code == 0
    assert result.output == "note: rabbitmq.conf:2: cluster_name: ignored: there is one node\nrabbitmq.conf: good\n"


def test_what_is_shown_can_be_used_as_a_file_again(tmp_path: Path) -> None:
    wrote('listen = ["stomp://"]\ndefault_permissions = ["a\\\\.b", "", "\\"q\\""]\n[memory]\nmax = "1GiB"\n')
    shown = config("show").output
    assert tomllib.loads(shown)["memory"] == {"max": "1GiB"}
    wrote(shown, "again.toml")
    first, second = (
        json.loads(config("show", "--format", "json", *more).output) for more in ([], ["--config", "again.toml"])
    )
    values, values_again = ({key: said["value"] for key, said in shown.items()} for shown in (first, second))
    assert values_again == {**values, "default_password": "***"}
    assert first.keys() == SETTINGS.keys()
    assert first["memory.max"] == {"value": "1GiB", "origin": "menura.toml:4"}
    assert first["listen"] == {"value": ["stomp://"], "origin": "menura.toml:1"}


@pytest.mark.parametrize("form", ["toml", "json"])
def test_secrets_are_not_shown(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENURA_DEFAULT_PASSWORD", "s3cret")
    output = config("show", "--format", form).output
    assert "s3cret" not in output
    assert "***" in output


def test_a_broker_does_not_start_with_settings_that_are_wrong(start: Start, tmp_path: Path) -> None:
    wrote('[log]\nlevel = "loud"\nfile = "x.log"\n')
    status, out, err = start("--data", ":memory:", folder=tmp_path).end()
    assert (status, out) == (2, "")
    assert err == "menura: menura.toml:2: log.level: must be debug, info, warning or error, not 'loud'\n"


def test_a_broker_says_which_file_it_has_read(start: Start, tmp_path: Path) -> None:
    wrote('listen = ["amqp://127.0.0.1:0"]\ndata = ":memory:"\n')
    screen = start(folder=tmp_path).screen()
    assert "  settings   menura.toml" in screen


def test_the_first_user_is_the_one_that_was_chosen(start: Start, tmp_path: Path) -> None:
    environment = {"MENURA_DEFAULT_USER": "shop", "MENURA_DEFAULT_PASSWORD": "s3cret", "MENURA_DATA": "data"}
    process = start("--listen", "amqp://127.0.0.1:0", environment=environment, folder=tmp_path)
    screen = "\n".join(process.screen())
    assert "user       shop, with the password of the settings" in screen
    assert "s3cret" not in screen
    assert "guest" not in screen


def test_tls_settings_hold_for_all_listeners_that_have_none_of_their_own(start: Start, tmp_path: Path) -> None:
    Authorities().query(tmp_path)
    wrote('listen = ["amqps://127.0.0.1:0", "mqtts://127.0.0.1:0"]\n[tls]\ncert = "server.pem"\nkey = "server.key"\n')
    screen = start("--data", ":memory:", folder=tmp_path).screen()
    assert len([line for line in screen if "✓" in line]) == 2
