"""What a suite is: where its tests come from, what they need, and the command that runs them.

Each file in `definitions/` describes one suite as TOML. `source` names the artefact that holds the tests, always at one
exact version, so that a pass list means the same thing tomorrow:

    pypi:NAME==VERSION    the source distribution, by pip
    npm:NAME@VERSION      the package, by npm
    git:URL@COMMIT        the repository at that commit; for tests that no package has

Where a source is out of reach, `--checkout NAME=DIRECTORY` hands over a copy.

`command` runs in the unpacked tree. `{python}` becomes the interpreter of the suite's own environment and `{results}`
the JUnit file that it must write. Files in `overlays/NAME/` are laid over the tree first; they stand in for what a
project keeps outside its artefact, such as the container it starts RabbitMQ in.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / ".cache" / "suites"


@dataclass(frozen=True)
class Suite:
    """One project's tests.

    `programs` must be on the search path, `services` run beside the broker. `certificates` are files of the tree, the
    `ca`, `cert` and `key` that the suite wants the broker's TLS listener to have. Guest may use the `vhosts` beside
    the first one; `topics` are the patterns of what guest may `write` to and `read` from `amq.topic`.
    """

    name: str
    source: str
    command: tuple[str, ...]
    minutes_max: float
    requirements: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    vhosts: tuple[str, ...] = ()
    certificates: dict[str, str] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def tree(self) -> Path:
        return CACHE / self.name / "tree"

    @property
    def python(self) -> Path:
        return CACHE / self.name / "venv" / "bin" / "python"

    @property
    def overlay(self) -> Path:
        return HERE / "overlays" / self.name

    @property
    def pass_list(self) -> Path:
        return HERE / "passlists" / f"{self.name}.txt"


def read_suite(name: str) -> Suite:
    table = tomllib.loads((HERE / "definitions" / f"{name}.toml").read_text())
    for key in ("command", "requirements", "programs", "services", "vhosts"):
        table[key] = tuple(table.get(key, ()))
    return Suite(name=name, **table)


def suite_names() -> list[str]:
    return sorted(path.stem for path in (HERE / "definitions").glob("*.toml"))
