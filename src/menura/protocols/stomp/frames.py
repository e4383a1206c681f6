r"""Frames: a command, headers, a blank line, a body, a NUL.

Lines end with LF or CR LF; a header that is given twice counts as first given (1.2, "Repeated Header Entries"). What
differs between the versions is how a header's name and value are escaped, a `Dialect`:

    1.0   not at all; blanks at the beginning of a value are not part of it
    1.1   \\ \n \c for backslash, LF and colon; \r is understood as well
    1.2   the same and \r for CR

CONNECT and CONNECTED are never escaped ("Value Encoding"). An undefined escape sequence ends the connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from menura.protocols.stomp.errors import StompError
from menura.protocols.stomp.limits import StompLimits

VERSIONS = ("1.0", "1.1", "1.2")
_UNESCAPED = {"\\\\": "\\", "\\n": "\n", "\\c": ":", "\\r": "\r"}
_escapes = re.compile(r"\\.?", re.DOTALL).sub


class Frame(NamedTuple):
    command: str
    headers: Mapping[str, str]
    body: bytes


class Dialect:
    """How one version writes headers."""

    __slots__ = ("_table", "_unescapes", "trims", "version")

    def __init__(
        self, version: str, escapes: Mapping[str, str], *, unescapes: bool = True, trims: bool = False
    ) -> None:
        self.version = version
        self.trims = trims
        self._unescapes = unescapes
        self._table = str.maketrans(dict(escapes))

    def escape(self, text: str) -> str:
        return text.translate(self._table)

    def unescape(self, text: str) -> str:
        return _escapes(_unescaped, text) if self._unescapes and "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    sequence = found.group()
    try:
        return _UNESCAPED[sequence]
    except KeyError:
        raise malformed(f"undefined escape sequence '{sequence}' in a header") from None


# A header cannot have a line end in 1.0, but a message from elsewhere can: it is written as later versions write it.
_OLD = Dialect("1.0", {"\n": "\\n"}, unescapes=False, trims=True)
_LATER = {"\\": "\\\\", "\n": "\\n", ":": "\\c"}
DIALECTS = {
    "1.0": _OLD,
    "1.1": Dialect("1.1", _LATER),
    "1.2": Dialect("1.2", {**_LATER, "\r": "\\r"}),
}
CONNECTING = Dialect("", {}, unescapes=False)
"""CONNECT and CONNECTED."""


def malformed(detail: str) -> StompError:
    return StompError("Malformed frame", f"{detail}\n")


def parse_head(head: bytes, dialect: Dialect, limits: StompLimits) -> tuple[str, dict[str, str]]:
    """The command and the headers of what stands before the blank line."""
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise malformed("headers must be UTF-8") from None
    lines = text.split("\n")
    if len(lines) - 1 > limits.header_count_max:
        raise malformed(f"more than {limits.header_count_max} headers")
    if "\r" in text:
        lines = [line.removesuffix("\r") for line in lines]
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name:
            raise malformed(f"'{shown(line)}' is not a header")
        if len(line) > limits.header_bytes_max or "\r" in line:
            raise malformed(
                "carriage return within a header" if "\r" in line else f"header '{shown(name)}' is too long"
            )
        if dialect.trims:
            value = value.lstrip(" ")
        headers.setdefault(dialect.unescape(name), dialect.unescape(value))
    return lines[0], headers


def shown(text: str) -> str:
    """What a peer sent, for people: printable and short."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:80])


def content_length(headers: Mapping[str, str]) -> int | None:
    """How long the body says it is; None: up to the next NUL."""
    text = headers.get("content-length")
    if text is None:
        return None
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) < 16):
        raise malformed(f"content-length '{shown(text)}' is not a number")
    return int(stripped)


def number(headers: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    """A header that is a number from `low` to `high`; None where it is absent."""
    text = headers.get(name)
    if text is None:
        return None
    try:
        value = int(text) if len(text) < 24 else high + 1
    except ValueError:
        value = high + 1
    if not low <= value <= high:
        raise StompError("Invalid header", f"'{name}' must be a number from {low} to {high}, not '{shown(text)}'\n")
    return value


def truth(headers: Mapping[str, str], name: str) -> bool | None:
    """A header that is true or false; None where it is absent or says something else."""
    return {"true": True, "True": True, "false": False, "False": False}.get(headers.get(name, ""))


def encode_frame(command: str, headers: Iterable[tuple[str, str]], body: bytes, dialect: Dialect) -> bytes:
    """A frame as octets, with the content-length if there is a body, and a line end behind it."""
    escape = dialect.escape
    lines = [command, *(f"{escape(name)}:{escape(value)}" for name, value in headers)]
    if body:
        lines.append(f"content-length:{len(body)}")
    return b"".join(("\n".join(lines).encode(), b"\n\n", body, b"\x00\n"))
