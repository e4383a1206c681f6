"""docs/ctl.md says what there is: verbs, options, exit statuses, formats."""

from __future__ import annotations

import re

from tests.test_docs import ROOT, table

from menura.cli.ctl import PROGRAMS, errors
from menura.cli.ctl.admin_formats import FORMATS
from menura.cli.ctl.arguments import COMMON, SHORT
from menura.cli.ctl.formats import FORMATTERS
from menura.cli.ctl.running import load
from menura.cli.ctl.topics.messages import _CHOICE
from menura.cli.ctl.verbs import OWN, PLUGINS, REGISTRY

load()
DOCUMENT = ROOT / "docs" / "ctl.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_every_verb_is_in_the_table_with_what_it_does() -> None:
    assert table(DOCUMENT, "verb") == {name: [verb.about] for name, verb in REGISTRY.of(OWN).items()}


def test_so_are_the_verbs_of_plugins() -> None:
    plugins = {name: [verb.about] for name, verb in REGISTRY.of(PLUGINS).items() if name != "version"}
    assert table(DOCUMENT, "of rabbitmq-plugins") == plugins


def test_every_exit_status_is_in_the_table() -> None:
    known = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    assert {int(status) for status in table(DOCUMENT, "status")} == known | {0}


def test_options_in_the_tables_are_options() -> None:
    (common, choice) = (re.findall(r"--([a-z][a-z-]+)", part) for part in _option_tables())
    assert set(common) - {"no-table-headers"} <= set(COMMON)
    assert set(choice) == set(_CHOICE)
    for letter, name in re.findall(r"`-(\w)`, `--([a-z]+)", TEXT):
        assert SHORT[letter] == name


def _option_tables() -> list[str]:
    parts = TEXT.split("\n| option |")[1:]
    return [part.split("\n\n")[0] for part in parts]


def test_formats_and_programs_are_named() -> None:
    assert [name for name in FORMATTERS if f"`{name}`" not in TEXT] == []
    assert [name for name in FORMATS if f"`{name}`" not in TEXT] == []
    assert [name for name in PROGRAMS if f"`{name}`" not in TEXT] == []
