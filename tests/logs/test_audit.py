"""Who changed what, without secrets."""

from __future__ import annotations

import json
import logging

import pytest

from menura.logs.audit import auditor, without_secrets
from menura.logs.formats import JsonFormatter


def test_a_line_says_who_from_where_and_what(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "menura.audit"):
        audit = auditor("ann", "192.0.2.1:5")
        audit("queue.deleted", vhost="/", queue="orders")
        audit("definitions.imported")
    assert caplog.messages == [
        "audit: queue.deleted by ann from 192.0.2.1:5: vhost='/' queue='orders'",
        "audit: definitions.imported by ann from 192.0.2.1:5",
    ]
    found = json.loads(JsonFormatter().format(caplog.records[0]))
    assert {key: found[key] for key in ("event", "by", "from", "queue")} == {
        "event": "queue.deleted", "by": "ann", "from": "192.0.2.1:5", "queue": "orders",
    }  # fmt: skip


def test_secrets_are_not_written(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "menura.audit"):
        auditor("ann", "local")(
            "parameter.set",
            password="s3cret",
            value={"src-uri": "amqp://ann:s3cret@host/v", "list": [{"password_hash": "s3cret"}], "n": 1},
            uris=["amqp://host", "amqps://u:s3cret@h?x=1"],
        )
    (line,) = caplog.messages
    assert "s3cret" not in line
    assert "s3cret" not in JsonFormatter().format(caplog.records[0])
    assert "amqp://ann:***@host/v" in line
    assert "'n': 1" in line


def test_what_was_changed_is_not_taken_for_who_changed_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "menura.audit"):
        auditor("ann", "local")("permission.set", user="bob", by="x", event="y", peer="z")
    assert caplog.messages == ["audit: permission.set by ann from local: user='bob' by='x' event='y' peer='z'"]


def test_what_only_looks_like_a_secret_stays() -> None:
    kept = {"queue": "passengers", "uri": "http://host:15672/path", "note": "a:b@c"}
    assert without_secrets(kept) == kept
    assert without_secrets({"password": "", "token": None}) == {"password": "", "token": None}
