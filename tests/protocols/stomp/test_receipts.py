"""RECEIPT is what a client is told once it is certain, and in order."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.kept import NotedJournal
from tests.protocols.memory import make_node
from tests.protocols.stomp.memory import Answer, Client, bodies, commands, frame, send

from menura.store.memory import MemoryCatalog


class Kept:
    """Clients of one node, whose disk does something only when it is told to."""

    def __init__(self) -> None:
        self.catalog, self.journal = MemoryCatalog(), NotedJournal()
        self.node = make_node(journal=self.journal, catalog=self.catalog)
        self.flush()

    def flush(self) -> None:
        self.catalog.flush()
        self.journal.flush()

    def client(self) -> Client:
        return Client(self.node).connect()


@pytest.fixture
def kept() -> Kept:
    """With a durable queue that is certain."""
    kept = Kept()
    kept.client().feed(send("/queue/q"), frame("DISCONNECT"))
    kept.node.vhosts["/"].queues["q"].purge()
    kept.flush()
    return kept


def durable(body: bytes = b"x", **headers: Any) -> bytes:
    return send("/queue/q", body, persistent="true", **headers)


def receipts(answers: list[Answer]) -> list[str]:
    return [answer["receipt-id"] for answer in answers if answer.command == "RECEIPT"]


def test_without_a_disk_a_receipt_comes_at_once() -> None:
    assert receipts(Client().connect().send(durable(receipt="1"))) == ["1"]


def test_the_receipt_of_a_persistent_message_waits_for_the_journal(kept: Kept) -> None:
    client = kept.client()
    client.feed(send("/queue/q"))
    client.take()
    kept.flush()
    assert client.send(durable(receipt="1") + durable(receipt="2")) == []
    wakes = client.wakes
    kept.journal.flush()
    assert client.wakes > wakes
    assert receipts(client.take()) == ["1", "2"]


def test_the_receipt_of_the_first_message_waits_for_the_queue_it_made(kept: Kept) -> None:
    client = kept.client()
    assert client.send(send("/queue/new", receipt="1")) == []
    kept.journal.flush()
    assert client.take() == []
    kept.catalog.flush()
    assert receipts(client.take()) == ["1"]


CHANGES = {
    "a durable queue": {"destination": "/queue/new"},
    "a durable subscription": {"destination": "/topic/t", "durable": "true", "auto-delete": "false"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_receipt_of_a_subscription_waits_for_its_queue(kept: Kept, name: str) -> None:
    client = kept.client()
    assert client.send(frame("SUBSCRIBE", {"id": "1", "receipt": "r", **CHANGES[name]})) == []
    kept.flush()
    assert receipts(client.take()) == ["r"]


def test_the_receipt_of_unsubscribing_for_good_waits(kept: Kept) -> None:
    client = kept.client()
    settings = {"id": "1", "destination": "/topic/t", "durable": "true", "auto-delete": "false"}
    client.feed(frame("SUBSCRIBE", settings))
    kept.flush()
    assert client.send(frame("UNSUBSCRIBE", {**settings, "receipt": "r"})) == []
    kept.flush()
    assert receipts(client.take()) == ["r"]


def test_a_transient_message_waits_for_nothing(kept: Kept) -> None:
    client, other = kept.client(), kept.client()
    client.feed(send("/queue/q", receipt="0"))
    kept.flush()
    client.take()
    other.feed(durable())
    assert receipts(client.send(send("/queue/q", receipt="1"))) == ["1"]


def test_a_receipt_vouches_for_everything_before_it(kept: Kept) -> None:
    client = kept.client()
    client.feed(durable())
    assert client.send(send("/queue/q", receipt="1")) == []
    kept.flush()
    assert receipts(client.take()) == ["1"]


def test_receipts_keep_their_order(kept: Kept) -> None:
    client = kept.client()
    client.feed(send("/queue/q"))
    kept.flush()
    client.take()
    assert receipts(client.send(send("/queue/q", receipt="1"), durable(receipt="2"))) == ["1"]
    assert client.send(send("/queue/q", receipt="3") + durable(receipt="4")) == []
    kept.flush()
    assert receipts(client.take()) == ["2", "3", "4"]


def test_messages_do_not_wait_for_receipts(kept: Kept) -> None:
    client = kept.client()
    client.subscribe("/queue/q")
    kept.flush()
    answers = client.send(durable(b"1", receipt="1"))
    assert bodies(answers) == [b"1"]
    assert receipts(answers) == []


def test_the_receipt_of_disconnect_comes_last_and_the_socket_is_closed_behind_it(kept: Kept) -> None:
    client = kept.client()
    assert client.send(durable(receipt="1") + frame("DISCONNECT", {"receipt": "bye"})) == []
    assert not client.session.finished
    kept.flush()
    assert receipts(client.take()) == ["1", "bye"]
    assert client.session.finished


def test_an_error_comes_behind_the_receipts_that_are_due(kept: Kept) -> None:
    client = kept.client()
    assert client.send(durable(receipt="1") + send("/nowhere")) == []
    assert not client.session.finished
    kept.flush()
    assert commands(client.take()) == ["RECEIPT", "ERROR"]
    assert client.session.finished


def test_a_disk_that_fails_gives_no_receipts(kept: Kept) -> None:
    client, stranger = kept.client(), Client(kept.node)
    client.feed(send("/queue/q"))
    kept.flush()
    client.take()
    client.feed(durable(receipt="1"))
    client.take()
    client.session.abandon()
    stranger.session.abandon()
    answers = client.take()
    assert [(answer.command, answer["message"]) for answer in answers] == [("ERROR", "internal_error")]
    assert client.session.finished
    assert stranger.session.finished


def test_what_was_certain_when_the_disk_failed_is_said(kept: Kept) -> None:
    client = kept.client()
    client.feed(durable(receipt="1"))
    client.take()
    kept.flush()
    client.feed(durable(receipt="2"))
    client.session.abandon()
    assert commands(client.take()) == ["RECEIPT", "ERROR"]


def test_a_publisher_waits_while_the_disk_is_behind(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    client = kept.client()
    keeper = kept.node.keeper
    assert keeper is not None
    keeper.behind = True
    client.feed(durable(receipt="1"))
    client.take()
    assert not client.session.reading
    kept.flush()
    assert receipts(client.take()) == ["1"]
    assert client.session.reading
    monkeypatch.undo()
