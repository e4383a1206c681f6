"""JSON that is long, read without keeping others waiting.

How long it takes to read JSON depends on how many values are in it: a text of megabytes takes no time, as many small
values take seconds. So a long object is read member by member. `mostly_text` takes those in which what is long is text,
as the payload of a message is, and gives others their turn between pieces of it; `in_pieces` takes anything, and does
that between the items of an array.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from typing import Any

SHORT_BYTES = 64 * 1024
"""What is no longer is read at once."""
OTHERS_MAX = 256 * 1024
"""So long may everything in an object together be that is not text."""
PIECE_CHARACTERS = 128 * 1024
"""Of a long text so much is read at a time."""
_ESCAPE_CHARACTERS = 12  # at most, of what must not be cut: two halves of a character
_MEMBERS_MAX = 100
_ITEMS_AT_ONCE = 50
_SPACE = re.compile(r"[ \t\n\r]*")


def refuse(constant: str) -> None:
    raise ValueError(constant)


def finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(text)
    return number


# Typed by hand: the stubs do not know it.
_string: Callable[[str, int, bool], tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]
_decoder = json.JSONDecoder(parse_constant=refuse, parse_float=finite)


class TooMuch(ValueError):
    """There is more besides text than is read at once."""


def mostly_text(text: str) -> Generator[None, None, dict[str, Any]]:
    """An object in which what is long is text. Raises ValueError, and TooMuch for others."""
    found: dict[str, Any] = {}
    room = OTHERS_MAX
    at = _behind(text, 0, "{")
    while True:
        name, at = _name(text, at)
        if text.startswith('"', at):
            found[name], at = yield from _long_string(text, at + 1)
        else:
            short = text[at : at + room]
            try:
                found[name], length = _decoder.raw_decode(short)
            except ValueError:
                raise TooMuch if len(short) == room else ValueError(name) from None
            room -= length
            at += length
            if "\\u" in short:
                _require_text(found[name])
        if len(found) > _MEMBERS_MAX:
            raise TooMuch
        at = _space(text, at)
        if not text.startswith(",", at):
            _end(text, _behind(text, at, "}"))
            return found
        at += 1


def _long_string(text: str, at: int) -> Generator[None, None, tuple[str, int]]:
    """A text, and what is behind its end. Where it is dense with escapes it is read at once."""
    begin, parts, plain, ended = at, [""], True, False
    while not ended:
        stop = _cut(text, at + PIECE_CHARACTERS)
        before = at
        if stop > at:
            part, length = _string(text[at:stop] + '"', 0, True)
            ended = length <= stop - at  # or it was the mark that we have added
            at = at + length if ended else stop
        else:
            part, at = _string(text, at, True)
            ended = True
        if plain and text.find("\\", before, at) >= 0:
            parts, plain = [text[begin:before]], False
        if not plain:
            _require_text(part)
            parts.append(part)
        if not ended:
            yield
    return text[begin : at - 1] if plain else "".join(parts), at


def _cut(text: str, stop: int) -> int:
    """Where a text may be cut, not far before `stop`; 0 for nowhere."""
    if stop >= len(text):
        return 0
    for end in range(stop, max(stop - PIECE_CHARACTERS // 2, 0), -_ESCAPE_CHARACTERS):
        if text.rfind("\\", end - _ESCAPE_CHARACTERS, end) < 0:
            return end
    return 0


def in_pieces(text: str) -> Generator[None, None, dict[str, Any]]:
    """Any object, with others served in between. Raises ValueError and RecursionError."""
    found: dict[str, Any] = {}
    escapes = "\\u" in text
    at = _behind(text, 0, "{")
    if text.startswith("}", at := _space(text, at)):
        _end(text, at + 1)
        return found
    while True:
        name, at = _name(text, at)
        if text.startswith("[", at):
            found[name], at = yield from _items(text, at + 1, escapes)
        else:
            found[name], at = _decoder.raw_decode(text, at)
            if escapes:
                _require_text(found[name])
        at = _space(text, at)
        if not text.startswith(",", at):
            _end(text, _behind(text, at, "}"))
            return found
        at += 1


def _items(text: str, at: int, escapes: bool) -> Generator[None, None, tuple[list[Any], int]]:
    """The items of an array, and where it ends."""
    items: list[Any] = []
    at = _space(text, at)
    if text.startswith("]", at):
        return items, at + 1
    while True:
        item, at = _decoder.raw_decode(text, _space(text, at))
        items.append(item)
        if escapes:
            _require_text(item)
        if len(items) % _ITEMS_AT_ONCE == 0:
            yield
        at = _space(text, at)
        if not text.startswith(",", at):
            return items, _behind(text, at, "]")
        at += 1


def _require_text(value: Any) -> None:
    """Refuse what cannot be written again: half a character, as an escape can say it."""
    json.dumps(value, ensure_ascii=False).encode()


def _name(text: str, at: int) -> tuple[str, int]:
    """The name of a member, and where its value begins."""
    name, at = _string(text, _behind(text, at, '"'), True)
    name.encode()
    return name, _space(text, _behind(text, at, ":"))


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _behind(text: str, at: int, mark: str) -> int:
    """Where what is behind a mark begins, which has to be here."""
    at = _space(text, at)
    if not text.startswith(mark, at):
        raise ValueError(f"no {mark} at {at}")
    return at + 1


def _end(text: str, at: int) -> None:
    if _space(text, at) != len(text):
        raise ValueError(f"more than a value at {at}")
