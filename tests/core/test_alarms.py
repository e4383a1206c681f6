"""Resources that are short, or are said to be."""

from __future__ import annotations

from menura.core.alarms import Alarms


def test_what_is_forced_stays_short_whatever_is_measured() -> None:
    alarms = Alarms()
    told: list[tuple[str, bool]] = []
    alarms.on_change.append(lambda *change: told.append(change))
    alarms.force("disk")
    alarms.force("disk")
    alarms.set("disk", False)
    alarms.set("memory", True)
    alarms.set("memory", False)
    assert (alarms.blocked, list(alarms.short)) == (True, ["disk"])
    alarms.release("disk", False)
    assert not alarms.blocked
    assert told == [("disk", True), ("memory", True), ("memory", False), ("disk", False)]


def test_what_is_released_is_as_short_as_it_is_measured_to_be() -> None:
    alarms = Alarms()
    alarms.set("memory", True)
    alarms.force("memory")
    alarms.release("memory", True)
    assert alarms.blocked
    alarms.set("memory", False)
    assert not alarms.blocked
