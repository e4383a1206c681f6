"""Definitions out of a broker and into it, as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from menura.cli.ctl.arguments import FLAG, TEXT
from menura.cli.ctl.client import path
from menura.cli.ctl.errors import DATA, CtlError, UsageError
from menura.cli.ctl.formats import Facts
from menura.cli.ctl.verbs import Call, verb

_GROUP = "Definitions"
_PATIENCE_SECONDS = 300.0


@verb(
    "export_definitions",
    _GROUP,
    "Exports definitions as JSON",
    '<file_path | "-"> [--vhost <vhost>]',
    1,
    options={"format": TEXT},
    patience_seconds=_PATIENCE_SECONDS,
)
def export_definitions(call: Call) -> Facts | None:
    file = call.argument(0)
    if call.options.get("format", "json").lower() != "json":
        raise UsageError("Bad argument: definitions are exported as JSON only", DATA)
    if file == "-":
        exported = _exported(call)
        return Facts(json.dumps(exported, separators=(",", ":"), ensure_ascii=False), exported)
    call.info(f'Exporting definitions in JSON to a file at "{file}" ...')
    text = json.dumps(_exported(call), separators=(",", ":"), ensure_ascii=False)
    write_private(file, text)
    return None


def _exported(call: Call) -> Any:
    """All, or those of one virtual host."""
    return call.client.get(path("definitions", call.vhost) if "vhost" in call.options else "/definitions")


def write_private(file: str, text: str) -> None:
    """Write a file that only its owner may read: there are password hashes in it."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise CtlError(DATA, f"Cannot write {file}: {error.strerror}") from None


@verb(
    "import_definitions",
    _GROUP,
    "Imports definitions from JSON",
    '<file_path | "-"> [--vhost <vhost>] [--skip-if-unchanged]',
    (0, 1),
    options={"format": TEXT, "skip-if-unchanged": FLAG},
    patience_seconds=_PATIENCE_SECONDS,
)
def import_definitions(call: Call) -> str | None:
    file = call.argument(0, "-")
    definitions = read_definitions(file)
    source = "standard input" if file == "-" else f'a file at "{file}"'
    call.info(f"Importing definitions in JSON from {source} ...")
    call.client.post(path("definitions", call.vhost) if "vhost" in call.options else "/definitions", definitions)
    return None if call.quiet else "Successfully imported definitions"


def read_definitions(file: str) -> Any:
    if file != "-" and not os.path.exists(file):
        raise UsageError(f"Bad argument: File {file} does not exist", DATA)
    try:
        if file == "-":
            return json.load(sys.stdin)
        with open(file, encoding="utf-8") as source:
            return json.load(source)
    except OSError as error:
        raise CtlError(DATA, f"Cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise CtlError(DATA, f"Failed to parse input using JSON parser: {error}") from None
