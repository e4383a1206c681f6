"""An event as a line of text, and as JSON."""

from __future__ import annotations

import json
import logging
import re

import pytest

from menura.core.peers import Peer
from menura.logs.connections import ConnectionLog
from menura.logs.formats import JsonFormatter, TextFormatter, event_of


def record(text: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = {"name": "menura", "levelno": logging.WARNING, "levelname": "WARNING", "msg": text, "args": arguments}
    return logging.makeLogRecord({**made, **extra})


def test_text_is_time_level_and_sentence() -> None:
    line = TextFormatter().format(record("memory: %d MB held", 5))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING memory: 5 MB held", line)


def test_json_is_one_object_with_time_level_event_message_and_fields() -> None:
    fields = {"connection": "192.0.2.1:5", "user": "ann", "prefix": "192.0.2.1:5 (ann@/): "}
    line = JsonFormatter().format(record("%s", "192.0.2.1:5 (ann@/): opened", event="connection.opened", fields=fields))
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", found.pop("time"))
    assert found == {
        "level": "warning",
        "event": "connection.opened",
        "message": "opened",
        "connection": "192.0.2.1:5",
        "user": "ann",
    }


@pytest.mark.parametrize("said", ["a\nb", "\x1b[2Jx", "a\r\n2026-01-01 INFO forged", "a\u2028b", "\x9b1m"])
def test_what_clients_say_does_not_make_a_line_two_or_paint_a_terminal(said: str) -> None:
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(record("%s", said))
        assert len(line.splitlines()) == 1
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)


def test_a_defect_brings_its_traceback() -> None:
    try:
        raise ValueError("here")
    except ValueError as error:
        found = json.loads(JsonFormatter().format(record("%s", "x", exc_info=(ValueError, error, error.__traceback__))))
    assert "ValueError: here" in found["traceback"]


def test_events_without_a_kind_are_called_by_what_they_begin_with() -> None:
    assert event_of(record("disk: %d MB free")) == "disk"
    assert event_of(record("connection dropped: defect")) == "connection.dropped"
    assert event_of(record("%s", "anything")) == "notice"


def test_a_connection_says_who_it_is(caplog: pytest.LogCaptureFixture) -> None:
    class VHost:
        name = "orders"

    class Session:
        name, user, vhost = "192.0.2.1:5 (ann@orders)", "ann", VHost()

    log = ConnectionLog(Peer("192.0.2.1:5"), "amqp")
    with caplog.at_level("INFO", "menura"):
        log("info", "192.0.2.1:5: closed", "connection.refused")
        log.session = Session()
        log("info", "192.0.2.1:5 (ann@orders): opened", "connection.opened")
    first, second = (json.loads(JsonFormatter().format(record)) for record in caplog.records)
    assert (first["connection"], first["message"], "user" in first) == ("192.0.2.1:5", "closed", False)
    assert (second["user"], second["vhost"], second["protocol"]) == ("ann", "orders", "amqp")
    assert second["message"] == "opened"
