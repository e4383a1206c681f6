"""How a command can fail: the exit statuses that scripts know from rabbitmqctl, and what is said."""

from __future__ import annotations

USAGE = 64
"""It was called in a wrong way, or wants something that there is not."""
DATA = 65
"""What it was given is wrong."""
NO_USER = 67
NO_HOST = 68
"""The broker's address cannot be understood or resolved."""
UNAVAILABLE = 69
"""The broker cannot be reached, or refuses."""
SOFTWARE = 70
"""Something stands in the way, such as a user that exists already."""
TEMPORARY = 75
"""It took too long; later it may work."""


class CtlError(Exception):
    """A command cannot do what it was asked. The text goes to standard error, under the line "Error:" if it has one."""

    def __init__(self, status: int, text: str, *, bare: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.bare = bare

    @property
    def message(self) -> str:
        return self.text if self.bare else f"Error:\n{self.text}"


class UsageError(CtlError):
    """The command line makes no sense; how the verb is used is shown below."""

    def __init__(self, text: str, status: int = USAGE) -> None:
        super().__init__(status, text, bare=True)


class Unreachable(CtlError):
    """Nobody answers."""

    def __init__(self, place: str, why: str, status: int = UNAVAILABLE) -> None:
        super().__init__(
            status,
            f"Error: unable to reach a broker at {place}: {why}\n\n"
            "It may not be running, or listen elsewhere: `menura serve` shows where.\n"
            "Name the place with --data DIR, --url URL or the environment variable MENURA_URL;\n"
            "`menura doctor` looks into what may be wrong.",
            bare=True,
        )


def not_on_one_node(verb: str, instead: str = "") -> CtlError:
    hint = f" {instead}" if instead else ""
    return CtlError(USAGE, f"{verb} is not supported: Menura is one node, without a cluster.{hint}")


def not_supported(verb: str, why: str) -> CtlError:
    return CtlError(USAGE, f"{verb} is not supported: {why}")
