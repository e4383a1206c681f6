"""What is wrong with a configuration, or not used of it: where, what, and what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import NamedTuple

from menura.configuration.settings import SETTINGS


class Remark(NamedTuple):
    """`source` is a file, a variable or an option; `line` is 0 where there are none."""

    source: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.line else self.source
        return f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"


class ConfigurationError(Exception):
    """All that is wrong, one remark for each thing."""

    def __init__(self, remarks: list[Remark]) -> None:
        super().__init__("\n".join(map(str, remarks)))
        self.remarks = remarks


def unknown(key: str) -> str:
    near = get_close_matches(key, SETTINGS, n=1)
    return f"no such setting; did you mean {near[0]}?" if near else "no such setting; `menura config show` lists all"
