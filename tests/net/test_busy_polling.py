"""When the loop stays awake, on a loop and a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable

from menura.net.busy_polling import BusyPoll

SECONDS = 0.001
STEP = 0.0004


class Loop:
    """Each turn takes `STEP`."""

    def __init__(self) -> None:
        self.now = 10.0
        self.due: list[Callable[[], None]] = []
        self.poll = BusyPoll(SECONDS, self.due.append, lambda: self.now)

    @property
    def awake(self) -> bool:
        return bool(self.due)

    def turn(self) -> None:
        self.now += STEP
        due, self.due[:] = list(self.due), []
        for callback in due:
            callback()

    def looks(self) -> int:
        """How many turns the loop makes before it sleeps."""
        turns = 0
        while self.awake:
            self.turn()
            turns += 1
        return turns

    def looks_after_work(self) -> int:
        self.poll.stay()
        return self.looks()


def test_the_loop_turns_for_the_time_given_after_work() -> None:
    assert Loop().looks_after_work() == 3


def test_work_that_comes_meanwhile_lengthens_it() -> None:
    loop = Loop()
    loop.poll.stay()
    for _ in range(10):
        loop.turn()
        assert loop.awake
        loop.poll.stay()
    assert loop.looks() == 3


def test_each_miss_doubles_how_much_work_goes_by_without_a_look() -> None:
    loop = Loop()
    looked = [at for at in range(1000) if loop.looks_after_work()]
    assert looked[:8] == [0, 2, 6, 14, 30, 62, 126, 254]
    assert looked[8:] == [254 + 128 * more for more in range(1, 6)]


def test_a_hit_makes_it_eager_again() -> None:
    loop = Loop()
    for _ in range(200):
        loop.looks_after_work()
    while not loop.awake:
        loop.poll.stay()
    loop.poll.stay()
    assert loop.looks() == 3
    assert [loop.looks_after_work() for _ in range(2)] == [0, 3]


def test_it_sleeps_while_a_thread_of_ours_is_at_work_and_that_is_no_miss() -> None:
    loop = Loop()
    for _ in range(10):
        loop.poll.stay()
        assert loop.awake
        loop.poll.rest()
        assert loop.looks() == 1


def test_nobody_is_kept_awake_by_resting() -> None:
    loop = Loop()
    loop.poll.rest()
    assert not loop.awake
