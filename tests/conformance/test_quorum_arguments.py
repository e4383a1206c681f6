"""What a quorum queue may be declared as: flags, arguments, and their equivalence."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Queue
from tests.conformance.answers import channel_error, connection_error, declared
from tests.conformance.wire import Client

QUORUM = {"x-queue-type": "quorum"}


def declare(c: Client, queue: str, durable: bool = True, **arguments: Any) -> None:
    """Send queue.declare of a quorum queue."""
    c.send(Queue.Declare(queue=queue, durable=durable, arguments={**QUORUM, **arguments}))


def refused(text: str) -> str:
    return channel_error(406, text, Queue.Declare)


def invalid(argument: str, why: str) -> str:
    return refused(f"invalid arg '{argument}' for queue 'q' in vhost '/': {why}")


FLAGS = [
    ({}, "non-durable"),
    ({"durable": True, "exclusive": True}, "exclusive-owner"),
    ({"durable": True, "auto_delete": True}, "auto-delete"),
    ({"exclusive": True}, "exclusive-owner"),
    ({"exclusive": True, "auto_delete": True}, "auto-delete"),
]


@pytest.mark.parametrize(("flags", "property_"), FLAGS)
def test_a_quorum_queue_is_there_to_stay(c: Client, q: str, flags: Any, property_: str) -> None:
    c.ask(
        Queue.Declare(queue=q, arguments=QUORUM, **flags),
        refused(f"invalid property '{property_}' for queue 'q' in vhost '/'"),
    )


def test_a_quorum_queue_is_named_by_its_user(c: Client) -> None:
    c.ask(
        Queue.Declare(queue="", durable=True, arguments=QUORUM),
        refused("Cannot declare a server-named queue for type rabbit_quorum_queue"),
    )


ACCEPTED = [
    ("x-message-ttl", 0),
    ("x-expires", 60_000),
    ("x-max-length", 0),
    ("x-max-length-bytes", 0),
    ("x-overflow", "drop-head"),
    ("x-overflow", "reject-publish"),
    ("x-dead-letter-exchange", ""),
    ("x-dead-letter-strategy", "at-most-once"),
    ("x-dead-letter-strategy", "at-least-once"),
    ("x-delivery-limit", 0),
    ("x-delivery-limit", 5),
    ("x-single-active-consumer", True),
    ("x-max-in-memory-length", 5),
    ("x-max-in-memory-bytes", 5),
    ("x-quorum-initial-group-size", 1),
    ("x-queue-leader-locator", "client-local"),
    ("x-queue-leader-locator", "balanced"),
    ("x-ha-policy", "all"),
    ("some-argument", 1),
]


@pytest.mark.parametrize(("argument", "value"), ACCEPTED)
def test_a_valid_argument_of_a_quorum_queue_is_accepted(c: Client, q: str, argument: str, value: Any) -> None:
    declare(c, q, **{argument: value})
    c.expect(declared())


INVALID = [
    ("x-message-ttl", -1, "{value_negative,-1}"),
    ("x-expires", 0, "{value_zero,0}"),
    ("x-max-length", -1, "{value_negative,-1}"),
    ("x-max-length-bytes", "1", '"expected integer, got longstr"'),
    ("x-overflow", "nonsense", "invalid_overflow"),
    ("x-dead-letter-strategy", "nonsense", "invalid_dlx_strategy"),
    ("x-dead-letter-strategy", 1, "{unacceptable_type,byte}"),
    ("x-dead-letter-routing-key", "k", "routing_key_but_no_dlx_defined"),
    ("x-single-active-consumer", "yes", "{unacceptable_type,longstr}"),
    ("x-max-in-memory-length", -1, "{value_negative,-1}"),
    ("x-quorum-initial-group-size", 0, "{value_zero,0}"),
    ("x-quorum-initial-group-size", "3", '"expected integer, got longstr"'),
    ("x-queue-leader-locator", "nonsense", "invalid_queue_locator_arg"),
    ("x-queue-leader-locator", 1, "{unacceptable_type,byte}"),
]


@pytest.mark.parametrize(("argument", "value", "why"), INVALID)
def test_an_invalid_argument_of_a_quorum_queue(c: Client, q: str, argument: str, value: Any, why: str) -> None:
    declare(c, q, **{argument: value})
    c.expect(invalid(argument, why))


OTHER_KINDS = [
    ("x-queue-mode", "lazy"),
    ("x-queue-version", 2),
    ("x-queue-master-locator", "client-local"),
    ("x-max-age", "1h"),
    ("x-stream-max-segment-size-bytes", 1000),
    ("x-initial-cluster-size", 1),
]


@pytest.mark.parametrize(("argument", "value"), OTHER_KINDS)
def test_an_argument_of_another_kind_is_refused(c: Client, q: str, argument: str, value: Any) -> None:
    declare(c, q, **{argument: value})
    c.expect(refused(f"invalid arg '{argument}' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue"))


# -- equivalence -------------------------------------------------------------------------------------------


def inequivalent(argument: str, received: str, current: str) -> str:
    return refused(
        f"inequivalent arg '{argument}' for queue 'q' in vhost '/': received {received} but current is {current}"
    )


CHANGES = [
    ({"x-queue-type": None}, "x-queue-type", "none", "the value 'quorum' of type 'longstr'"),
    ({"x-queue-type": "classic"}, "x-queue-type", "'classic'", "'quorum'"),
    ({"x-delivery-limit": 4}, "x-delivery-limit", "'4'", "'3'"),
    ({"x-delivery-limit": None}, "x-delivery-limit", "none", "the value '3' of type 'byte'"),
]


@pytest.mark.parametrize(("changes", "argument", "received", "current"), CHANGES)
def test_a_quorum_queue_keeps_its_arguments(
    c: Client, q: str, changes: Any, argument: str, received: str, current: str
) -> None:
    declare(c, q, **{"x-delivery-limit": 3})
    c.expect(declared())
    arguments = {**QUORUM, "x-delivery-limit": 3, **changes}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    c.ask(Queue.Declare(queue=q, durable=True, arguments=arguments), inequivalent(argument, received, current))


def test_flags_are_compared_before_arguments(c: Client, q: str) -> None:
    declare(c, q)
    c.expect(declared())
    declare(c, q, durable=False, **{"x-delivery-limit": 3})
    c.expect(inequivalent("durable", "'false'", "'true'"))


def test_a_classic_queue_does_not_become_a_quorum_queue(c: Client, q: str) -> None:
    c.ask(Queue.Declare(queue=q, durable=True), declared())
    declare(c, q)
    c.expect(inequivalent("x-queue-type", "the value 'quorum' of type 'longstr'", "none"))


@pytest.mark.parametrize("condition", ["if_unused", "if_empty"])
def test_a_quorum_queue_is_deleted_unconditionally(c: Client, q: str, condition: str) -> None:
    declare(c, q)
    c.expect(declared())
    flag = condition.replace("_", "-")
    text = (
        f"cannot delete queue 'q' in vhost '/'. queue.delete operations with {flag} flag set are not supported by "
        "quorum queues"
    )
    c.ask(Queue.Delete(queue=q, **{condition: True}), connection_error(540, text, Queue.Delete))
