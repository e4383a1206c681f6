"""What a verb is, where all verbs stand, and what the function behind one is given.

A verb is a function with a `Call`: it asks the broker through `call.client`, says what it is about to do with
`call.info`, and returns what there is to print. Help, completion, the check of arguments and the table in the
documentation come from the same declaration. The programs of the shim see the same verbs, each its own choice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from menura.cli.ctl.arguments import Kind
from menura.cli.ctl.client import Client
from menura.cli.ctl.errors import DATA, CtlError, UsageError
from menura.cli.ctl.finding import broker_url
from menura.cli.ctl.formats import SILENT, Result, Table

CTL = "rabbitmqctl"
DIAGNOSTICS = "rabbitmq-diagnostics"
PLUGINS = "rabbitmq-plugins"
QUEUES = "rabbitmq-queues"
ADMIN = "rabbitmqadmin"
OWN = "menura ctl"
ALL = (CTL, DIAGNOSTICS, PLUGINS, QUEUES, ADMIN, OWN)


class Call:
    """One verb with what it was given."""

    def __init__(
        self, verb: Verb, program: str, arguments: Sequence[str], options: Mapping[str, Any], words: Sequence[str]
    ) -> None:
        self.verb = verb
        self.program = program
        self.arguments = list(arguments)
        self.options = options
        self.words = words
        """All of the command line, as it was."""
        self.formatter: str = options.get("formatter") or "table"
        self.quiet = bool(options.get("quiet") or options.get("silent")) or self.formatter in SILENT

    @cached_property
    def client(self) -> Client:
        seconds = self.options.get("timeout") or self.verb.patience_seconds
        return Client(broker_url(self.options.get("url"), self.options.get("data")), seconds)

    def close(self) -> None:
        """Let go of the broker; the next use of `client` looks for it again."""
        if "client" in self.__dict__:
            self.client.close()
            del self.client

    @property
    def vhost(self) -> str:
        return str(self.options.get("vhost", "/"))

    @cached_property
    def node(self) -> str:
        """What the broker calls itself."""
        return str(self.client.get("/overview")["node"])

    def argument(self, at: int, default: str = "") -> str:
        return self.arguments[at] if at < len(self.arguments) else default

    def info(self, line: str) -> None:
        """What is about to be done: for people only."""
        if not self.quiet:
            self.say(line)

    def say(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def columns(self) -> list[str]:
        """The columns asked for, or the usual ones. Raises UsageError for one that there is not."""
        asked = [name for argument in self.arguments for name in argument.replace(",", " ").split()]
        known = self.verb.columns
        if unknown := [name for name in asked if name not in known]:
            raise UsageError(f"Info key(s) {','.join(unknown)} are not supported")
        return asked or list(self.verb.usual)

    def table(self, rows: Iterable[Mapping[str, Any]]) -> Table:
        """A table of the columns asked for, of rows by column."""
        names = self.columns()
        return Table(names, [[row[name] for name in names] for row in rows])

    def secret(self, at: int, prompt: str = "Password: ") -> str:
        """An argument that is better not on the command line, where others may see it: asked for if it is not."""
        if at < len(self.arguments):
            return self.arguments[at]
        if sys.stdin.isatty():
            from getpass import getpass

            return getpass(prompt)
        self.say(prompt)
        word = sys.stdin.readline().rstrip("\n")
        if not word:
            raise CtlError(DATA, f"{prompt.rstrip(': ')} is not provided via argument or stdin")
        return word


@dataclass(frozen=True, slots=True)
class Verb:
    name: str
    group: str
    usage: str
    about: str
    run: Callable[[Call], Result]
    least: int = 0
    most: int | None = 0
    options: Mapping[str, Kind] = field(default_factory=dict)
    short: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = (CTL,)
    columns: Sequence[str] = ()
    """Those that a list can have; `usual` ones are shown if none are asked for."""
    usual: Sequence[str] = ()
    patience_seconds: float = 60.0
    """How long to wait for an answer, if nothing else was said."""
    free: bool = False
    """Whether options that are not known stand for names and values."""


class Registry:
    """Verbs by the program that has them, and by name."""

    def __init__(self) -> None:
        self.by_program: dict[str, dict[str, Verb]] = {program: {} for program in ALL}

    def add(self, verb: Verb) -> None:
        for program in verb.programs:
            self.by_program[program][verb.name] = verb

    def of(self, program: str) -> dict[str, Verb]:
        """What a program knows. `menura ctl` knows it all, but for plugins, which have no verbs of their own names."""
        if program != OWN:
            return self.by_program[program]
        return {
            name: verb
            for each in (DIAGNOSTICS, QUEUES, CTL, ADMIN, OWN)
            for name, verb in self.by_program[each].items()
        }


REGISTRY = Registry()


def options_of(verbs: Iterable[Verb]) -> tuple[dict[str, Kind], dict[str, str]]:
    """All options that any of these takes, by their long names, and the long names of the short ones."""
    options: dict[str, Kind] = {}
    short: dict[str, str] = {}
    for each in verbs:
        options |= each.options
        short |= each.short
    return options, short


def verb(
    name: str,
    group: str,
    about: str,
    usage: str = "",
    arguments: int | tuple[int, int | None] = 0,
    **more: Any,
) -> Callable[[Callable[[Call], Result]], Callable[[Call], Result]]:
    """Declare a function to be a verb. `arguments`: how many, or the fewest and the most (None: no end)."""
    least, most = arguments if isinstance(arguments, tuple) else (arguments, arguments)

    def declare(run: Callable[[Call], Result]) -> Callable[[Call], Result]:
        REGISTRY.add(Verb(name, group, usage, about, run, least, most, **more))
        return run

    return declare


def check(call: Call) -> None:
    """Whether there are as many arguments as the verb takes. Raises UsageError."""
    count = len(call.arguments)
    if count < call.verb.least:
        raise UsageError("not enough arguments.")
    if call.verb.most is not None and count > call.verb.most:
        raise UsageError("too many arguments.")
