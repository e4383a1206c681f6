"""SEND: runs, permissions, flow control."""

from __future__ import annotations

import pytest
from tests.protocols.memory import assert_balanced
from tests.protocols.stomp.memory import Client, bodies, commands, frame, send

from menura.core.queue import Queue
from menura.core.run import Run
from menura.protocols.stomp.limits import StompLimits


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """The runs that any queue takes in."""
    seen: list[Run] = []
    enqueue = Queue.enqueue

    def noted(queue: Queue, run: Run) -> None:
        seen.append(Run(run.route, list(run.contents), run.size_bytes, run.longest_bytes, run.persistent))
        enqueue(queue, run)

    monkeypatch.setattr(Queue, "enqueue", noted)
    return seen


def test_messages_that_come_in_one_read_with_the_same_headers_are_one_run(runs: list[Run]) -> None:
    client = Client().connect()
    octets = b"".join(send("/queue/q", b"y" * (n % 5), k="v") for n in range(100))
    octets += b"".join(frame("SEND", {"destination": "/queue/q", "k": "v"}, b"no length") + b"\n" for _ in range(10))
    client.feed(octets)
    assert [(len(run), run.size_bytes, run.persistent) for run in runs] == [
        (110, sum(map(len, runs[0].contents)), False)
    ]
    assert runs[0].longest_bytes == max(map(len, runs[0].contents))


def test_receipts_do_not_part_a_run(runs: list[Run]) -> None:
    client = Client().connect()
    answers = client.send(b"".join(send("/queue/q", receipt=str(n)) for n in range(50)))
    assert [len(run) for run in runs] == [50]
    assert [answer["receipt-id"] for answer in answers] == [str(n) for n in range(50)]


def test_other_headers_and_other_destinations_part_runs(runs: list[Run]) -> None:
    client = Client().connect()
    a, b, c = send("/queue/q"), send("/queue/q", k="v"), send("/queue/r")
    client.feed(a + a + b + b + b + a + c + c)
    assert [len(run) for run in runs] == [2, 3, 1, 2]


def test_what_a_head_means_is_found_out_once() -> None:
    client = Client().connect()
    client.feed(send("/queue/q", b"12345") * 3)
    client.feed(send("/queue/q", b"12345"), send("/queue/q", b"1"), send("/queue/q", b"1", receipt="1"))
    assert (len(client.session.heads), len(client.session.targets)) == (2, 1)


def test_remembered_heads_are_bounded() -> None:
    client = Client(limits=StompLimits(sends_max=10)).connect()
    client.feed(b"".join(send("/topic/t", k=n) for n in range(100)))
    assert len(client.session.heads) <= 10
    assert len(client.session.targets) <= 10


def test_long_heads_are_not_remembered() -> None:
    client = Client().connect()
    client.feed(send("/queue/q", k="x" * 2000) * 3)
    client.node.vhosts["/"].queues["q"].purge()
    assert (len(client.session.heads), len(client.session.targets)) == (0, 0)


@pytest.mark.parametrize(
    "headers",
    [
        {"receipt": "a\\cb"},
        {"receipt": " a"},
        {"receipt": "ä"},
        {"receipt": "x" * 300},
        {"receipt": "a:b"},
        {"receipt": "1\nreceipt:2"},
        {"content-length": "3\ncontent-length:100"},
        {"content-length": "003"},
        {"content-length": " 3"},
        {"content-length": "3", "receipt": "r"},
    ],
    ids=str,
)
@pytest.mark.parametrize("version", ["1.0", "1.2"])
def test_a_head_that_differs_from_a_known_one_means_what_it_says(version: str, headers: dict[str, str]) -> None:
    """What is read with the help of another head is read as it would be without."""
    octets = frame("SEND", {"destination": "/queue/q", **headers}, b"abc")
    fresh, knowing = Client().connect(version), Client().connect(version)
    for client in (fresh, knowing):
        client.version = "1.2" if version == "1.2" else "1.0"
    knowing.feed(frame("SEND", {"destination": "/queue/q"}))
    knowing.node.vhosts["/"].queues["q"].purge()
    assert knowing.send(octets) == fresh.send(octets)
    assert bodies(knowing.subscribe("/queue/q")) == bodies(fresh.subscribe("/queue/q")) == [b"abc"]


def test_a_persistent_message_is_persistent(runs: list[Run]) -> None:
    client = Client().connect()
    client.feed(send("/queue/q", persistent="true"))
    assert [run.persistent for run in runs] == [True]


@pytest.mark.parametrize(
    ("configure", "write", "frame_", "detail"),
    [
        ("^$", ".*", send("/queue/q"), "configure access to queue 'q'"),
        (".*", "^$", send("/queue/q"), "write access to exchange 'amq.default'"),
        (".*", "^$", send("/exchange/amq.direct/k"), "write access to exchange 'amq.direct'"),
        (".*", "^q$", send("/topic/t"), "write access to exchange 'amq.topic'"),
    ],
)
def test_sending_needs_permission(configure: str, write: str, frame_: bytes, detail: str) -> None:
    client = Client().connect()
    client.node.users.permit("guest", "/", configure, write, ".*")
    assert client.fails(frame_) == (
        "access_refused",
        f"ACCESS_REFUSED - {detail} in vhost '/' refused for user 'guest'",
    )


def test_a_permission_that_is_taken_away_counts_at_once() -> None:
    client = Client().connect()
    client.feed(send("/queue/q"))
    client.node.users.permit("guest", "/", ".*", "^$", ".*")
    assert client.fails(send("/queue/q"))[0] == "access_refused"
    assert client.node.vhosts["/"].queues["q"].ready_count == 1


def test_topic_permissions_count() -> None:
    client = Client().connect()
    client.node.users.permit_topics("guest", "/", "amq.topic", "^a", "^a")
    assert commands(client.send(send("/topic/a", receipt="1"))) == ["RECEIPT"]
    assert client.fails(send("/topic/b"))[0] == "access_refused"


def test_an_internal_exchange_takes_nothing() -> None:
    client = Client().connect()
    got = client.fails(send("/exchange/amq.rabbitmq.trace/x"))
    assert got == (
        "access_refused",
        "ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'",
    )


def test_an_exchange_that_goes_is_missed_by_the_next_frame() -> None:
    client = Client().connect()
    vhost = client.node.vhosts["/"]
    vhost.bind("amq.fanout", vhost.declare_queue("q"), "", {})
    vhost.declare_exchange("x", "fanout")
    client.feed(send("/exchange/x") * 2)
    vhost.delete_exchange("x")
    assert client.fails(send("/exchange/x")) == ("not_found", "NOT_FOUND - no exchange 'x' in vhost '/'")


def test_what_came_before_a_wrong_frame_has_been_sent() -> None:
    client = Client().connect()
    answers = client.send(send("/queue/q", b"1", receipt="a") + send("/queue/q", b"2") + send("/nowhere"))
    assert commands(answers) == ["RECEIPT", "ERROR"]
    assert client.node.vhosts["/"].queues["q"].ready_count == 2
    assert_balanced(client.node)


def test_an_error_names_the_receipt_that_will_not_come() -> None:
    client = Client().connect()
    (answer,) = client.send(send("/nowhere", receipt="r"))
    assert (answer.command, answer["receipt-id"]) == ("ERROR", "r")


def test_a_publisher_is_not_read_while_memory_is_short() -> None:
    client = Client().connect()
    client.node.memory.set_watermark(2000)
    client.feed(send("/queue/q", b"x" * 3000))
    assert not client.session.reading
    assert client.log[-1] == ("warning", "memory (guest@/): publisher blocked: low on memory")
    client.tick(1000)
    assert not client.session.finished
    client.node.vhosts["/"].queues["q"].purge()
    client.session.unblock()
    assert client.session.reading


def test_one_who_asks_and_does_not_read_is_not_heard_until_it_does() -> None:
    limits = StompLimits(output_bytes_max=1000)
    client = Client(limits=limits).connect()
    octets = b"".join(frame("BEGIN", {"transaction": n, "receipt": n}) for n in range(200))
    client.session.receive(octets)
    assert not client.session.reading
    received = 0
    while True:
        answers = client.take()
        received += len(answers)
        if not client.session.stalled:
            break
        assert sum(map(len, client.session.output.pieces)) <= 2 * limits.output_bytes_max
        client.session.resume()
    assert received + len(client.take()) == 200
    assert client.session.reading


def test_a_message_of_any_size_is_delivered_whole() -> None:
    client = Client().connect()
    client.subscribe("/queue/q")
    large = bytes(range(256)) * 1000
    assert bodies(client.send(send("/queue/q", large) + send("/queue/q", b""))) == [large, b""]
