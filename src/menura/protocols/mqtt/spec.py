"""The protocol as tables: packet types, properties and reason codes (MQTT 5.0, sections 2.1, 2.2.2 and 2.4)."""

from __future__ import annotations

from typing import NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)
# Stands for the properties of the will, which lie within CONNECT but are those of a message.
WILL = 0

V3_1, V3_1_1, V5 = 3, 4, 5
VERSIONS = {V3_1: "3.1", V3_1_1: "3.1.1", V5: "5.0"}
LEVELS = {(b"MQIsdp", 3): V3_1, (b"MQTT", 4): V3_1_1, (b"MQTT", 5): V5}
NAMES = (b"MQIsdp", b"MQTT")

# The lower half of a packet's first octet, where it is fixed (section 2.1.3).
FLAGS = {
    CONNECT: 0, PUBACK: 0, PUBREC: 0, PUBREL: 2, PUBCOMP: 0, SUBSCRIBE: 2, UNSUBSCRIBE: 2, PINGREQ: 0,
    DISCONNECT: 0, AUTH: 0,
}  # fmt: skip

BYTE, TWO, FOUR, VARINT, TEXT, BINARY, PAIR = "byte", "two", "four", "varint", "text", "binary", "pair"


class Property(NamedTuple):
    id: int
    name: str
    kind: str
    packets: tuple[int, ...]


_ANSWERS = (PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK)
PROPERTIES = (
    Property(0x01, "payload_format_indicator", BYTE, (PUBLISH, WILL)),
    Property(0x02, "message_expiry_interval", FOUR, (PUBLISH, WILL)),
    Property(0x03, "content_type", TEXT, (PUBLISH, WILL)),
    Property(0x08, "response_topic", TEXT, (PUBLISH, WILL)),
    Property(0x09, "correlation_data", BINARY, (PUBLISH, WILL)),
    Property(0x0B, "subscription_identifier", VARINT, (PUBLISH, SUBSCRIBE)),
    Property(0x11, "session_expiry_interval", FOUR, (CONNECT, CONNACK, DISCONNECT)),
    Property(0x12, "assigned_client_identifier", TEXT, (CONNACK,)),
    Property(0x13, "server_keep_alive", TWO, (CONNACK,)),
    Property(0x15, "authentication_method", TEXT, (CONNECT, CONNACK, AUTH)),
    Property(0x16, "authentication_data", BINARY, (CONNECT, CONNACK, AUTH)),
    Property(0x17, "request_problem_information", BYTE, (CONNECT,)),
    Property(0x18, "will_delay_interval", FOUR, (WILL,)),
    Property(0x19, "request_response_information", BYTE, (CONNECT,)),
    Property(0x1A, "response_information", TEXT, (CONNACK,)),
    Property(0x1C, "server_reference", TEXT, (CONNACK, DISCONNECT)),
    Property(0x1F, "reason_string", TEXT, (CONNACK, *_ANSWERS, DISCONNECT, AUTH)),
    Property(0x21, "receive_maximum", TWO, (CONNECT, CONNACK)),
    Property(0x22, "topic_alias_maximum", TWO, (CONNECT, CONNACK)),
    Property(0x23, "topic_alias", TWO, (PUBLISH,)),
    Property(0x24, "maximum_qos", BYTE, (CONNACK,)),
    Property(0x25, "retain_available", BYTE, (CONNACK,)),
    Property(0x26, "user_property", PAIR, (CONNECT, CONNACK, PUBLISH, WILL, *_ANSWERS, SUBSCRIBE, UNSUBSCRIBE,
                                           DISCONNECT, AUTH)),
    Property(0x27, "maximum_packet_size", FOUR, (CONNECT, CONNACK)),
    Property(0x28, "wildcard_subscription_available", BYTE, (CONNACK,)),
    Property(0x29, "subscription_identifier_available", BYTE, (CONNACK,)),
    Property(0x2A, "shared_subscription_available", BYTE, (CONNACK,)),
)  # fmt: skip
PROPERTY_BY_ID = {row.id: row for row in PROPERTIES}
PROPERTY_BY_NAME = {row.name: row for row in PROPERTIES}
# Numbers that must be 0 or 1, and numbers that must not be 0.
FLAG_PROPERTIES = frozenset(("payload_format_indicator", "request_problem_information", "request_response_information"))
POSITIVE_PROPERTIES = frozenset(("receive_maximum", "maximum_packet_size", "subscription_identifier"))

SUCCESS = NORMAL_DISCONNECTION = GRANTED_QOS_0 = 0x00
DISCONNECT_WITH_WILL = 0x04
NO_MATCHING_SUBSCRIBERS = 0x10
NO_SUBSCRIPTION_EXISTED = 0x11
UNSPECIFIED_ERROR = 0x80
MALFORMED_PACKET = 0x81
PROTOCOL_ERROR = 0x82
IMPLEMENTATION_SPECIFIC_ERROR = 0x83
UNSUPPORTED_PROTOCOL_VERSION = 0x84
CLIENT_IDENTIFIER_NOT_VALID = 0x85
BAD_USER_NAME_OR_PASSWORD = 0x86
NOT_AUTHORIZED = 0x87
SERVER_UNAVAILABLE = 0x88
SERVER_BUSY = 0x89
BANNED = 0x8A
SERVER_SHUTTING_DOWN = 0x8B
BAD_AUTHENTICATION_METHOD = 0x8C
KEEP_ALIVE_TIMEOUT = 0x8D
SESSION_TAKEN_OVER = 0x8E
TOPIC_FILTER_INVALID = 0x8F
TOPIC_NAME_INVALID = 0x90
PACKET_IDENTIFIER_IN_USE = 0x91
PACKET_IDENTIFIER_NOT_FOUND = 0x92
RECEIVE_MAXIMUM_EXCEEDED = 0x93
TOPIC_ALIAS_INVALID = 0x94
PACKET_TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
ADMINISTRATIVE_ACTION = 0x98
PAYLOAD_FORMAT_INVALID = 0x99
SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E

# What a client may say in an answer (sections 3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1, 3.14.2.1, 3.15.2.1).
_RECEIVED = frozenset((0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99))
_RELEASED = frozenset((0x00, 0x92))
CODES = {
    PUBACK: _RECEIVED, PUBREC: _RECEIVED, PUBREL: _RELEASED, PUBCOMP: _RELEASED,
    DISCONNECT: frozenset((0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99)),
    AUTH: frozenset((0x00, 0x18, 0x19)),
}  # fmt: skip

# What a failed CONNECT is told before version 5 (3.1.1, section 3.2.2.3); for anything else there is no code.
RETURN_CODES = {
    UNSUPPORTED_PROTOCOL_VERSION: 1,
    CLIENT_IDENTIFIER_NOT_VALID: 2,
    SERVER_UNAVAILABLE: 3,
    SERVER_SHUTTING_DOWN: 3,
    BAD_USER_NAME_OR_PASSWORD: 4,
    NOT_AUTHORIZED: 5,
}
