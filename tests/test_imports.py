"""Imports point inward, the core is pure and neutral, and nothing goes round in a circle.

Each part of the package (a module or directory straight under `menura`; each protocol is a part of its own)
has one line in `RULES`: the parts it may import. Parts in `PURE` get their time, randomness, files and
sockets passed in, so the standard library is open to them only as far as `PURE_STDLIB` goes. The source is
parsed, never run, and an import counts wherever it stands, in a function too. One under TYPE_CHECKING counts
for the rules but closes no circle: a queue and its consumers may know each other's types.

`violations` takes the tree as an argument, so the second half of this file shows that each rule can fail.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "menura"
ANYTHING = frozenset({"*"})

# part: the parts it may import besides itself. "menura" is the package's own __init__.py.
RULES: dict[str, frozenset[str]] = {
    "menura": frozenset({"broker", "config", "version"}),
    "__main__": frozenset({"cli"}),
    "administration": frozenset({"core"}),
    "applying": frozenset({"config", "configuration", "core", "management", "net", "storage"}),
    "bench": frozenset(),
    "broker": ANYTHING,
    "client": frozenset({"core", "net", "protocols.amqp"}),
    "cli": frozenset(
        {
            "menura",
            "applying",
            "bench",
            "broker",
            "config",
            "configuration",
            "demo",
            "logs",
            "net",
            "store",
            "version",
            "voices",
        }
    ),
    "config": frozenset(),
    "configuration": frozenset({"config"}),
    "core": frozenset(),
    "demo": frozenset({"bench", "client", "core", "net", "protocols.amqp"}),
    "management": frozenset({"config", "core", "logs", "net", "shovels", "storage", "version"}),
    "logs": frozenset({"core"}),
    "net": frozenset(),
    "pausing": frozenset({"core", "management", "net", "shovels"}),
    "protocols": frozenset({"core"}),
    "reaching": frozenset({"client", "core", "net"}),
    "shovels": frozenset({"client", "core", "protocols.amqp"}),
    "storage": frozenset({"core", "store"}),
    "store": frozenset({"core"}),
    "testing": frozenset({"menura", "broker", "config"}),
    "version": frozenset(),
    "voices": ANYTHING,
}
PURE = frozenset({"core", "protocols"})
PURE_STDLIB = frozenset(
    "__future__ abc array base64 binascii bisect collections contextlib dataclasses decimal enum functools "
    "datetime hashlib heapq hmac ipaddress itertools json math operator re string struct types typing zlib".split()
)
PROTOCOL_WORDS = re.compile("amqp|mqtt|kafka|redis|stomp|memcached|zeromq", re.IGNORECASE)


def test_the_package_keeps_every_rule() -> None:
    assert violations(PACKAGE) == []


def test_every_rule_is_about_a_part_that_exists() -> None:
    parts = {part_of(module) for module in modules(PACKAGE)}
    assert RULES.keys() - parts - {"protocols"} == set()


def violations(package: Path) -> list[str]:
    sources = modules(package)
    found, at_run_time = [], {}
    for module, path in sources.items():
        syntax = ast.parse(path.read_text(encoding="utf-8"), str(path))
        package_of = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for target in sorted(set(imports_of(syntax, package_of, sources))):
            found += forbidden(module, target)
        at_run_time[module] = sorted(set(imports_of(without_typing(syntax), package_of, sources)))
    return [*found, *unruled(sources), *cycle(at_run_time), *protocol_words(sources)]


def modules(package: Path) -> dict[str, Path]:
    """Dotted name to file, for every module of the package."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def part_of(module: str) -> str:
    """`menura.core.queue` -> `core`; each protocol is its own part: `protocols.x`."""
    names = module.split(".")
    if len(names) == 1:
        return names[0]
    return ".".join(names[1:3]) if names[1] == "protocols" else names[1]


def imports_of(syntax: ast.AST, package: str, sources: dict[str, Path]) -> Iterator[str]:
    """Full names of what is imported: the module of that name, else the module that holds the name."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in sources else origin


def without_typing(syntax: ast.Module) -> ast.Module:
    """The module less its top-level `if TYPE_CHECKING:` blocks."""
    kept = [
        node
        for node in syntax.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
    ]
    return ast.Module(body=kept, type_ignores=[])


def forbidden(importer: str, target: str) -> list[str]:
    """What is wrong with this import; empty if nothing is."""
    mine, root = part_of(importer), target.split(".")[0]
    rule = mine.split(".")[0]
    if root == "menura":
        theirs, allowed = part_of(target), RULES.get(rule, frozenset())
        if theirs != mine and allowed != ANYTHING and theirs not in allowed:
            return [f"{importer} imports {target}"]
    elif rule in PURE and root not in PURE_STDLIB:
        reason = "is not pure" if root in sys.stdlib_module_names else "is not the standard library"
        return [f"{importer} imports {target}, which {reason}"]
    return []


def unruled(sources: dict[str, Path]) -> list[str]:
    parts = {part_of(module).split(".")[0] for module in sources}
    return [f"{part} has no rule" for part in sorted(parts - RULES.keys())]


def cycle(imports: dict[str, list[str]]) -> list[str]:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return [f"imports in a circle: {' -> '.join(reversed(error.args[1]))}"]
    return []


def protocol_words(sources: dict[str, Path]) -> list[str]:
    return [
        f"{module}:{number} says {match.group()!r}"
        for module, path in sources.items()
        if part_of(module) == "core"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := PROTOCOL_WORDS.search(line))
    ]


SOUND = {
    "__init__.py": "from menura.broker import Broker",
    "broker.py": "import asyncio, menura.core.queue\nfrom menura import net, protocols, store",
    "core/__init__.py": "",
    "core/queue.py": "from collections.abc import Callable\nfrom .errors import Locked",
    "core/errors.py": "",
    "store/__init__.py": "import os\nfrom menura.core import queue",
    "net/__init__.py": "import socket",
    "protocols/__init__.py": "",
    "protocols/amqp/__init__.py": "",
    "protocols/amqp/session.py": "import struct\nfrom ...core import queue\nfrom . import frames",
    "protocols/amqp/frames.py": "",
    "protocols/mqtt/__init__.py": "",
}


def tree(directory: Path, changes: dict[str, str]) -> Path:
    package = directory / "menura"
    for name, text in {**SOUND, **changes}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


def test_a_sound_tree_has_no_violations(tmp_path: Path) -> None:
    assert violations(tree(tmp_path, {})) == []


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("core/queue.py", "from menura.store import memory", "menura.core.queue imports menura.store"),
        ("core/queue.py", "from ..net import listener", "menura.core.queue imports menura.net"),
        ("core/queue.py", "from menura import __version__", "menura.core.queue imports menura"),
        ("core/queue.py", "import asyncio", "menura.core.queue imports asyncio, which is not pure"),
        ("core/queue.py", "import os.path", "menura.core.queue imports os.path, which is not pure"),
        ("core/queue.py", "def now():\n    import time", "menura.core.queue imports time, which is not pure"),
        ("core/queue.py", "import rich", "menura.core.queue imports rich, which is not the standard library"),
        ("core/queue.py", "# as in MQTT", "menura.core.queue:1 says 'MQTT'"),
        ("core/queue.py", "\nkafka_offset = 0", "menura.core.queue:2 says 'kafka'"),
        ("core/errors.py", "from menura.core import queue", "imports in a circle: "),
        ("store/__init__.py", "from menura import net", "menura.store imports menura.net"),
        ("net/__init__.py", "import menura.core.queue", "menura.net imports menura.core.queue"),
        ("net/__init__.py", "from menura.protocols import amqp", "menura.net imports menura.protocols.amqp"),
        ("bench/__init__.py", "from menura.core import queue", "menura.bench imports menura.core.queue"),
        ("cli/__init__.py", "from menura.core import queue", "menura.cli imports menura.core.queue"),
        ("protocols/amqp/frames.py", "from ..mqtt import session", "imports menura.protocols.mqtt"),
        ("protocols/amqp/frames.py", "from time import time", "imports time, which is not pure"),
        ("protocols/amqp/frames.py", "from menura.net import listener", "imports menura.net"),
        ("protocols/__init__.py", "from . import amqp", "menura.protocols imports menura.protocols.amqp"),
        ("drawer.py", "", "drawer has no rule"),
    ],
)
def test_a_broken_rule_is_reported(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    found = violations(tree(tmp_path, {file: text}))
    assert [line for line in found if complaint in line], found


def test_a_circle_of_types_alone_is_allowed(tmp_path: Path) -> None:
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from menura.core import queue"
    assert violations(tree(tmp_path, {"core/errors.py": typed})) == []


def test_an_import_for_types_still_points_inward(tmp_path: Path) -> None:
    typed = "import typing\nif typing.TYPE_CHECKING:\n    from menura import net"
    assert violations(tree(tmp_path, {"core/errors.py": typed})) == ["menura.core.errors imports menura.net"]


def test_a_circle_names_the_modules_in_it(tmp_path: Path) -> None:
    found = violations(tree(tmp_path, {"core/errors.py": "from . import queue"}))
    (line,) = found
    assert {"menura.core.errors", "menura.core.queue"} <= set(re.findall(r"[\w.]+", line))
