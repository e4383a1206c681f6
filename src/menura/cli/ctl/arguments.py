"""The command line of a verb: options anywhere among arguments, long ones with `--`, negated with `--no-`.

What rabbitmqctl accepts and what means nothing here (another node, long host names, where Erlang is) is accepted too,
since scripts and wrappers pass it. After `--` everything is an argument.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from menura.cli.ctl.errors import UNAVAILABLE, CtlError, UsageError

Kind = Callable[[str], Any]
FLAG: Kind = bool
TEXT: Kind = str
WHOLE: Kind = int
NUMBER: Kind = float
MANY: Kind = list
"""An option that may be given several times: a list of texts."""

COMMON: Mapping[str, Kind] = {
    "node": TEXT,
    "timeout": NUMBER,
    "quiet": FLAG,
    "silent": FLAG,
    "longnames": FLAG,
    "formatter": TEXT,
    "table-headers": FLAG,
    "help": FLAG,
    "vhost": TEXT,
    "url": TEXT,
    "data": TEXT,
    "dry-run": FLAG,
    "print-stacktrace": FLAG,
    "script-name": TEXT,
    "rabbitmq-home": TEXT,
    "mnesia-dir": TEXT,
    "plugins-dir": TEXT,
    "enabled-plugins-file": TEXT,
    "aliases-file": TEXT,
    "erlang-cookie": TEXT,
    "offline": FLAG,
    "online": FLAG,
    "local": FLAG,
}
SHORT: Mapping[str, str] = {
    "n": "node",
    "t": "timeout",
    "q": "quiet",
    "s": "silent",
    "l": "longnames",
    "p": "vhost",
    "d": "data",
    "?": "help",
    "h": "help",
}


def parse(
    words: Sequence[str], options: Mapping[str, Kind], short: Mapping[str, str], free: bool = False
) -> tuple[list[str], dict[str, Any]]:
    """Arguments, and options by their long names. Raises UsageError for those that are not known.

    With `free` long ones that are not known are arguments of the form name=value.
    """
    arguments: list[str] = []
    given: dict[str, Any] = {}
    wrong: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            arguments += rest
        elif not word.startswith("-") or word == "-" or _is_number(word):
            arguments.append(word)
        elif free and word.startswith("--") and word[2:].partition("=")[0] not in {**COMMON, **options}:
            arguments.append(word[2:] if "=" in word else f"{word[2:]}={next(rest, '')}")
        else:
            _take(word, rest, {**COMMON, **options}, {**SHORT, **short}, given, wrong)
    if wrong:
        raise UsageError("Invalid options for this command:\n" + "\n".join(wrong))
    return arguments, given


def split_verb(
    words: Sequence[str], options: Mapping[str, Kind] | None = None, short: Mapping[str, str] | None = None
) -> tuple[str | None, list[str]]:
    """The verb, which may come after options, and all the rest. `options` and `short`: those of any verb."""
    options, short = {**(options or {}), **COMMON}, {**(short or {}), **SHORT}
    rest = list(words)
    at = 0
    while at < len(rest):
        word = rest[at]
        if not word.startswith("-"):
            return word, rest[:at] + rest[at + 1 :]
        name = word[2:] if word.startswith("--") else short.get(word[1:], "")
        takes_value = "=" not in word and options.get(name, FLAG) is not FLAG
        at += 2 if takes_value else 1
    return None, rest


def parse_json(words: str) -> Any:
    """An argument that has to be JSON."""
    try:
        return json.loads(words)
    except ValueError:
        raise CtlError(UNAVAILABLE, "JSON decoding error. Reason: badarg") from None


def _take(
    word: str,
    rest: Iterator[str],
    options: Mapping[str, Kind],
    short: Mapping[str, str],
    given: dict[str, Any],
    wrong: list[str],
) -> None:
    written, equals, value = word.partition("=")
    name = written[2:].replace("_", "-") if written.startswith("--") else short.get(written[1:], "")
    negated = name.startswith("no-") and options.get(name[3:]) is FLAG
    kind = FLAG if negated else options.get(name)
    if kind is None:
        wrong.append(f"{written} : {value}")
        return
    if negated:
        given[name[3:]] = False
        return
    if kind is FLAG:
        given[name] = value != "false"
        return
    if not equals:
        try:
            value = next(rest)
        except StopIteration:
            wrong.append(f"{written} : ")
            return
    try:
        if kind is MANY:
            given.setdefault(name, []).append(value)
        else:
            given[name] = kind(value)
    except ValueError:
        wrong.append(f"{written} : {value}")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
