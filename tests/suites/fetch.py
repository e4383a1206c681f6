"""Fetches a suite's tests and builds the environment that runs them, both kept in `.cache/suites/NAME`.

Registries are asked through their ordinary clients only. A stamp file remembers from what the directory was made; when
the definition or an overlaid file changes, the directory is made anew.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.suites.definition import CACHE, Suite


class Unavailable(Exception):
    """The suite cannot run here; the text says why."""


def prepare(suite: Suite, checkout: Path | None) -> None:
    """Leave the suite's tree and environment ready to run, or raise Unavailable."""
    missing = [program for program in suite.programs if shutil.which(program) is None]
    if missing:
        raise Unavailable(f"needs {', '.join(missing)}, not installed here")
    home, wanted = CACHE / suite.name, _fingerprint(suite, checkout)
    stamp = home / "stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    _fetch(suite, home, checkout)
    if suite.overlay.is_dir():
        shutil.copytree(suite.overlay, suite.tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    if suite.requirements:
        _run(sys.executable, "-m", "venv", home / "venv")
        _run(suite.python, "-m", "pip", "install", *suite.requirements)
    stamp.write_text(wanted)


def _fetch(suite: Suite, home: Path, checkout: Path | None) -> None:
    registry, _, package = suite.source.partition(":")
    if checkout is not None:
        shutil.copytree(checkout, suite.tree, ignore=shutil.ignore_patterns(".git", "__pycache__"))
    elif registry == "git":
        url, _, commit = package.rpartition("@")
        git = ("git", "-C", suite.tree)
        _run("git", "init", "--quiet", suite.tree)
        _run(*git, "fetch", "--quiet", "--depth", "1", url, commit)
        _run(*git, "checkout", "--quiet", commit)
    else:
        _unpack(suite, home, registry, package)


def _unpack(suite: Suite, home: Path, registry: str, package: str) -> None:
    archives = home / "archive"
    archives.mkdir()
    if registry == "pypi":
        distribution = package.partition("==")[0]
        pip = (sys.executable, "-m", "pip")
        _run(*pip, "download", "--no-deps", "--no-binary", distribution, "--dest", archives, package)
    else:
        _run("npm", "pack", "--silent", "--pack-destination", archives, package)
    [archive] = archives.iterdir()
    with tarfile.open(archive) as tar:
        tar.extractall(archives / "unpacked", filter="data")
    [unpacked] = (archives / "unpacked").iterdir()
    unpacked.rename(suite.tree)


def _fingerprint(suite: Suite, checkout: Path | None) -> str:
    overlaid = sorted(path for path in suite.overlay.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    parts = [suite.source, str(checkout), sys.version, *suite.requirements]
    parts += [f"{path}:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in overlaid]
    return "\n".join(parts)


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()[-500:]}")
