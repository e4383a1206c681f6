"""What channels, exchanges, queues, virtual hosts and protocols count, against a known amount of traffic."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue, Tx
from tests.protocols.amqp import memory as amqp
from tests.protocols.memory import make_node
from tests.protocols.mqtt import peer as mqtt
from tests.protocols.stomp import memory as stomp

from menura.core.exchanges.fanout import FanoutExchange
from menura.core.node import Node
from menura.core.peers import Peer
from menura.core.tallies import Sent, Taken, Tallies
from menura.protocols.amqp.channel import Channel as AmqpChannel
from menura.store.memory import MemoryCatalog, MemoryJournal

AMQP = "AMQP 0-9-1"


def through_amqp(node: Node, *methods: Any, queue: str = "q") -> amqp.Client:
    client = amqp.Client(node).connect()
    client.call(Queue.Declare(queue=queue))
    for method in methods:
        client.call(method)
    return client


def kept_node() -> tuple[Node, Callable[[], None]]:
    """A node that keeps, and what lets its disk catch up."""
    journal, catalog = MemoryJournal(), MemoryCatalog()
    node = make_node(journal, catalog)

    def flush() -> None:
        catalog.flush()
        journal.flush()

    flush()
    return node, flush


def sent(node: Node, protocol: str = AMQP) -> Sent:
    """What a protocol counts; the same as the virtual host, the node and the channels, where it is the only one."""
    found = node.totals()[protocol].sent
    assert node.vhosts["/"].sent() == node.sent() == found
    return found


def taken(node: Node, protocol: str = AMQP) -> Taken:
    found = node.totals()[protocol].all_taken
    assert node.vhosts["/"].taken() == node.taken() == found
    return found


# -- what is sent ------------------------------------------------------------------------------------------------


def test_a_publish_counts_at_its_channel_and_exchange_and_once_for_each_queue() -> None:
    node = make_node()
    client = through_amqp(node, Queue.Declare(queue="r"))
    for queue in ("q", "r"):
        client.call(Queue.Bind(queue=queue, exchange="amq.fanout"))
    client.send(amqp.publish("q") * 3 + amqp.publish("", exchange="amq.fanout") * 4)
    exchanges, queues = node.vhosts["/"].exchanges, node.vhosts["/"].queues
    assert sent(node) == Sent(publish=7, routed=11)
    assert (exchanges[""].sent(), exchanges["amq.fanout"].sent()) == (Sent(3, routed=3), Sent(4, routed=8))
    assert (queues["q"].published, queues["r"].published) == (7, 4)
    (here,) = node.presence.connections
    (channel,) = here.channels()
    found = {exchange.name: sending.sum() for exchange, sending in channel.tallies.sendings.items()}
    assert found == {"": Sent(3, routed=3), "amq.fanout": Sent(4, routed=8)}


def test_copies_for_further_keys_count_as_routed() -> None:
    node = make_node()
    client = through_amqp(node, Queue.Declare(queue="r"))
    client.send(amqp.publish("q", headers={"CC": ["r"]}))
    assert sent(node) == Sent(publish=1, routed=2)


def test_what_leads_to_no_queue_is_returned_if_mandatory_and_dropped_otherwise() -> None:
    node = make_node()
    client = through_amqp(node)
    client.send(amqp.publish("nowhere", mandatory=True) * 2 + amqp.publish("nowhere") * 3)
    assert sent(node) == Sent(publish=5, return_unroutable=2, drop_unroutable=3)
    assert node.vhosts["/"].exchanges[""].sent() == sent(node)


def test_routing_by_headers_counts_each_message_by_where_it_goes() -> None:
    node = make_node()
    client = through_amqp(node)
    client.call(Queue.Bind(queue="q", exchange="amq.headers", arguments={"a": 1}))
    wanted, unwanted = (amqp.publish("", exchange="amq.headers", headers={"a": number}) for number in (1, 2))
    client.send(wanted + unwanted * 2 + wanted)
    assert sent(node) == Sent(publish=4, drop_unroutable=2, routed=2)


def test_confirms_count_when_they_are_given() -> None:
    node, flush = kept_node()
    client = amqp.Client(node).connect()
    client.send(amqp.method(Queue.Declare(queue="q", durable=True)))
    flush()
    client.take()
    client.send(amqp.publish("q"))
    client.call(Confirm.Select())
    client.send(amqp.publish("q", delivery_mode=2) * 3)
    (channel,) = next(iter(node.presence.connections)).channels()
    assert (sent(node), channel.unconfirmed) == (Sent(publish=4, confirm=0, routed=4), 3)
    assert node.totals()[AMQP].wanted == 3
    flush()
    client.take()
    (channel,) = next(iter(node.presence.connections)).channels()
    assert (sent(node), channel.unconfirmed) == (Sent(publish=4, confirm=3, routed=4), 0)


def test_what_was_refused_is_no_confirm() -> None:
    node = make_node()
    client = amqp.Client(node).connect()
    client.call(Queue.Declare(queue="q", arguments={"x-max-length": 2, "x-overflow": "reject-publish"}))
    client.call(Confirm.Select())
    for _ in range(3):
        client.send(amqp.publish("q"))
    assert client.call(Queue.Purge(queue="q")).message_count == 2
    client.send(amqp.publish("q"))
    assert sent(node) == Sent(publish=4, confirm=3, routed=4)
    assert node.totals()[AMQP].wanted == 4
    (channel,) = next(iter(node.presence.connections)).channels()
    assert channel.unconfirmed == 0


# -- what is taken -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("no_ack", [False, True])
def test_deliveries_count_by_whether_they_are_to_be_acknowledged(waits: bool, no_ack: bool) -> None:
    node = make_node()
    client = through_amqp(node)
    if waits:
        client.send(amqp.publish("q") * 5)
    client.send(amqp.method(Basic.Consume(queue="q", consumer_tag="c", no_ack=no_ack)))
    if not waits:
        client.send(amqp.publish("q") * 5)
    delivered = Taken(deliver_no_ack=5) if no_ack else Taken(deliver=5)
    assert taken(node) == node.vhosts["/"].queues["q"].taken() == delivered
    if not no_ack:
        client.send(amqp.ack(2, multiple=True) + amqp.ack(3))
        assert taken(node) == node.vhosts["/"].queues["q"].taken() == Taken(deliver=5, ack=3)


def test_messages_given_back_are_redelivered_and_not_acknowledged() -> None:
    node = make_node()
    client = through_amqp(node)
    client.send(amqp.publish("q") * 3 + amqp.method(Basic.Consume(queue="q", consumer_tag="c")))
    client.send(amqp.method(Basic.Nack(2, True, True)))
    assert taken(node) == Taken(deliver=5, redeliver=2)
    client.send(amqp.method(Basic.Reject(3, False)))
    assert taken(node) == Taken(deliver=5, redeliver=2)
    assert node.dead_letters() == {("rejected", "classic", "disabled"): 1}


def test_gets_count_by_what_became_of_them() -> None:
    node = make_node()
    client = through_amqp(node)
    client.send(amqp.publish("q") * 3)
    client.send(amqp.method(Basic.Get(queue="q")))
    client.send(amqp.method(Basic.Reject(1, True)))
    for no_ack in (True, False, False):
        client.send(amqp.method(Basic.Get(queue="q", no_ack=no_ack)))
    assert client.call(Basic.Get(queue="q")).name == "Basic.GetEmpty"
    client.send(amqp.ack(3))
    expected = Taken(get=3, get_no_ack=1, get_empty=1, redeliver=1, ack=1)
    assert taken(node) == node.vhosts["/"].queues["q"].taken() == expected
    assert expected.deliver_get == 4


def test_a_transaction_counts_what_it_publishes_and_acknowledges_when_it_commits() -> None:
    node = make_node()
    client = through_amqp(node)
    client.send(amqp.publish("q") * 2)
    client.call(Tx.Select())
    client.send(amqp.method(Basic.Get(queue="q")))
    client.send(amqp.publish("q") * 3 + amqp.ack(1))
    (here,) = node.presence.connections
    (channel,) = here.channels()
    assert (channel.transactional, channel.uncommitted, channel.acks_uncommitted) == (True, 3, 1)
    assert (sent(node), taken(node)) == (Sent(publish=2, routed=2), Taken(get=1))
    client.call(Tx.Commit())
    (channel,) = here.channels()
    assert (channel.uncommitted, channel.acks_uncommitted) == (0, 0)
    assert (sent(node), taken(node)) == (Sent(publish=5, routed=5), Taken(get=1, ack=1))


# -- what is gone ------------------------------------------------------------------------------------------------


def test_sums_stay_when_channels_connections_queues_exchanges_and_virtual_hosts_go() -> None:
    node = make_node()
    client = amqp.Client(node).connect(channels=(1, 2))
    client.call(Queue.Declare(queue="q"))
    client.call(Exchange.Declare(exchange="x", exchange_type="fanout"))
    client.call(Queue.Bind(queue="q", exchange="x"))
    client.send(amqp.publish("", exchange="x") * 3 + amqp.publish("", exchange="x", channel=2) * 2)
    client.send(amqp.method(Basic.Consume(queue="q", consumer_tag="c"), 2))
    client.send(amqp.ack(1, 2))
    exchange, queue = node.vhosts["/"].exchanges["x"], node.vhosts["/"].queues["q"]
    expected = Sent(publish=5, routed=5), Taken(deliver=5, ack=1)
    for end in (
        lambda: client.call(Channel.Close(200, "", 0, 0), 2),
        lambda: client.call(Exchange.Delete(exchange="x")),
        lambda: client.call(Queue.Delete(queue="q")),
        lambda: client.session.lost(),
        lambda: client.session.lost(),
    ):
        end()
        assert (sent(node), taken(node)) == expected
        assert (exchange.sent(), queue.taken()) == expected
    node.delete_vhost("/")
    totals = node.totals()[AMQP]
    assert (totals.sent, totals.taken) == (expected[0], {"classic": expected[1]})


def test_an_exchange_of_the_same_name_counts_anew() -> None:
    node = make_node()
    client = through_amqp(node)
    for _ in range(2):
        client.call(Exchange.Declare(exchange="x", exchange_type="fanout"))
        client.send(amqp.publish("", exchange="x") * 2)
        assert node.vhosts["/"].exchanges["x"].sent() == Sent(publish=2, drop_unroutable=2)
        client.call(Exchange.Delete(exchange="x"))
    assert sent(node) == Sent(publish=4, drop_unroutable=4)


def test_what_the_broker_publishes_itself_is_no_clients() -> None:
    node = make_node()
    client = amqp.Client(node).connect()
    client.call(Queue.Declare(queue="dead"))
    arguments = {"x-max-length": 1, "x-dead-letter-exchange": "amq.fanout"}
    client.call(Queue.Declare(queue="q", arguments=arguments))
    client.call(Queue.Bind(queue="dead", exchange="amq.fanout"))
    client.send(amqp.publish("q") * 3)
    assert sent(node) == Sent(publish=3, routed=3)
    fanout = node.vhosts["/"].exchanges["amq.fanout"]
    assert (fanout.sent(), fanout.sent_by_clients()) == (Sent(publish=2, routed=2), Sent())


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_counts_of_queues_are_told_by_their_type(kind: str) -> None:
    node, _ = kept_node()
    client = amqp.Client(node).connect()
    client.send(amqp.method(Queue.Declare(queue="q", durable=True, arguments={"x-queue-type": kind})))
    client.send(amqp.publish("q") + amqp.method(Basic.Get(queue="q", no_ack=True)))
    assert node.totals()[AMQP].taken == {kind: Taken(get_no_ack=1)}


def test_what_is_gone_is_freed_at_once_without_the_garbage_collector() -> None:
    client = amqp.Client().connect()
    client.call(Queue.Declare(queue="q"))
    gc.collect()
    gc.disable()
    try:
        before = there_are()
        client.call(Channel.Open(), 2)
        client.call(Confirm.Select(), 2)
        client.call(Exchange.Declare(exchange="x", exchange_type="fanout"), 2)
        client.call(Queue.Bind(queue="q", exchange="x"), 2)
        client.send(amqp.publish("", exchange="x", channel=2), amqp.method(Basic.Consume(queue="q"), 2))
        assert there_are() == before + Counter(Channel=1, FanoutExchange=1, Tallies=1)
        client.call(Channel.Close(200, "", 0, 0), 2)
        client.call(Exchange.Delete(exchange="x"))
        assert there_are() == before
    finally:
        gc.enable()


def there_are() -> Counter[str]:
    kinds = (AmqpChannel, FanoutExchange, Tallies)
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))


# -- dead letters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead_letters", [False, True])
def test_messages_that_leave_otherwise_are_counted_by_reason(dead_letters: bool) -> None:
    node = make_node()
    client = amqp.Client(node).connect()
    more = {"x-dead-letter-exchange": "amq.fanout"} if dead_letters else {}
    strategy = "at_most_once" if dead_letters else "disabled"
    client.call(Queue.Declare(queue="short", arguments={"x-max-length": 2, **more}))
    client.call(Queue.Declare(queue="brief", arguments={"x-message-ttl": 1000, **more}))
    client.call(Queue.Declare(queue="full", arguments={"x-max-length": 1, "x-overflow": "reject-publish-dlx", **more}))
    client.send(amqp.publish("short") * 5 + amqp.publish("brief") * 4 + amqp.publish("full") * 3)
    node.agenda.tick(client.now + 2)
    client.send(amqp.method(Basic.Get(queue="short")))
    client.send(amqp.method(Basic.Reject(1, False)))
    assert node.dead_letters() == {
        ("maxlen", "classic", strategy): 3 + 2,
        ("expired", "classic", strategy): 4,
        ("rejected", "classic", strategy): 1,
    }
    assert node.vhosts["/"].queues["short"].discarded == 1
    node.delete_vhost("/")
    assert node.dead_letters()["expired", "classic", strategy] == 4


def test_a_quorum_queue_counts_what_came_back_too_often_and_what_was_buried_for_certain() -> None:
    node, _ = kept_node()
    client = amqp.Client(node).connect()
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": 0,
        "x-dead-letter-exchange": "amq.fanout",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    client.send(amqp.method(Queue.Declare(queue="q", durable=True, arguments=arguments)))
    client.send(amqp.method(Queue.Declare(queue="dead", durable=True)))
    client.send(amqp.method(Queue.Bind(queue="dead", exchange="amq.fanout")))
    client.send(amqp.publish("q") * 2 + amqp.method(Basic.Consume(queue="q", consumer_tag="c")))
    client.send(amqp.method(Basic.Nack(2, True, True)))
    assert node.dead_letters() == {
        ("delivery_limit", "quorum", "at_least_once"): 2,
        ("confirmed", "quorum", "at_least_once"): 2,
    }


# -- the disk ----------------------------------------------------------------------------------------------------


def test_messages_for_the_disk_are_counted_by_the_queue() -> None:
    node, _ = kept_node()
    client = amqp.Client(node).connect()
    client.send(amqp.method(Queue.Declare(queue="q", durable=True)))
    client.send(amqp.publish("q", delivery_mode=2) * 3 + amqp.publish("q", delivery_mode=1))
    queue = node.vhosts["/"].queues["q"]
    assert (queue.disk_writes, queue.disk_reads) == (3, 0)


# -- who comes and goes ------------------------------------------------------------------------------------------


def test_channels_connections_and_queues_are_counted_as_they_come_and_go() -> None:
    node = make_node()
    client = amqp.Client(node).connect(channels=(1, 2, 3))
    other = mqtt.Peer(node).connect("m")
    for _ in range(2):
        client.call(Queue.Declare(queue="q"))
    client.call(Queue.Declare(queue="q", passive=True))
    client.call(Queue.Declare(queue="r"))
    client.call(Queue.Delete(queue="r"))
    client.call(Channel.Close(200, "", 0, 0), 2)
    churn = node.churn
    assert (churn.queue_declared, churn.queue_created, churn.queue_deleted) == (3, 2, 1)
    assert (churn.channel_created, churn.channel_closed) == (3, 1)
    assert (churn.connection_created, churn.connection_closed) == (2, 0)
    client.send(amqp.method(Connection.Close(200, "", 0, 0), 0))
    client.session.lost()
    other.session.lost()
    assert (churn.channel_closed, churn.connection_closed) == (3, 2)
    of_amqp, of_mqtt = node.presence.by_protocol[AMQP], node.presence.by_protocol["MQTT 5.0"]
    assert (of_amqp.channel_created, of_amqp.channel_closed) == (3, 3)
    assert (of_amqp.connection_created, of_amqp.connection_closed) == (1, 1)
    assert (of_mqtt.channel_created, of_mqtt.connection_created, of_mqtt.connection_closed) == (0, 1, 1)


def test_logins_are_counted_by_protocol_and_source() -> None:
    node = make_node()
    peer = Peer("10.0.0.7:1234")
    amqp.Client(node, peer=peer).connect()
    amqp.Client(node, peer=peer).send(amqp.HEADER + amqp.start_ok(response="\0guest\0wrong"))
    mqtt.Peer(node).send(mqtt.connect("a", password=b"wrong"))
    mqtt.Peer(node).connect("b")
    stomp.Client(node).connect()
    stomp.Client(node).send(stomp.frame("CONNECT", {"accept-version": "1.2", "login": "who", "passcode": "x"}))
    counts = node.login_counts
    found = {protocol: (count.succeeded, count.failed, count.total) for protocol, count in counts.by_protocol.items()}
    assert found == {"amqp091": (1, 1, 2), "mqtt": (1, 1, 2), "stomp": (1, 1, 2)}
    sources = {source: (count.succeeded, count.failed) for source, count in counts.by_source.items()}
    assert sources == {
        ("amqp091", "10.0.0.7", "guest"): (1, 1),
        ("mqtt", "memory", "guest"): (1, 1),
        ("stomp", "memory", "guest"): (1, 0),
        ("stomp", "memory", "who"): (0, 1),
    }


# -- other protocols ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [mqtt.V3_1_1, mqtt.V5])
def test_mqtt_counts_publishes_acknowledgements_and_deliveries(version: int) -> None:
    node = make_node()
    protocol = {mqtt.V3_1_1: "MQTT 3.1.1", mqtt.V5: "MQTT 5.0"}[version]
    publisher = mqtt.Peer(node).connect("p", version)
    subscriber = mqtt.Peer(node).connect("s", version)
    subscriber.send(mqtt.subscribe(("a", 1), ("b", 2), ("c", 0), version=version))
    for qos in (0, 1, 2):
        publisher.send(mqtt.publish("a", qos=qos, id=qos + 1, version=version))
    publisher.send(mqtt.publish("c", version=version), mqtt.publish("nobody", version=version))
    assert sent(node, protocol) == Sent(publish=5, confirm=2, drop_unroutable=1, routed=4)
    assert node.totals()[protocol].wanted == 2
    # Of the four for `a`, the first is of QoS 0 and settled by itself.
    assert taken(node, protocol) == Taken(deliver=2, deliver_no_ack=2)
    ids = list(subscriber.session.client.ids.inflight)
    subscriber.send(b"".join(map(mqtt.puback, ids)))
    assert taken(node, protocol) == Taken(deliver=2, deliver_no_ack=2, ack=2)
    publisher.send(mqtt.publish("b", qos=2, id=9, version=version))
    (id,) = subscriber.session.client.ids.inflight
    subscriber.send(mqtt.pubrec(id), mqtt.pubcomp(id))
    assert taken(node, protocol) == Taken(deliver=3, deliver_no_ack=2, ack=3)


def test_mqtt_counts_what_a_client_that_comes_back_is_sent_again() -> None:
    node = make_node()
    publisher = mqtt.Peer(node).connect("p", mqtt.V3_1_1)
    subscriber = mqtt.Peer(node).connect("s", mqtt.V3_1_1, clean=False)
    subscriber.send(mqtt.subscribe(("a", 1), version=mqtt.V3_1_1))
    publisher.send(mqtt.publish("a", qos=1, id=1, version=mqtt.V3_1_1))
    subscriber.session.lost()
    mqtt.Peer(node).connect("s", mqtt.V3_1_1, clean=False)
    assert taken(node, "MQTT 3.1.1") == Taken(deliver=2, redeliver=1)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_counts_a_message_of_a_shared_subscription_once(qos: int) -> None:
    node = make_node()
    publisher = mqtt.Peer(node).connect("p")
    subscriber = mqtt.Peer(node).connect("s")
    subscriber.send(mqtt.subscribe(("$share/g/a", qos)))
    publisher.send(mqtt.publish("a", qos=qos, id=1))
    expected = Taken(deliver=1) if qos else Taken(deliver_no_ack=1)
    assert taken(node, "MQTT 5.0") == expected


def test_stomp_counts_sends_receipts_and_deliveries() -> None:
    node = make_node()
    client = stomp.Client(node).connect()
    client.subscribe("/queue/q", id="1", ack="client-individual")
    client.subscribe("/topic/t", id="2")
    answers = client.send(
        stomp.send("/queue/q"), stomp.send("/queue/q", receipt="r"), stomp.send("/topic/t"), stomp.send("/topic/none")
    )
    assert sent(node, "STOMP 1.2") == Sent(publish=4, confirm=1, drop_unroutable=1, routed=3)
    assert taken(node, "STOMP 1.2") == Taken(deliver=2, deliver_no_ack=1)
    first, second = (answer["ack"] for answer in answers if answer.get("ack"))
    client.send(stomp.frame("NACK", {"id": first}))
    assert taken(node, "STOMP 1.2") == Taken(deliver=3, deliver_no_ack=1, redeliver=1)
    client.send(stomp.frame("ACK", {"id": second}))
    assert taken(node, "STOMP 1.2") == Taken(deliver=3, deliver_no_ack=1, redeliver=1, ack=1)


def test_stomp_counts_what_a_transaction_sends_when_it_commits() -> None:
    node = make_node()
    client = stomp.Client(node).connect()
    client.send(stomp.frame("BEGIN", {"transaction": "t"}), stomp.send("/queue/q", transaction="t", receipt="r") * 1)
    assert sent(node, "STOMP 1.2") == Sent()
    client.send(stomp.frame("COMMIT", {"transaction": "t"}))
    assert sent(node, "STOMP 1.2") == Sent(publish=1, confirm=1, routed=1)


def test_the_sums_of_a_connection_are_those_of_all_its_channels() -> None:
    node = make_node()
    client = amqp.Client(node).connect(channels=(1, 2))
    client.call(Queue.Declare(queue="q"))
    client.send(amqp.publish("q") + amqp.publish("q", channel=2) * 2)
    (here,) = node.presence.connections
    assert here.totals().sent == Sent(publish=3, routed=3)
    client.call(Channel.Close(200, "", 0, 0), 2)
    client.send(amqp.method(Queue.Declare(queue="none", passive=True)))
    assert here.totals().sent == Sent(publish=3, routed=3), "also of channels that are closed"
    client.send(amqp.method(Channel.CloseOk()))
    assert here.totals().sent == Sent(publish=3, routed=3)
