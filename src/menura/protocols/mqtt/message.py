"""Messages as the core keeps them: properties of MQTT to properties of the core, and back.

    QoS                        delivery_mode (1: QoS 0, 2: QoS 1) and the header x-mqtt-publish-qos
    retain                     header x-mqtt-retain
    content type               content_type
    payload format             1: content_encoding "utf-8"; 0: header x-mqtt-payload-format
    response topic             header x-reply-to-topic, as a routing key of amq.topic
    correlation data           correlation_id where it is text of at most 255 octets, else header x-correlation-id
    message expiry             expiration in milliseconds, and header x-mqtt-expires-at: milliseconds since 1970
    user properties            headers of the same name; if that would lose any, header x-mqtt-user-properties as well
    publisher (version 5)      header x-mqtt-client-id, for no-local subscriptions

Headers without "mqtt" in their names are shared with other protocols, and called as in RabbitMQ. A message that was
published in another protocol has none of the x-mqtt headers: a persistent one has QoS 1, and its
headers with plain values become user properties. Blocks of properties repeat, so what they mean is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from menura.core import fields
from menura.core import properties as core
from menura.core.properties import REPLY_TO_TOPIC
from menura.protocols.mqtt import spec, wire
from menura.protocols.mqtt.errors import MqttError
from menura.protocols.mqtt.topics import is_topic, key_of, topic_of

PREFIX = "x-mqtt-"
QOS, RETAIN, CONTENT_TYPE = "x-mqtt-publish-qos", "x-mqtt-retain", "x-mqtt-content-type"
EXPIRES_AT, USER_PROPERTIES, CLIENT_ID = "x-mqtt-expires-at", "x-mqtt-user-properties", "x-mqtt-client-id"
PAYLOAD_FORMAT = "x-mqtt-payload-format"
RETAINED, FORCED = "x-mqtt-retained", "x-mqtt-qos"
CORRELATION = "x-correlation-id"
_NO_USER_PROPERTIES = frozenset((CORRELATION, REPLY_TO_TOPIC))
_SHORT_MAX = 255
# Longer blocks are not remembered: they seldom repeat.
REMEMBERED_BYTES_MAX = 1024
_UTF_8 = "utf-8"


class Meta(NamedTuple):
    """What a block of properties means to a subscriber.

    `properties` are encoded as of version 5, but for the expiry. `expires_at_ms` is 0 for never. `sent` is set where
    a message was put into a client's queue for that client: the QoS to use, whether it is a retained one, and the
    subscription's identifier (0: none).
    """

    qos: int
    retain: bool
    publisher: str
    properties: bytes
    expires_at_ms: int
    expiry_seconds: int
    sent: tuple[int, bool, int] | None


def block_of(qos: int, retain: bool, found: wire.Properties, publisher: str = "", now_ms: int = 0) -> bytes:
    """The core's properties block of a message with these properties."""
    block = core.Properties(delivery_mode=2 if qos else 1)
    headers: dict[str, Any] = {QOS: qos}
    if retain:
        headers[RETAIN] = True
    if publisher:
        headers[CLIENT_ID] = publisher
    if found:
        _map(block, headers, found, now_ms)
    block.headers = headers
    return block.encode()


def _map(block: core.Properties, headers: dict[str, Any], found: wire.Properties, now_ms: int) -> None:
    content_type = found.get("content_type")
    if content_type is not None:
        if len(content_type.encode()) <= _SHORT_MAX:
            block.content_type = content_type
        else:
            headers[CONTENT_TYPE] = content_type
    if found.get("payload_format_indicator"):
        block.content_encoding = _UTF_8
    elif "payload_format_indicator" in found:
        headers[PAYLOAD_FORMAT] = 0
    if "response_topic" in found:
        headers[REPLY_TO_TOPIC] = key_of(found["response_topic"])
    if "correlation_data" in found:
        _map_correlation(block, headers, found["correlation_data"])
    if "message_expiry_interval" in found:
        seconds = found["message_expiry_interval"]
        block.expiration = str(seconds * 1000)
        headers[EXPIRES_AT] = now_ms + seconds * 1000
    pairs = found.get("user_property", ())
    plain = {name: value for name, value in pairs if len(name.encode()) <= _SHORT_MAX and _is_free(name)}
    if len(plain) < len(pairs):
        headers[USER_PROPERTIES] = wire.encode_properties({"user_property": pairs})
    headers.update(plain)


def _map_correlation(block: core.Properties, headers: dict[str, Any], data: bytes) -> None:
    if len(data) <= _SHORT_MAX:
        try:
            block.correlation_id = data.decode()
            return
        except UnicodeDecodeError:
            pass
    headers[CORRELATION] = data


def meta_of(block: bytes) -> Meta:
    """What a block means. One that cannot be read means nothing, as in other protocols."""
    return _remembered(block) if len(block) <= REMEMBERED_BYTES_MAX else _read(block)


def _read(block: bytes) -> Meta:
    try:
        found = core.Properties.decode(block)
    except (core.PropertiesError, UnicodeDecodeError):
        found = core.Properties()
    headers = found.headers or {}
    qos = _number(headers, QOS, 2)
    if qos is None:
        qos = 1 if found.delivery_mode == 2 else 0
    expires_at_ms = _number(headers, EXPIRES_AT, 1 << 62) or 0
    forced = _number(headers, FORCED, 2)
    sent = None
    if forced is not None:
        sent = forced, headers.get(RETAINED) is True, _number(headers, "x-mqtt-subscription-id", 1 << 28) or 0
    publisher = headers.get(CLIENT_ID, "")
    return Meta(
        qos,
        headers.get(RETAIN) is True,
        publisher if isinstance(publisher, str) else "",
        _properties(found, headers),
        expires_at_ms,
        0 if expires_at_ms else _seconds(found.expiration),
        sent,
    )


_remembered = lru_cache(maxsize=4096)(_read)


def for_subscriber(block: bytes, qos: int, retained: bool, id: int = 0) -> bytes:
    """The block of a message that is put into one client's queue, not routed there."""
    raw = core.headers_raw(block)
    headers = fields.raw_table(raw) if raw else {}
    headers[FORCED] = fields.encode_value(qos)
    headers[RETAINED] = fields.encode_value(retained)
    headers["x-mqtt-subscription-id"] = fields.encode_value(id)
    return core.replace_headers(block, fields.pack_raw_table(headers))


def _number(headers: Mapping[str, Any], name: str, most: int) -> int | None:
    value = headers.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    return None


def _seconds(expiration: str | None) -> int:
    if not expiration or not expiration.isascii() or not expiration.isdigit() or len(expiration) > 12:
        return 0
    return min(-(-int(expiration) // 1000), 0xFFFFFFFF)


def _properties(found: core.Properties, headers: Mapping[str, Any]) -> bytes:
    """Encoded for version 5, without their length, and without expiry and subscription identifiers."""
    values: wire.Properties = {}
    if (found.content_encoding or "").lower() == _UTF_8:
        values["payload_format_indicator"] = 1
    elif headers.get(PAYLOAD_FORMAT) == 0:
        values["payload_format_indicator"] = 0
    content_type = headers.get(CONTENT_TYPE, found.content_type)
    if isinstance(content_type, str) and _is_text(content_type):
        values["content_type"] = content_type
    key = headers.get(REPLY_TO_TOPIC)
    if isinstance(key, str) and is_topic(topic := topic_of(key)) and len(topic.encode()) <= 0xFFFF:
        values["response_topic"] = topic
    data = headers.get(CORRELATION) if found.correlation_id is None else found.correlation_id
    if isinstance(data, (str, bytes)) and len(data) <= 0xFFFF:
        values["correlation_data"] = data.encode() if isinstance(data, str) else data
    exact = headers.get(USER_PROPERTIES)
    if exact is not None:
        return wire.encode_properties(values) + _exact(exact)
    values["user_property"] = [
        (name, text)
        for name, value in headers.items()
        if _is_free(name) and _is_text(name) and (text := _plain(value)) is not None
    ]
    return wire.encode_properties(values)


def _is_free(name: str) -> bool:
    """Whether a header of this name is a user property and nothing else."""
    return not name.startswith(PREFIX) and name not in _NO_USER_PROPERTIES


def _exact(value: Any) -> bytes:
    """User properties as they came; empty if somebody else wrote that header."""
    octets = value.encode() if isinstance(value, str) else value
    if not isinstance(octets, bytes):
        return b""
    try:
        found, _ = wire.read_properties(wire.varint(len(octets)) + octets, 0, len(octets) + 4, spec.WILL)
    except MqttError:
        return b""
    return wire.encode_properties({"user_property": found.get("user_property", [])})


def _plain(value: Any) -> str | None:
    """A header's value as text; None for what has no obvious one."""
    if isinstance(value, str):
        return value if _is_text(value) else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    return None


def _is_text(text: str) -> bool:
    return "\0" not in text and len(text) <= 0xFFFF // 4
