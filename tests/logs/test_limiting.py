"""Floods of events become a few lines, and nothing of them is kept secret."""

from __future__ import annotations

import logging

from menura.logs.limiting import KEYS_MAX, SUMMARY_SECONDS, Limiter


class Lines:
    """A limiter with a clock of its own, and what it lets through."""

    def __init__(self, repeats_max: int = 5) -> None:
        self.now = 0.0
        self.limiter = Limiter(repeats_max, lambda: self.now)
        self.written: list[str] = []

    def log(self, text: str, event: str, host: str = "192.0.2.1", level: int = logging.WARNING, **more: object) -> None:
        fields = {"connection": f"{host}:{len(self.written)}"}
        made = {"name": "menura", "levelno": level, "msg": "%s", "args": (text,), "event": event, "fields": fields}
        record = logging.makeLogRecord({**made, **more})
        if self.limiter.filter(record):
            self.written.append(text)

    def summaries(self, everything: bool = False) -> list[str]:
        return [record.getMessage() for record in self.limiter.summarise(everything)]


def test_a_few_lines_a_second_pass_and_the_rest_is_summed_up() -> None:
    lines = Lines()
    for number in range(1239):
        lines.log(f"closed: {number}", "connection.refused")
    assert lines.written == [f"closed: {number}" for number in range(5)]
    assert lines.summaries() == []
    lines.now = SUMMARY_SECONDS
    assert lines.summaries() == ['192.0.2.1: … and 1,234 more connection.refused in 10 s, the last: "closed: 1238"']
    assert lines.summaries() == []


def test_after_a_flood_lines_pass_again() -> None:
    lines = Lines()
    for _ in range(20):
        lines.log("x", "connection.refused")
    lines.now = SUMMARY_SECONDS
    assert len(lines.summaries()) == 1
    lines.log("y", "connection.refused")
    assert lines.written == ["x"] * 5 + ["y"]


def test_one_host_does_not_silence_another_nor_one_event_another() -> None:
    lines = Lines(1)
    for host in ("192.0.2.1", "192.0.2.2"):
        for event in ("connection.refused", "login.refused"):
            for _ in range(10):
                lines.log(f"{host} {event}", event, host)
    assert len(lines.written) == 4


def test_coming_and_going_is_one_line_for_all_hosts() -> None:
    lines = Lines(2)
    for number in range(100):
        host = f"192.0.2.{number % 4}"
        lines.log("opened", "connection.opened", host, logging.INFO)
        lines.log("closed", "connection.closed", host, logging.INFO)
        if number % 2:
            lines.log("lost", "connection.lost", host)
    assert sorted(lines.written) == ["closed", "closed", "lost", "lost", "opened", "opened"]
    assert lines.summaries(everything=True) == [
        "connections: … and 98 more opened, 98 more closed, 48 more lost in 1 s, from 4 addresses"
    ]


def test_what_ends_the_broker_and_the_audit_are_never_left_out() -> None:
    lines = Lines(1)
    for _ in range(10):
        lines.log("critical", "disk", level=logging.CRITICAL)
        lines.log("audit", "queue.deleted", name="menura.audit")
    assert len(lines.written) == 20
    assert lines.summaries(everything=True) == []


def test_records_without_a_kind_are_told_apart_by_their_texts() -> None:
    lines = Lines(1)
    for text in ("disk: %d MB", "memory: %d MB"):
        for number in range(3):
            made = {"name": "menura", "levelno": logging.INFO, "msg": text, "args": (number,)}
            if lines.limiter.filter(logging.makeLogRecord(made)):
                lines.written.append(text % number)
    assert lines.written == ["disk: 0 MB", "memory: 0 MB"]
    assert len(lines.summaries(everything=True)) == 2


def test_a_limit_of_0_is_none() -> None:
    lines = Lines(0)
    for _ in range(100):
        lines.log("x", "connection.refused")
    assert len(lines.written) == 100


def test_attackers_with_many_addresses_take_a_bounded_amount_of_memory_and_lines() -> None:
    lines = Lines(1)
    for number in range(5 * KEYS_MAX):
        lines.log("x", "connection.refused", f"10.{number >> 8}.{number & 255}.1")
    assert len(lines.limiter._floods) == KEYS_MAX + 1
    assert len(lines.written) == KEYS_MAX + 1
    (summary,) = lines.summaries(everything=True)
    assert summary.startswith("… and 3,999 more connection.refused")
    lines.now = 2
    assert lines.summaries() == []
    assert not lines.limiter._floods
