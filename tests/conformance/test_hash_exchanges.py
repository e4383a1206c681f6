"""Exchanges that choose one queue by a hash: what can be declared and bound, and what stays together."""

from __future__ import annotations

import struct
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from pamqp.commands import Exchange, Queue
from tests.conformance.answers import BOUND, UNBOUND, channel_error
from tests.conformance.conftest import Names
from tests.conformance.frames import long, raw_method, short
from tests.conformance.wire import EXCHANGE_DECLARED, Client

CONSISTENT, MODULUS = "x-consistent-hash", "x-modulus-hash"
HASHING = pytest.mark.parametrize("kind", [CONSISTENT, MODULUS])


def declare(x: str, kind: str = CONSISTENT, **arguments: Any) -> Exchange.Declare:
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return Exchange.Declare(exchange=x, exchange_type=kind, arguments=named or None)


def bind(q: str, x: str, weight: str) -> Queue.Bind:
    return Queue.Bind(queue=q, exchange=x, routing_key=weight)


def refused(text: str, method: type[Any] = Queue.Bind) -> str:
    return channel_error(406, text, method)


def four_queues(c: Client, x: str, name: Names, key: str = "1") -> list[str]:
    names = [name(f"q{n}") for n in range(4)]
    for queue in names:
        c.queue(queue)
        c.bind(queue, x, key)
    return names


def shares(c: Client, queues: list[str]) -> list[list[bytes]]:
    return [c.bodies(queue) for queue in queues]


# -- declaring -----------------------------------------------------------------------------------------------


@HASHING
def test_a_hashing_exchange_is_declared_like_any_other(c: Client, x: str, kind: str) -> None:
    c.ask(declare(x, kind), EXCHANGE_DECLARED)
    c.ask(declare(x, kind, some_argument=1), EXCHANGE_DECLARED)
    c.ask(
        declare(x, "direct"),
        refused(
            f"inequivalent arg 'type' for exchange 'x' in vhost '/': received 'direct' but current is ''{kind}''",
            Exchange.Declare,
        ),
    )


@pytest.mark.parametrize("by", ["message_id", "correlation_id", "timestamp"])
def test_a_hash_may_be_that_of_a_property(c: Client, x: str, by: str) -> None:
    c.ask(declare(x, hash_property=by), EXCHANGE_DECLARED)


@pytest.mark.parametrize("by", ["type", "Message_id", ""])
def test_other_properties_are_not_hashed(c: Client, x: str, by: str) -> None:
    c.ask(declare(x, hash_property=by), refused(f"Unsupported property: {by}", Exchange.Declare))


def test_a_hash_is_not_that_of_a_header_and_a_property(c: Client, x: str) -> None:
    c.ask(
        declare(x, hash_header="h", hash_property="nonsense"),
        refused("hash-header and hash-property are mutually exclusive", Exchange.Declare),
    )


@pytest.mark.parametrize("argument", ["hash_header", "hash_property"])
@pytest.mark.parametrize(("value", "kind"), [(1, "byte"), (True, "bool"), (None, "void"), (["h"], "array")])
def test_what_is_hashed_is_named_by_a_string(c: Client, x: str, argument: str, value: Any, kind: str) -> None:
    c.send(declare(x, **{argument: value}))
    text = f"invalid type '{kind}' for arg '{argument.replace('_', '-')}' in exchange 'x' in vhost '/'"
    c.expect_differing(refused(text, Exchange.Declare))


def test_what_is_hashed_is_not_compared_when_declared_again(c: Client, x: str) -> None:
    c.ask(declare(x, hash_header="h"), EXCHANGE_DECLARED)
    c.ask(declare(x, hash_property="message_id"), EXCHANGE_DECLARED)
    c.ask(declare(x, hash_property="nonsense"), EXCHANGE_DECLARED)


# -- binding -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", ["1", "+2", "03", "1000"])
def test_a_binding_key_is_a_weight(c: Client, q: str, x: str, weight: str) -> None:
    c.exchange(x, CONSISTENT)
    c.queue(q)
    c.ask(bind(q, x, weight), BOUND)
    c.publish("k", exchange=x)
    assert c.bodies(q) == [b"m"]


NO_INTEGERS = [("", "<<>>"), *((key, f'<<"{key}">>') for key in ("x", "1.5", " 1", "1 ", "1_0", "--1", "0x1"))]


@pytest.mark.parametrize(("weight", "shown"), NO_INTEGERS)
def test_a_weight_is_an_integer(c: Client, q: str, x: str, weight: str, shown: str) -> None:
    c.exchange(x, CONSISTENT)
    c.queue(q)
    c.ask(bind(q, x, weight), refused(f"The binding key must be an integer: {shown}"))


def test_a_weight_is_shown_with_its_quotes(c: Client, q: str, x: str) -> None:
    c.exchange(x, CONSISTENT)
    c.queue(q)
    c.ask(bind(q, x, 'a"b\\c'), refused('The binding key must be an integer: <<"a\\"b\\\\c">>'))


@pytest.mark.parametrize("weight", ["0", "-1", "-0", "+0", "00", "-99999999999999999999"])
def test_a_weight_is_more_than_nothing(c: Client, q: str, x: str, weight: str) -> None:
    c.exchange(x, CONSISTENT)
    c.queue(q)
    c.ask(bind(q, x, weight), refused("The binding key must be greater than 0"))


def test_a_weight_is_limited(c: Client, q: str, x: str) -> None:
    c.exchange(x, CONSISTENT)
    c.queue(q)
    c.send(bind(q, x, "1001"))
    c.expect_differing(refused("The binding key must not exceed 1000"))


def test_an_exchange_is_bound_with_a_weight_too(c: Client, x: str, y: str) -> None:
    c.exchange(x, CONSISTENT)
    c.exchange(y, "fanout")
    c.ask(
        Exchange.Bind(destination=y, source=x, routing_key="k"),
        refused('The binding key must be an integer: <<"k">>', Exchange.Bind),
    )


def test_a_modulus_takes_any_binding_key(c: Client, q: str, x: str) -> None:
    c.exchange(x, MODULUS)
    c.queue(q)
    c.bind(q, x, "anything")
    c.publish("k", exchange=x)
    assert c.bodies(q) == [b"m"]


# -- routing -------------------------------------------------------------------------------------------------


@HASHING
def test_a_message_goes_to_one_queue_and_its_key_always_to_the_same(c: Client, x: str, name: Names, kind: str) -> None:
    c.exchange(x, kind)
    queues = four_queues(c, x, name)
    for n in range(400):
        c.publish(f"key {n % 100}", b"%d" % (n % 100), exchange=x)
    held = [Counter(bodies) for bodies in shares(c, queues)]
    assert sum(held, Counter()) == {b"%d" % n: 4 for n in range(100)}
    assert all(set(counts.values()) == {4} for counts in held), "every queue has whole keys, and every one has some"


def test_a_modulus_chooses_the_queue_that_it_has_always_chosen(c: Client, x: str, name: Names) -> None:
    """Further keys count."""
    c.exchange(x, MODULUS)
    queues = four_queues(c, x, name, "")
    for n, key in enumerate(["", "k", "a.b", "quite a long routing key, of two blocks", "ünïcode"]):
        c.publish(key, b"%d" % n, exchange=x)
        c.publish(key, b"%d+" % n, exchange=x, headers={"CC": ["other", ""]})
    assert shares(c, queues) == [[b"1"], [b"0", b"2+", b"3+"], [b"2", b"3"], [b"0+", b"1+", b"4", b"4+"]]


@HASHING
def test_copies_are_not_made_for_further_keys(c: Client, x: str, name: Names, kind: str) -> None:
    c.exchange(x, kind)
    queues = four_queues(c, x, name)
    c.publish("k", exchange=x, headers={"CC": ["l", "m", "n", "o"]})
    assert sorted(map(len, shares(c, queues))) == [0, 0, 0, 1]


def test_further_keys_are_not_hashed_on_a_ring(c: Client, x: str, name: Names) -> None:
    c.exchange(x, CONSISTENT)
    queues = four_queues(c, x, name)
    for n in range(20):
        c.publish("k", exchange=x, headers={"CC": [f"{n}"]})
    assert sorted(map(len, shares(c, queues))) == [0, 0, 0, 20]


def hashed(n: int, by: str) -> dict[str, Any]:
    """Properties of which only the one hashed depends on n."""
    return {
        "header": {"headers": {"h": f"{n}", "other": 1}},
        "message_id": {"message_id": f"{n}", "correlation_id": "c"},
        "correlation_id": {"correlation_id": f"{n}", "message_id": "m"},
        "timestamp": {"timestamp": datetime.fromtimestamp(1_000_000 + n, UTC), "message_id": "m"},
    }[by]


BY = {"header": {"hash-header": "h"}} | {
    name: {"hash-property": name} for name in ("message_id", "correlation_id", "timestamp")
}


@pytest.mark.parametrize("by", list(BY))
def test_what_is_hashed_stays_together_whatever_the_key(c: Client, x: str, name: Names, by: str) -> None:
    c.exchange(x, CONSISTENT, **BY[by])
    queues = four_queues(c, x, name)
    for n in range(400):
        c.publish(f"key {n}", b"%d" % (n % 100), exchange=x, **hashed(n % 100, by))
    held = [Counter(bodies) for bodies in shares(c, queues)]
    assert sum(held, Counter()) == {b"%d" % n: 4 for n in range(100)}
    assert all(set(counts.values()) == {4} for counts in held)


@pytest.mark.parametrize("by", list(BY))
def test_messages_without_what_is_hashed_stay_together(c: Client, x: str, name: Names, by: str) -> None:
    c.exchange(x, CONSISTENT, **BY[by])
    queues = four_queues(c, x, name)
    for n in range(10):
        c.publish(f"key {n}", exchange=x)
        c.publish(f"key {n}", exchange=x, headers={"another": n})
    assert sorted(map(len, shares(c, queues))) == [0, 0, 0, 20]


def test_without_bindings_there_is_no_route(c: Client, x: str) -> None:
    c.exchange(x, CONSISTENT)
    c.publish("k", exchange=x, mandatory=True)
    c.expect("1 Basic.Return(reply_code=312, reply_text='NO_ROUTE', exchange='x', routing_key='k') {} b'm'")


@HASHING
def test_an_alternate_exchange_gets_what_nobody_is_bound_for(c: Client, q: str, x: str, kind: str) -> None:
    c.queue(q)
    c.exchange(x, kind, **{"alternate-exchange": "amq.fanout"})
    c.bind(q, "amq.fanout")
    c.publish("k", exchange=x)
    assert c.bodies(q) == [b"m"]


def test_exchanges_are_on_the_ring_like_queues(c: Client, q: str, x: str, y: str) -> None:
    c.exchange(x, CONSISTENT)
    c.exchange(y, "fanout")
    c.queue(q)
    c.bind(q, y)
    c.bind_exchange(y, x, "1")
    c.publish("k", exchange=x)
    assert c.bodies(q) == [b"m"]


# -- several bindings of one queue ---------------------------------------------------------------------------


def test_of_several_bindings_of_a_queue_the_first_counts(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x, CONSISTENT)
    for queue, weight in ((q, "1"), (q2, "1"), (q2, "100")):
        if weight != "100":
            c.queue(queue)
        c.ask(bind(queue, x, weight), BOUND)
    for n in range(500):
        c.publish(f"{n}", exchange=x)
    assert 150 < len(c.bodies(q)) < 350, "with a weight of 1 of 101 it would be 5"


def test_when_the_first_binding_goes_the_next_one_counts(c: Client, q: str, x: str) -> None:
    c.exchange(x, CONSISTENT)
    c.queue(q)
    c.ask(bind(q, x, "1"), BOUND)
    c.ask(bind(q, x, "2"), BOUND)
    c.ask(Queue.Unbind(queue=q, exchange=x, routing_key="1"), UNBOUND)
    c.publish("k", exchange=x, mandatory=True)
    c.send(Queue.Declare(queue=q, passive=True))
    c.expect_differing("1 Queue.DeclareOk(queue='q', message_count=1, consumer_count=0)")


def test_a_queue_with_two_bindings_has_two_shares_of_a_modulus(c: Client, x: str, name: Names) -> None:
    c.exchange(x, MODULUS)
    queues = four_queues(c, x, name, "a")
    c.bind(queues[0], x, "b")
    for n in range(1000):
        c.publish(f"{n}", exchange=x)
    assert [round(len(bodies) / 100) for bodies in shares(c, queues)] == [4, 2, 2, 2]


def test_a_queue_that_is_unbound_leaves_its_share_to_the_others(c: Client, x: str, name: Names) -> None:
    c.exchange(x, CONSISTENT)
    queues = four_queues(c, x, name)
    c.ask(Queue.Unbind(queue=queues[0], exchange=x, routing_key="1"), UNBOUND)
    for n in range(100):
        c.publish(f"{n}", exchange=x)
    held = [len(bodies) for bodies in shares(c, queues)]
    assert held[0] == 0
    assert sum(held) == 100


def test_a_wide_integer_in_a_header_is_hashed(c: Client, q: str, x: str) -> None:
    c.exchange(x, CONSISTENT, **{"hash-header": "h"})
    c.queue(q)
    c.bind(q, x, "1")
    wide = long(short("h") + b"l" + struct.pack(">q", 7))
    publish = raw_method(60, 40, b"\0\0" + short(x) + short("k") + b"\0")
    header = struct.pack(">HHQH", 60, 0, 1, 0x2000) + wide
    c.send(publish + struct.pack(">BHI", 2, 1, len(header)) + header + b"\xce" + b"\x03\0\x01\0\0\0\x01m\xce")
    assert c.bodies(q) == [b"m"]
