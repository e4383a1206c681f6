"""The contract names every limit, header and queue as they are in the code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from tests.test_docs import table

from menura.core.properties import REPLY_TO_TOPIC
from menura.core.retained import QUEUE
from menura.protocols.mqtt import client, message
from menura.protocols.mqtt.limits import MqttLimits
from menura.protocols.mqtt.topics import key_of, pattern_of

CONTRACT = Path(__file__).parents[3] / "docs" / "protocols" / "mqtt.md"
MAPPING = CONTRACT.with_name("mapping.md")
TEXT = CONTRACT.read_text(encoding="utf-8")


def test_every_limit_is_documented_with_its_default() -> None:
    documented = {name: cells[0] for name, cells in table(CONTRACT, "limit").items()}
    assert documented == {limit.name: f"`{limit.default}`" for limit in fields(MqttLimits)}


@pytest.mark.parametrize(
    "name",
    [
        client.MEMORY_EXCHANGE,
        QUEUE,
        f"{client.PREFIX}<client id>qos1",
        f"{client.PREFIX}<client id>qos0",
        f"{client.STATE_PREFIX}<client id>",
    ],
)
def test_every_name_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize(
    "name",
    [
        message.QOS, message.RETAIN, message.CORRELATION, message.EXPIRES_AT, message.USER_PROPERTIES,
        message.CLIENT_ID, message.PAYLOAD_FORMAT, REPLY_TO_TOPIC,
    ],
)  # fmt: skip
def test_every_header_is_documented(name: str) -> None:
    assert f"`header.{name}=" in MAPPING.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("topic", "key"), [("a/b/c", "a.b.c"), ("v1.2/x", "v1/2.x"), ("*", "\\*"), ("\\*", "\\\\*"), ("a//b", "a..b")]
)
def test_topics_are_documented_as_they_are(topic: str, key: str) -> None:
    assert key_of(topic) == key
    assert f"`{topic}`" in TEXT
    assert f"`{key}`" in TEXT


def test_a_plus_is_a_star() -> None:
    assert pattern_of("+") == "*"
