"""BEGIN, COMMIT and ABORT: frames that take effect together, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.kept import NotedJournal
from tests.protocols.memory import assert_empty_after_all, make_node
from tests.protocols.stomp.memory import Client, bodies, commands, frame, send

from menura.core.ports import Published, Settled
from menura.protocols.stomp.limits import StompLimits
from menura.store.memory import MemoryCatalog


@pytest.fixture
def client() -> Client:
    return Client().connect()


def tx(command: str, name: str = "t", **headers: str) -> bytes:
    return frame(command, {"transaction": name, **headers})


def counts(client: Client) -> tuple[int, int]:
    queue = client.node.vhosts["/"].queues["q"]
    return queue.ready_count, queue.unsettled_count


def test_messages_are_sent_with_the_commit_in_order(client: Client) -> None:
    client.subscribe("/queue/q")
    octets = tx("BEGIN") + b"".join(send("/queue/q", b"%d" % number, transaction="t") for number in range(5))
    assert client.send(octets) == []
    assert bodies(client.send(send("/queue/q", b"outside"))) == [b"outside"]
    assert bodies(client.send(tx("COMMIT"))) == [b"0", b"1", b"2", b"3", b"4"]


def test_the_order_of_different_messages_is_kept(client: Client) -> None:
    client.subscribe("/queue/q")
    mixed = [send("/queue/q", b"%d" % number, transaction="t", k=number % 3 // 2) for number in range(9)]
    assert bodies(client.send(tx("BEGIN"), *mixed, tx("COMMIT"))) == [b"%d" % number for number in range(9)]


def test_nothing_is_sent_after_an_abort(client: Client) -> None:
    client.subscribe("/queue/q")
    assert client.send(tx("BEGIN"), send("/queue/q", transaction="t"), tx("ABORT")) == []
    assert client.node.memory.used_bytes == 0
    assert bodies(client.send(tx("BEGIN"), send("/queue/q", b"2", transaction="t"), tx("COMMIT"))) == [b"2"]


def test_receipts_of_messages_come_with_the_commit(client: Client) -> None:
    octets = tx("BEGIN", receipt="b") + send("/queue/q", transaction="t", receipt="s")
    assert [answer["receipt-id"] for answer in client.send(octets)] == ["b"]
    assert [answer["receipt-id"] for answer in client.send(tx("COMMIT", receipt="c"))] == ["s", "c"]


def test_receipts_of_messages_never_come_after_an_abort(client: Client) -> None:
    octets = tx("BEGIN") + send("/queue/q", transaction="t", receipt="s") + tx("ABORT", receipt="a")
    assert [answer["receipt-id"] for answer in client.send(octets)] == ["a"]


def test_acknowledgements_count_with_the_commit(client: Client) -> None:
    client.feed(b"".join(send("/queue/q", b"%d" % number) for number in range(4)))
    answers = client.subscribe("/queue/q", ack="client-individual", prefetch_count="4")
    acks = [frame("ACK", {"id": answer["ack"], "transaction": "t"}) for answer in answers[:2]]
    nacks = [
        frame("NACK", {"id": answer["ack"], "transaction": "t", "requeue": requeue})
        for answer, requeue in zip(answers[2:], ("false", "true"), strict=True)
    ]
    assert client.send(tx("BEGIN"), *acks, *nacks) == []
    assert counts(client) == (0, 4)
    (again,) = client.send(tx("COMMIT"))
    assert (again.body, again["redelivered"]) == (b"3", "true")
    assert counts(client) == (0, 1)


def test_after_an_abort_acknowledged_messages_are_outstanding_again(client: Client) -> None:
    client.feed(send("/queue/q") * 3)
    answers = client.subscribe("/queue/q", ack="client")
    ack = frame("ACK", {"id": answers[1]["ack"], "transaction": "t"})
    client.feed(tx("BEGIN"), ack, tx("ABORT"))
    assert counts(client) == (0, 3)
    client.feed(frame("ACK", {"id": answers[1]["ack"]}))
    assert counts(client) == (0, 1)


def test_an_abort_after_the_subscription_has_ended_loses_nothing(client: Client) -> None:
    client.feed(send("/queue/q"))
    (answer,) = client.subscribe("/queue/q", ack="client")
    client.feed(tx("BEGIN"), frame("ACK", {"id": answer["ack"], "transaction": "t"}))
    client.feed(frame("UNSUBSCRIBE", {"id": "1"}), tx("ABORT"))
    assert counts(client) == (0, 1)
    client.session.lost()
    assert counts(client) == (1, 0)


@pytest.mark.parametrize("end", ["lost", "disconnect", "error"])
def test_open_transactions_are_aborted_at_the_end(end: str) -> None:
    client = Client().connect()
    client.feed(send("/queue/q"))
    (answer,) = client.subscribe("/queue/q", ack="client")
    client.feed(tx("BEGIN"), send("/queue/q", transaction="t"))
    client.feed(frame("ACK", {"id": answer["ack"], "transaction": "t"}))
    client.feed({"lost": b"", "disconnect": frame("DISCONNECT"), "error": b"NO\n\n\0"}[end])
    if end == "lost":
        client.session.lost()
    assert counts(client) == (1, 0)
    assert_empty_after_all(client.node)


def test_transactions_are_apart(client: Client) -> None:
    client.subscribe("/queue/q")
    client.feed(tx("BEGIN", "a"), tx("BEGIN", "b"))
    client.feed(send("/queue/q", b"a", transaction="a"), send("/queue/q", b"b", transaction="b"))
    assert bodies(client.send(tx("COMMIT", "b"))) == [b"b"]
    assert bodies(client.send(tx("ABORT", "a"))) == []


@pytest.mark.parametrize("command", ["BEGIN", "COMMIT", "ABORT"])
def test_a_transaction_has_to_be_named(client: Client, command: str) -> None:
    expected = ("Missing transaction", f"\"{command}\" must include a 'transaction' header\n")
    assert client.fails(frame(command)) == expected


@pytest.mark.parametrize("octets", [tx("COMMIT"), tx("ABORT"), send("/queue/q", transaction="t"), tx("ACK")])
def test_a_transaction_has_to_have_begun(octets: bytes) -> None:
    expected = ("Bad transaction", 'Invalid transaction identifier: "t"\n')
    assert Client().connect().fails(octets) == expected
    assert Client().connect().fails(tx("BEGIN") + tx("COMMIT") + octets) == expected


def test_a_message_for_a_transaction_that_is_over_names_its_receipt(client: Client) -> None:
    octets = send("/queue/q", transaction="t", receipt="1")
    client.feed(tx("BEGIN"), octets, tx("ABORT"))
    (answer,) = client.send(octets)
    assert (answer.command, answer["receipt-id"]) == ("ERROR", "1")


def test_a_transaction_begins_once(client: Client) -> None:
    assert client.fails(tx("BEGIN") * 2) == ("Bad transaction", 'Transaction "t" has begun already\n')


def test_what_is_wrong_in_a_transaction_is_said_at_once(client: Client) -> None:
    octets = tx("BEGIN") + send("/queue/q", transaction="t") + send("/exchange/no", transaction="t")
    assert client.fails(octets)[0] == "not_found"
    assert counts(client) == (0, 0)


def test_an_exchange_that_has_gone_fails_the_whole_commit(client: Client) -> None:
    vhost = client.node.vhosts["/"]
    vhost.declare_exchange("x", "fanout")
    client.feed(tx("BEGIN"), send("/queue/q", transaction="t"), send("/exchange/x", transaction="t"))
    vhost.delete_exchange("x")
    assert client.fails(tx("COMMIT")) == ("not_found", "NOT_FOUND - no exchange 'x' in vhost '/'")
    assert counts(client) == (0, 0)
    assert_empty_after_all(client.node)


LIMITS: dict[str, tuple[StompLimits, bytes, tuple[str, str]]] = {
    "transactions": (
        StompLimits(transactions_max=2),
        b"".join(tx("BEGIN", str(number)) for number in range(3)),
        ("Transaction limit exceeded", "Too many concurrent transactions (limit 2)"),
    ),
    "frames": (
        StompLimits(transaction_frames_max=3),
        tx("BEGIN") + send("/queue/q", transaction="t") * 4,
        ("Transaction too large", "Too many actions in transaction (limit 3)"),
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_transactions_are_bounded(name: str) -> None:
    limits, octets, expected = LIMITS[name]
    client = Client(limits=limits).connect()
    assert client.fails(octets) == expected
    assert_empty_after_all(client.node)


def test_a_transaction_weighs_on_the_memory_account(client: Client) -> None:
    client.node.memory.set_watermark(10_000)
    client.feed(tx("BEGIN"), send("/queue/q", b"x" * 20_000, transaction="t"))
    assert client.node.memory.used_bytes > 20_000
    assert not client.session.reading


# -- with a journal ------------------------------------------------------------------------------------------


def kept_client() -> tuple[Client, NotedJournal, MemoryCatalog]:
    journal, catalog = NotedJournal(), MemoryCatalog()
    client = Client(make_node(journal=journal, catalog=catalog)).connect()
    return client, journal, catalog


def persistent(body: bytes, **headers: Any) -> bytes:
    return send("/queue/q", body, persistent="true", **headers)


def test_a_commit_is_one_entry_of_the_journal() -> None:
    client, journal, _ = kept_client()
    client.feed(persistent(b"0"))
    (answer,) = client.subscribe("/queue/q", ack="client", prefetch_count="1")
    journal.notes.clear()
    client.feed(tx("BEGIN"), persistent(b"1", transaction="t"), persistent(b"2", transaction="t"))
    client.feed(persistent(b"3", transaction="t", k="v"), frame("ACK", {"id": answer["ack"], "transaction": "t"}))
    assert journal.notes == []
    client.feed(tx("COMMIT"))
    (together,) = [note for note in journal.notes if isinstance(note, tuple)]
    assert [type(part) for part in together] == [Published, Published, Settled]
    assert [len(part.contents) for part in together if isinstance(part, Published)] == [2, 1]


def test_the_receipt_of_a_commit_waits_for_the_journal() -> None:
    client, journal, catalog = kept_client()
    client.feed(send("/queue/q"))
    catalog.flush()
    client.feed(tx("BEGIN"), persistent(b"1", transaction="t", receipt="s"))
    assert client.send(tx("COMMIT", receipt="c")) == []
    journal.flush()
    answers = client.take()
    assert commands(answers) == ["RECEIPT", "RECEIPT"]
    assert [answer["receipt-id"] for answer in answers] == ["s", "c"]
