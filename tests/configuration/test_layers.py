"""Where settings come from, which one counts, and what is said of those that are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from menura import Config
from menura.config import memory_bytes
from menura.configuration.layers import Effective, gather
from menura.configuration.problems import ConfigurationError
from menura.configuration.settings import SETTINGS


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def wrote(text: str, name: str = "menura.toml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def settings(
    file: str | None = None, options: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Effective:
    return gather(file, options, environment or {})


def complaints(file: str | None = None, **arguments: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        settings(file, **arguments)
    return [str(remark) for remark in refused.value.remarks]


def test_with_nothing_said_the_defaults_hold_and_are_those_of_a_broker_in_a_program() -> None:
    effective = settings()
    assert {value.origin for value in effective.values.values()} == {"default"}
    assert effective.config() == Config(data="./menura-data", busy_poll_us=200)


def test_the_file_goes_before_defaults_the_environment_before_the_file_and_options_before_all() -> None:
    wrote('[log]\nlevel = "error"\nformat = "json"\nfile = "a.log"\n')
    environment = {"MENURA_LOG_LEVEL": "warning", "MENURA_LOG_FORMAT": "text"}
    effective = settings(None, {"log.level": "debug", "log.format": None}, environment)
    found = {key: value for key, value in effective.values.items() if value.origin != "default"}
    assert found == {
        "log.level": ("debug", "--log-level"),
        "log.format": ("text", "MENURA_LOG_FORMAT"),
        "log.file": ("a.log", "menura.toml:4"),
    }


def test_a_file_is_named_by_option_or_variable_and_otherwise_menura_toml_is_read_if_there_is_one() -> None:
    one = wrote('product_version = "1"', "one.toml")
    two = wrote('product_version = "2"', "two.toml")
    assert settings()["product_version"] == "4.2.0"
    wrote('product_version = "3"')
    assert settings()["product_version"] == "3"
    assert settings(None, None, {"MENURA_CONFIG": two})["product_version"] == "2"
    assert settings(one, None, {"MENURA_CONFIG": two})["product_version"] == "1"


def test_every_setting_can_be_set_in_the_file_and_in_the_environment() -> None:
    other: dict[str, tuple[str, str, Any]] = {  # TOML, text, and the value that both mean
        "listen": ('["amqp://h:1", "stomp://"]', "amqp://h:1 stomp://", ("amqp://h:1", "stomp://")),
        "data": ('"d"', "d", "d"),
        "sync": ("false", "off", False),
        "load_definitions": ('"f"', "f", "f"),
        "product": ('"P"', "P", "P"),
        "product_version": ('"9"', "9", "9"),
        "memory.max": ('"2GiB"', "2GiB", 2 << 30),
        "disk.free_min": ("1048576", "1048576", 1 << 20),
        "message_max": ('"16 MiB"', "16MiB", 16 << 20),
        "amqp.frame_max": ("8192", "8192", 8192),
        "amqp.channels_max": ("5", "5", 5),
        "amqp.heartbeat": ("0", "0", 0),
        "amqp.consumer_timeout": ('"30min"', "1800", 1800.0),
        "default_user": ('"u"', "u", "u"),
        "default_password": ('"p"', "p", "p"),
        "default_vhost": ('"v"', "v", "v"),
        "default_permissions": ('["a", "", "b"]', '["a", "", "b"]', ("a", "", "b")),
        "loopback_users": ("[]", "[]", ()),
        "login.failures_max": ("0", "0", 0),
        "login.window": ('"2min"', "120", 120.0),
        "login.anonymous": ("true", "yes", True),
        "mqtt.anonymous_user": ('""', "", ""),
        "tls.cert": ('"c"', "c", "c"),
        "tls.key": ('"k"', "k", "k"),
        "tls.ca": ('"a"', "a", "a"),
        "tls.verify": ('"required"', "required", "required"),
        "tls.min": ('"1.3"', "1.3", "1.3"),
        "http.origins": ('["https://a"]', "https://a", ("https://a",)),
        "statistics": ("false", "0", False),
        "busy_poll_us": ("50", "50", 50),
        "log.level": ('"debug"', "DEBUG", "debug"),
        "log.format": ('"json"', "json", "json"),
        "log.file": ('"l"', "l", "l"),
        "log.repeats_max": ("3", "3", 3),
    }
    assert other.keys() == SETTINGS.keys() - {"default_password_file"}
    wrote("\n".join(f"{key} = {toml}" for key, (toml, _, _) in other.items()))
    by_file = settings()
    by_variable = settings(
        wrote("", "empty.toml"), None, {SETTINGS[key].variable: text for key, (_, text, _) in other.items()}
    )
    for key, (_, _, value) in other.items():
        assert by_file[key] == by_variable[key] == value != SETTINGS[key].default, key
    assert by_file.config() == by_variable.config()


def test_a_share_of_memory_is_one_of_this_machine() -> None:
    assert settings(None, None, {"MENURA_MEMORY_MAX": "50%"})["memory.max"] == memory_bytes() // 2


def test_all_that_is_wrong_is_told_at_once_with_its_line_and_what_to_do() -> None:
    wrote('data = 5\n\n[memory]\nmax = "lots"\n\n[log]\nlevle = "info"\nlevel = "loud"\n\n[tls]\nmin = "1.1"\n')
    assert complaints(environment={"MENURA_SYNC": "perhaps"}) == [
        "menura.toml:1: data: must be text in quotes, not 5",
        'menura.toml:4: memory.max: must be a size such as "2GiB", or a share of memory such as "40%", not \'lots\'',
        "menura.toml:7: log.levle: no such setting; did you mean log.level?",
        "menura.toml:8: log.level: must be debug, info, warning or error, not 'loud'",
        "menura.toml:11: tls.min: must be 1.2 or 1.3, not '1.1'",
        "MENURA_SYNC: sync: must be true or false, not 'perhaps'",
    ]


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("amqp.frame_max", "10"),
        ("amqp.frame_max", "true"),
        ("amqp.heartbeat", "1.5"),
        ("login.window", "0"),
        ("amqp.consumer_timeout", "false"),
        ("amqp.consumer_timeout", "-1"),
        ("amqp.consumer_timeout", '"never"'),
        ("login.window", '"soon"'),
        ("listen", "[1]"),
        ("listen", "{a = 1}"),
        ("default_permissions", '["a"]'),
        ("memory.max", '"0%"'),
        ("memory.max", '"101%"'),
        ("disk.free_min", "-1"),
        ("disk.free_min", '"12 apples"'),
        ("sync", '"perhaps"'),
        ("log.repeats_max", "-1"),
    ],
)
def test_a_value_that_means_nothing_is_refused(key: str, wrong: str) -> None:
    wrote(f"{key} = {wrong}")
    (complaint,) = complaints()
    assert complaint.startswith(f"menura.toml:1: {key}")


def test_a_file_that_is_no_toml_is_refused_with_the_line() -> None:
    wrote('[log]\nlevel = "info\n')
    (complaint,) = complaints()
    assert complaint.startswith("menura.toml:2: ")


def test_a_file_that_cannot_be_read_is_refused() -> None:
    assert complaints("none.toml") == ["none.toml: cannot be read: No such file or directory"]
    Path("binary.toml").write_bytes(b"\xff\xfe")
    assert complaints("binary.toml") == ["binary.toml: cannot be read: not text in UTF-8"]


def test_secrets_are_not_repeated_in_what_is_said_of_them() -> None:
    wrote("default_password = 4711")
    assert complaints() == ["menura.toml:1: default_password: must be text in quotes"]


def test_the_first_password_can_be_in_a_file_of_its_own() -> None:
    Path("secret").write_text("pässword \nmore\n", encoding="utf-8")
    environment = {"MENURA_DEFAULT_PASSWORD_FILE": "secret"}
    effective = settings(None, None, environment)
    assert effective.values["default_password"] == ("pässword ", "secret")
    Path("secret").unlink()
    assert complaints(environment=environment) == [
        "MENURA_DEFAULT_PASSWORD_FILE: default_password_file: secret cannot be read: No such file or directory"
    ]


def test_variables_that_mean_nothing_are_remarked_but_not_those_that_others_set() -> None:
    environment = {
        "MENURA_LSITEN": "x",
        "MENURA_SERVICE_HOST": "10.0.0.1",
        "MENURA_PORT_5672_TCP": "tcp://",
        "HOME": "/",
    }
    assert [str(remark) for remark in settings(None, None, environment).remarks] == [
        "MENURA_LSITEN: ignored: there is no setting for this variable"
    ]
