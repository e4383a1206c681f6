"""What queue.declare accepts as arguments, and which arguments make a queue another one."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pamqp.commands import Queue
from tests.conformance.answers import channel_error, declared
from tests.conformance.frames import long, raw_method, short
from tests.conformance.wire import Client

TEN_YEARS_MS = 315_360_000_000
ROUTING_KEY = "x-dead-letter-routing-key"


def invalid(argument: str, why: str) -> str:
    return channel_error(406, f"invalid arg '{argument}' for queue 'q' in vhost '/': {why}", Queue.Declare)


def not_for_classic(argument: str) -> str:
    text = f"invalid arg '{argument}' for queue 'q' in vhost '/' of queue type rabbit_classic_queue"
    return channel_error(406, text, Queue.Declare)


def expected_integer(argument: str, received: str) -> str:
    return invalid(argument, f'"expected integer, got {received}"')


ACCEPTED = [
    ("x-message-ttl", 0),
    ("x-message-ttl", TEN_YEARS_MS),
    ("x-expires", 60_000),
    ("x-max-length", 0),
    ("x-max-length-bytes", 0),
    ("x-max-priority", 0),
    ("x-max-priority", 255),
    ("x-overflow", "drop-head"),
    ("x-overflow", "reject-publish"),
    ("x-overflow", "reject-publish-dlx"),
    ("x-queue-type", "classic"),
    ("x-dead-letter-exchange", "amq.direct"),
    ("x-dead-letter-exchange", ""),
    ("x-queue-mode", "lazy"),
    ("x-queue-mode", "default"),
    ("x-queue-version", 1),
    ("x-queue-version", 2),
    ("x-single-active-consumer", True),
    ("x-queue-master-locator", "client-local"),
    ("x-ha-policy", "all"),
    ("x-stream-offset", 1),
    ("some-argument", "some value"),
]


@pytest.mark.parametrize(("argument", "value"), ACCEPTED)
def test_a_valid_argument_is_accepted(c: Client, q: str, argument: str, value: Any) -> None:
    c.queue(q, **{argument: value})


@pytest.mark.parametrize("argument", ["x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes"])
def test_a_limit_is_not_negative(c: Client, q: str, argument: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={argument: -1000}))
    c.expect(invalid(argument, "{value_negative,-1000}"))


@pytest.mark.parametrize(
    ("value", "received"), [("5", "longstr"), (1.5, "float"), (True, "bool"), (None, "void"), ([], "array")]
)
@pytest.mark.parametrize(
    "argument",
    ["x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority", "x-queue-version"],
)
def test_a_number_is_an_integer(c: Client, q: str, argument: str, value: Any, received: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={argument: value}))
    c.expect(expected_integer(argument, received))


def test_a_queue_does_not_expire_at_once(c: Client, q: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={"x-expires": 0}))
    c.expect(invalid("x-expires", "{value_zero,0}"))


@pytest.mark.parametrize("argument", ["x-message-ttl", "x-expires"])
def test_a_time_is_at_most_ten_years(c: Client, q: str, argument: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={argument: TEN_YEARS_MS + 1}))
    c.expect(invalid(argument, f"{{value_too_large,{TEN_YEARS_MS + 1}}}"))


def test_there_are_at_most_256_priorities(c: Client, q: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={"x-max-priority": 256}))
    c.expect(invalid("x-max-priority", "{max_value_exceeded,256}"))


def test_the_highest_priority_is_not_negative(c: Client, q: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={"x-max-priority": -1000}))
    c.expect(invalid("x-max-priority", "{value_negative,-1000}"))


UNKNOWN = [
    ("x-overflow", "invalid_overflow"),
    ("x-queue-type", "\"unsupported queue type 'nonsense'\""),
    ("x-queue-mode", "\"unsupported queue mode 'nonsense'\""),
]


@pytest.mark.parametrize(("argument", "why"), UNKNOWN)
def test_a_choice_is_one_of_the_known_ones(c: Client, q: str, argument: str, why: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={argument: "nonsense"}))
    c.expect(invalid(argument, why))


def test_there_are_two_versions_of_classic_queues(c: Client, q: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={"x-queue-version": 3}))
    c.expect(invalid("x-queue-version", "\"unsupported queue version '3'\""))


@pytest.mark.parametrize("argument", ["x-overflow", "x-queue-type", "x-queue-mode", ROUTING_KEY])
def test_a_word_is_a_string(c: Client, q: str, argument: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={argument: 1}))
    c.expect(invalid(argument, "{unacceptable_type,byte}"))


@pytest.mark.parametrize(("value", "received"), [("true", "longstr"), (1, "byte")])
def test_a_switch_is_a_boolean(c: Client, q: str, value: Any, received: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={"x-single-active-consumer": value}))
    c.expect(invalid("x-single-active-consumer", f"{{unacceptable_type,{received}}}"))


def test_a_dead_letter_exchange_is_a_string(c: Client, q: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={"x-dead-letter-exchange": 1}))
    text = "invalid type 'byte' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"
    c.expect(channel_error(406, text, Queue.Declare))


def test_a_dead_letter_routing_key_needs_an_exchange(c: Client, q: str) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={ROUTING_KEY: "k"}))
    c.expect(invalid(ROUTING_KEY, "routing_key_but_no_dlx_defined"))


OTHER_KINDS = [
    ("x-max-in-memory-length", 1),
    ("x-delivery-limit", 1),
    ("x-dead-letter-strategy", "at-least-once"),
    ("x-max-age", "1h"),
    ("x-stream-max-segment-size-bytes", 1000),
    ("x-initial-cluster-size", 1),
    ("x-quorum-initial-group-size", 3),
]


@pytest.mark.parametrize(("argument", "value"), OTHER_KINDS)
def test_an_argument_of_another_kind_of_queue_is_refused(c: Client, q: str, argument: str, value: Any) -> None:
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={argument: value}))
    c.expect(not_for_classic(argument))


# -- equivalence -------------------------------------------------------------------------------------------

ARGUMENTS = {"x-message-ttl": 1000, "x-max-length": 5, "x-dead-letter-exchange": "d"}


def inequivalent(argument: str, received: str, current: str) -> str:
    text = f"inequivalent arg '{argument}' for queue 'q' in vhost '/': received {received} but current is {current}"
    return channel_error(406, text, Queue.Declare)


@pytest.fixture
def with_arguments(c: Client, q: str) -> Client:
    """The connection, after q has been declared with ARGUMENTS."""
    c.queue(q, **ARGUMENTS)
    return c


def redeclare(c: Client, q: str, **changes: Any) -> None:
    arguments = {name: value for name, value in {**ARGUMENTS, **changes}.items() if value is not None}
    c.send(Queue.Declare(queue=q, exclusive=True, arguments=arguments))


def test_the_same_arguments_are_equivalent(with_arguments: Client, q: str) -> None:
    redeclare(with_arguments, q)
    with_arguments.expect(declared())


@pytest.mark.parametrize(
    ("argument", "value", "received", "current"),
    [
        ("x-message-ttl", 2000, "'2000'", "'1000'"),
        ("x-message-ttl", 200_000, "'200000'", "'1000'"),
        ("x-max-length", 6, "'6'", "'5'"),
        ("x-dead-letter-exchange", "e", "'e'", "'d'"),
    ],
)
def test_a_queue_keeps_its_arguments(
    with_arguments: Client, q: str, argument: str, value: Any, received: str, current: str
) -> None:
    redeclare(with_arguments, q, **{argument: value})
    with_arguments.expect(inequivalent(argument, received, current))


@pytest.mark.parametrize(
    ("argument", "current"),
    [
        ("x-message-ttl", "the value '1000' of type 'short'"),
        ("x-max-length", "the value '5' of type 'byte'"),
        ("x-dead-letter-exchange", "the value 'd' of type 'longstr'"),
    ],
)
def test_an_argument_cannot_be_left_out_later(with_arguments: Client, q: str, argument: str, current: str) -> None:
    redeclare(with_arguments, q, **{argument: None})
    with_arguments.expect(inequivalent(argument, "none", current))


@pytest.mark.parametrize(
    ("argument", "value", "received"),
    [
        (ROUTING_KEY, "k", "the value 'k' of type 'longstr'"),
        ("x-max-priority", 5, "the value '5' of type 'byte'"),
        ("x-expires", 60_000, "the value '60000' of type 'unsignedshort'"),
        ("x-overflow", "drop-head", "the value 'drop-head' of type 'longstr'"),
        ("x-max-length-bytes", 100_000, "the value '100000' of type 'signedint'"),
        ("x-single-active-consumer", True, "the value 'true' of type 'bool'"),
    ],
)
def test_an_argument_cannot_be_added_later(
    with_arguments: Client, q: str, argument: str, value: Any, received: str
) -> None:
    redeclare(with_arguments, q, **{argument: value})
    with_arguments.expect(inequivalent(argument, received, "none"))


@pytest.mark.parametrize(("argument", "value"), [("x-queue-type", "classic"), ("some-argument", 1)])
def test_an_argument_without_consequences_can_be_added_later(
    with_arguments: Client, q: str, argument: str, value: Any
) -> None:
    redeclare(with_arguments, q, **{argument: value})
    with_arguments.expect(declared())


def declare_with_ttl(q: str, typed: bytes) -> bytes:
    """queue.declare of an exclusive queue, with a TTL of any type of field."""
    return raw_method(50, 10, b"\0\0" + short(q) + b"\x04" + long(short("x-message-ttl") + typed))


SAME_NUMBER = [
    b"s" + struct.pack(">h", 1000),
    b"u" + struct.pack(">H", 1000),
    b"I" + struct.pack(">i", 1000),
    b"i" + struct.pack(">I", 1000),
    b"l" + struct.pack(">q", 1000),
    b"L" + struct.pack(">q", 1000),
]


@pytest.mark.parametrize("typed", SAME_NUMBER)
def test_integers_of_different_width_are_equivalent(c: Client, q: str, typed: bytes) -> None:
    c.queue(q, **{"x-message-ttl": 1000})
    c.ask(declare_with_ttl(q, typed), declared())


OTHER_VALUES = [
    (b"b\x07", "'7'"),
    (b"B\xc8", "'200'"),
    (b"l" + struct.pack(">q", 2000), "'2000'"),
    (b"S" + long(b"1000"), "'1000'"),
]


@pytest.mark.parametrize(("typed", "received"), OTHER_VALUES)
def test_values_are_compared_across_types(c: Client, q: str, typed: bytes, received: str) -> None:
    c.queue(q, **{"x-message-ttl": 1000})
    c.ask(declare_with_ttl(q, typed), inequivalent("x-message-ttl", received, "'1000'"))
