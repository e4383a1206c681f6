"""Values out of JSON that somebody sent: there or not, and of the type they have to be.

What is wrong is refused in a sentence that names the key; what is missing altogether, as existing tools know it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from menura.core.errors import PreconditionFailed

Body = Mapping[str, Any]
_TYPES = {str: "a string", dict: "an object", list: "an array", bool: "true or false", int: "a whole number"}
TAGS_MAX = 64
NAME_BYTES_MAX = 255
_SHOWN_MAX = 60


def require(body: Body, *keys: str) -> None:
    """Refuse a body without one of these keys."""
    missing = [key for key in keys if body.get(key) is None]
    if missing:
        raise PreconditionFailed(f"[{','.join(f'{{key_missing,{key}}}' for key in missing)}]")


def text(body: Body, key: str, default: str | None = None) -> str:
    """A string. Raises for anything else, and if it is not there without a default."""
    value = body.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise wrong_type(key, value, str)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PreconditionFailed(f"{key} is not valid text") from None
    return value


def require_name(what: str, name: str) -> None:
    """Refuse what no client could say, or no log show: nothing, too much, or a zero in it."""
    size_bytes = len(name.encode())
    if not name:
        raise PreconditionFailed(f"{what} needs a name")
    if size_bytes > NAME_BYTES_MAX:
        raise PreconditionFailed(f"the name of {what} has {size_bytes} octets: {NAME_BYTES_MAX} are allowed")
    if "\0" in name:
        raise PreconditionFailed(f"the name of {what} has a zero octet in it")


def truth(body: Body, key: str, default: bool = False) -> bool:
    """True or false, or these as words, as forms send them."""
    value = body.get(key)
    if value is None:
        return default
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise wrong_type(key, value, bool)
    return value


def table(body: Body, key: str) -> dict[str, Any]:
    """An object, {} if it is not there. Old exports write an empty one as []."""
    value = body.get(key)
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise wrong_type(key, value, dict)
    return value


def items(body: Body, key: str) -> list[dict[str, Any]]:
    """An array of objects, empty if it is not there."""
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_type(key, value, list)
    for item in value:
        if not isinstance(item, dict):
            raise PreconditionFailed(f"{key} must have objects in it, not {_shown(item)}")
    return value


def tags(value: Any) -> frozenset[str]:
    """Tags, as an array or in a string between commas."""
    if value is None:
        return frozenset()
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(tag, str) for tag in found):
        raise PreconditionFailed(f"tags must be a string or an array of strings, not {_shown(value)}")
    if len(found) > TAGS_MAX:
        raise PreconditionFailed(f"A user can have at most {TAGS_MAX} tags (received {len(found)})")
    return frozenset(text({"tags": tag.strip()}, "tags") for tag in found if tag.strip())


def names(body: Body, key: str) -> list[str]:
    """An array of strings."""
    value = body.get(key)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise wrong_type(key, value, list)
    return value


def one_of(body: Body, key: str, allowed: Iterable[str], default: str) -> str:
    value = text(body, key, default)
    if value not in allowed:
        raise PreconditionFailed(f"{key} must be one of {', '.join(allowed)}, not {_shown(value)}")
    return value


def wrong_type(key: str, value: Any, kind: type) -> PreconditionFailed:
    return PreconditionFailed(f"{key} must be {_TYPES[kind]}, not {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    shown = repr(value) if isinstance(value, str) else json.dumps(value)
    return shown if len(shown) <= _SHOWN_MAX else shown[: _SHOWN_MAX - 3] + "..."
