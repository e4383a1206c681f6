"""The queues of `test_restart_model`, with messages moved, copied and deleted in the middle of all that.

The model does the same with its lists: what is chosen leaves its place, or not, and goes behind all others where it is
sent to.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.core.test_browsing import numbers, peek
from tests.core.test_restart_model import (
    NAME,
    WHERE,
    Message,
    QueuesOnDiskOverRestarts,
    QueuesOverRestarts,
)

from menura.core.moving import ToExchange, copy, delete, move
from menura.core.selecting import Selection


class Moving(QueuesOverRestarts):
    @rule(
        name=NAME,
        to=WHERE,
        what=st.sampled_from(["move", "copy", "delete"]),
        every=st.integers(1, 4),
        skip=st.sampled_from([0, 0, 1, 5]),
        count=st.sampled_from([1, 3, 20, None]),
        step=st.sampled_from([1, 5, 1000]),
    )
    def carry(self, name: str, to: str, what: str, every: int, skip: int, count: int | None, step: int) -> None:
        """Every second message, for example, of what waits, from some place on."""
        self.patch.setattr("menura.core.browsing.STEP_MESSAGES_MAX", step)
        model = self.models[name]
        if what == "copy" or to == "all":
            count = min(count or 20, 20)  # or there would soon be millions
        fits = [each for each in model.waiting() if each.position % every == 0][skip:]
        chosen = fits if count is None else fits[:count]
        selection = Selection(
            positions=[each.position for each in model.waiting() if each.position % every == 0], skip=skip, count=count
        )
        if what != "copy":
            model.messages = [each for each in model.messages if each not in chosen]
        if what != "delete":
            self.arrive(to, chosen)
        queue, vhost = model.queue, self.kept.vhost
        destination = ToExchange(vhost, "amq.fanout", "") if to == "all" else ToExchange(vhost, "", to)
        transfer = (
            delete(queue, selection)
            if what == "delete"
            else (move if what == "move" else copy)(queue, destination, selection)
        )
        while transfer.step():
            pass
        assert transfer.result[1:] == (len(chosen), len(chosen), 0, 0)

    def arrive(self, to: str, messages: list[Message]) -> None:
        for name, model in self.models.items():
            if to in (name, "all"):
                for each in messages:
                    model.messages.append(Message(each.number, model.next_position, each.persistent, each.size_bytes))
                    model.next_position += 1
                    if each.persistent:
                        model.kept_position = model.next_position

    @rule(name=NAME, skip=st.sampled_from([0, 1, 10]), step=st.sampled_from([1, 5, 1000]))
    def look(self, name: str, skip: int, step: int) -> None:
        self.patch.setattr("menura.core.browsing.STEP_MESSAGES_MAX", step)
        model = self.models[name]
        found = peek(model.queue, skip=skip)
        expected = model.waiting()[skip:]
        assert numbers(found) == [each.number for each in expected]
        assert [(seen.position, seen.redelivered) for seen in found.messages] == [
            (each.position, each.returned) for each in expected
        ]


class MovingOnDisk(Moving, QueuesOnDiskOverRestarts):
    """The same with the journal that brokers use."""


TestMoving: Any = Moving.TestCase
TestMoving.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

TestMovingOnDisk: Any = MovingOnDisk.TestCase
TestMovingOnDisk.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
