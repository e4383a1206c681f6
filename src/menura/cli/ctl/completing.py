"""What a shell may offer where the cursor is: verbs, then their options, columns and kinds of objects."""

from __future__ import annotations

from collections.abc import Sequence

from menura.cli.ctl.admin_objects import CLOSED, DECLARED, DELETED, LISTED, PURGED
from menura.cli.ctl.arguments import COMMON, split_verb
from menura.cli.ctl.formats import FORMATTERS
from menura.cli.ctl.running import load
from menura.cli.ctl.verbs import OWN, REGISTRY, Verb, options_of

_KINDS = {
    "list": LISTED,
    "show": ("overview",),
    "declare": DECLARED,
    "delete": DELETED,
    "purge": PURGED,
    "close": CLOSED,
}
_HIDDEN = frozenset(
    ("erlang-cookie", "longnames", "rabbitmq-home", "mnesia-dir", "plugins-dir", "script-name", "print-stacktrace")
)


def candidates(words: Sequence[str], incomplete: str) -> list[str]:
    """What may come after `words`, beginning with `incomplete`."""
    load()
    if words and words[-1] == "--formatter":
        return [name for name in FORMATTERS if name.startswith(incomplete)]
    verbs = REGISTRY.of(OWN)
    name, rest = split_verb(words, *options_of(verbs.values()))
    if name is None or name == "help":
        offered = _options(None) if incomplete.startswith("-") else [*verbs, "help"]
    elif name not in verbs:
        offered = []
    elif incomplete.startswith("-"):
        offered = _options(verbs[name])
    else:
        given = [word for word in rest if not word.startswith("-")]
        offered = list(_KINDS[name]) if name in _KINDS and not given else list(verbs[name].columns)
    return sorted(each for each in offered if each.startswith(incomplete))


def _options(verb: Verb | None) -> list[str]:
    own = verb.options if verb is not None else ()
    return [f"--{name}" for name in (*COMMON, *own) if name not in _HIDDEN] + ["--no-table-headers"]
