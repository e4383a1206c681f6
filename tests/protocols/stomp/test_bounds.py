"""Clients that ask for too much: the answer, the line in the log, and how much memory it takes."""

from __future__ import annotations

import time

import pytest
from tests.protocols.bounds import memory_bounded
from tests.protocols.memory import assert_empty_after_all, make_node
from tests.protocols.stomp.memory import Client, commands, frame, send

from menura.protocols.stomp.limits import StompLimits
from menura.store.memory import MemoryCatalog, MemoryJournal

KB, MB = 1024, 1024 * 1024
LEAD = b"SEND\ndestination:/queue/q\n"


def pieces(octets: bytes, size: int) -> list[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets), size)]


def ended(client: Client, message: str, sentence: str) -> None:
    """The client has been told this, and so has the log; nothing is left of it."""
    (answer,) = client.take()
    assert (answer.command, answer["message"], answer.body.decode()) == ("ERROR", message, sentence)
    assert client.log[-1] == ("error", f"memory (guest@/): closed: {message}: {sentence.strip()}")
    assert client.session.finished
    client.session.lost()
    assert_empty_after_all(client.node)


# -- frames that do not end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [7, 1000, 100_000])
@pytest.mark.parametrize(
    ("octets", "sentence"),
    [
        (LEAD + b"a:" + b"x" * 100_000, "command and headers are longer than 65536 octets\n"),
        (LEAD + b"a:b\n" * 30_000, "command and headers are longer than 65536 octets\n"),
        (LEAD + b"a:b\n" * 1000 + b"\n\0", "more than 256 headers\n"),
        (LEAD + b"a:" + b"x" * 20_000 + b"\n\n\0", "header 'a' is too long\n"),
        (b"X" * 100_000, "command and headers are longer than 65536 octets\n"),
    ],
    ids=[
        "a header without end",
        "headers without end",
        "too many headers",
        "too long a header",
        "a command without end",
    ],
)
def test_heads_are_bounded_however_slowly_they_come(octets: bytes, sentence: str, size: int) -> None:
    client = Client().connect()
    parts = pieces(octets, size)
    with memory_bounded(MB):
        client.feed(*parts)
    ended(client, "Malformed frame", sentence)


@pytest.mark.parametrize("lead", [LEAD + b"\n", b"ACK\nid:1\n\n", LEAD + b"content-length:4000000\n\n"])
def test_a_body_without_end_is_given_up_in_time(lead: bytes) -> None:
    client = Client().connect()
    part = b"x" * 4096
    began = time.process_time()
    with memory_bounded(16 * MB):
        client.feed(lead)
        for _ in range(1030):
            client.feed(part)
    assert time.process_time() - began < 5
    if b"content-length" in lead:
        ended(client, "Malformed frame", "no NUL behind a body of 4000000 octets\n")
    else:
        ended(client, "Malformed frame", "frame is longer than 4194304 octets\n")


def test_a_body_that_is_announced_and_never_comes_takes_no_room() -> None:
    client = Client().connect()
    with memory_bounded(64 * KB):
        client.feed(LEAD + b"content-length:4000000\n\n" + b"x" * 100)
    assert client.node.memory.used_bytes < KB
    client.session.lost()
    assert client.node.memory.used_bytes == 0


# -- silence -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"\n", b"CONNECT\n", frame("CONNECT", {"login": "guest"})[:-1]])
def test_a_connection_without_a_whole_connect_is_closed_in_time(said: bytes) -> None:
    client = Client()
    client.feed(said)
    for _ in range(9):
        client.tick(1)
        assert not client.session.finished
        client.feed(b"\n" if said == b"\n" else b"")
    assert client.tick(1) == b""
    assert client.session.finished
    assert client.log == [("warning", "memory: closed: no CONNECT within the time allowed")]


@pytest.mark.parametrize("said", [b"", LEAD, LEAD + b"content-length:100\n\nx"])
def test_a_heart_that_stops_ends_the_connection_and_frees_what_had_come(said: bytes) -> None:
    client = Client().connect(**{"heart-beat": "1000,0"})
    client.feed(said)
    client.tick(2)
    assert not client.session.finished
    assert client.tick(0.5) == b""
    assert client.session.finished
    assert client.log[-1] == ("warning", "memory (guest@/): closed: no heart-beat for 2 s")
    assert client.node.memory.used_bytes == 0


# -- floods --------------------------------------------------------------------------------------------------


def test_subscriptions_are_bounded() -> None:
    client = Client(limits=StompLimits(subscriptions_max=100)).connect()
    with memory_bounded(4 * MB):
        client.feed(*[frame("SUBSCRIBE", {"destination": "/topic/t", "id": number}) for number in range(200)])
    (answer,) = client.take()
    assert answer["message"] == "Too many subscriptions"
    assert client.session.finished
    assert "Too many subscriptions" in client.log[-1][1]
    client.session.lost()
    assert_empty_after_all(client.node)


def test_transactions_are_bounded_in_number_and_length() -> None:
    limits = StompLimits(transactions_max=10, transaction_frames_max=100)
    client = Client(limits=limits).connect()
    client.feed(*[frame("BEGIN", {"transaction": number}) for number in range(11)])
    ended(client, "Transaction limit exceeded", "Too many concurrent transactions (limit 10)")
    client = Client(limits=limits).connect()
    client.feed(frame("BEGIN", {"transaction": "t"}), send("/queue/q", b"x", transaction="t") * 101)
    ended(client, "Transaction too large", "Too many actions in transaction (limit 100)")


@pytest.mark.parametrize("receipt", ["r", "r" * 10_000])
def test_what_a_transaction_holds_is_in_the_account_receipts_included(receipt: str) -> None:
    node = make_node(watermark_bytes=MB)
    client = Client(node).connect()
    client.feed(frame("BEGIN", {"transaction": "t"}))
    sent = 0
    with memory_bounded(6 * MB):
        while client.session.reading:
            client.feed(send("/queue/q", b"x" * 1000, transaction="t", receipt=receipt))
            sent += 1
            assert sent < 2000
    assert node.memory.used_bytes > MB
    assert any("publisher blocked" in line for _, line in client.log)
    client.session.lost()
    assert_empty_after_all(node)


def test_heads_that_never_repeat_are_not_remembered_for_ever() -> None:
    client = Client(limits=StompLimits(sends_max=100)).connect()
    with memory_bounded(4 * MB):
        for number in range(600):
            client.feed(send("/topic/t", b"x", a=str(number) * 200, receipt=number))
            client.session.flush()
    assert len(client.session.heads) <= 100
    assert len(client.session.targets) <= 100


# -- slow readers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ack", ["auto", "client", "client-individual"])
def test_a_reader_that_does_not_read_holds_its_messages_in_the_account_which_stops_the_writer(ack: str) -> None:
    node = make_node(watermark_bytes=MB)
    reader = Client(node, limits=StompLimits(output_bytes_max=100_000)).connect()
    reader.subscribe("/queue/q", ack=ack)
    writer = Client(node).connect()
    sent = 0
    with memory_bounded(4 * MB):
        while writer.session.reading:
            writer.feed(send("/queue/q", b"x" * 10_000))
            sent += 1
            assert sent < 1000
    assert reader.session.output.size_bytes < 120_000
    assert commands(reader.take()).count("MESSAGE") < 12
    assert any("publisher blocked" in line for _, line in writer.log)
    reader.session.lost()
    writer.session.lost()
    assert_empty_after_all(node)


def test_who_asks_and_does_not_read_is_not_heard_until_it_does() -> None:
    client = Client(limits=StompLimits(output_bytes_max=10_000)).connect()
    ask = frame("BEGIN", {"transaction": "t", "receipt": "r" * 1000}) + frame("ABORT", {"transaction": "t"})
    with memory_bounded(2 * MB):
        client.feed(ask * 500)
    assert not client.session.reading
    assert client.session.output.size_bytes < 12_000
    answered = 0
    while client.session.stalled:
        answered += len(client.take())
        client.session.resume()
    assert answered + len(client.take()) == 500


# -- a disk that stalls --------------------------------------------------------------------------------------


@pytest.mark.parametrize("destination", ["/queue/q", "/topic/t"])
def test_who_asks_for_receipts_while_the_disk_stalls_is_not_heard_until_it_goes_on(destination: str) -> None:
    journal, catalog = MemoryJournal(), MemoryCatalog()
    client = Client(make_node(journal, catalog), limits=StompLimits(output_bytes_max=20_000)).connect()
    client.feed(send("/queue/q", b"x", persistent="true"))
    said = 0
    while client.session.reading:
        assert client.send(send(destination, b"x", receipt="r" * 1000)) == []
        said += 1
        assert said < 100
    for each in (catalog, journal):
        each.flush()
    assert len(client.take()) == said
    assert client.session.reading
