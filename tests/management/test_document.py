"""docs/management.md keeps up with the routes and the limits."""

from __future__ import annotations

import re
from pathlib import Path

from menura.management.api import ALL
from menura.management.application import OPEN_BODY_BYTES_MAX, SLICE_SECONDS
from menura.management.http import session as limits
from menura.management.http.messages import BODY_BYTES_MAX
from menura.management.lists import PAGE_SIZE, PAGE_SIZE_MAX

DOCUMENT = Path(__file__).parents[2] / "docs" / "management.md"
METHODS = ("GET", "PUT", "POST", "DELETE")
_ROW = re.compile(r"^\| `(/\S+)` \|(.+)\|$", re.MULTILINE)


def rows() -> dict[str, str]:
    """The rows that the table has to have: by path, one cell for each method with the tag that it takes."""
    found: dict[str, dict[str, str]] = {}
    for part in ALL:
        for route in part.all:
            if route.path.startswith(("/api", "/metrics")):
                tag = "anybody" if route.right is None else route.right.name.lower()
                found.setdefault(route.path, {})[route.method] = tag
    return {
        path: f"| `{path}` | " + " | ".join(tags.get(method, "") for method in METHODS) + " |"
        for path, tags in sorted(found.items())
    }


def test_every_path_is_in_the_table_with_the_tag_that_it_takes() -> None:
    expected = rows()
    documented = {found[1]: found[0] for found in _ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))}
    missing = [row for path, row in expected.items() if documented.get(path) != row]
    assert missing == [], "rows to put into the table:\n" + "\n".join(missing)
    assert sorted(documented.keys() - expected.keys()) == []
    assert list(documented) == sorted(documented)


def test_every_limit_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for said in (
        f"{limits.HEAD_BYTES_MAX // 1024} KiB of head",
        f"{BODY_BYTES_MAX >> 20} MiB of body",
        f"{OPEN_BODY_BYTES_MAX // 1024} KiB without a login",
        f"{limits.HEAD_SECONDS_MAX:.0f} s for a head",
        f"{limits.BODY_SECONDS_MAX:.0f} s for a body",
        f"{limits.IDLE_SECONDS_MAX:.0f} s between requests",
        f"{limits.UNREAD_SECONDS_MAX:.0f} s without taking its answer",
        f"{SLICE_SECONDS * 1000:g} ms of each turn",
        f"{PAGE_SIZE} rows a page, at most {PAGE_SIZE_MAX}",
    ):
        assert said in text, said
