"""rabbitmqadmin's verbs; where that program is installed, what it says of this broker is compared with what we say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pika import BasicProperties
from tests.cli.ctl.conftest import Ctl, Said, call, channel, eventually

import menura
from menura.cli.ctl.verbs import ADMIN


@pytest.fixture
def place(broker: menura.Broker) -> list[str]:
    parts = urlsplit(broker.url("http"))
    return [f"--host={parts.hostname}", f"--port={parts.port}"]


@pytest.fixture
def objects(ctl: Ctl, broker: menura.Broker) -> None:
    """Some of everything."""
    for words in (
        'queue name=q durable=true arguments={"x-max-length":3}',
        "queue name=another",
        "exchange name=x type=topic",
        "binding source=x destination=q routing_key=a.#",
        'policy name=p pattern=^q definition={"max-length":5} priority=2 apply-to=queues',
        "user name=ann password=pw tags=management,monitoring",
        "permission vhost=/ user=ann configure=.* write=.* read=",
        "vhost name=v",
    ):
        said = ctl("declare", *words.split(" "))
        assert (said.status, said.out) == (0, f"{words.split(' ')[0]} declared\n"), said
    with channel(broker) as ch:
        ch.basic_publish("x", "a.b", b"hello", BasicProperties(content_type="text/plain"))
    eventually(lambda: ["q", "1"] in ctl("list_queues", "-s").rows)


_QUEUES = ["list", "queues", "name", "messages", "durable"]


@pytest.mark.usefixtures("objects")
@pytest.mark.skipif(shutil.which("rabbitmqadmin") is None, reason="rabbitmqadmin is not installed")
@pytest.mark.parametrize(
    "words",
    [
        *(
            [f"--format={form}", *_QUEUES]
            for form in ("table", "tsv", "long", "pretty_json", "raw_json", "bash", "kvp")
        ),
        ["list", "queues"],
        ["-V", "/", "list", "exchanges"],
        ["-f", "tsv", "list", "bindings"],
        ["list", "users"],
        ["list", "vhosts", "name"],
        ["list", "permissions"],
        ["-f", "tsv", "list", "policies"],
        ["list", "connections"],
        ["-S", "name", "-R", "list", "queues", "name"],
        ["-f", "kvp", "list", "queues", "name", "nonsense"],
        ["show", "overview", "rabbitmq_version", "object_totals.queues"],
        ["publish", "routing_key=q", "payload=x"],
        ["publish", "routing_key=nowhere", "payload=x"],
        ["get", "queue=another"],
        ["get", "queue=nowhere"],
        ["delete", "queue", "name=nowhere"],
        ["declare", "queue", "durable=true"],
        ["declare", "queue", "name=n", "nonsense=1"],
        ["declare", "exchange", "name=x", "type=fanout"],
        ["purge", "queue", "name=q"],
        ["nonsense"],
        ["-u", "guest", "-p", "wrong", "list", "queues"],
    ],
    ids=" ".join,
)
def test_the_same_as_rabbitmqadmin_says(place: list[str], words: list[str]) -> None:
    program = shutil.which("rabbitmqadmin")
    assert program is not None
    theirs = subprocess.run(
        [sys.executable, "-W", "ignore", program, *place, *words], capture_output=True, text=True, check=False
    )
    ours = call(*place, *words, program=ADMIN)
    if "refused" not in theirs.stderr + theirs.stdout:
        # Errors are on standard output there at times.
        assert ours.out + ours.err == theirs.stdout + theirs.stderr
    assert ours.status == theirs.returncode


@pytest.mark.usefixtures("objects")
def test_options_stand_for_names_too(ctl: Ctl) -> None:
    assert ctl("declare", "queue", "--name", "two", "--type", "quorum", "--durable", "true").status == 0
    assert ["two", "quorum"] in ctl("list_queues", "name", "type", "-s").rows
    assert ctl("declare", "binding", "--source", "x", "--destination", "two", "--destination-type", "queue").status == 0
    assert (
        ctl("publish", "message", "--exchange", "x", "--routing-key", "", "--payload", "m").out == "Message published\n"
    )
    assert ctl("delete", "queue", "--name", "two").out == "queue deleted\n"


@pytest.mark.usefixtures("objects")
def test_a_message_is_shown_put_back_and_taken(ctl: Ctl, tmp_path: Path) -> None:
    shown = json.loads(ctl("get", "queue=q", "-f", "raw_json").out)
    assert (shown[0]["payload"], shown[0]["properties"]) == ("hello", {"content_type": "text/plain"})
    file = tmp_path / "body"
    assert ctl("get", "queue=q", "ackmode=ack_requeue_false", f"payload_file={file}").status == 0
    assert file.read_bytes() == b"hello"
    assert ctl("get", "queue=q").out == "No items\n"
    assert ctl("get", "queue=q", "count=2", f"payload_file={file}").status == 64


@pytest.mark.usefixtures("objects")
def test_objects_are_deleted(ctl: Ctl) -> None:
    (key,) = (
        binding["properties_key"]
        for binding in json.loads(ctl("list", "bindings", "-f", "raw_json", "source,properties_key").out)
        if binding["source"] == "x"
    )
    for words in (
        ["binding", "source=x", "destination=q", "destination_type=queue", f"properties_key={key}"],
        ["policy", "name=p"],
        ["permission", "vhost=/", "user=ann"],
        ["user", "name=ann"],
        ["vhost", "name=v"],
        ["exchange", "name=x"],
        ["queue", "name=q"],
    ):
        assert ctl("delete", *words) == Said(0, f"{words[0]} deleted\n", "")
    assert ctl("list_queues", "name", "-s").lines == ["another"]


def test_definitions_go_out_and_come_in(ctl: Ctl, tmp_path: Path) -> None:
    ctl("declare", "queue", "name=q")
    file = str(tmp_path / "definitions")
    assert ctl("export", file).status == 0
    ctl("delete", "queue", "name=q")
    assert ctl("import", file).status == 0
    assert ctl("list_queues", "name", "-s").lines == ["q"]


def test_a_body_comes_from_standard_input(ctl: Ctl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ctl("declare", "queue", "name=q")
    file = tmp_path / "body"
    file.write_bytes(b"\xff\x00 not text")
    with file.open() as source:
        monkeypatch.setattr("sys.stdin", source)
        assert ctl("publish", "routing_key=q").status == 0
    taken = tmp_path / "taken"
    ctl("get", "queue=q", f"payload_file={taken}")
    assert taken.read_bytes() == b"\xff\x00 not text"


@pytest.mark.parametrize(
    "words",
    [
        ["list", "nonsense"],
        ["show", "queues"],
        ["declare", "nonsense", "name=x"],
        ["declare", "queue", "name"],
        ["declare", "user", "name=x", "tags="],
        ["list", "queues", "-f", "nonsense"],
    ],
)
def test_what_makes_no_sense_is_refused(ctl: Ctl, words: list[str]) -> None:
    assert ctl(*words).status == 64


def test_json_that_is_none_is_refused(ctl: Ctl) -> None:
    said = ctl("declare", "queue", "name=q", "arguments={")
    assert (said.status, "Could not parse JSON in arguments" in said.err) == (65, True)
