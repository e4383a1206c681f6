"""What keeps publishers from going on, and who wants to know: memory that runs low, or a disk."""

from __future__ import annotations

from collections.abc import Callable


class Alarms:
    """The resources that are short. Listeners are told of each change: (resource, whether it is short now).

    What is `forced` counts as short until it is no longer forced, whatever is measured meanwhile.
    """

    def __init__(self) -> None:
        self.blocked = False
        self.short: dict[str, None] = {}
        self.forced: set[str] = set()
        self.on_change: list[Callable[[str, bool], None]] = []

    @property
    def reason(self) -> str:
        """Why publishers have to wait."""
        return f"low on {' & '.join(sorted(self.short, reverse=True))}"

    def set(self, resource: str, short: bool) -> None:
        if short is (resource in self.short) or resource in self.forced:
            return
        if short:
            self.short[resource] = None
        else:
            del self.short[resource]
        self.blocked = bool(self.short)
        for tell in list(self.on_change):
            tell(resource, short)

    def force(self, resource: str) -> None:
        self.set(resource, True)
        self.forced.add(resource)

    def release(self, resource: str, short: bool) -> None:
        """From now on it is as short as it is measured to be, which at the moment is this."""
        self.forced.discard(resource)
        self.set(resource, short)
