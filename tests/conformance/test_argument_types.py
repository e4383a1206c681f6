"""The arguments of queue.declare with values of every type that a field can have, and what is looked at first."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pamqp.commands import Channel, Queue
from tests.conformance.answers import channel_error, declared
from tests.conformance.frames import long, raw_method, short
from tests.conformance.wire import Client

INTEGERS = {
    "byte": b"b\x01",
    "unsignedbyte": b"B\x01",
    "short": b"s\x00\x01",
    "unsignedshort": b"u\x00\x01",
    "signedint": b"I" + struct.pack(">i", 1),
    "unsignedint": b"i" + struct.pack(">I", 1),
    "long": b"l" + struct.pack(">q", 1),
}
OTHERS = {
    "bool": b"t\x01",
    "float": b"f" + struct.pack(">f", 1),
    "double": b"d" + struct.pack(">d", 1),
    "decimal": b"D\x00" + struct.pack(">i", 1),
    "timestamp": b"T" + struct.pack(">Q", 1),
    "table": b"F" + long(b""),
    "array": b"A" + long(b""),
    "void": b"V",
    "binary": b"x" + long(b"1"),
}
STRING = {"longstr": b"S" + long(b"1")}
NUMBERS = ["x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority", "x-queue-version"]
WORDS = ["x-overflow", "x-queue-mode", "x-queue-type", "x-dead-letter-routing-key"]


def declare(c: Client, queue: str, argument: str, typed: bytes) -> None:
    """Send queue.declare of an exclusive queue with one argument."""
    exclusive = b"\x04"
    c.send(raw_method(50, 10, b"\0\0" + short(queue) + exclusive + long(short(argument) + typed)))


def invalid(argument: str, why: str) -> str:
    return channel_error(406, f"invalid arg '{argument}' for queue 'q' in vhost '/': {why}", Queue.Declare)


def again(c: Client) -> None:
    """Go on after a channel error."""
    c.send(Channel.CloseOk())
    c.open_channel()


@pytest.mark.parametrize("argument", NUMBERS)
def test_a_number_may_be_an_integer_of_any_width(c: Client, q: str, argument: str) -> None:
    for typed in [*INTEGERS.values(), b"L" + struct.pack(">q", 1)]:
        declare(c, q, argument, typed)
        c.expect(declared())
        c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=0)")


@pytest.mark.parametrize("received", [*OTHERS, *STRING])
def test_a_number_is_nothing_else(c: Client, q: str, received: str) -> None:
    typed = {**OTHERS, **STRING}[received]
    for number, argument in enumerate(NUMBERS):
        if number:
            again(c)
        declare(c, q, argument, typed)
        c.expect(invalid(argument, f'"expected integer, got {received}"'))


@pytest.mark.parametrize("received", [*INTEGERS, *OTHERS])
def test_a_word_is_a_string_and_nothing_else(c: Client, q: str, received: str) -> None:
    typed = {**INTEGERS, **OTHERS}[received]
    for number, argument in enumerate(WORDS):
        if number:
            again(c)
        declare(c, q, argument, typed)
        c.expect(invalid(argument, f"{{unacceptable_type,{received}}}"))


@pytest.mark.parametrize("received", [*INTEGERS, *OTHERS])
def test_the_name_of_an_exchange_is_a_string_and_nothing_else(c: Client, q: str, received: str) -> None:
    declare(c, q, "x-dead-letter-exchange", {**INTEGERS, **OTHERS}[received])
    text = f"invalid type '{received}' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"
    c.expect(channel_error(406, text, Queue.Declare))


@pytest.mark.parametrize("received", [*INTEGERS, *STRING, *(name for name in OTHERS if name != "bool")])
def test_a_switch_is_a_boolean_and_nothing_else(c: Client, q: str, received: str) -> None:
    declare(c, q, "x-single-active-consumer", {**INTEGERS, **STRING, **OTHERS}[received])
    c.expect(invalid("x-single-active-consumer", f"{{unacceptable_type,{received}}}"))


@pytest.mark.parametrize("argument", ["some-argument", "x-ha-policy", "x-queue-master-locator"])
def test_an_unknown_argument_may_have_any_type(c: Client, q: str, argument: str) -> None:
    for typed in {**INTEGERS, **STRING, **OTHERS}.values():
        declare(c, q, argument, typed)
        c.expect(declared())
        c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=0)")


# -- what is looked at first -------------------------------------------------------------------------------

IN_ORDER: dict[str, Any] = {
    "x-dead-letter-exchange": 1,
    "x-queue-type": "nonsense",
    "x-expires": 0,
    "x-message-ttl": -1,
    "x-dead-letter-routing-key": 1,
    "x-max-length": -1,
    "x-max-length-bytes": -1,
    "x-max-priority": -1,
    "x-overflow": "nonsense",
    "x-queue-mode": "nonsense",
    "x-queue-version": 9,
    "x-single-active-consumer": 1,
    "x-delivery-limit": 1,
}


def test_arguments_are_looked_at_in_an_order_of_their_own(c: Client, q: str) -> None:
    wrong, named = dict(IN_ORDER), []
    while wrong:
        c.send(Queue.Declare(queue=q, exclusive=True, arguments=dict(reversed(wrong.items()))))
        _, method, _, _ = c.method()
        named.append(next(argument for argument in wrong if f"arg '{argument}'" in method.reply_text))
        del wrong[named[-1]]
        again(c)
    assert named == list(IN_ORDER)


def test_a_queue_that_exists_is_only_compared(c: Client, q: str) -> None:
    c.queue(q, **{"x-max-length": 5})
    c.send(Queue.Declare(queue=q, exclusive=True, arguments={"x-max-length": -5}))
    text = "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received '-5' but current is '5'"
    c.expect(channel_error(406, text, Queue.Declare))


def test_an_argument_of_another_kind_may_be_added_to_a_queue_that_exists(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Queue.Declare(queue=q, exclusive=True, arguments={"x-delivery-limit": 1}), declared())


def test_a_passive_declare_looks_at_no_arguments(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Queue.Declare(queue=q, passive=True, arguments={"x-max-length": -1, "x-queue-type": "nonsense"}), declared())
