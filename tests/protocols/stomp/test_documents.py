"""The tables of docs/protocols/stomp.md say what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from tests.protocols.stomp.test_headers import ROWS

from menura.protocols.stomp import queues
from menura.protocols.stomp.errors import REASONS, translate
from menura.protocols.stomp.limits import StompLimits

SOURCES = Path(__file__).parents[3] / "src" / "menura" / "protocols" / "stomp"
DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocols" / "stomp.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first heading is this one."""
    table = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def test_every_limit_is_documented_with_its_value() -> None:
    documented = {cells[0].strip("`"): int(cells[1]) for cells in rows("limit")}
    assert documented == {field.name: field.default for field in fields(StompLimits)}


def test_every_header_with_a_property_is_documented() -> None:
    documented = {cells[0].strip("`"): cells[1] for cells in rows("header")}
    assert documented == {header: name for header, (_, name, _) in ROWS.items()} | {"any other": "an entry of headers"}


def test_every_argument_of_a_queue_is_documented() -> None:
    for name in (*queues._NUMBERS, *queues._TEXTS, *queues._TRUTHS):
        assert f"`{name}`" in DOCUMENT


def test_every_message_of_an_error_is_documented() -> None:
    documented = {name for cells in rows("message") for name in re.findall("`(.*?)`", cells[0])}
    said = {translate(reason("")).message for reason in REASONS}
    for source in SOURCES.glob("*.py"):
        said |= set(re.findall(r'StompError\(\s*"([^"]+)"', source.read_text(encoding="utf-8")))
    assert said == documented
