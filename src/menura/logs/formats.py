"""An event as a line: text for people, or JSON for programs.

An event is a record of the standard library's `logging`. Where more is known of it than a sentence, the record has
`event`, its kind, and `fields`: names and plain values. What clients say may be in a line, so control characters are
written as escapes: a line stays a line, and a terminal what it was.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def event_of(record: logging.LogRecord) -> str:
    """The kind of an event; that of records which have none is what their text begins with."""
    event = getattr(record, "event", "")
    if event:
        return str(event)
    start = re.match(r"[a-z][a-z ]*(?=: )", str(record.msg))
    return start[0].replace(" ", ".") if start else "notice"


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    return dict(getattr(record, "fields", {}))


def escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 — the name is logging's
        record.message = escaped(record.message)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, event, message, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        fields = fields_of(record)
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": event_of(record),
            # Who it is about stands in the fields.
            "message": message.removeprefix(fields.pop("prefix", "")),
        }
        found.update((name, value) for name, value in fields.items() if name not in found)
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        # JSON lets some characters through that end a line, or mean something to a terminal.
        line = json.dumps(found, ensure_ascii=False, default=str)
        return _CONTROL.sub(lambda character: f"\\u{ord(character[0]):04x}", line)


FORMATS = {"text": TextFormatter, "json": JsonFormatter}
