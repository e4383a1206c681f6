"""Messages that wait: seen, moved, copied, sent back, deleted."""

from __future__ import annotations

import json

import pytest
from pika import BasicProperties
from tests.cli.ctl.conftest import Ctl, channel, eventually

import menura


@pytest.fixture
def filled(broker: menura.Broker, ctl: Ctl) -> Ctl:
    """Five messages in the queue `from`, numbered in a header."""
    with channel(broker) as ch:
        ch.queue_declare("from")
        ch.queue_declare("to")
        for number in range(5):
            ch.basic_publish("", "from", b"body %d" % number, BasicProperties(headers={"n": number}, app_id="app"))
        eventually(lambda: count(ctl, "from") == 5)
    return ctl


def count(ctl: Ctl, queue: str) -> int:
    return int(dict(ctl("list_queues", "-s").rows)[queue])


def bodies(ctl: Ctl, queue: str, *which: str) -> list[str]:
    return [message["payload"] for message in json.loads(ctl("peek", queue, *which, "--formatter", "json").out)]


def test_messages_are_seen_and_stay(filled: Ctl) -> None:
    said = filled("peek", "from", "-q")
    assert said.lines[0] == "position\tredelivered\texchange\trouting_key\tpayload_bytes\tpayload"
    assert [row[-1] for row in said.rows[1:]] == [f"body {number}" for number in range(5)]
    assert count(filled, "from") == 5


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (["--count", "2"], [0, 1]),
        (["--skip", "3"], [3, 4]),
        (["--header", "n=2"], [2]),
        (["--header", "n"], [0, 1, 2, 3, 4]),
        (["--header", "other"], []),
        (["--property", "app_id=app", "--count", "1"], [0]),
        (["--property", "app_id=other"], []),
        (["--body-contains", "3"], [3]),
        (["--body-matches", "[12]$"], [1, 2]),
        (["--routing-key", "from", "--skip", "4"], [4]),
        (["--exchange", "amq.topic"], []),
    ],
)
def test_which_messages_are_meant(filled: Ctl, which: list[str], found: list[int]) -> None:
    assert bodies(filled, "from", *which) == [f"body {number}" for number in found]


def test_positions_are_those_that_a_peek_shows(filled: Ctl) -> None:
    seen = json.loads(filled("peek", "from", "--formatter", "json").out)
    chosen = ",".join(str(message["position"]) for message in seen[1:3])
    assert bodies(filled, "from", "--positions", chosen) == ["body 1", "body 2"]


def test_messages_are_moved_and_copied(filled: Ctl) -> None:
    assert filled("move", "from", "--to-queue", "to", "--count", "2").out == "Moved 2 of 2 messages; 2 were looked at\n"
    assert (bodies(filled, "from"), bodies(filled, "to")) == (["body 2", "body 3", "body 4"], ["body 0", "body 1"])
    assert filled("copy", "from", "--to-exchange", "", "--to-key", "to", "--header", "n=4").status == 0
    assert bodies(filled, "to") == ["body 0", "body 1", "body 4"]
    assert count(filled, "from") == 3


def test_messages_that_no_queue_takes_stay_and_it_is_told(filled: Ctl) -> None:
    said = filled("move", "from", "--to-exchange", "amq.fanout", "--count", "3")
    assert said.status == 69
    assert "3 were taken by no queue, and are where they were." in said.err
    assert count(filled, "from") == 5


def test_dead_letters_are_sent_back(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker) as ch:
        ch.queue_declare("work", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
        ch.queue_declare("dead")
        ch.basic_publish("", "work", b"failed")
        method = eventually(lambda: ch.basic_get("work")[0])
        ch.basic_reject(method.delivery_tag, requeue=False)
        eventually(lambda: count(ctl, "dead") == 1)
        assert ctl("replay", "dead").lines == ["Sent back 1 of 1 messages; 1 were looked at"]
        assert (count(ctl, "work"), count(ctl, "dead")) == (1, 0)


def test_messages_are_deleted_all_of_them_only_if_that_was_said(filled: Ctl) -> None:
    refused = filled("delete_messages", "from")
    assert (refused.status, "--all" in refused.err) == (64, True)
    assert filled("delete_messages", "from", "--all", "--count", "1").status == 64
    assert filled("delete_messages", "from", "--header", "n=0").out.startswith("Deleted 1 of 1")
    assert filled("delete_messages", "from", "--all").out.startswith("Deleted 4 of 4")
    assert count(filled, "from") == 0


@pytest.mark.parametrize(
    "words", [(), ("--to-queue", "to", "--to-exchange", "x"), ("--to-queue", "to", "--positions", "x")]
)
def test_a_move_that_makes_no_sense_is_refused(filled: Ctl, words: tuple[str, ...]) -> None:
    assert filled("move", "from", *words).status == 64
    assert count(filled, "from") == 5


def test_a_queue_that_there_is_not(ctl: Ctl) -> None:
    assert ctl("peek", "nothing").status == 69


def test_a_body_cannot_steer_a_terminal(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker) as ch:
        ch.queue_declare("q")
        ch.basic_publish("", "q", "\x1b[2J\tü\n".encode() + b"x" * 500)
        eventually(lambda: count(ctl, "q") == 1)
    (line,) = ctl("peek", "q", "-s").lines
    assert "\x1b" not in line
    assert line.split("\t")[-1].startswith("\\x1b[2J\\tü\\nxxx")
    assert line.endswith("…")


@pytest.mark.parametrize("verb", ["peek", "replay", "delete_messages --all", "move --to-queue to"])
def test_a_queue_that_is_not_there_is_named(filled: Ctl, verb: str) -> None:
    said = filled(*verb.split(), "nowhere")
    assert (said.status, said.err) == (69, "Error:\nno queue 'nowhere' in vhost '/'\n")


@pytest.mark.parametrize(("option", "kind"), [("--to-queue", "queue"), ("--to-exchange", "exchange")])
def test_a_destination_that_is_not_there_is_named(filled: Ctl, option: str, kind: str) -> None:
    said = filled("move", "from", option, "nowhere")
    assert (said.status, said.err) == (69, f"Error:\nno {kind} 'nowhere' in vhost '/'\n")
