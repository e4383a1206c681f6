"""Virtual environments for working on Menura: made on first use, kept until pyproject.toml changes.

`.venv` belongs to the oldest CPython found that the package supports; it serves, runs the whole test suite
and holds the checkers. Every further CPython gets `.venv-X.Y` when `make test` first wants it. Inside each
directory one empty stamp file per set of extras remembers that this set is installed; a stamp older than
pyproject.toml counts for nothing, and an environment whose interpreter has gone is made anew.

Run as `python3 scripts/environments.py [EXTRAS]`, it prepares `.venv`. It needs nothing but the standard
library and runs on Python 3.8 and newer, since the `python3` that make calls may be older than what the
package supports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
MINORS = range(OLDEST[1], OLDEST[1] + 10)

# Prints "3.11 /usr/bin/python3.11" for a released CPython that can make environments, else nothing.
PROBE = """
import sys, sysconfig, venv, ensurepip
released = sys.version_info.releaselevel == "final" and not sysconfig.get_config_var("Py_GIL_DISABLED")
if sys.implementation.name == "cpython" and released:
    print("%d.%d" % sys.version_info[:2], sys.executable)
"""


def find_pythons() -> dict[str, str]:
    """The CPythons of this machine that the package supports, one per minor version, oldest first."""
    found: dict[str, str] = {}
    for candidate in _candidates():
        version, _, executable = _ask(candidate).partition(" ")
        if executable and _key(version) >= OLDEST:
            found.setdefault(version, executable)
    return dict(sorted(found.items(), key=lambda item: _key(item[0])))


def prepare(directory: Path, python: str | None, extras: str) -> Path:
    """Make sure `directory` holds an environment with the package and `extras`; returns its interpreter."""
    interpreter = directory / "bin" / "python"
    stamp = directory / f".installed-{extras or 'plain'}"
    usable = bool(_ask(str(interpreter)))
    if usable and stamp.exists() and stamp.stat().st_mtime >= (ROOT / "pyproject.toml").stat().st_mtime:
        return interpreter
    if not usable:
        python = python or _oldest()
        print(f"{directory.name}: new environment for {python}", flush=True)
        _run([python, "-m", "venv", "--clear", str(directory)])
    _install(directory, interpreter, extras)
    stamp.touch()
    return interpreter


def version_of(interpreter: Path) -> str:
    return _ask(str(interpreter)).partition(" ")[0]


def _install(directory: Path, interpreter: Path, extras: str) -> None:
    target = f".[{extras}]" if extras else "."
    print(f"{directory.name}: installing {target} (once; a minute or so) ...", flush=True)
    started = time.monotonic()
    pip = [str(interpreter), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "install", "--progress-bar", "off", "--editable", target])
    print(f"{directory.name}: installed in {time.monotonic() - started:.0f} s", flush=True)


def _candidates() -> list[str]:
    """Every place worth asking: the search path first, then what pyenv and uv keep beside it."""
    names = ["python3", *(f"python3.{minor}" for minor in MINORS)]
    on_path = [path for path in map(shutil.which, names) if path]
    # A pyenv shim answers only for the versions selected at the moment, so its versions are asked one by one.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    uv = Path.home() / ".local" / "share" / "uv" / "python"
    beside = sorted(str(path) for store in (pyenv, uv) for path in store.glob("*/bin/python3"))
    return [*on_path, *beside]


def _ask(python: str) -> str:
    try:
        answer = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=30, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _oldest() -> str:
    pythons = find_pythons()
    if not pythons:
        sys.exit("found no CPython 3.11 or newer with venv (Debian: apt install python3-venv)")
    return next(iter(pythons.values()))


def _run(command: list[str]) -> None:
    status = subprocess.run(command, cwd=ROOT).returncode
    if status:
        sys.exit(f"failed with status {status}: {' '.join(command)}")


if __name__ == "__main__":
    prepare(ROOT / ".venv", None, sys.argv[1] if len(sys.argv) > 1 else "")
