"""Declaring, deleting and publishing by name."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.domain import Receiver, a_vhost, consume, numbered, publish, take_all

from menura.core import fields
from menura.core.errors import AccessRefused, Locked, NotFound, PreconditionFailed
from menura.core.routing import Route
from menura.core.tallies import Sent
from menura.core.vhost import PREDECLARED, VHost


def encoded(**arguments: Any) -> dict[str, bytes]:
    return {key.replace("_", "-"): fields.encode_value(value) for key, value in arguments.items()}


@pytest.fixture
def vhost() -> VHost:
    return a_vhost()


# Exchanges


def test_some_exchanges_are_there_from_the_start(vhost: VHost) -> None:
    assert set(vhost.exchanges) == {"", *(name for name, _, _ in PREDECLARED)}
    assert all(exchange.durable for exchange in vhost.exchanges.values())
    assert [name for name, exchange in vhost.exchanges.items() if exchange.internal] == ["amq.rabbitmq.trace"]
    assert vhost.exchange("amq.match").kind == "headers"


@pytest.mark.parametrize(
    ("different", "text"),
    [
        ({"kind": "fanout"}, "'type' for exchange 'x' in vhost '/': received 'fanout' but current is 'direct'"),
        ({"durable": False}, "'durable' for exchange 'x' in vhost '/': received 'false' but current is 'true'"),
        ({"auto_delete": True}, "'auto_delete' for exchange 'x' in vhost '/': received 'true' but current is 'false'"),
        ({"internal": True}, "'internal' for exchange 'x' in vhost '/': received 'true' but current is 'false'"),
        (
            {"arguments": encoded(alternate_exchange="other")},
            "'alternate-exchange' for exchange 'x' in vhost '/': received 'other' but current is 'one'",
        ),
        (
            {"arguments": {}},
            "'alternate-exchange' for exchange 'x' in vhost '/': received none but current is the value 'one' of type "
            "'longstr'",
        ),
    ],
)
def test_an_exchange_declared_again_must_be_the_same(vhost: VHost, different: dict[str, Any], text: str) -> None:
    first: dict[str, Any] = {"kind": "direct", "durable": True, "arguments": encoded(alternate_exchange="one")}
    exchange = vhost.declare_exchange("x", **first)
    assert vhost.declare_exchange("x", **first) is exchange
    with pytest.raises(PreconditionFailed) as refused:
        vhost.declare_exchange("x", **(first | different))
    assert str(refused.value) == f"inequivalent arg {text}"


def test_unknown_arguments_of_an_exchange_are_not_compared(vhost: VHost) -> None:
    exchange = vhost.declare_exchange("x", "direct", arguments=encoded(note="a"))
    assert vhost.declare_exchange("x", "direct", arguments=encoded(note="b")) is exchange


def test_reserved_exchange_names_can_be_declared_again_but_not_made(vhost: VHost) -> None:
    assert vhost.declare_exchange("amq.topic", "topic", durable=True) is vhost.exchange("amq.topic")
    with pytest.raises(AccessRefused, match=r"exchange name 'amq.new' contains reserved prefix 'amq.\*'"):
        vhost.declare_exchange("amq.new", "topic")
    assert "amq.new" not in vhost.exchanges


def test_system_exchanges_cannot_be_deleted(vhost: VHost) -> None:
    for name in ("", "amq.topic", "amq.missing"):
        with pytest.raises(AccessRefused):
            vhost.delete_exchange(name)
    assert "amq.topic" in vhost.exchanges


def test_deleting_an_exchange_removes_the_bindings_at_both_ends(vhost: VHost) -> None:
    for name in ("a", "b", "c"):
        vhost.declare_exchange(name, "fanout")
    queue = vhost.declare_queue("q")
    vhost.bind("a", vhost.exchange("b"), "", {})
    vhost.bind("b", vhost.exchange("c"), "", {})
    vhost.bind("b", queue, "", {})
    vhost.delete_exchange("b")
    assert vhost.bindings == {}
    assert queue.bindings == {}
    assert vhost.exchange("a").bindings == vhost.exchange("c").incoming == {}
    assert publish(vhost, "a", "", [1]) == [1]
    with pytest.raises(NotFound, match=r"^no exchange 'b' in vhost '/'$"):
        publish(vhost, "b", "", [1])


def test_deleting_if_unused_spares_an_exchange_with_bindings_of_its_own(vhost: VHost) -> None:
    vhost.declare_exchange("x", "fanout")
    vhost.bind("amq.fanout", vhost.exchange("x"), "", {})
    vhost.bind("x", vhost.declare_queue("q"), "", {})
    with pytest.raises(PreconditionFailed, match=r"^exchange 'x' in vhost '/' in use$"):
        vhost.delete_exchange("x", if_unused=True)
    vhost.unbind("x", vhost.queues["q"], "", {})
    vhost.delete_exchange("x", if_unused=True)
    assert "x" not in vhost.exchanges
    assert vhost.bindings == {}


def test_an_alternate_exchange_must_be_a_name(vhost: VHost) -> None:
    with pytest.raises(PreconditionFailed, match=r"^invalid type 'signedint' for arg 'alternate-exchange' in exchange"):
        vhost.declare_exchange("x", "direct", arguments=encoded(alternate_exchange=1))
    assert "x" not in vhost.exchanges


def test_an_unknown_kind_of_exchange_is_refused(vhost: VHost) -> None:
    with pytest.raises(PreconditionFailed):
        vhost.declare_exchange("x", "nonsense")


# Auto-delete exchanges


def test_an_auto_delete_exchange_goes_with_the_last_binding_that_starts_at_it(vhost: VHost) -> None:
    vhost.declare_exchange("x", "direct", auto_delete=True)
    queue, other = vhost.declare_queue("q"), vhost.declare_queue("r")
    vhost.bind("x", queue, "a", {})
    vhost.bind("x", other, "a", {})
    vhost.unbind("x", queue, "a", {})
    assert "x" in vhost.exchanges
    vhost.remove_queue(other)
    assert "x" not in vhost.exchanges


def test_bindings_that_end_at_an_auto_delete_exchange_do_not_keep_it(vhost: VHost) -> None:
    vhost.declare_exchange("x", "direct", auto_delete=True)
    vhost.bind("amq.fanout", vhost.exchange("x"), "", {})
    vhost.unbind("amq.fanout", vhost.exchange("x"), "", {})
    assert "x" in vhost.exchanges
    vhost.bind("amq.fanout", vhost.exchange("x"), "", {})
    queue = vhost.declare_queue("q")
    vhost.bind("x", queue, "", {})
    vhost.unbind("x", queue, "", {})
    assert "x" not in vhost.exchanges
    assert vhost.bindings == {}


def chain(vhost: VHost, length: int) -> None:
    """Auto-delete exchanges, each bound to the next, and a queue at the end."""
    for n in range(length):
        vhost.declare_exchange(f"x{n}", "fanout", auto_delete=True)
    for n in range(length - 1):
        vhost.bind(f"x{n}", vhost.exchange(f"x{n + 1}"), "", {})
    vhost.bind(f"x{length - 1}", vhost.declare_queue("q"), "", {})


@pytest.mark.parametrize("length", [1, 3, 1000])
def test_a_chain_of_auto_delete_exchanges_goes_as_a_whole(vhost: VHost, length: int) -> None:
    chain(vhost, length)
    vhost.remove_queue(vhost.queues["q"])
    assert set(vhost.exchanges) == {"", *(name for name, _, _ in PREDECLARED)}
    assert vhost.bindings == {}


def test_a_cycle_of_auto_delete_exchanges_goes_as_a_whole(vhost: VHost) -> None:
    chain(vhost, 3)
    vhost.bind("x2", vhost.exchange("x0"), "", {})
    vhost.remove_queue(vhost.queues["q"])
    assert "x2" in vhost.exchanges
    vhost.delete_exchange("x0")
    assert not {"x0", "x1", "x2"} & set(vhost.exchanges)
    assert vhost.bindings == {}


# Queues


@pytest.mark.parametrize(
    ("different", "text"),
    [
        ({"durable": False}, "'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"),
        ({"auto_delete": True}, "'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'"),
        (
            {"arguments": encoded(x_max_length=6)},
            "'x-max-length' for queue 'q' in vhost '/': received '6' but current is '5'",
        ),
        (
            {"arguments": {}},
            "'x-max-length' for queue 'q' in vhost '/': received none but current is the value '5' of type 'signedint'",
        ),
    ],
)
def test_a_queue_declared_again_must_be_the_same(vhost: VHost, different: dict[str, Any], text: str) -> None:
    first: dict[str, Any] = {"durable": True, "arguments": encoded(x_max_length=5)}
    queue = vhost.declare_queue("q", **first)
    assert vhost.declare_queue("q", **first) is queue
    with pytest.raises(PreconditionFailed) as refused:
        vhost.declare_queue("q", **(first | different))
    assert str(refused.value) == f"inequivalent arg {text}"


def test_integer_arguments_are_compared_by_value(vhost: VHost) -> None:
    queue = vhost.declare_queue("q", arguments={"x-max-length": b"I\0\0\0\x05"})
    assert vhost.declare_queue("q", arguments={"x-max-length": b"b\x05"}) is queue


def test_the_type_classic_is_the_same_as_no_type(vhost: VHost) -> None:
    queue = vhost.declare_queue("q", arguments=encoded(x_queue_type="classic"))
    assert vhost.declare_queue("q") is queue


def test_classic_means_nothing_in_other_arguments(vhost: VHost) -> None:
    vhost.declare_queue("q")
    with pytest.raises(PreconditionFailed):
        vhost.declare_queue("q", arguments=encoded(x_dead_letter_exchange="classic"))


def test_unknown_arguments_of_a_queue_are_kept_and_not_compared(vhost: VHost) -> None:
    queue = vhost.declare_queue("q", arguments=encoded(x_note="a"))
    assert vhost.declare_queue("q") is queue
    assert queue.arguments == encoded(x_note="a")


def test_reserved_queue_names_are_for_the_broker_to_give(vhost: VHost) -> None:
    with pytest.raises(AccessRefused, match=r"queue name 'amq.gen-1' contains reserved prefix 'amq.\*'"):
        vhost.declare_queue("amq.gen-1")
    queue = vhost.declare_queue("amq.gen-1", reserved=True)
    assert vhost.declare_queue("amq.gen-1") is queue
    vhost.check_queue_name("amq.gen-1")


def test_a_missing_queue_is_not_found(vhost: VHost) -> None:
    with pytest.raises(NotFound, match=r"^no queue 'q' in vhost '/'$"):
        vhost.queue("q")


def test_an_exclusive_queue_is_its_owners_alone(vhost: VHost) -> None:
    owner, stranger = Receiver(), Receiver()
    queue = vhost.declare_queue("q", exclusive=True, owner=owner)
    assert vhost.queue("q", owner) is queue
    assert vhost.declare_queue("q", exclusive=True, owner=owner) is queue
    for ask in (
        lambda: vhost.queue("q", stranger),
        lambda: vhost.queue("q"),
        lambda: vhost.declare_queue("q", exclusive=True, owner=stranger),
        lambda: vhost.declare_queue("q", exclusive=False, owner=owner),
    ):
        with pytest.raises(Locked, match=r"^cannot obtain exclusive access to locked queue 'q' in vhost '/'"):
            ask()


def test_a_queue_that_is_not_exclusive_belongs_to_nobody_and_cannot_become_exclusive(vhost: VHost) -> None:
    owner = Receiver()
    queue = vhost.declare_queue("q", owner=owner)
    assert queue.owner is None
    assert vhost.queue("q", Receiver()) is queue
    with pytest.raises(Locked):
        vhost.declare_queue("q", exclusive=True, owner=owner)


def test_an_exclusive_queue_is_never_durable(vhost: VHost) -> None:
    owner = Receiver()
    queue = vhost.declare_queue("q", exclusive=True, owner=owner, durable=True)
    assert not queue.durable
    assert vhost.declare_queue("q", exclusive=True, owner=owner, durable=False) is queue


def test_an_owner_is_told_when_its_queue_is_deleted(vhost: VHost) -> None:
    owner = Receiver()
    queue = vhost.declare_queue("q", exclusive=True, owner=owner)
    vhost.delete_queue(queue)
    vhost.remove_queue(queue)
    assert owner.disowned == [queue]


def test_deleting_a_queue_removes_bindings_messages_and_consumers(vhost: VHost) -> None:
    queue, receiver = vhost.declare_queue("q"), Receiver()
    vhost.bind("amq.topic", queue, "#", {})
    vhost.bind("amq.headers", queue, "", encoded(a=1))
    consumer = consume(queue, receiver, prefetch=2)
    publish(vhost, "amq.topic", "k", range(5))
    vhost.dispatch()
    assert vhost.delete_queue(queue) == 3
    assert receiver.gone == [consumer]
    assert vhost.bindings == {}
    assert vhost.exchange("amq.topic").bindings == vhost.exchange("amq.headers").bindings == {}
    assert publish(vhost, "amq.topic", "k", [1]) == [1]
    assert publish(vhost, "", "q", [1]) == [1]
    for delivery in receiver.deliveries:
        delivery.give_back()
    assert vhost.memory.used_bytes == 0


def test_deleting_if_unused_or_if_empty_spares_the_queue_otherwise(vhost: VHost) -> None:
    queue = vhost.declare_queue("q")
    publish(vhost, "", "q", [1])
    consumer = consume(queue, prefetch=1)
    with pytest.raises(PreconditionFailed, match=r"^queue 'q' in vhost '/' in use$"):
        vhost.delete_queue(queue, if_unused=True)
    queue.unsubscribe(consumer)
    with pytest.raises(PreconditionFailed, match=r"^queue 'q' in vhost '/' not empty$"):
        vhost.delete_queue(queue, if_unused=True, if_empty=True)
    assert take_all(queue) == [1]
    assert vhost.delete_queue(queue, if_unused=True, if_empty=True) == 0


def test_a_queue_declared_after_its_deletion_is_another(vhost: VHost) -> None:
    old = vhost.declare_queue("q")
    publish(vhost, "", "q", range(3))
    position, run, _ = old.take(1)
    vhost.remove_queue(old)
    new = vhost.declare_queue("q")
    publish(vhost, "", "q", [9])
    old.requeue(position, run)
    assert take_all(new) == [9]


# Arguments of queues


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (encoded(x_expires=0), "{value_zero,0}"),
        (encoded(x_expires=10 * 365 * 24 * 3600 * 1000 + 1), "{value_too_large,315360000001}"),
        (encoded(x_message_ttl=-1), "{value_negative,-1}"),
        (encoded(x_message_ttl="1"), '"expected integer, got longstr"'),
        (encoded(x_max_length=-1), "{value_negative,-1}"),
        (encoded(x_max_priority=256), "{max_value_exceeded,256}"),
        (encoded(x_overflow="drop"), "invalid_overflow"),
        (encoded(x_dead_letter_routing_key="k"), "routing_key_but_no_dlx_defined"),
        (encoded(x_single_active_consumer=1), "{unacceptable_type,signedint}"),
        (encoded(x_queue_mode=1), "{unacceptable_type,signedint}"),
    ],
)
def test_an_argument_out_of_range_is_refused(vhost: VHost, arguments: dict[str, bytes], text: str) -> None:
    with pytest.raises(PreconditionFailed) as refused:
        vhost.declare_queue("q", arguments=arguments)
    assert str(refused.value) == f"invalid arg '{next(iter(arguments))}' for queue 'q' in vhost '/': {text}"
    assert "q" not in vhost.queues


@pytest.mark.parametrize(
    "arguments",
    [
        encoded(x_expires=1),
        encoded(x_message_ttl=0),
        encoded(x_max_length=0),
        encoded(x_max_priority=255),
        encoded(x_overflow="reject-publish"),
        encoded(x_dead_letter_exchange="", x_dead_letter_routing_key="k"),
        encoded(x_single_active_consumer=False),
        {"x-max-length": b"B\xff"},
        {"x-max-length": b"l" + bytes(7) + b"\x01"},
    ],
)
def test_an_argument_within_its_range_is_accepted(vhost: VHost, arguments: dict[str, bytes]) -> None:
    assert vhost.declare_queue("q", arguments=arguments).arguments == arguments


@pytest.mark.parametrize("name", ["x-max-length", "x-expires", "x-message-ttl", "x-max-priority"])
def test_a_time_is_no_number(vhost: VHost, name: str) -> None:
    with pytest.raises(PreconditionFailed, match="expected integer, got timestamp"):
        vhost.declare_queue("q", arguments={name: b"T" + bytes(8)})


# Reply queues


def test_a_reply_queue_is_reached_by_name_but_not_declared(vhost: VHost) -> None:
    queue, receiver = vhost.add_reply_queue("reply"), Receiver()
    consume(queue, receiver, settles=False)
    assert publish(vhost, "", "reply", [1, 2]) == []
    vhost.dispatch()
    assert receiver.numbers() == [1, 2]
    assert "reply" not in vhost.queues
    with pytest.raises(NotFound):
        vhost.queue("reply")


def test_a_declared_queue_comes_before_a_reply_queue_of_that_name(vhost: VHost) -> None:
    vhost.add_reply_queue("name")
    publish(vhost, "", "name", [1])
    queue = vhost.declare_queue("name")
    publish(vhost, "", "name", [2])
    assert take_all(queue) == [2]


def test_a_removed_reply_queue_leaves_nothing_behind(vhost: VHost) -> None:
    queue = vhost.add_reply_queue("reply")
    publish(vhost, "", "reply", [1, 2])
    vhost.remove_reply_queue("reply")
    assert not queue.alive
    assert vhost.memory.used_bytes == 0
    assert publish(vhost, "", "reply", [3]) == [3]
    vhost.dispatch()


# Publishing


def test_what_no_queue_wanted_comes_back_and_is_not_charged(vhost: VHost) -> None:
    assert publish(vhost, "amq.direct", "k", [1, 2, 3]) == [1, 2, 3]
    assert vhost.memory.used_bytes == 0
    assert vhost.exchange("amq.direct").sent() == Sent(publish=3)


def test_publishing_to_a_missing_exchange_is_refused_even_by_a_route_that_was_used(vhost: VHost) -> None:
    vhost.declare_exchange("x", "fanout")
    vhost.bind("x", vhost.declare_queue("q"), "", {})
    route = Route("x", "")
    vhost.publish(route, numbered(route, [1]))
    vhost.delete_exchange("x")
    with pytest.raises(NotFound):
        vhost.publish(route, numbered(route, [2]))
    assert take_all(vhost.queues["q"]) == [1]


def test_dispatch_serves_touched_queues_only_once_there_is_something(vhost: VHost) -> None:
    queue, receiver = vhost.declare_queue("q"), Receiver()
    publish(vhost, "", "q", [1])
    publish(vhost, "", "q", [2])
    vhost.dispatch()
    assert vhost.touched == []
    consume(queue, receiver)
    assert vhost.touched == [queue]
    vhost.dispatch()
    assert vhost.touched == []
    assert receiver.numbers() == [1, 2]


def test_a_deleted_queue_that_was_touched_is_not_served(vhost: VHost) -> None:
    queue, receiver = vhost.declare_queue("q"), Receiver()
    publish(vhost, "", "q", [1])
    consume(queue, receiver)
    vhost.remove_queue(queue)
    vhost.dispatch()
    queue.touch()
    assert vhost.touched == []
    assert receiver.deliveries == []
