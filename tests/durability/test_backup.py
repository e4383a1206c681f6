"""A copy of a data directory made while clients are at work, and a broker that goes on from it.

What the copy must have is what a crash would have left: all that was confirmed before it began, what was published
together in all queues it went to, and nothing twice.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pamqp.commands import Basic, Confirm, Exchange, Queue
from tests.durability.serving import Serve
from tests.net.peer import Peer, eventually
from tests.protocols.amqp.memory import method, publish

from menura.cli import main
from menura.store import backup as backups
from menura.store.backup import back_up
from menura.store.errors import StoreError

BATCH = 20
BODY_BYTES = 8 * 1024


def backup(source: Path, destination: Path) -> Result:
    return CliRunner().invoke(main, ["data", "backup", str(source), str(destination)])


class Publisher:
    """Publishes numbered messages to two queues at once, and knows how many the broker has confirmed."""

    def __init__(self, port: int) -> None:
        self.confirmed = 0
        self.stopping = threading.Event()
        self._peer = Peer(port).connect()
        self._peer.call(Exchange.Declare(0, "both", "fanout", durable=True))
        for name in ("one", "other"):
            self._peer.call(Queue.Declare(0, name, durable=True))
            self._peer.call(Queue.Bind(0, name, "both"))
        self._peer.call(Confirm.Select())

    def run(self) -> None:
        with self._peer as peer:
            while not self.stopping.is_set():
                first = self.confirmed
                bodies = [b"%d " % number + b"x" * BODY_BYTES for number in range(first, first + BATCH)]
                peer.send(b"".join(publish("", body, exchange="both", delivery_mode=2) for body in bodies))
                while self.confirmed < first + BATCH:
                    answer = peer.expect("Basic.Ack")
                    self.confirmed = answer.delivery_tag if answer.multiple else self.confirmed + 1


def churn(port: int, stopping: threading.Event) -> None:
    """Durable queues come and go as fast as they can."""
    with Peer(port) as peer:
        peer.connect()
        number = 0
        while not stopping.is_set():
            number += 1
            peer.call(Queue.Declare(0, f"passing-{number}", durable=True))
            peer.call(Queue.Delete(0, f"passing-{number}"))


@contextmanager
def in_thread(work: Callable[[], None], stopping: threading.Event) -> Iterator[None]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    assert not failures, failures


def numbers(port: int, queue: str) -> list[int]:
    """What is in a queue, in its order; it is empty then."""
    with Peer(port) as peer:
        peer.connect()
        count = peer.call(Queue.Declare(0, queue, passive=True)).message_count
        peer.send(method(Basic.Consume(0, queue, "c", no_ack=True)))
        found = []
        while len(found) < count:
            body = peer.expect("Basic.Deliver").body
            assert body is not None
            found.append(int(body.split()[0]))
        return found


def test_a_copy_made_under_traffic_has_all_that_was_confirmed_and_nothing_in_halves(
    serve: Serve, tmp_path: Path
) -> None:
    source = tmp_path / "data"
    process = serve(source)
    port = process.port()
    publisher = Publisher(port)
    copies: list[tuple[Path, int]] = []
    with ExitStack() as stack:
        stack.enter_context(in_thread(publisher.run, publisher.stopping))
        stack.enter_context(in_thread(lambda: churn(port, publisher.stopping), publisher.stopping))
        for number in range(3):
            least = publisher.confirmed + 3 * BATCH
            eventually(lambda least=least: publisher.confirmed >= least, "confirmed messages")
            before, copy = publisher.confirmed, tmp_path / f"copy-{number}"
            result = backup(source, copy)
            assert result.exit_code == 0, result.output
            assert "while a broker used it" in result.output
            copies.append((copy, before))
    process.kill()
    for copy, before in copies:
        verified = CliRunner().invoke(main, ["data", "verify", str(copy)])
        assert verified.exit_code == 0, verified.output
        restored = serve(copy)
        port = restored.port()
        found = numbers(port, "one")
        assert found == list(range(len(found)))
        assert len(found) >= before
        assert numbers(port, "other") == found
        restored.kill()


def test_a_copy_of_a_stopped_directory_is_what_the_next_start_finds(serve: Serve, tmp_path: Path) -> None:
    source, copy = tmp_path / "data", tmp_path / "a" / "copy"
    process = serve(source)
    with Peer(process.port()) as peer:
        peer.connect().call(Queue.Declare(0, "q", durable=True))
        peer.call(Confirm.Select())
        peer.send(publish("q", b"7", delivery_mode=2))
        peer.expect("Basic.Ack")
    process.process.terminate()
    process.end()
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    result = backup(source, copy)
    assert result.exit_code == 0, result.output
    assert re.search(r"while no broker used it: the catalog and 1 file of the journal \(\d+ octets\)", result.output)
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*")} == before
    assert {path.name for path in copy.iterdir()} >= {"menura.json", "catalog.sqlite3", "journal"}
    assert (copy.stat().st_mode & 0o777, (copy / "catalog.sqlite3").stat().st_mode & 0o077) == (0o700, 0)
    assert numbers(serve(copy).port(), "q") == [7]


def test_a_copy_goes_nowhere_where_something_is(serve: Serve, tmp_path: Path) -> None:
    source, taken = tmp_path / "data", tmp_path / "taken"
    process = serve(source)
    process.screen()
    taken.mkdir()
    (taken / "file").touch()
    for target, complaint in (
        (taken, f"{taken} is not empty"),
        (taken / "file", f"{taken / 'file'} is not empty"),
        (source / "copy", "is in the data directory itself"),
    ):
        result = backup(source, target)
        assert (result.exit_code, complaint in result.stderr) == (2, True), result.output
    assert [path.name for path in taken.iterdir()] == ["file"]
    result = backup(tmp_path / "none", tmp_path / "copy")
    assert (result.exit_code, "There is no directory" in result.stderr) == (2, True)


def test_a_copy_that_is_cut_short_is_no_data_directory(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy = tmp_path / "data", tmp_path / "copy"
    serve(source).screen()

    def cut_short(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups._Segments, "copy", cut_short)
    assert backup(source, copy).exit_code == 2
    refused = serve(copy).refusal()
    assert "is not a data directory of Menura" in refused


def test_files_that_are_removed_meanwhile_are_in_the_copy_all_the_same(tmp_path: Path) -> None:
    folder, target = tmp_path / "journal", tmp_path / "copy"
    folder.mkdir()
    target.mkdir()
    names = [f"{number:020d}.log" for number in (0, 100, 200)]
    for name in names[:2]:
        (folder / name).write_text(name)
    (folder / "checkpoint").write_text("not a segment")
    with backups._segments(folder) as segments:
        (folder / names[0]).unlink()
        (folder / names[2]).write_text(names[2])
        segments.cut()
        with (folder / names[2]).open("a") as file:
            file.write("later")
        assert segments.copy(target) == 3 * len(names[0])
    assert {path.name: path.read_text() for path in target.iterdir()} == {name: name for name in names}


def test_files_that_never_stay_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "_TRY_SECONDS_MAX", 0.0)
    (tmp_path / f"{0:020d}.log").symlink_to(tmp_path / "gone")
    with pytest.raises(StoreError, match="come and go too fast"), backups._segments(tmp_path):
        pass


def test_what_is_no_data_directory_is_not_copied(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a data directory"):
        back_up(str(tmp_path), str(tmp_path.parent / "copy"), version="1")
