"""A suite's pass list: the tests that must pass, and those that need not, each with the reason.

A list is plain text. Every line names one test that must pass, until a heading `[left out]` begins the ones that need
not; names there may hold `*`, and an indented line gives the reason for the names above it. `[left out on rabbitmq]`
is for tests written for a newer RabbitMQ than the one measured, `[left out on menura]` for known differences; one of
those that passes breaks the list, which keeps it true. Lines that begin with `#` are remarks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.suites.outcomes import FAILED, PASSED, Outcome, Run

HEADING = re.compile(r"\[left out(?: on (\w+))?\]")
REMARK = "# Tests that must pass, then those left out with the reason (see README.md for the form).\n"
EVERYWHERE = ""


@dataclass
class PassList:
    """`left_out` maps a broker's name, or EVERYWHERE, to patterns and their reasons."""

    expected: list[str] = field(default_factory=list)
    left_out: dict[str, dict[str, str]] = field(default_factory=dict)

    def reason(self, test: str, subject: str) -> str | None:
        """Why this test need not pass on this broker; None if it must."""
        for where in (EVERYWHERE, subject):
            for pattern, reason in self.left_out.get(where, {}).items():
                if _matches(pattern, test):
                    return reason
        return None

    def broken(self, run: Run) -> dict[str, Outcome]:
        """What a run shows against the list: listed tests that did not pass, and failures that nothing explains."""
        missing = Outcome(FAILED, "did not run")
        listed = {test: run.tests.get(test, missing) for test in self.expected}
        failed = {test: outcome for test, outcome in run.tests.items() if outcome.state == FAILED}
        broken = {
            test: outcome
            for test, outcome in (listed | failed).items()
            if outcome.state != PASSED and self.reason(test, run.subject) is None
        }
        return broken | self._outdated(run)

    def _outdated(self, run: Run) -> dict[str, Outcome]:
        """Known differences of Menura that are none any more."""
        patterns = self.left_out.get("menura", {}) if run.subject == "menura" else {}
        return {
            test: Outcome(PASSED, "but is left out: list it")
            for test, outcome in run.tests.items()
            if outcome.state == PASSED and any(_matches(pattern, test) for pattern in patterns)
        }


def read_pass_list(path: Path) -> PassList:
    result = PassList()
    section: dict[str, str] | None = None
    unexplained: list[str] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        if not line.strip() or line.startswith("# "):
            continue
        if heading := HEADING.fullmatch(line):
            section, unexplained = result.left_out.setdefault(heading[1] or EVERYWHERE, {}), []
        elif section is None:
            result.expected.append(line)
        elif line.startswith(" "):
            section.update((name, f"{section[name]} {line.strip()}".strip()) for name in unexplained)
        else:
            if all(section[name] for name in unexplained):
                unexplained = []
            section[line] = ""
            unexplained.append(line)
    return result


def rewrite(path: Path, runs: list[Run]) -> None:
    """List what passed in every one of `runs` where it must; what is left out stays as it stands in the file."""
    known = read_pass_list(path)
    tests = sorted({test for run in runs for test in run.tests})
    expected = [test for test in tests if known.reason(test, EVERYWHERE) is None and _holds(test, runs, known)]
    tail = HEADING.search(path.read_text()) if path.exists() else None
    rest = "\n" + path.read_text()[tail.start() :] if tail else ""
    path.write_text(REMARK + "\n" + "".join(f"{test}\n" for test in expected) + rest)


def _holds(test: str, runs: list[Run], known: PassList) -> bool:
    must = [run for run in runs if known.reason(test, run.subject) is None]
    return bool(must) and all(run.tests.get(test, Outcome(FAILED)).state == PASSED for run in must)


def _matches(pattern: str, test: str) -> bool:
    """`*` stands for anything; no other character is special, since names of tests hold brackets of their own."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), test) is not None
