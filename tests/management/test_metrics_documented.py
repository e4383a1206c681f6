"""Every family is documented, and every family of RabbitMQ is served or said to be left out."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest
from tests.test_docs import ROOT, table

import menura
from menura.management.metrics.pages import GROUPS

DOCUMENT = ROOT / "docs" / "metrics.md"
ALL_GROUPS = "&".join(f"family={name}" for name in GROUPS)
BOARD = ROOT / "deploy" / "grafana" / "menura.json"
RABBITMQ = "http://127.0.0.1:15692"
_TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


def types(url: str) -> dict[str, str]:
    """The families of a page; those of the detailed one under their other name."""
    request = urllib.request.Request(url, headers={"Accept": "text/plain"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    return {name.replace("rabbitmq_detailed_", "rabbitmq_"): kind for name, kind in _TYPE.findall(text)}


def families(base: str) -> dict[str, str]:
    paths = ("/metrics", "/metrics/per-object", f"/metrics/detailed?{ALL_GROUPS}")
    return {name: kind for path in paths for name, kind in types(base + path).items()}


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, str]]:
    with menura.Broker(listen=("http://127.0.0.1:0",)) as broker:
        base = broker.url("http").replace("guest:guest@", "").rstrip("/")
        yield families(base) | types(f"{base}/metrics/memory-breakdown")


def left_out() -> list[str]:
    return [pattern for cell in table(DOCUMENT, "left out") for pattern in cell.replace("`", "").split(", ")]


def test_every_family_is_documented_with_its_type(served: dict[str, str]) -> None:
    rows = {**table(DOCUMENT, "family"), **table(DOCUMENT, "own family")}
    assert {name: cells[0] for name, cells in rows.items()} == served


def test_every_group_is_documented() -> None:
    named = set(re.findall(r"`([a-z_]+)`", DOCUMENT.read_text(encoding="utf-8")))
    assert GROUPS.keys() - named == set()


def test_what_is_said_to_be_left_out_is_not_served(served: dict[str, str]) -> None:
    exceptions = {name for name in served if name.startswith("rabbitmq_memory_")} | {"rabbitmq_erlang_uptime_seconds"}
    found = {name for name in served for pattern in left_out() if fnmatchcase(name, pattern)}
    assert found == exceptions


def test_every_family_of_rabbitmq_is_served_with_its_type_or_said_to_be_left_out(served: dict[str, str]) -> None:
    try:
        theirs = families(RABBITMQ)
    except urllib.error.URLError:
        pytest.skip("no RabbitMQ with its plugin for Prometheus")
    patterns = left_out()
    missing = {
        name: kind
        for name, kind in theirs.items()
        if served.get(name) != kind and not any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    assert missing == {}


def test_the_board_asks_for_families_that_are_served(served: dict[str, str]) -> None:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [variable["query"]["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    assert len(asked) > 20
    names = {name for expression in asked for name in re.findall(r"(?:rabbitmq|menura)_[a-z_]+", expression)}
    assert {name.removesuffix("_bucket") for name in names} - served.keys() == set()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
