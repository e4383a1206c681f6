"""From a command line to an exit status: which verb, its help, its result, or what went wrong.

Results go to standard output; what went wrong to standard error, with the status that rabbitmqctl has for it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import closing

from menura.cli.ctl import rabbitmqadmin
from menura.cli.ctl.arguments import parse, split_verb
from menura.cli.ctl.errors import USAGE, CtlError, UsageError
from menura.cli.ctl.formats import FORMATTERS, bold, formatted
from menura.cli.ctl.verbs import ADMIN, OWN, REGISTRY, Call, Verb, check, options_of

# Every module that declares verbs.
_TOPICS = (
    "users",
    "permissions",
    "vhosts",
    "policies",
    "lists",
    "connections",
    "queues",
    "definitions",
    "nodes",
    "status",
    "limits",
    "health",
    "looks",
    "features",
    "evaluating",
    "messages",
    "shovels",
    "admin",
    "plugins",
    "shim",
    "top",
    "elsewhere",
)
_PROMPT_LINES = "[--node <node>] [--longnames] [--quiet]"


def load() -> None:
    for topic in _TOPICS:
        importlib.import_module(f"menura.cli.ctl.topics.{topic}")


def knows(name: str) -> bool:
    """Whether there is a verb of this name."""
    load()
    return name in REGISTRY.of(OWN)


def run(words: Sequence[str], program: str = OWN) -> int:
    """Do what the words say; the exit status."""
    load()
    if program == ADMIN:
        words = rabbitmqadmin.as_ctl(words)
    verbs = REGISTRY.of(program)
    name, rest = split_verb(words, *options_of(verbs.values()))
    if name is None and "--help" not in rest:
        sys.stderr.write(_overview(program))
        return USAGE
    if name is None or name == "help":
        return _help(program, rest[0] if rest and name else None)
    found = verbs.get(name)
    if found is None:
        if program == ADMIN:
            sys.stderr.write(rabbitmqadmin.told(UsageError(f"Action {name} not understood")))
            return rabbitmqadmin.FAILED
        sys.stderr.write(_unknown(program, name))
        return USAGE
    try:
        return _run(program, found, rest, words)
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run(program: str, verb: Verb, rest: Sequence[str], words: Sequence[str]) -> int:
    try:
        arguments, options = parse(rest, verb.options, verb.short, verb.free)
        if options.get("help"):
            return _help(program, verb.name)
        with closing(Call(verb, program, arguments, options, words)) as call:
            _print(call)
        return 0
    except CtlError as error:
        sys.stdout.flush()
        if program == ADMIN:
            sys.stderr.write(rabbitmqadmin.told(error))
            return rabbitmqadmin.FAILED
        if isinstance(error, UsageError):
            sys.stderr.write(_misused(program, verb, words, error))
        else:
            sys.stderr.write(error.message + "\n")
        return error.status


def _print(call: Call) -> None:
    if call.formatter not in FORMATTERS:
        raise UsageError(f"Formatter {call.formatter} is not known: use {', '.join(FORMATTERS)}")
    check(call)
    if call.verb.columns:
        call.columns()
    headers = call.options.get("table-headers", True) and not call.options.get("silent")
    for line in formatted(call.verb.run(call), call.formatter, headers):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _misused(program: str, verb: Verb, words: Sequence[str], error: UsageError) -> str:
    return (
        f"Error (argument validation): {error.text}\nArguments given:\n\t{' '.join(words)}\n\n"
        f"{bold('Usage')}\n\n{_usage(program, verb)}\n"
    )


def _usage(program: str, verb: Verb) -> str:
    return f"{program} {_PROMPT_LINES} {verb.name} {verb.usage}".rstrip()


def _unknown(program: str, name: str) -> str:
    from difflib import get_close_matches

    said = f"\nCommand '{name}' not found. \n"
    near = get_close_matches(name, REGISTRY.of(program), 1, 0.7)
    return said + (f"Did you mean '{near[0]}'? \n\n" if near else _overview(program))


# -- help --------------------------------------------------------------------------------------------------------


def _help(program: str, name: str | None) -> int:
    if name is None:
        sys.stdout.write(_overview(program))
        return 0
    found = REGISTRY.of(program).get(name)
    if found is None:
        sys.stderr.write(_unknown(program, name))
        return USAGE
    sys.stdout.write(_about(program, found))
    return 0


def _about(program: str, verb: Verb) -> str:
    columns = f"\n<column>\n\tone of {', '.join(sorted(verb.columns))}\n" if verb.columns else ""
    return f"\n{bold('Usage')}\n\n{_usage(program, verb)}\n\n{verb.about}\n{columns}\n{bold('Options')}\n\n{_OPTIONS}"


def _overview(program: str) -> str:
    verbs = REGISTRY.of(program)
    groups: dict[str, list[Verb]] = {}
    for verb in verbs.values():
        groups.setdefault(verb.group, []).append(verb)
    width = max(map(len, verbs)) + 2
    lines = ["", bold("Usage"), "", f"{program} {_PROMPT_LINES} <command> [<command options>]", ""]
    lines += ["Available commands:", ""]
    for group, members in sorted(groups.items()):
        lines += [f"{bold(group)}:", ""]
        lines += [f"   {each.name.ljust(width)}{each.about}" for each in sorted(members, key=lambda verb: verb.name)]
        lines.append("")
    lines += [f"Use '{program} help <command>' to learn more about a specific command", ""]
    return "\n".join(lines)


_OPTIONS = """\
-p, --vhost <name>       the virtual host, / if none is named
-q, --quiet              print the result only
-s, --silent             the same, without a header
    --no-table-headers   leave the header out
    --formatter <name>   table, pretty_table, json, csv, erlang
-t, --timeout <seconds>  how long to wait for the broker
-d, --data <dir>         the broker that runs on this data directory
    --url <url>          the broker whose HTTP API is there: http://user:password@host:15672
-n, --node <name>        accepted, and means nothing
"""
