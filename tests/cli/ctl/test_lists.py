"""Lists of what there is, with columns."""

from __future__ import annotations

import json

import pytest
from pika import BasicProperties
from tests.cli.ctl.conftest import Ctl, channel, eventually

import menura
from menura.cli.ctl.running import load
from menura.cli.ctl.verbs import OWN, REGISTRY

load()
LISTS = [name for name, verb in REGISTRY.of(OWN).items() if verb.columns]


def test_queues_with_the_columns_asked_for(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker) as ch:
        ch.queue_declare("q", durable=True, arguments={"x-max-length": 10})
        ch.basic_publish("", "q", b"body", BasicProperties(delivery_mode=2))
        ch.basic_get("q")
        eventually(lambda: ctl("list_queues", "messages_unacknowledged", "-s").lines == ["1"])
        assert ctl("list_queues").lines == [
            "Timeout: 60.0 seconds ...",
            "Listing queues for vhost / ...",
            "name\tmessages",
            "q\t1",
        ]
        asked = ctl("list_queues", "name", "durable,type", "arguments", "consumers", "policy", "-s")
        assert asked.rows == [["q", "true", "classic", '[{"x-max-length",10}]', "0", ""]]


def test_what_is_silent_prints_rows_only(ctl: Ctl) -> None:
    ctl("declare", "queue", "name=q")
    assert ctl("list_queues", "-q").lines == ["name\tmessages", "q\t0"]
    assert ctl("list_queues", "-s").lines == ["q\t0"]
    assert ctl("list_queues", "-q", "--no-table-headers").lines == ["q\t0"]


def test_a_column_that_there_is_not_is_told_with_64(ctl: Ctl) -> None:
    said = ctl("list_queues", "name", "nonsense")
    assert (said.status, said.out) == (64, "")
    assert said.err.startswith(
        "Error (argument validation): Info key(s) nonsense are not supported\nArguments given:\n"
    )


def test_a_virtual_host_that_there_is_not_has_no_queues(ctl: Ctl) -> None:
    said = ctl("list_queues", "-p", "nowhere", "-q")
    assert (said.status, said.out) == (0, "")


@pytest.mark.parametrize("name", LISTS)
def test_every_column_that_help_names_can_be_asked_for(broker: menura.Broker, ctl: Ctl, name: str) -> None:
    verb = REGISTRY.of(OWN)[name]
    with channel(broker, "who-is-here") as ch:
        ch.queue_declare("q")
        ch.basic_consume("q", lambda *_: None)
        eventually(lambda: ctl("list_consumers", "-s").rows)
        said = ctl(name, *verb.columns, "--formatter", "json")
        assert (said.status, said.err) == (0, "")
        for row in json.loads(said.out):
            assert list(row) == list(verb.columns)


def test_exchanges_and_bindings(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker) as ch:
        ch.exchange_declare("x", "topic", durable=True, arguments={"alternate-exchange": "amq.fanout"})
        ch.queue_declare("q")
        ch.queue_bind("q", "x", "a.#", arguments={"n": 1})
        exchanges = ctl("list_exchanges", "name", "type", "durable", "internal", "arguments", "-s").rows
        assert ["x", "topic", "true", "false", '[{"alternate-exchange","amq.fanout"}]'] in exchanges
        assert ["", "direct", "true", "false", "[]"] in exchanges
        assert ctl("list_bindings", "-s").rows == [
            ["", "exchange", "q", "queue", "q", "[]"],
            ["x", "exchange", "q", "queue", "a.#", '[{"n",1}]'],
        ]


def test_consumers_connections_and_channels_name_each_other(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker, "who-is-here") as ch:
        ch.queue_declare("q", exclusive=True)
        ch.basic_consume("q", lambda *_: None, consumer_tag="tag")
        connections = eventually(
            lambda: ctl("list_connections", "-s", "pid", "name", "client_properties", "protocol").rows
        )
        (connection,) = connections
        assert '{"connection_name","who-is-here"}' in connection[2]
        assert connection[3] == "{0,9,1}"
        (found,) = ctl("list_channels", "-s", "pid", "connection", "number", "consumer_count").rows
        assert found[1:] == [connection[0], "1", "1"]
        (consumer,) = eventually(lambda: ctl("list_consumers", "-s", "queue_name", "channel_pid", "consumer_tag").rows)
        assert consumer == ["q", found[0], "tag"]
        assert ctl("list_queues", "-s", "name", "owner_pid").rows == [["q", connection[0]]]


def test_names_with_anything_in_them_stay_whole(ctl: Ctl) -> None:
    name = 'a/ü %2F "q"'
    ctl("add_vhost", name)
    assert ctl("declare", "queue", f"name={name}", "-p", name).status == 0
    (queue,) = json.loads(ctl("list_queues", "-p", name, "--formatter", "json").out)
    assert queue == {"name": name, "messages": 0}
