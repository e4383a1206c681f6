"""`make test`: the whole suite on the oldest CPython of this machine, the heart of it on each further CPython.

The suite runs in parts, each a directory of tests with a pytest of its own, two at a time: they wait for clocks, disks
and other programs as much as they compute, and share nothing, as every test has ports, files and names of its own.
Parts that take long come first. The heart is what an interpreter could break: the core, the store, the protocols, the
network, and a client for each protocol, without the random tests and those of every cut, crash and length.

What a part says is shown when it has passed; what those say that failed comes when all are done, so that the last lines
are about what is wrong. Given arguments, the script hands them to pytest in `.venv`, once.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from debian import install_missing
from environments import ROOT, find_pythons, prepare, version_of

TESTS = ROOT / "tests"
AT_ONCE = 2
LONGEST = ("clients", "durability", "management/pages", "management", "cli", "protocols", "store", "conformance")
ON_THEIR_OWN = ("fuzz", "suites")  # verbs of make

HEART = (
    *("core", "client", "configuration", "logs", "testing", "store", "upgrade", "protocols", "net"),
    *("test_broker.py", "test_broker_messages.py", "test_administration.py", "cli/test_serve.py"),
    *("clients/test_pika_blocking.py", "clients/test_aio_pika.py", "clients/test_paho.py", "clients/test_stomp_py.py"),
    *("management/test_http_requests.py", "management/test_lists.py", "management/test_queues_api.py"),
)

# What goes through very many cases, in the names of files: once is enough.
REPEATING = ("bounds", "chunking", "compaction", "crashes", "cuts", "fuzz", "hashing", "lives", "model", "random")


class Part(NamedTuple):
    """What one pytest runs."""

    name: str
    prepare: Callable[[], Path]  # returns the interpreter
    arguments: list[str]


class Outcome(NamedTuple):
    part: Part
    status: int
    output: str
    seconds: float

    def show(self) -> None:
        print(f"\n{self.part.name}: {self.seconds:.0f} s\n{self.output}", end="", flush=True)


def main(arguments: list[str]) -> int:
    install_missing()
    whole = prepare(ROOT / ".venv", None, "test")
    if arguments:
        return subprocess.run(_pytest(whole, arguments), cwd=ROOT).returncode
    others = [(version, python) for version, python in find_pythons().items() if version != version_of(whole)]
    parts = [*(_heart(version, python) for version, python in others), *_suite(whole)]
    return _report(parts, _run_all(parts))


def _heart(version: str, python: str) -> Part:
    environment = ROOT / f".venv-{version}"
    chosen = [f"tests/{path}" for path in HEART]
    left_out = [f"--ignore-glob=*/test_*{word}*.py" for word in REPEATING]
    return Part(f"Python {version}", lambda: prepare(environment, python, "test-core"), [*chosen, *left_out])


def _suite(interpreter: Path) -> list[Part]:
    """Every directory that has tests, and the files beside them."""
    files = sorted(str(path.relative_to(ROOT)) for path in TESTS.glob("test_*.py"))
    found = sorted(path.name for path in TESTS.iterdir() if path.is_dir() and any(path.rglob("test_*.py")))
    names = [*LONGEST, *(name for name in found if name not in (*LONGEST, *ON_THEIR_OWN))]
    chosen = {name: [f"tests/{name}", *_parts_within(name)] for name in names}
    version = version_of(interpreter)
    return [
        Part(f"Python {version}, {name}", lambda: interpreter, paths)
        for name, paths in {**chosen, "the rest": files}.items()
    ]


def _parts_within(name: str) -> list[str]:
    """What pytest must leave out of a directory, as it is a part by itself."""
    return [f"--ignore=tests/{other}" for other in LONGEST if other.startswith(f"{name}/")]


def _run_all(parts: list[Part]) -> list[Outcome]:
    outcomes = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        running = [threads.submit(_run, part) for part in parts]
        try:
            for done in as_completed(running):
                outcomes.append(done.result())
                if outcomes[-1].status:
                    print(f"\n{outcomes[-1].part.name}: failed; more below", flush=True)
                else:
                    outcomes[-1].show()
        except BaseException:  # Ctrl+C, or a part that cannot be run at all
            for waiting in running:
                waiting.cancel()
            raise
    return outcomes


def _run(part: Part) -> Outcome:
    interpreter = part.prepare()
    begin = time.monotonic()
    # Runs beside each other would write the same cache.
    command = _pytest(interpreter, ["--quiet", "-p", "no:cacheprovider", *part.arguments])
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return Outcome(part, done.returncode, done.stdout.decode(errors="replace"), time.monotonic() - begin)


def _pytest(interpreter: Path, arguments: list[str]) -> list[str]:
    return [str(interpreter), "-m", "pytest", *arguments]


def _report(parts: list[Part], outcomes: list[Outcome]) -> int:
    failed = [outcome for outcome in outcomes if outcome.status]
    for outcome in failed:
        outcome.show()
    for outcome in failed:
        print(f"failed: {outcome.part.name}")
    print(f"\n{len(parts) - len(failed)} of {len(parts)} parts: {_counts(outcomes)}")
    return 1 if failed else 0


def _counts(outcomes: list[Outcome]) -> str:
    """The sums of pytest's last lines, in its words."""
    sums: Counter[str] = Counter()
    for outcome in outcomes:
        last = outcome.output.rstrip().rpartition("\n")[2]
        for count, what in re.findall(r"(\d+) (failed|passed|skipped|errors?)", last):
            sums[what] += int(count)
    return ", ".join(f"{count} {what}" for what, count in sums.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
