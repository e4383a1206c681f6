"""docs/shovels.md has every key and every setting of an address."""

from __future__ import annotations

import re
from pathlib import Path

from menura.client.uris import NUMBERS
from menura.shovels.definition import OPTIONAL, URIS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "shovels.md").read_text(encoding="utf-8")


def test_every_key_is_in_the_table_of_keys() -> None:
    rows = [
        line.split("|")[1] for line in DOCUMENT.partition("### Keys")[2].partition("###")[0].splitlines() if "|" in line
    ]
    documented = [name for row in rows for name in re.findall("`([a-z-]+)`", row)]
    assert sorted(documented) == sorted([*OPTIONAL, *URIS])


def test_every_number_of_an_address_is_named() -> None:
    for name in NUMBERS:
        assert f"`{name}`" in DOCUMENT, name
