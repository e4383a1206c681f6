"""Direct and fanout exchanges, exchanges bound to exchanges, alternates, and what goes when its use ends."""

from __future__ import annotations

from pamqp.commands import Basic, Exchange, Queue
from tests.conformance.answers import UNBOUND, got, no_exchange, returned
from tests.conformance.wire import EXCHANGE_DECLARED, Client


def alternate(exchange: str) -> dict[str, str]:
    return {"alternate-exchange": exchange}


def auto_delete(c: Client, name: str, kind: str = "direct") -> None:
    c.ask(Exchange.Declare(exchange=name, exchange_type=kind, auto_delete=True), EXCHANGE_DECLARED)


def test_a_direct_exchange_compares_keys(c: Client, q: str, x: str) -> None:
    c.exchange(x)
    c.queue(q)
    c.bind(q, x, "k")
    for key in ("k", "K", "k.", "", "#"):
        c.publish(key, key.encode(), exchange=x)
    assert c.bodies(q) == [b"k"]


def test_a_direct_exchange_sends_to_every_queue_of_the_key(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x)
    for queue in (q, q2):
        c.queue(queue)
        c.bind(queue, x, "k")
    c.publish("k", exchange=x)
    assert c.bodies(q) == c.bodies(q2) == [b"m"]


def test_a_fanout_exchange_sends_to_every_queue(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x, "fanout")
    for queue in (q, q2):
        c.queue(queue)
        c.bind(queue, x, "k")
    c.publish("something else", exchange=x)
    assert c.bodies(q) == c.bodies(q2) == [b"m"]


def test_a_queue_gets_one_copy_however_many_bindings_it_has(c: Client, q: str, x: str) -> None:
    c.exchange(x, "fanout")
    c.queue(q)
    c.bind(q, x, "a")
    c.bind(q, x, "b")
    c.publish("", exchange=x)
    assert c.bodies(q) == [b"m"]


def test_binding_twice_is_binding_once(c: Client, q: str, x: str) -> None:
    c.exchange(x)
    c.queue(q)
    c.bind(q, x, "k")
    c.bind(q, x, "k")
    c.ask(Queue.Unbind(queue=q, exchange=x, routing_key="k"), UNBOUND)
    c.publish("k", exchange=x, mandatory=True)
    c.expect(returned(exchange="x", key="k"))


def test_arguments_make_a_binding_another_one(c: Client, q: str, x: str) -> None:
    c.exchange(x)
    c.queue(q)
    c.bind(q, x, "k", {"a": 1})
    c.ask(Queue.Unbind(queue=q, exchange=x, routing_key="k"), UNBOUND)
    c.publish("k", exchange=x)
    assert c.bodies(q) == [b"m"]


def test_a_deleted_queue_takes_its_bindings_along(c: Client, q: str, x: str) -> None:
    c.exchange(x)
    c.queue(q)
    c.bind(q, x, "k")
    c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=0)")
    c.queue(q)
    c.publish("k", exchange=x)
    assert c.bodies(q) == []


# -- exchange to exchange ----------------------------------------------------------------------------------


def test_a_message_passes_from_exchange_to_exchange(c: Client, q: str, x: str, y: str) -> None:
    c.exchange(x, "topic")
    c.exchange(y)
    c.queue(q)
    c.bind_exchange(y, x, "a.#")
    c.bind(q, y, "a.b")
    for key in ("a.b", "a.c", "b"):
        c.publish(key, key.encode(), exchange=x)
    c.ask(Basic.Get(queue=q), got(1, b"a.b", key="a.b", exchange="x"))


def test_an_internal_exchange_takes_messages_from_exchanges(c: Client, q: str, x: str, y: str) -> None:
    c.exchange(x, "fanout")
    c.ask(Exchange.Declare(exchange=y, exchange_type="fanout", internal=True), EXCHANGE_DECLARED)
    c.queue(q)
    c.bind_exchange(y, x)
    c.bind(q, y)
    c.publish("", exchange=x)
    assert c.bodies(q) == [b"m"]


def test_a_message_goes_round_a_circle_once(c: Client, q: str, x: str, y: str) -> None:
    c.exchange(x, "fanout")
    c.exchange(y, "fanout")
    c.queue(q)
    c.bind_exchange(y, x)
    c.bind_exchange(x, y)
    c.bind(q, x)
    c.bind(q, y)
    c.publish("", exchange=x)
    assert c.bodies(q) == [b"m"]


def test_an_exchange_may_be_bound_to_itself(c: Client, q: str, x: str) -> None:
    c.exchange(x, "fanout")
    c.queue(q)
    c.bind_exchange(x, x)
    c.bind(q, x)
    c.publish("", exchange=x)
    assert c.bodies(q) == [b"m"]


def test_a_queue_reached_on_several_ways_gets_one_copy(c: Client, q: str, x: str, y: str, z: str) -> None:
    for exchange in (x, y, z):
        c.exchange(exchange, "fanout")
    c.queue(q)
    for exchange in (y, z):
        c.bind_exchange(exchange, x)
        c.bind(q, exchange)
    c.publish("", exchange=x)
    assert c.bodies(q) == [b"m"]


def test_an_unbound_exchange_gets_nothing_more(c: Client, q: str, x: str, y: str) -> None:
    c.exchange(x, "fanout")
    c.exchange(y, "fanout")
    c.queue(q)
    c.bind_exchange(y, x)
    c.bind(q, y)
    c.ask(Exchange.Unbind(destination=y, source=x, routing_key=""), "1 Exchange.UnbindOk()")
    c.publish("", exchange=x)
    assert c.bodies(q) == []


# -- alternate exchanges -----------------------------------------------------------------------------------


def test_an_alternate_gets_what_no_queue_takes(c: Client, q: str, q2: str, x: str, y: str) -> None:
    c.exchange(y, "fanout")
    c.exchange(x, **alternate(y))
    c.queue(q)
    c.queue(q2)
    c.bind(q, x, "k")
    c.bind(q2, y)
    c.publish("k", b"wanted", exchange=x, mandatory=True)
    c.publish("l", b"left", exchange=x, mandatory=True)
    c.expect_nothing()
    assert c.bodies(q) == [b"wanted"]
    c.ask(Basic.Get(queue=q2), got(2, b"left", key="l", exchange="x"))


def test_alternates_follow_one_another(c: Client, q: str, x: str, y: str, z: str) -> None:
    c.exchange(z, "fanout")
    c.exchange(y, **alternate(z))
    c.exchange(x, **alternate(y))
    c.queue(q)
    c.bind(q, z)
    c.publish("k", exchange=x)
    assert c.bodies(q) == [b"m"]


def test_alternates_in_a_circle_end_with_a_return(c: Client, x: str, y: str) -> None:
    c.exchange(x, **alternate(y))
    c.exchange(y, **alternate(x))
    c.publish("k", exchange=x, mandatory=True)
    c.expect(returned(exchange="x", key="k"))


def test_an_alternate_of_itself_is_of_no_use(c: Client, x: str) -> None:
    c.exchange(x, **alternate(x))
    c.publish("k", exchange=x, mandatory=True)
    c.expect(returned(exchange="x", key="k"))


def test_an_alternate_that_does_not_exist_is_of_no_use(c: Client, x: str, y: str) -> None:
    c.exchange(x, **alternate(y))
    c.publish("k", exchange=x, mandatory=True)
    c.expect(returned(exchange="x", key="k"))


def test_the_default_exchange_is_no_alternate(c: Client, q: str, x: str) -> None:
    c.exchange(x, **alternate(""))
    c.queue(q)
    c.publish(q, exchange=x, mandatory=True)
    c.expect(returned(exchange="x"))


def test_an_exchange_on_the_way_uses_its_alternate(c: Client, q: str, x: str, y: str, z: str) -> None:
    c.exchange(z, "fanout")
    c.exchange(y, **alternate(z))
    c.exchange(x, "fanout")
    c.bind_exchange(y, x)
    c.queue(q)
    c.bind(q, z)
    c.publish("k", exchange=x, mandatory=True)
    assert c.bodies(q) == [b"m"]


def test_an_alternate_is_not_used_if_any_of_the_keys_leads_somewhere(
    c: Client, q: str, q2: str, x: str, y: str
) -> None:
    c.exchange(y, "fanout")
    c.exchange(x, **alternate(y))
    c.queue(q)
    c.queue(q2)
    c.bind(q, x, "copy")
    c.bind(q2, y)
    c.publish("k", exchange=x, headers={"CC": ["copy"]})
    assert c.bodies(q) == [b"m"]
    assert c.bodies(q2) == []


def test_an_alternate_sees_every_key(c: Client, q: str, x: str, y: str) -> None:
    c.exchange(y, "topic")
    c.exchange(x, **alternate(y))
    c.queue(q)
    c.bind(q, y, "copy.*")
    c.publish("k", exchange=x, headers={"CC": ["copy.1"]})
    assert c.bodies(q) == [b"m"]


# -- auto-delete -------------------------------------------------------------------------------------------


def test_an_auto_delete_exchange_goes_with_its_last_binding(c: Client, q: str, x: str) -> None:
    auto_delete(c, x)
    c.queue(q)
    c.bind(q, x, "k")
    c.bind(q, x, "l")
    c.ask(Queue.Unbind(queue=q, exchange=x, routing_key="k"), UNBOUND)
    c.ask(Exchange.Declare(exchange=x, passive=True), EXCHANGE_DECLARED)
    c.ask(Queue.Unbind(queue=q, exchange=x, routing_key="l"), UNBOUND)
    c.ask(Exchange.Declare(exchange=x, passive=True), no_exchange(Exchange.Declare))


def test_an_auto_delete_exchange_goes_with_its_last_queue(c: Client, q: str, x: str) -> None:
    auto_delete(c, x)
    c.queue(q)
    c.bind(q, x, "k")
    c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=0)")
    c.ask(Exchange.Declare(exchange=x, passive=True), no_exchange(Exchange.Declare))


def test_an_auto_delete_exchange_that_never_had_a_binding_stays(c: Client, x: str) -> None:
    auto_delete(c, x)
    c.bind_exchange(x, "amq.direct", x)
    c.ask(Exchange.Unbind(destination=x, source="amq.direct", routing_key=x), "1 Exchange.UnbindOk()")
    c.ask(Exchange.Declare(exchange=x, passive=True), EXCHANGE_DECLARED)


def test_a_binding_to_an_exchange_counts_as_use(c: Client, x: str, y: str) -> None:
    auto_delete(c, x)
    c.exchange(y)
    c.bind_exchange(y, x, "k")
    c.ask(Exchange.Unbind(destination=y, source=x, routing_key="k"), "1 Exchange.UnbindOk()")
    c.ask(Exchange.Declare(exchange=x, passive=True), no_exchange(Exchange.Declare))


def test_auto_delete_exchanges_go_one_after_the_other(c: Client, q: str, x: str, y: str) -> None:
    auto_delete(c, x)
    auto_delete(c, y)
    c.queue(q)
    c.bind_exchange(y, x, "k")
    c.bind(q, y, "k")
    c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=0)")
    c.ask(Exchange.Declare(exchange=x, passive=True), no_exchange(Exchange.Declare))
