"""The same commands by rabbitmqctl and by us, to the same RabbitMQ: what is printed is the same, octet by octet.

Both have a virtual host and a user of the test's own. Where no RabbitMQ runs, or its tools are not there, this is
skipped.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pika
import pytest
from tests.cli.ctl.conftest import Said, call, eventually

from menura.cli.ctl.verbs import CTL

URL = "http://guest:guest@127.0.0.1:15672"
OWN_NAME = f"menura-{uuid4().hex[:10]}"
SECONDS_MAX = 30
# Others may be at work in the same RabbitMQ.
_OF_EVERYBODY = ("list_users", "list_vhosts")
# Its log goes to standard error as well, at times: as often as it is written before the end.
_LOG_LINE = re.compile(r"\n\d\d:\d\d:\d\d\.\d{3} \[\w+\] .*\n")


def theirs(*words: str) -> Said:
    program = shutil.which("rabbitmqctl")
    if program is None:
        pytest.skip("rabbitmqctl is not installed")
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=SECONDS_MAX
    )
    return Said(done.returncode, done.stdout, _LOG_LINE.sub("", done.stderr))


def ours(*words: str) -> Said:
    # Through the environment, as the words are printed with what was wrong about them.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MENURA_URL", URL)
        return call(*words, program=CTL)


@pytest.fixture(scope="module")
def vhost() -> Iterator[str]:
    """A virtual host of RabbitMQ with some of everything in it."""
    if theirs("-q", "ping").status or ours("list_vhosts", "-q").status:
        pytest.skip("no RabbitMQ with its management plugin runs here")
    try:
        for words in (
            ["add_vhost", OWN_NAME, "--description", "two words"],
            ["set_permissions", "-p", OWN_NAME, "guest", ".*", ".*", ".*"],
            ["add_user", OWN_NAME, "pw"],
            ["set_user_tags", OWN_NAME, "management", "monitoring"],
            ["set_permissions", "-p", OWN_NAME, OWN_NAME, "^a", "", ".*"],
            ["set_topic_permissions", "-p", OWN_NAME, OWN_NAME, "amq.topic", "^w", "^r"],
            ["set_user_limits", OWN_NAME, '{"max-connections":5}'],
            ["set_vhost_limits", "-p", OWN_NAME, '{"max-queues":50}'],
            ["set_policy", "-p", OWN_NAME, "p", "^x", '{"max-length":5}', "--priority", "2", "--apply-to", "queues"],
            ["set_operator_policy", "-p", OWN_NAME, "o", "^x", '{"max-length":9}'],
        ):
            assert theirs(*words).status == 0, words
        _declare()
        # RabbitMQ's API knows of a queue's state a while later.
        eventually(lambda: ours("list_queues", "-p", OWN_NAME, "state", "-s").lines == ["running", "running"])
        yield OWN_NAME
    finally:
        theirs("delete_vhost", OWN_NAME)
        theirs("delete_user", OWN_NAME)


def _declare() -> None:
    """Over AMQP, as clients do: the API has other types for numbers."""
    parameters = pika.ConnectionParameters("127.0.0.1", 5672, OWN_NAME)
    with contextlib.closing(pika.BlockingConnection(parameters)) as connection:
        channel = connection.channel()
        channel.queue_declare("q1", durable=True, arguments={"x-max-length": 7})
        channel.queue_declare('say "ü"')
        channel.exchange_declare("x", "topic", durable=True)
        channel.queue_bind("q1", "x", "a.#", {"n": 1})


def same(words: list[str], *, ordered: bool = False) -> None:
    expected, found = theirs(*words), ours(*words)
    assert found.status == expected.status
    assert found.err == expected.err
    if ordered:
        assert found.out == expected.out
    else:
        whole = words[0] not in _OF_EVERYBODY
        assert _rows(found.out, whole) == _rows(expected.out, whole)


def _rows(text: str, whole: bool) -> list[str]:
    """All lines, or those of the test's own objects. Their order is nobody's promise; a comma leads all but one."""
    return sorted(line.removeprefix(",") for line in text.split("\n") if whole or OWN_NAME in line)


_V = "VHOST"
_QUEUE = "name durable auto_delete arguments policy exclusive messages messages_ready consumers type state".split()


@pytest.mark.parametrize(
    "words",
    [
        ["list_queues", "-p", _V],
        ["list_queues", "-p", _V, "-q", *_QUEUE],
        ["list_queues", "-p", _V, "--formatter", "json", *_QUEUE],
        ["list_queues", "-p", _V, "--formatter", "csv", "name", "messages", "arguments"],
        ["list_queues", "-p", _V, "--formatter", "pretty_table", "name", "messages"],
        ["list_queues", "-p", _V, "-s", "name,messages", "durable"],
        ["list_exchanges", "-p", _V, "name", "type", "durable", "auto_delete", "internal", "arguments", "policy"],
        ["list_bindings", "-p", _V, "--formatter", "json"],
        ["list_consumers", "-p", _V, "--formatter", "json"],
        ["list_permissions", "-p", _V],
        ["list_user_permissions", _V],
        ["list_user_topic_permissions", _V],
        ["list_vhost_limits", "-p", _V],
        ["list_policies", "-p", _V, "--formatter", "json"],
        ["list_operator_policies", "-p", _V, "--formatter", "csv"],
        ["list_parameters", "-p", _V],
        ["list_users", "--formatter", "json"],
        ["list_vhosts", "name", "tracing", "-s"],
    ],
    ids=" ".join,
)
def test_lists_are_the_same(vhost: str, words: list[str]) -> None:
    same([vhost if word == _V else word for word in words])


@pytest.mark.parametrize(
    "words",
    [
        ["add_vhost", _V],
        ["add_user", _V, "pw"],
        ["set_user_tags", _V, "management", "monitoring"],
        ["change_password", "nobody-here", "pw"],
        ["delete_user", "nobody-here"],
        ["delete_vhost", "nowhere"],
        ["set_permissions", "-p", _V, _V, "^a", "", ".*"],
        ["set_permissions", "-p", "nowhere", _V, "^a", "", ".*"],
        ["set_permissions", "-p", _V, _V, "^a"],
        ["set_policy", "-p", _V, "p", "^x", '{"max-length":5}', "--priority", "2", "--apply-to", "queues"],
        ["set_policy", "-p", _V, "p", "^x", "nonsense"],
        ["clear_policy", "-p", _V, "nonsense"],
        ["purge_queue", "-p", _V, "q1"],
        ["purge_queue", "-p", _V, "nowhere"],
        ["delete_queue", "-p", _V, "nowhere"],
        ["close_all_connections", "--vhost", _V, "bye"],
        ["list_queues", "nonsense"],
        ["list_users", "nonsense"],
        ["list_users", "--nonsense"],
        ["list_queue"],
    ],
    ids=" ".join,
)
def test_changes_and_refusals_are_the_same(vhost: str, words: list[str]) -> None:
    same([vhost if word == _V else word for word in words], ordered=True)
