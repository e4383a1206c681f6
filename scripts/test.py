"""`make test`: the whole suite on the oldest CPython of this machine, a shorter one on each further CPython.

The shorter one leaves out what takes most of the time and does not change with our interpreter: tests/clients, but for
one file, which prove the protocols against other people's libraries, most of tests/management for the same reason, and
the thousands of crashes in tests/durability and tests/simulation. It comes first, so that the last line printed is that
of the whole suite; the first run that fails ends everything, with its own closing line. Given arguments, it hands them
to pytest in `.venv`, once.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from debian import install_missing
from environments import ROOT, find_pythons, prepare, version_of

SMOKE = (
    Path("tests/clients/test_pika_blocking.py"),
    Path("tests/management/test_http_requests.py"),
    Path("tests/management/test_lists.py"),
    Path("tests/management/test_queues_api.py"),
)


def main(arguments: list[str]) -> int:
    install_missing()
    whole = prepare(ROOT / ".venv", None, "test")
    if arguments:
        return _pytest(whole, arguments)
    for version, python in find_pythons().items():
        if version != version_of(whole):
            interpreter = prepare(ROOT / f".venv-{version}", python, "test-core")
            status = _pytest(interpreter, _shorter())
            if status:
                return status
    return _pytest(whole, [])


def _shorter() -> list[str]:
    directories = sorted(path for path in (ROOT / "tests").iterdir() if path.is_dir())
    left_out = {"clients", "conformance", "durability", "management", "simulation", "suites", "fuzz", "__pycache__"}
    chosen = [str(path.relative_to(ROOT)) for path in directories if path.name not in left_out]
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").glob("test_*.py"))
    smoke = [str(path) for path in SMOKE if (ROOT / path).exists()]
    return [*files, *chosen, *smoke]


def _pytest(interpreter: Path, arguments: list[str]) -> int:
    print(f"\nPython {version_of(interpreter)}", flush=True)
    return subprocess.run([str(interpreter), "-m", "pytest", *arguments], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
