"""Messages and definitions as JSON values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.store.directories import message

from menura.core.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    ParameterDefinition,
    PermissionDefinition,
    QueueDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    VHostDefinition,
)
from menura.core.fields import Value, encode_value
from menura.core.properties import Properties
from menura.store.export import definition_objects, message_object, plain
from menura.store.offline_journal import Message

QUEUE = QueueDefinition("v", "q", 7)


def as_object(content: bytes) -> dict[str, Any]:
    line = message_object(QUEUE, Message(5, "e", ("k", "l"), content, 1_700_000_000_123, True))
    decoded = json.loads(json.dumps(line, allow_nan=False))
    assert isinstance(decoded, dict)
    return decoded


def test_a_message_has_everything_by_name() -> None:
    headers: dict[str, Value] = {"n": 1, "deep": {"list": [True, None]}}
    properties = Properties(content_type="text/plain", headers=headers, priority=3)
    assert as_object(message("grüße\n", properties.encode())) == {
        "kind": "message",
        "vhost": "v",
        "queue": "q",
        "position": 5,
        "exchange": "e",
        "routing_keys": ["k", "l"],
        "published_at_ms": 1_700_000_000_123,
        "redelivered": True,
        "properties": {
            "content_type": "text/plain",
            "headers": {"n": 1, "deep": {"list": [True, None]}},
            "priority": 3,
        },
        "body": "grüße\n",
    }


def test_a_body_that_is_not_text_is_base64() -> None:
    line = as_object(message(b"\xff\x00"))
    assert line["body_base64"] == "/wA="
    assert "body" not in line


def test_how_often_it_was_handed_out_and_until_when_it_waits_is_there_where_it_was_noted() -> None:
    noted = Message(5, "e", ("k",), message("b"), 0, True, times=3, due_ms=1_700_000_000_123)
    line = message_object(QUEUE, noted)
    assert (line["delivered_times"], line["waits_until_ms"]) == (3, 1_700_000_000_123)
    assert not {"delivered_times", "waits_until_ms"} & message_object(QUEUE, noted._replace(times=0, due_ms=0)).keys()


def test_an_empty_body_is_empty_text() -> None:
    assert as_object(message(b""))["body"] == ""


def test_properties_that_cannot_be_read_are_base64() -> None:
    line = as_object(message("b", b"\x80\x00\x01\xff"))
    assert line["properties_base64"] == "gAAB/w=="
    assert "properties" not in line


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\xff", {"base64": "/w=="}),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
        (Decimal("1.10"), "1.10"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (1.5, 1.5),
        (1 << 62, 1 << 62),
        ([b"\x80", {"t": Decimal(1)}], [{"base64": "gA=="}, {"t": "1"}]),
    ],
)
def test_every_type_of_header_has_a_form_in_json(value: Value, expected: object) -> None:
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == expected


DEFINITIONS = Definitions(
    vhosts=(VHostDefinition("w"), VHostDefinition("v", "orders", frozenset({"b", "a"}), "quorum", True)),
    users=(UserDefinition("u", "hash", frozenset({"b", "a"}), {"max-channels": 5}),),
    permissions=(PermissionDefinition("u", "v", ".*"), PermissionDefinition("u", "w")),
    topic_permissions=(TopicPermissionDefinition("u", "w", "e"),),
    exchanges=(ExchangeDefinition("v", "e", "topic"),),
    queues=(QueueDefinition("v", "q", 7, False, {"x-max-length": encode_value(5), "bad": b"?"}),),
    bindings=(BindingDefinition("v", "e", "queue", "q", "k"),),
    parameters=(ParameterDefinition("v", "policy", "p", '{"a": 1}'), ParameterDefinition("", "c", "n", "not json")),
)


def test_definitions_come_in_an_order_in_which_they_can_be_made_again() -> None:
    lines = [json.loads(json.dumps(line)) for line in definition_objects(DEFINITIONS)]
    assert [line["kind"] for line in lines] == [
        *("vhost", "vhost", "user", "permission", "permission", "topic_permission"),
        *("exchange", "queue", "binding", "parameter", "parameter"),
    ]
    by_kind = {line.pop("kind"): line for line in reversed(lines)}
    assert by_kind["vhost"] == {
        "name": "w", "description": "", "tags": [], "default_queue_type": "", "protected_from_deletion": False,
    }  # fmt: skip
    assert lines[1] == {
        "name": "v", "description": "orders", "tags": ["a", "b"], "default_queue_type": "quorum",
        "protected_from_deletion": True,
    }  # fmt: skip
    limits = {"max-channels": 5}
    assert by_kind["user"] == {"name": "u", "password_hash": "hash", "tags": ["a", "b"], "limits": limits}
    assert by_kind["exchange"]["type"] == "topic"
    assert by_kind["queue"]["arguments"] == {"x-max-length": 5, "bad": {"base64": "Pw=="}}
    binding = {"vhost": "v", "source": "e", "destination_type": "queue", "destination": "q", "routing_key": "k"}
    assert by_kind["binding"] == {**binding, "arguments": {}}
    assert [line["value"] for line in lines[-2:]] == [{"a": 1}, "not json"]


def test_definitions_of_one_virtual_host_are_those_in_it_and_those_in_none() -> None:
    kinds = [line["kind"] for line in definition_objects(DEFINITIONS, "w")]
    assert kinds == ["vhost", "user", "permission", "topic_permission", "parameter"]
