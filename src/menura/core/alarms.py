"""What keeps publishers from going on, and who wants to know: memory that runs low, or a disk."""

from __future__ import annotations

from collections.abc import Callable


class Alarms:
    """The resources that are short. Listeners are told of each change: (resource, whether it is short now)."""

    def __init__(self) -> None:
        self.blocked = False
        self.short: dict[str, None] = {}
        self.on_change: list[Callable[[str, bool], None]] = []

    @property
    def reason(self) -> str:
        """Why publishers have to wait."""
        return f"low on {' & '.join(sorted(self.short, reverse=True))}"

    def set(self, resource: str, short: bool) -> None:
        if short is (resource in self.short):
            return
        if short:
            self.short[resource] = None
        else:
            del self.short[resource]
        self.blocked = bool(self.short)
        for tell in list(self.on_change):
            tell(resource, short)
