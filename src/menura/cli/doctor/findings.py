"""What a check has found: all is well, worth knowing, or wrong; and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple


class Grade(Enum):
    """The sign shown for it, and its colour."""

    WELL = "✓", "green"
    BEWARE = "!", "yellow"
    WRONG = "✗", "red"


class Finding(NamedTuple):
    grade: Grade
    check: str
    text: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        return {"grade": self.grade.name.lower(), "check": self.check, "text": self.text, "advice": self.advice}


Findings = Iterator[Finding]


def well(check: str, text: str) -> Finding:
    return Finding(Grade.WELL, check, text)


def beware(check: str, text: str, advice: str) -> Finding:
    return Finding(Grade.BEWARE, check, text, advice)


def wrong(check: str, text: str, advice: str) -> Finding:
    return Finding(Grade.WRONG, check, text, advice)
