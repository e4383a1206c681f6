"""`menura data`: what it shows and exports, with which exit status, and that it never changes what it looks at."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from tests.store.directories import Writer, flip, flip_in, message, segments, unchanged
from tests.store.identity import as_nobody

from menura.cli import main
from menura.cli.data import data
from menura.core.definitions import BindingDefinition, ExchangeDefinition, QueueDefinition, UserDefinition
from menura.core.properties import Properties

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"
COMMAND = [sys.executable, "-W", "error", "-m", "menura", "data"]
COMMANDS = ["inspect", "verify", "export"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two virtual hosts with a queue `orders` each, and what else a catalog may have; stopped cleanly."""
    path = tmp_path / "data"
    with Writer(path) as writer:
        orders, other = writer.declare("orders"), writer.declare("orders", "other")
        writer.declare("empty")
        writer.catalog.put(UserDefinition("shop", "hash"))
        writer.catalog.put(ExchangeDefinition("/", "events", "topic"))
        writer.catalog.put(BindingDefinition("/", "events", "queue", "orders", "order.*"))
        headers = Properties(headers={"n": 1}).encode()
        writer.publish(orders, message("first", headers), exchange="events")
        writer.publish([orders, other], message("second"), message(b"\xff\xfe"), at_ms=7)
        writer.publish(orders, message("fourth"))
        writer.settle(orders, 0, 0)
        writer.journal.delivered(orders, 2)
        writer.journal.counted(orders, 1, 2, 9000)
        writer.journal.flush()
    return path


def run(path: Path, command: str, *options: str) -> Result:
    """The command, in this process; afterwards the directory is what it was, and no error was one of ours."""
    with unchanged(path):
        result = CliRunner().invoke(main, ["data", command, str(path), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def sound(path: Path, command: str, *options: str) -> str:
    result = run(path, command, *options)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def refused(path: Path, command: str, *options: str) -> str:
    """The sentence on standard error."""
    result = run(path, command, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("menura: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def exported(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def crashed(path: Path) -> Path:
    """A directory whose broker was killed with three messages in the queue `q`."""
    with Writer(path) as writer:
        queue = writer.declare("q")
        for body in ("first", "second", "third"):
            writer.publish(queue, message(body))
        return writer.crash(path.with_name("crashed"))


# -- inspect ---------------------------------------------------------------------------------------------------


def test_inspect_shows_every_queue_with_its_messages_in_plain_columns(directory: Path) -> None:
    text = sound(directory, "inspect")
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in text.splitlines() if line.strip()}
    size = [len(message(body)) for body in ("second", b"\xff\xfe", "fourth")]
    assert rows["/", "orders"][1:] == ["3", str(sum(size)), "1", "3", "1", "1"]
    assert rows["other", "orders"][1:] == ["2", str(sum(size[:2])), "0", "1", "0", "0"]
    assert rows["/", "empty"][1:] == ["0", "0", "0", "0"]
    assert rows["checkpoint", "fits"] == []
    assert rows["exchanges", "1"] == []
    assert "00000000000000000000.log" in text
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_inspect_never_cuts_a_name_short(tmp_path: Path) -> None:
    name = "long" * 60
    with Writer(tmp_path) as writer:
        writer.declare(name)
    assert name in sound(tmp_path, "inspect")


def test_inspect_keeps_a_name_with_control_characters_on_its_line(tmp_path: Path) -> None:
    with Writer(tmp_path) as writer:
        writer.declare("a\n\x1b[31m")
    text = sound(tmp_path, "inspect")
    assert "'a\\n\\x1b[31m'" in text
    assert "\x1b" not in text


def test_inspect_as_json_says_the_same_to_scripts(directory: Path) -> None:
    found = json.loads(sound(directory, "inspect", "--json"))
    assert found["directory"] == str(directory)
    assert found["definitions"]["bindings"] == 1
    assert found["checkpoint"] == "fits"
    assert found["damages"] == []
    assert [(row["vhost"], row["name"], row["messages"]) for row in found["queues"]] == [
        ("/", "empty", 0),
        ("/", "orders", 3),
        ("other", "orders", 2),
    ]


def test_inspect_shows_damage_and_queues_whose_definition_is_gone(tmp_path: Path) -> None:
    with Writer(tmp_path / "data") as writer:
        queue, deleted = writer.declare("kept"), writer.declare("deleted")
        writer.publish(queue, message("to be hit"))
        writer.publish(deleted, message("left over"))
        writer.catalog.delete(QueueDefinition("/", "deleted", deleted))
        writer.catalog.flush()
        path = writer.crash(tmp_path / "crashed")
    flip_in(segments(path)[0], b"to be hit")
    text = sound(path, "inspect")
    assert str(deleted) in text
    assert "deleted, and dropped at the next start" in text
    assert f"{segments(path)[0]}: " in text
    assert "are damaged" in text


def on_a_terminal(*arguments: str) -> str:
    """What the command writes to a terminal that is its standard output and standard error."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "150"}
    with subprocess.Popen([*COMMAND, *arguments], stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        written = b""
        try:
            while data := os.read(ours, 65536):
                written += data
        except OSError:
            pass  # Linux's way to say that the terminal was closed
    os.close(ours)
    return written.decode()


def test_on_a_terminal_there_are_colours_and_progress(directory: Path) -> None:
    with unchanged(directory):
        shown = on_a_terminal("inspect", str(directory))
        verified = on_a_terminal("verify", str(directory))
    assert "\x1b[1m" in shown
    assert "orders" in shown
    assert "verifying the journal" in verified
    assert re.search(r"\x1b\[32m.*sound", verified)


# -- verify ----------------------------------------------------------------------------------------------------


def test_verify_says_how_much_it_has_read_and_that_it_is_sound(directory: Path) -> None:
    size_bytes = segments(directory)[0].stat().st_size
    first, last = sound(directory, "verify").splitlines()
    assert f"5 records in 1 file of the journal ({size_bytes} octets)" in first
    assert last == "sound"


@pytest.mark.parametrize("clean", [True, False])
def test_verify_names_file_offset_and_size_of_a_flipped_bit(tmp_path: Path, clean: bool) -> None:
    path = crashed(tmp_path / "data")
    path = tmp_path / "data" if clean else path
    (segment,) = segments(path)
    offset = flip_in(segment, b"second")
    result = run(path, "verify")
    assert result.exit_code == 1
    found = re.search(rf"damage: {segment}: (\d+) octets from offset (\d+) on are damaged", result.stdout)
    assert found
    assert int(found[2]) < offset < int(found[2]) + int(found[1])
    assert result.stdout.endswith("\ndamaged\n")
    assert ("Messages in them: 1 of queue 'q' in '/'" in result.stdout) == clean


def test_verify_takes_the_cut_tail_of_a_killed_broker_for_what_it_is(tmp_path: Path) -> None:
    path = crashed(tmp_path / "data")
    (segment,) = segments(path)
    os.truncate(segment, segment.stat().st_size - 3)
    text = sound(path, "verify")
    assert f"note: {segment}: " in text
    assert "was not finished when the broker stopped" in text


def test_verify_finds_a_damaged_catalog(directory: Path) -> None:
    catalog = directory / "catalog.sqlite3"
    flip(catalog, 4096)
    result = run(directory, "verify")
    assert result.exit_code == 1
    assert f"damage: {catalog} is damaged: " in result.stdout
    assert "backup" in result.stdout


# -- export ----------------------------------------------------------------------------------------------------


def test_export_prints_the_messages_of_each_queue_in_order(directory: Path) -> None:
    lines = exported(sound(directory, "export"))
    assert [(line["vhost"], line["queue"], line["position"]) for line in lines] == [
        *(("/", "orders", 1), ("/", "orders", 2), ("/", "orders", 3)),
        *(("other", "orders", 0), ("other", "orders", 1)),
    ]
    assert [line.get("body", line.get("body_base64")) for line in lines] == [
        *("second", "//4=", "fourth"),
        *("second", "//4="),
    ]
    assert [line["redelivered"] for line in lines] == [True, False, False, False, False]
    noted = [(line.get("delivered_times"), line.get("waits_until_ms")) for line in lines]
    assert noted == [(2, 9000), *[(None, None)] * 4]
    assert [line["published_at_ms"] for line in lines] == [7, 7, None, 7, 7]
    assert {line["kind"] for line in lines} == {"message"}


def test_export_after_a_crash_is_complete(tmp_path: Path) -> None:
    lines = exported(sound(crashed(tmp_path / "data"), "export"))
    assert [line["body"] for line in lines] == ["first", "second", "third"]


def test_export_of_some_queues(directory: Path) -> None:
    queues = {
        ("--vhost", "other"): {("other", "orders")},
        ("--queue", "orders"): {("/", "orders"), ("other", "orders")},
        ("--queue", "orders", "--queue", "empty", "--vhost", "/"): {("/", "orders")},
        ("--queue", "empty"): set(),
    }
    for options, expected in queues.items():
        lines = exported(sound(directory, "export", *options))
        assert {(line["vhost"], line["queue"]) for line in lines} == expected


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--vhost", "none"], "virtual host 'none'"),
        (["--queue", "none"], "queue 'none'"),
        (["--vhost", "other", "--queue", "empty"], "queue 'empty'"),
    ],
)
def test_export_of_what_there_is_not_says_so(directory: Path, options: list[str], what: str) -> None:
    assert f"There is no {what}" in refused(directory, "export", *options).replace("durable ", "")


def test_export_of_definitions_with_and_without_messages(directory: Path) -> None:
    everything = exported(sound(directory, "export", "--definitions"))
    definitions = exported(sound(directory, "export", "--definitions", "--no-messages"))
    assert [line["kind"] for line in definitions] == [
        *("vhost", "vhost", "user", "exchange", "queue", "queue", "queue", "binding")
    ]
    assert everything[: len(definitions)] == definitions
    assert {line["kind"] for line in everything[len(definitions) :]} == {"message"}
    of_other = exported(sound(directory, "export", "--definitions", "--no-messages", "--vhost", "other"))
    assert [line["kind"] for line in of_other] == ["vhost", "user", "queue"]


def test_export_to_a_file_that_only_its_owner_can_read(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "messages"
    assert sound(directory, "export", "--output", str(file)) == ""
    assert file.read_text(encoding="utf-8") == sound(directory, "export")
    assert file.stat().st_mode & 0o777 == 0o600


def test_export_does_not_write_into_the_directory_it_reads(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory)
    for file in (directory / "out", tmp_path / "link" / "journal" / "out"):
        assert "which is only read" in refused(directory, "export", "--output", str(file))


def test_export_to_where_it_cannot_write_says_so(directory: Path, tmp_path: Path) -> None:
    assert "Cannot write" in refused(directory, "export", "--output", str(tmp_path / "none" / "out"))
    if os.path.exists("/dev/full"):
        assert "No space left" in refused(directory, "export", "--output", "/dev/full")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_export_to_standard_output_on_a_full_disk_says_so(directory: Path) -> None:
    with open("/dev/full", "wb") as full, unchanged(directory):
        ended = subprocess.run([*COMMAND, "export", str(directory)], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 2
    assert ended.stderr == "menura: Cannot write to standard output: No space left on device.\n"


@pytest.mark.parametrize("clean", [True, False])
def test_export_leaves_a_damaged_record_out_and_says_so(tmp_path: Path, clean: bool) -> None:
    path = crashed(tmp_path / "data")
    path = tmp_path / "data" if clean else path
    flip_in(segments(path)[0], b"second")
    result = run(path, "export")
    assert result.exit_code == 1
    assert [line["body"] for line in exported(result.stdout)] == ["first", "third"]
    assert f"menura: {segments(path)[0]}: " in result.stderr
    assert ("Left out: messages 1 to 1 of queue 'q' in '/'" in result.stderr) == clean


def test_export_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    with Writer(tmp_path) as writer:
        queue = writer.declare("q")
        for _ in range(20):
            writer.publish(queue, *[message(bytes(1000))] * 100)
    with unchanged(tmp_path):
        process = subprocess.Popen([*COMMAND, "export", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["position"] == 0
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait() == 0


# -- what cannot be read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_directory_in_use_is_refused_naming_the_broker(tmp_path: Path, command: str) -> None:
    with Writer(tmp_path):
        sentence = refused(tmp_path, command)
    assert f"in use by a broker: process {os.getpid()} on " in sentence


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_data_directory_is_refused(tmp_path: Path, command: str) -> None:
    (tmp_path / "photo.jpg").write_text("mine")
    assert "There is no directory" in refused(tmp_path / "none", command)
    assert "is not a directory" in refused(tmp_path / "photo.jpg", command)
    assert "not a data directory" in refused(tmp_path, command)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_newer_format_is_refused(directory: Path, command: str) -> None:
    (directory / "menura.json").write_text('{"format": 99, "created_by": "7.1"}')
    assert "newer Menura (7.1)" in refused(directory, command)


@pytest.mark.parametrize("command", COMMANDS)
def test_without_permission_it_says_what_cannot_be_read(command: str) -> None:
    with tempfile.TemporaryDirectory() as above:  # one that every user can get to, unlike pytest's own
        Path(above).chmod(0o755)
        path = Path(above) / "data"
        Writer(path).close()
        path.chmod(0)
        with as_nobody():
            result = CliRunner().invoke(main, ["data", command, str(path)])
        path.chmod(0o700)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"No permission to read {path} " in result.stderr


@pytest.mark.parametrize("command", ["inspect", "export"])
def test_a_catalog_that_cannot_be_read_is_a_sentence(directory: Path, command: str) -> None:
    (directory / "catalog.sqlite3").write_bytes(b"x" * 10_000)
    assert f"{directory / 'catalog.sqlite3'} is damaged" in refused(directory, command)


# -- its document ----------------------------------------------------------------------------------------------


def options() -> Iterator[tuple[str, str]]:
    for name, command in data.commands.items():
        for option in command.params:
            if isinstance(option, click.Option):
                yield name, option.opts[0]


def test_every_command_and_option_is_documented_and_nothing_else() -> None:
    text = OPERATING.read_text(encoding="utf-8").partition("\n## Looking into a data directory\n")[2]
    section = text.partition("\n## ")[0]
    assert set(re.findall(r"`(?:menura data )?(\w+) DIR", section)) == {*COMMANDS, "backup"} == data.commands.keys()
    assert set(re.findall(r"--[a-z][a-z-]*", section)) == {option for _, option in options()}
