"""Data directories of every format there has been can be read, whether they were left in order or not.

To add one when a format changes: see `contents`. Directories that are here are never made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from tests.upgrade.contents import HEADERS, LARGE, WAITING

import menura
from menura.core.access import Verb
from menura.core.definitions import VHostDefinition
from menura.store.offline import OfflineDirectory
from menura.store.offline_journal import OfflineJournal
from menura.store.survey import verify

HERE = Path(__file__).parent
DIRECTORIES = sorted(HERE.glob("format-*/*"))
COUNTED = sorted(HERE.glob("counted-*/*"))


@pytest.fixture(params=DIRECTORIES, ids=lambda path: f"{path.parent.name}-{path.name}")
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[menura.Broker]:
    with menura.Broker(data=str(shutil.copytree(request.param, tmp_path / "data"))) as broker:
        yield broker


@pytest.fixture
def channel(broker: menura.Broker) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
    yield connection.channel()
    connection.close()


def drained(channel: BlockingChannel, queue: str) -> list[tuple[bool, bytes]]:
    found = []
    while (answer := channel.basic_get(queue, auto_ack=True))[0] is not None:
        assert answer[1].headers == HEADERS
        found.append((answer[0].redelivered, answer[2]))
    return found


def test_there_is_a_directory_of_each_kind() -> None:
    assert {path.name for path in DIRECTORIES} == {path.name for path in COUNTED} == {"clean", "killed"}


def test_messages_are_there_in_their_order(channel: BlockingChannel) -> None:
    assert drained(channel, "orders") == [(True, b"delivered"), *((False, body) for body in WAITING)]
    assert drained(channel, "copies") == [(False, body) for body in WAITING[2:]]
    assert drained(channel, "large") == [(False, LARGE), (False, b"last")]


@pytest.mark.parametrize("directory", COUNTED, ids=lambda path: path.name)
def test_counts_are_there(directory: Path, tmp_path: Path) -> None:
    path = shutil.copytree(directory, tmp_path / "data")
    with menura.Broker(data=str(path)) as broker:
        connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
        channel = connection.channel()
        found = {}
        while (answer := channel.basic_get("work"))[0] is not None:
            found[answer[2]] = answer[0].redelivered, answer[1].headers
        assert found == {
            b"out": (True, {"h": "1", "x-delivery-count": 1}),
            b"tried": (True, {"h": "1", "x-delivery-count": 3}),
            b"fresh": (False, {"h": "1"}),
        }
        assert channel.basic_get("later")[2] == b"last"
        assert broker.node.vhosts["/"].queues["later"].unsettled_count == 2
        connection.close()


def test_the_checkpoint_of_an_older_version_is_used(tmp_path: Path) -> None:
    for directory in (each for each in (*DIRECTORIES, *COUNTED) if each.name == "clean"):
        path = shutil.copytree(directory, tmp_path / directory.parent.name)
        with OfflineDirectory(path, version="test") as opened:
            journal = OfflineJournal(opened.journal)
            journal.close()
            assert journal.checkpoint_state == "fits"
            assert verify(opened).findings == []


def test_topology_is_there(broker: menura.Broker, channel: BlockingChannel) -> None:
    vhost = broker.node.vhosts["/"]
    assert sorted(vhost.queues) == ["copies", "large", "orders"]
    assert vhost.exchanges["shop.rest"].internal
    channel.exchange_declare("shop.events", "topic", durable=True, arguments={"alternate-exchange": "shop.rest"})
    channel.queue_declare("large", durable=True, arguments={"x-max-priority": 5})
    assert sorted((b.source.name, b.destination.name, b.key) for b in vhost.bindings.values()) == [
        ("shop.events", "copies", "order.*"),
        ("shop.events", "orders", "order.*"),
        ("shop.events", "shop.rest", "rest.#"),
    ]


def test_users_are_there(broker: menura.Broker) -> None:
    user = broker.node.users.authenticate("shop", "secret")
    assert user.tags == {"monitoring"}
    assert set(broker.node.vhosts) == {"/", "orders"}
    access = broker.access("shop", "orders")
    assert access.may(Verb.CONFIGURE, "shop.q")
    assert not access.may(Verb.CONFIGURE, "q")
    assert user.topic_permissions["orders", "shop.events"].write == "^order\\."
    assert user.limits == {}


def test_what_older_versions_did_not_know_of_virtual_hosts_can_be_said_and_stays(tmp_path: Path) -> None:
    for directory in DIRECTORIES:
        path = shutil.copytree(directory, tmp_path / f"{directory.parent.name}-{directory.name}")
        with menura.Broker(data=str(path)) as broker:
            assert broker.node.vhosts["orders"].definition == VHostDefinition("orders")
            broker.describe_vhost("orders", description="of the shop", protected=True)
            broker.set_user_limits("shop", {"max-channels": 5})
        with menura.Broker(data=str(path)) as broker:
            assert broker.node.vhosts["orders"].definition == VHostDefinition("orders", "of the shop", protected=True)
            assert broker.node.users.get("shop").limits == {"max-channels": 5}
