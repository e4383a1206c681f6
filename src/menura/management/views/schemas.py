"""Pieces that the schemas of answers and bodies are made of (JSON Schema)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
STRINGS: Schema = {"type": "array", "items": STRING}
TAGS: Schema = {"description": "an array, or names between commas", "oneOf": [STRING, STRINGS]}
NOTHING: Schema = {}
"""An answer without a body."""


def fixed(properties: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object that has all of these keys, and may have those that are optional."""
    return {"type": "object", "properties": {**properties, **(optional or {})}, "required": list(properties)}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}
