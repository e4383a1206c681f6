"""A figure, and what it should be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `most` is the target, if there is one."""

    part: str
    name: str
    value: float
    unit: str
    most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        return None if self.most is None else self.value <= self.most

    def cells(self) -> list[str]:
        target = "" if self.most is None else f"≤ {self.most:g} {self.unit}"
        met = {None: "", True: "yes", False: "no"}[self.met]
        return [self.part, self.name, f"{self.value:,.2f} {self.unit}", target, met, self.note]
