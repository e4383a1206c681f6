"""`install-shim`: programs under the names of RabbitMQ's, so that scripts and test suites drive Menura."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from urllib.parse import urlsplit

from menura.cli.ctl import PROGRAMS
from menura.cli.ctl.arguments import FLAG
from menura.cli.ctl.errors import DATA, CtlError
from menura.cli.ctl.verbs import OWN, Call, verb

_MARK = "# Made by menura ctl install-shim"


@verb(
    "install-shim",
    "Help",
    "Writes programs with the names of RabbitMQ's into a directory: they are this one",
    "<dir> [--force] [--data <dir> | --url <url>]",
    1,
    options={"force": FLAG},
    programs=(OWN,),
)
def install_shim(call: Call) -> str:
    directory = Path(call.argument(0))
    place = _place(call)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for program in PROGRAMS:
            _write(directory / program, program, place, bool(call.options.get("force")))
    except OSError as error:
        raise CtlError(DATA, f"Cannot write into {directory}: {error.strerror}") from None
    lines = [f"  {directory / program}" for program in PROGRAMS]
    return "\n".join(["These programs drive Menura now:", *lines, f"Put {directory} first in PATH to have them found."])


def _place(call: Call) -> list[str]:
    """Options that name the broker, if one was named."""
    if "url" in call.options:
        return [f"--url={call.options['url']}"]
    if "data" in call.options:
        return [f"--data={Path(call.options['data']).resolve()}"]
    return []


def _write(file: Path, program: str, place: list[str], force: bool) -> None:
    if file.exists() and not force and _MARK not in file.read_text(errors="replace"):
        raise CtlError(DATA, f"{file} is there already, and is not ours: choose another directory, or --force")
    command = shlex.join([sys.executable, "-m", "menura", "ctl", "--as", program, *place])
    secret = any(urlsplit(option.partition("=")[2]).password for option in place)
    # Written beside and renamed: it may be running. What has a password in it is its owner's.
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_text(f'#!/bin/sh\n{_MARK}\nexec {command} "$@"\n')
    beside.chmod(0o700 if secret else 0o755)
    beside.replace(file)
