"""What the tests of one run came to: read from the JUnit file that the suite wrote, kept as JSON beside it.

A test is known by its class and name as pytest and unittest write them, or, for Node's runner, which nests suites,
by the names on the way down to it. A name that comes twice counts with its worse outcome.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"
WORSE = (PASSED, SKIPPED, FAILED)
CHARACTERS_OF_REASON_MAX = 300


@dataclass(frozen=True)
class Outcome:
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Run:
    """One suite against one broker; `problem` says why it did not come to its end, if so."""

    suite: str
    subject: str
    broker: str
    seconds: float = 0.0
    problem: str | None = None
    tests: dict[str, Outcome] = field(default_factory=dict)

    def count(self, state: str) -> int:
        return sum(outcome.state == state for outcome in self.tests.values())

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False))


def read_junit(path: Path) -> dict[str, Outcome]:
    tests: dict[str, Outcome] = {}
    if path.exists() and path.stat().st_size:
        for name, outcome in _walk(ElementTree.parse(path).getroot(), ()):
            if name not in tests or WORSE.index(outcome.state) > WORSE.index(tests[name].state):
                tests[name] = outcome
    return tests


def _walk(element: ElementTree.Element, above: tuple[str, ...]) -> Iterator[tuple[str, Outcome]]:
    for child in element:
        name = child.get("name", "")
        if child.tag == "testcase":
            owner = child.get("classname", "")
            node = owner == "test"  # the constant that Node's runner writes
            yield " > ".join((*above, name)) if node else f"{owner}::{name}", _outcome(child)
        else:  # a suite, or the elements without a name that Node's runner puts around one it cancelled
            yield from _walk(child, (*above, name) if name else above)


def _outcome(case: ElementTree.Element) -> Outcome:
    for child in case:
        if child.tag in ("failure", "error", "skipped"):
            lines = (child.get("message") or child.text or "").strip().splitlines() or [""]
            state = SKIPPED if child.tag == "skipped" else FAILED
            return Outcome(state, lines[0][:CHARACTERS_OF_REASON_MAX])
    return Outcome(PASSED)
