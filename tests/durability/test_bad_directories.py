"""What `menura serve --data DIR` says of a directory it cannot use, or not all of: what, where, and what to do.

Where it does not start, the directory is afterwards what it was.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from struct import pack_into
from zlib import crc32

import pytest
from tests.durability.serving import Serve, Serving
from tests.net.peer import Peer
from tests.protocols.amqp.memory import Basic, Confirm, Queue, method, publish
from tests.store.directories import flip_in, segments

from menura.core.definitions import Definitions
from menura.store.offline import load_catalog
from menura.store.records import MARK
from menura.store.segments import HEADER_BYTES, VERSION

# Root keeps its name but has to ask for permission like everybody else.
BOUND = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
TEXTS = (b"first", b"second", b"third")


# What a look at a catalog leaves beside it, and who was here last: nobody's data.
SIDE_FILES = frozenset(("lock", "catalog.sqlite3-shm", "catalog.sqlite3-wal"))


def snapshot(path: Path, leave_out: frozenset[str] = SIDE_FILES) -> dict[str, bytes | None]:
    files = (file for file in sorted(path.rglob("*")) if file.name not in leave_out)
    return {str(file): file.read_bytes() if file.is_file() else None for file in files}


def refusal(serve: Serve, path: Path, watched: Path | None = None) -> str:
    """The sentence with which it does not start; nothing has changed by that."""
    watched = watched or path
    before = snapshot(watched)
    sentence = serve(path).refusal()
    assert snapshot(watched) == before
    return sentence


def journal_refusal(serve: Serve, path: Path) -> str:
    """The same where the journal is the reason: by then the catalog has counted the start."""
    before = snapshot(path / "journal"), definitions(path)
    sentence = serve(path).refusal()
    assert (snapshot(path / "journal"), definitions(path)) == before
    return sentence


def definitions(path: Path) -> Definitions:
    return load_catalog(path / "catalog.sqlite3").definitions


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directories of a broker that was stopped and of one that was killed, with three messages in the queue `q`."""
    folder = tmp_path_factory.mktemp("made")
    for name, number in (("stopped", signal.SIGTERM), ("killed", signal.SIGKILL)):
        process = Serving(folder / name)
        try:
            fill(process)
            process.process.send_signal(number)
            process.end()
        finally:
            process.kill()
    return folder


def fill(process: Serving) -> None:
    with Peer(process.port()) as peer:
        peer.connect().call(Queue.Declare(0, "q", durable=True))
        peer.call(Confirm.Select())
        for text in TEXTS:
            peer.send(publish("q", text, delivery_mode=2))
            peer.expect("Basic.Ack")


@pytest.fixture
def stopped(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "stopped", tmp_path / "stopped")


@pytest.fixture
def killed(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "killed", tmp_path / "killed", ignore=shutil.ignore_patterns("menura.sock"))


@pytest.fixture(params=["stopped", "killed"])
def path(request: pytest.FixtureRequest) -> Path:
    """The one, then the other."""
    return request.getfixturevalue(request.param)


def texts(process: Serving) -> list[bytes | None]:
    """All messages of `q`, which stay there."""
    with Peer(process.port()) as peer:
        peer.connect()
        found = []
        while True:
            peer.send(method(Basic.Get(0, "q")))
            answer = peer.next()
            if answer.name == "Basic.GetEmpty":
                return found
            found.append(answer.body)


# -- no data directory of ours -----------------------------------------------------------------------------------


def test_a_directory_of_a_newer_format(serve: Serve, stopped: Path) -> None:
    (stopped / "menura.json").write_text(json.dumps({"format": 2, "created_by": "9.1"}))
    sentence = refusal(serve, stopped)
    assert sentence.startswith(f"{stopped} was written by a newer Menura (9.1): its format is 2, and this one (")
    assert sentence.endswith("Nothing was changed. Start the newer version, or choose another data directory.")


def test_a_damaged_format(serve: Serve, stopped: Path) -> None:
    (stopped / "menura.json").write_text("{")
    assert refusal(serve, stopped).startswith(f"{stopped}/menura.json is damaged: ")


def test_a_directory_of_another_program(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    assert refusal(serve, tmp_path) == (
        f"{tmp_path} is not a data directory of Menura: it holds 'photo.jpg' but no menura.json. "
        "Nothing was changed. Choose an empty directory, or a path that does not exist yet."
    )


@pytest.mark.parametrize("below", ["file", "file/data"])
def test_a_file(serve: Serve, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    sentence = refusal(serve, tmp_path / below, tmp_path)
    assert sentence.startswith(str(tmp_path / "file"))
    assert sentence.endswith("is not a directory. Choose a directory, or a path that does not exist yet.")


# -- permissions -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(bool(BOUND) and not shutil.which("setpriv"), reason="root needs setpriv to lack a permission")
@pytest.mark.parametrize(
    ("what", "mode"), [(".", 0o000), (".", 0o500), ("journal", 0o000), ("catalog.sqlite3", 0o000), ("lock", 0o400)]
)
def test_no_permission(serve: Serve, stopped: Path, what: str, mode: int) -> None:
    file = stopped / what
    usual = file.stat().st_mode
    before = snapshot(stopped / "journal"), definitions(stopped)
    file.chmod(mode)
    sentence = serve(stopped, prefix=BOUND).refusal()
    file.chmod(usual)
    assert (snapshot(stopped / "journal"), definitions(stopped)) == before
    assert sentence.startswith((f"No permission to read and write {stopped}", f"No permission to write {stopped}"))
    assert str(file) in sentence
    assert "Give the broker's user the right to " in sentence


# -- the catalog -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size_bytes", [0, 100])
def test_a_catalog_that_is_cut_off(serve: Serve, stopped: Path, size_bytes: int) -> None:
    os.truncate(stopped / "catalog.sqlite3", size_bytes)
    sentence = refusal(serve, stopped)
    assert sentence.startswith(f"{stopped}/catalog.sqlite3 is ")
    assert "Nothing was changed. Put it back from a backup" in sentence


def test_a_catalog_that_has_lost_its_end(serve: Serve, stopped: Path) -> None:
    catalog = stopped / "catalog.sqlite3"
    os.truncate(catalog, catalog.stat().st_size // 2)
    assert refusal(serve, stopped).startswith(f"{catalog} is damaged: ")


def test_a_catalog_with_damaged_pages(serve: Serve, stopped: Path) -> None:
    catalog = stopped / "catalog.sqlite3"
    data = bytearray(catalog.read_bytes())
    data[4096:] = bytes(octet ^ 0xFF for octet in data[4096:])
    catalog.write_bytes(data)
    assert refusal(serve, stopped).startswith(f"{catalog} is damaged: ")


def test_a_catalog_of_another_program(serve: Serve, stopped: Path) -> None:
    catalog = stopped / "catalog.sqlite3"
    catalog.unlink()
    with closing(sqlite3.connect(catalog)) as database:
        database.execute("CREATE TABLE photos (name TEXT)")
        database.commit()
    sentence = refusal(serve, stopped)
    assert sentence.startswith(f"{catalog} is a database of another program: ")


def test_a_catalog_of_a_newer_format(serve: Serve, stopped: Path) -> None:
    catalog = stopped / "catalog.sqlite3"
    with closing(sqlite3.connect(catalog)) as database:
        database.execute("UPDATE meta SET version = 99")
        database.commit()
    sentence = refusal(serve, stopped)
    assert sentence.startswith(f"{catalog} was written by a newer Menura: its format is 99")


def test_a_policy_that_is_not_valid_any_more_is_told_and_does_not_keep_it_from_starting(
    serve: Serve, stopped: Path
) -> None:
    with closing(sqlite3.connect(stopped / "catalog.sqlite3")) as catalog, catalog:
        catalog.execute("INSERT INTO parameters (vhost, component, name, value) VALUES ('/', 'policy', 'old', '{}')")
    process = serve(stopped)
    assert texts(process) == list(TEXTS)
    process.process.send_signal(signal.SIGTERM)
    status, _, err = process.end()
    assert status == 0
    assert "WARNING definitions: policy 'old' in virtual host '/' is kept, but has no effect: " in err
    assert "Set it anew, or delete it." in err
    assert ("policy", "old", "{}") in [found[1:] for found in definitions(stopped).parameters]


def test_no_catalog_though_there_are_messages(serve: Serve, stopped: Path) -> None:
    (stopped / "catalog.sqlite3").unlink()
    assert refusal(serve, stopped) == (
        f"{stopped}/catalog.sqlite3 is missing, though there are messages in {stopped}/journal. Nothing was changed. "
        "Put it back from a backup; or move the directory away, to start without its queues and messages."
    )


# -- the journal -------------------------------------------------------------------------------------------------


def retell(segment: Path, change: Callable[[bytearray, int], None]) -> None:
    """Change both copies of a segment's header, and make the checksums right."""
    data = bytearray(segment.read_bytes())
    for start in (0, HEADER_BYTES // 2):
        change(data, start)
        pack_into("<I", data, start + 24, crc32(data[start : start + 24]))
    segment.write_bytes(data)


def test_a_segment_of_a_newer_version(serve: Serve, path: Path) -> None:
    (segment,) = segments(path)
    retell(segment, lambda data, start: pack_into("<H", data, start + 8, VERSION + 1))
    assert journal_refusal(serve, path) == (
        f"{segment} has format {VERSION + 1} of the journal, and this version knows formats up to {VERSION}. "
        "A newer version wrote it: start that one again."
    )


def test_a_segment_of_another_journal(serve: Serve, path: Path, made: Path) -> None:
    other = "killed" if path.name == "stopped" else "stopped"
    first = segments(path)[0].stat().st_size
    strange = shutil.copy(segments(made / other)[0], path / "journal" / f"{first:020d}.log")
    retell(strange, lambda data, start: pack_into("<Q", data, start + 16, first))
    assert journal_refusal(serve, path) == (
        f"{path}/journal has files of more than one journal. Take out those that do not belong to it."
    )


def test_a_segment_with_another_name(serve: Serve, path: Path) -> None:
    (segment,) = segments(path)
    renamed = segment.rename(segment.with_name(f"{4711:020d}.log"))
    sentence = journal_refusal(serve, path)
    assert sentence.startswith(f"{renamed} says that it begins at 0, not where its name says.")
    assert sentence.endswith("give them their names back.")


def test_a_journal_that_is_none(serve: Serve, path: Path) -> None:
    (segment,) = segments(path)
    segment.write_bytes(b"another program's" * 100)
    sentence = journal_refusal(serve, path)
    assert sentence.startswith(f"No file in {path}/journal begins as one of the journal's does: ")
    assert sentence.endswith("nothing has been changed.")


def test_a_write_that_was_cut_off_is_told_and_costs_itself_alone(serve: Serve, killed: Path) -> None:
    (segment,) = segments(killed)
    data = segment.read_bytes()
    cut_at = data.index(b"third") + 2
    os.truncate(segment, cut_at)
    start = data.rindex(MARK, 0, cut_at)
    process = serve(killed)
    told = [line for line in process.screen() if line.startswith("  ! ")]
    assert told == [
        f"  ! {segment}: {cut_at - start:,} octets from offset {start:,} on belong to a write that was not finished "
        "when the broker stopped; they are left out. No message in them was confirmed, unless the disk has damaged "
        "them since."
    ]
    process.kill()
    assert segment.read_bytes() == data[:cut_at], "the file stays as it was"
    assert texts(serve(killed)) == [b"first", b"second"]


def test_a_flipped_bit_is_told_with_its_place_and_costs_its_record_alone(serve: Serve, killed: Path) -> None:
    sentence = damage(killed)
    process = serve(killed)
    assert f"  ! {sentence}" in process.screen()
    process.kill()
    process = serve(killed)
    assert texts(process) == [b"first", b"third"]


def test_a_bit_flipped_behind_a_checkpoint_is_told_when_it_is_met(serve: Serve, stopped: Path) -> None:
    sentence = damage(stopped)
    process = serve(stopped)
    assert texts(process) == [b"first", b"third"]
    process.process.send_signal(signal.SIGTERM)
    status, _, log = process.end()
    assert status == 0
    assert sentence in log


def damage(path: Path) -> str:
    """Flip a bit of the second message; what is to be said of that."""
    (segment,) = segments(path)
    data = segment.read_bytes()
    start = data.rindex(MARK, 0, flip_in(segment, b"second"))
    end = data.index(MARK, start + 1)
    return (
        f"{segment}: {end - start:,} octets from offset {start:,} on are damaged; what was in them is lost, "
        "the records behind them are not."
    )
