"""What is said waits for what it promises, and nothing else does."""

from __future__ import annotations

from menura.core.keeping import Keeper
from menura.core.memory import MemoryAccount
from menura.core.output import Output
from menura.core.ports import Published
from menura.store.memory import MemoryCatalog, MemoryJournal


class Spoken:
    """An output, and a disk that does something only when it is told to."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.keeper = Keeper(MemoryCatalog(), self.journal, MemoryAccount(0))
        self.wakes = 0
        self.output = Output(self.keeper, self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    def write(self) -> None:
        self.keeper.append(Published(((1, 0),), "", ("q",), (b"x",)))


def test_without_a_disk_nothing_waits() -> None:
    output = Output(None, lambda: None)
    output.promise()
    output.vouch(b"a")
    output.promise_later()
    output.send(b"b")
    assert not output.waiting
    assert output.take() == b"ab"
    assert output.size_bytes == 0


def test_what_comes_behind_a_promise_waits_for_it_and_what_comes_before_does_not() -> None:
    spoken = Spoken()
    output = spoken.output
    output.send(b"before")
    spoken.write()
    output.promise()
    output.send(b"behind")
    assert output.take() == b"before"
    assert (output.waiting, output.size_bytes) == (True, len(b"behind"))
    output.send_first(b"ahead")
    assert output.take() == b"ahead"
    wakes = spoken.wakes
    spoken.journal.flush()
    assert spoken.wakes > wakes
    assert output.take() == b"behind"
    assert (output.waiting, output.size_bytes) == (False, 0)


def test_a_later_promise_is_one_of_all_up_to_the_next_write() -> None:
    spoken = Spoken()
    spoken.output.promise_later()
    spoken.output.send(b"a")
    spoken.write()
    assert spoken.output.take() == b""
    spoken.journal.flush()
    assert spoken.output.take() == b"a"


def test_what_is_vouched_for_keeps_its_order_and_holds_nothing_else() -> None:
    spoken = Spoken()
    output = spoken.output
    output.vouch(b"0")
    spoken.write()
    output.vouch(b"1")
    output.vouch(b"2", certain=True)
    output.send(b"a")
    assert output.take() == b"0a"
    spoken.journal.flush()
    assert output.take() == b"12"


def test_when_the_disk_fails_only_what_is_certain_is_said() -> None:
    spoken = Spoken()
    output = spoken.output
    spoken.write()
    output.promise()
    output.send(b"a")
    spoken.journal.flush()
    spoken.write()
    output.vouch(b"b")
    output.promise()
    output.send(b"c")
    assert output.forget_uncertain()
    assert output.size_bytes == 1
    assert output.take() == b"a"
    assert not output.waiting
