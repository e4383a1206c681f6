"""A disk that is nearly full, is full, refuses a write, or does not answer: who is told, and what is there afterwards.

All disks are real; the one that does not answer is held up in our process.
"""

from __future__ import annotations

import logging
import resource
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pamqp import base
from tests.durability.serving import Serve
from tests.durability.small_disk import SmallDisk, can_mount
from tests.net.peer import DEADLINE_SECONDS, Peer, eventually
from tests.protocols.amqp.memory import Answer, Basic, Confirm, Connection, Queue, Tx, ack, method, publish

from menura import Broker
from menura.store.disk import RealDisk, RealFile

MB = 1 << 20
on_a_small_disk = pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small disk")


def body(number: int, size_bytes: int) -> bytes:
    return b"%d|" % number + bytes(size_bytes)


class Publisher:
    """Persistent messages 1, 2, ... to one queue, with confirms; `confirmed` are those that were."""

    def __init__(self, peer: Peer, size_bytes: int) -> None:
        peer.connect().call(Queue.Declare(0, "q", durable=True))
        peer.call(Confirm.Select())
        self.peer = peer
        self.size_bytes = size_bytes
        self.published = 0
        self.confirmed: set[int] = set()
        self.refused: set[int] = set()

    @property
    def open(self) -> set[int]:
        return {*range(1, self.published + 1)} - self.confirmed - self.refused

    def publish(self) -> None:
        self.published += 1
        self.peer.send(publish("q", body(self.published, self.size_bytes), delivery_mode=2))

    def hear(self) -> Answer:
        """The next answer, noted if it is about a message."""
        answer = self.peer.next()
        if answer.name in ("Basic.Ack", "Basic.Nack"):
            tag = answer.delivery_tag
            told = {number for number in self.open if number <= tag} if answer.multiple else {tag}
            (self.confirmed if answer.name == "Basic.Ack" else self.refused).update(told)
        return answer

    def until(self, name: str) -> Answer:
        while (answer := self.hear()).name != name:
            pass
        return answer

    def until_closed(self) -> Answer:
        """Publish, some messages ahead of the confirms, until the broker gives up."""
        while True:
            while len(self.open) < 20:
                self.publish()
            answer = self.hear()
            if answer.name == "Connection.Close":
                return answer


def drain(peer: Peer, queue: str = "q") -> list[int]:
    """The numbers of all messages in a queue, which are acknowledged, as is certain afterwards."""
    count = peer.call(Queue.Declare(0, queue, passive=True)).message_count
    peer.call(Basic.Consume(0, queue, "drain"))
    answers = [peer.expect("Basic.Deliver") for _ in range(count)]
    if answers:
        peer.send(ack(answers[-1].delivery_tag, multiple=True))
    peer.call(Basic.Cancel("drain"))
    assert peer.call(Queue.Declare(0, queue, passive=True)).message_count == 0
    return [int((answer.body or b"").split(b"|")[0]) for answer in answers]


def check_survivors(publisher: Publisher, found: list[int]) -> None:
    assert found == sorted(set(found)), "in order, at most once"
    assert publisher.confirmed <= set(found), "what was confirmed is there"
    assert set(found) <= set(range(1, publisher.published + 1)), "what is there was published"


def give_up(publisher: Publisher) -> None:
    """Publish until the broker cannot go on; hear it say so in every way it has."""
    closed = publisher.until_closed()
    assert closed.reply_code == 541
    assert closed.reply_text == "INTERNAL_ERROR - the broker cannot write to its disk"
    assert publisher.confirmed, "something was confirmed before"
    assert publisher.refused, "something was refused"
    told = publisher.confirmed | publisher.refused
    assert told == {*range(1, len(told) + 1)}, "what is left was published when the broker had given up"
    publisher.peer.send(method(Connection.CloseOk(), 0))
    assert publisher.peer.ended()


# -- nearly full -------------------------------------------------------------------------------------------------


@on_a_small_disk
def test_publishers_are_blocked_while_the_disk_is_nearly_full_and_consumers_drain(serve: Serve, tmp_path: Path) -> None:
    with SmallDisk(tmp_path, "64m") as disk:
        process = serve(tmp_path / "data", "--disk-free-min", "20", prefix=disk.prefix)
        port = process.port()
        with Peer(port) as peer, Peer(port) as consumer:
            publisher = Publisher(peer, 1000)
            for _ in range(50):
                publisher.publish()
                publisher.until("Basic.Ack")
            disk.load(50 * MB)
            assert publish_until_blocked(publisher).reason == "low on disk"
            consumer.connect()
            drained = drain(consumer)
            assert drained == [*range(1, publisher.published)]
            disk.unload()
            publisher.until("Connection.Unblocked")
            while publisher.open:
                publisher.hear()
            assert drain(consumer) == [publisher.published]
        process.process.send_signal(signal.SIGTERM)
        status, _, log = process.end()
    assert status == 0
    limit = f"free at {tmp_path / 'data'}, less than the 20 MiB wanted"
    assert f"{limit}: publishers are blocked until there is room" in log
    assert "MiB free again: publishers may go on" in log


def publish_until_blocked(publisher: Publisher) -> Answer:
    """Publish one message after the other, each confirmed, until one has to wait."""
    told: list[Answer] = []

    def blocked() -> bool:
        publisher.publish()
        while publisher.open and not told:
            answer = publisher.hear()
            if answer.name == "Connection.Blocked":
                told.append(answer)
        return bool(told)

    eventually(blocked, "Connection.Blocked")
    return told[0]


# -- full --------------------------------------------------------------------------------------------------------


@on_a_small_disk
def test_a_full_disk_ends_the_broker_and_takes_nothing_back_that_was_confirmed(serve: Serve, tmp_path: Path) -> None:
    with SmallDisk(tmp_path, "16m") as disk:
        process = serve(tmp_path / "data", "--disk-free-min", "0", prefix=disk.prefix)
        with Peer(process.port()) as peer:
            publisher = Publisher(peer, 60_000)
            give_up(publisher)
        status, _, log = process.end()
        assert status == 1
        assert log.splitlines()[-1] == (
            f"menura: The disk is full: cannot write {tmp_path}/data/journal (No space left on device). "
            "Make room and start again."
        )
        assert "Everything that was confirmed is on the disk." in log
        assert "Traceback" not in log
        disk.resize("64m")
        process = serve(tmp_path / "data", prefix=disk.prefix)
        with Peer(process.port()) as peer:
            check_survivors(publisher, drain(peer.connect()))


@on_a_small_disk
def test_a_definition_that_finds_no_room_is_not_confirmed(serve: Serve, tmp_path: Path) -> None:
    def declare(number: int) -> base.Frame:
        return Queue.Declare(0, f"queue {number} {'x' * 200}", durable=True)

    with SmallDisk(tmp_path, "16m") as disk:
        process = serve(tmp_path / "data", "--disk-free-min", "0", prefix=disk.prefix)
        with Peer(process.port()) as peer:
            peer.connect().call(declare(0))
            disk.fill()
            declared = 0
            peer.send(method(declare(1)))
            while (answer := peer.next()).name == "Queue.DeclareOk":
                declared += 1
                peer.send(method(declare(declared + 1)))
            assert (answer.name, answer.reply_code) == ("Connection.Close", 541)
            peer.send(method(Connection.CloseOk(), 0))
            assert peer.ended()
        status, _, log = process.end()
        assert status == 1
        last = log.splitlines()[-1]
        assert last.startswith(f"menura: The disk is full: cannot write {tmp_path}/data/catalog.sqlite3")
        disk.unload()
        process = serve(tmp_path / "data", "--disk-free-min", "0", prefix=disk.prefix)
        with Peer(process.port()) as peer:
            peer.connect()
            for number in range(declared + 1):
                name = declare(number).queue
                assert peer.call(Queue.Declare(0, name, passive=True)).queue == name


@on_a_small_disk
def test_a_start_on_a_full_disk_is_refused_until_there_is_room(serve: Serve, tmp_path: Path) -> None:
    with SmallDisk(tmp_path, "1m") as disk:
        disk.fill()
        sentence = serve(tmp_path / "data", prefix=disk.prefix).refusal()
        assert sentence.startswith(f"The disk is full: cannot write {tmp_path}/data")
        assert sentence.endswith("Make room and start again.")
        disk.unload()
        assert serve(tmp_path / "data", prefix=disk.prefix).screen()[-1] == "ready"


# -- refuses to write --------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
def test_a_disk_that_refuses_a_write_ends_the_broker_and_takes_nothing_back(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "data"
    process = serve(path, "--disk-free-min", "0", prefix=("prlimit", f"--fsize={3 * MB}"))
    with Peer(process.port()) as peer:
        publisher = Publisher(peer, 20_000)
        give_up(publisher)
    status, _, log = process.end()
    assert status == 1
    assert log.splitlines()[-1] == (
        f"menura: Cannot use {path}/journal: File too large. Look at the system's log and the state of the disk."
    )
    assert "Traceback" not in log
    with Peer(serve(path).port()) as peer:
        check_survivors(publisher, drain(peer.connect()))


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
def test_a_transaction_that_the_disk_refuses_is_not_answered_and_leaves_nothing_or_all(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    process = serve(path, "--disk-free-min", "0", prefix=("prlimit", f"--fsize={3 * MB}"))
    together = 30
    with Peer(process.port()) as peer:
        peer.connect().call(Queue.Declare(0, "q", durable=True))
        peer.call(Tx.Select())
        committed = 0
        while True:
            for number in range(committed * together + 1, (committed + 1) * together + 1):
                peer.send(publish("q", body(number, 20_000), delivery_mode=2))
            peer.send(method(Tx.Commit()))
            answer = peer.next()
            if answer.name != "Tx.CommitOk":
                break
            committed += 1
        assert (answer.name, answer.reply_code) == ("Connection.Close", 541)
        peer.send(method(Connection.CloseOk(), 0))
        assert peer.ended()
    assert process.end()[0] == 1
    with Peer(serve(path).port()) as peer:
        found = drain(peer.connect())
    assert found in ([*range(1, last * together + 1)] for last in (committed, committed + 1))


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """As this process may write them."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_broker_that_stopped_by_itself_says_why_can_be_left_and_started_again(tmp_path: Path) -> None:
    broker = Broker(data=str(tmp_path), disk_free_bytes_min=0)
    with broker, Peer(broker.amqp_port) as peer:
        publisher = Publisher(peer, 2 * MB)
        with files_of_at_most(MB):
            publisher.publish()
            while publisher.hear().name != "Connection.Close":
                pass
        peer.send(method(Connection.CloseOk(), 0))
        assert peer.ended()
        thread = broker._thread
        assert thread is not None
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()
        assert "File too large" in str(broker.failure)
    with broker, Peer(broker.amqp_port) as peer:
        assert broker.failure is None
        assert drain(peer.connect()) == []


# -- does not answer ---------------------------------------------------------------------------------------------


class StallingFile(RealFile):
    """A file whose sync waits until it may."""

    __slots__ = ("_may_sync",)

    def __init__(self, descriptor: int, may_sync: threading.Event) -> None:
        super().__init__(descriptor)
        self._may_sync = may_sync

    def sync(self) -> None:
        assert self._may_sync.wait(3 * DEADLINE_SECONDS)
        super().sync()


class StallingDisk(RealDisk):
    """A real disk that can be made to take its time."""

    def __init__(self) -> None:
        self.may_sync = threading.Event()
        self.may_sync.set()

    @contextmanager
    def stalled(self) -> Iterator[None]:
        self.may_sync.clear()
        try:
            yield
        finally:
            self.may_sync.set()

    def create(self, path: str) -> RealFile:
        return StallingFile(super().create(path)._descriptor, self.may_sync)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> StallingDisk:
    """The one that the next broker uses."""
    disk = StallingDisk()
    monkeypatch.setattr("menura.storage.RealDisk", lambda: disk)
    return disk


def test_a_disk_that_does_not_answer_is_told_within_seconds_and_holds_up_only_what_needs_it(
    disk: StallingDisk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "menura")
    with (
        Broker(data=str(tmp_path), disk_free_bytes_min=0) as broker,
        Peer(broker.amqp_port) as peer,
        Peer(broker.amqp_port) as other,
    ):
        storage = broker.storage
        assert storage is not None
        publisher = Publisher(peer, 100)
        publisher.publish()
        publisher.until("Basic.Ack")
        other.connect().call(Queue.Declare(0, "passing"))
        other.call(Confirm.Select())
        other.call(Basic.Consume(0, "passing", "c"))
        assert storage.problem is None
        with disk.stalled():
            for _ in range(10):
                publisher.publish()
            eventually(lambda: storage.problem, "the problem is known")
            assert str(storage.problem).startswith("the disk has not finished a write for ")
            assert said(caplog, f"disk: {tmp_path} has not finished a write for") == 1
            for number in range(10):
                other.send(publish("passing", body(number, 10)))
                assert {other.next().name, other.next().name} == {"Basic.Deliver", "Basic.Ack"}
                other.send(ack(number + 1))
            peer.send(method(Basic.Qos(0, 7)))
            assert publisher.hear().name == "Basic.QosOk", "no confirm has come before"
            assert publisher.confirmed == {1}
        while publisher.open:
            assert publisher.hear().name == "Basic.Ack"
        eventually(lambda: storage.problem is None, "the problem is over")
        assert said(caplog, "disk: writing again; confirms go on") == 1
        assert said(caplog, f"disk: {tmp_path} has not finished a write for") == 1


def said(caplog: pytest.LogCaptureFixture, beginning: str) -> int:
    return sum(record.getMessage().startswith(beginning) for record in caplog.records)


def test_what_is_taken_while_the_disk_does_not_answer_is_bounded(
    disk: StallingDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("menura.core.keeping.BEHIND_BYTES", 2 * MB)
    with Broker(data=str(tmp_path), disk_free_bytes_min=0) as broker, Peer(broker.amqp_port) as peer:
        keeper = broker.node.keeper
        assert keeper is not None
        publisher = Publisher(peer, 100_000)
        publisher.publish()
        publisher.until("Basic.Ack")
        writer = threading.Thread(target=lambda: [publisher.publish() for _ in range(500)])
        with disk.stalled():
            writer.start()
            eventually(lambda: keeper.behind, "the disk is behind")
            assert steady(lambda: publisher.published) < 501, "the publisher waits"
            # One turn of the loop takes some more from a connection.
            assert keeper.journal.appended - keeper.journal.durable < 20 * MB
        while publisher.published < 501 or publisher.open:
            publisher.hear()
        writer.join(DEADLINE_SECONDS)
        assert len(publisher.confirmed) == 501


def steady(number: Callable[[], int]) -> int:
    """What a number is when it has stopped growing."""
    seen = [number()]

    def same() -> bool:
        seen.append(number())
        return len(seen) > 50 and seen[-50] == seen[-1]

    eventually(same, "it stops growing")
    return seen[-1]
