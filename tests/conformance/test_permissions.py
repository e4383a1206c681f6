"""A user whose rights end at names that begin with `mine`: what is refused, in which words.

In a virtual host of its own; v and u stand for its name and the user's.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from pamqp.commands import Basic, Connection, Exchange, Queue, Tx
from tests.conformance.administration import Administration
from tests.conformance.answers import BOUND, channel_error, connection_error, declared, returned
from tests.conformance.conftest import Connect
from tests.conformance.estates import Estate, new_estate
from tests.conformance.wire import EXCHANGE_DECLARED, Client


@pytest.fixture(scope="session")
def estate(amqp_url: str, administration: Administration) -> Estate:
    """mine-q, mine-x, mine-t (topic), mine-y and other-q, other-x; the user has topic rights too."""
    estate = new_estate(amqp_url, administration, "^mine", "^mine", "^mine")
    vhost, user = estate.vhost, estate.user
    administration.permit(urlsplit(amqp_url).username or "guest", vhost, ".*", ".*", ".*")
    administration.permit_topics(user, vhost, "mine-t", r"^news\.", r"^news\.")
    administration.permit_topics(user, vhost, "mine-y", r"^{username}\.{vhost}\.", "^.*$")
    owner = Client(estate.owners_url).login().open_channel()
    for queue in ("mine-q", "other-q"):
        owner.ask(Queue.Declare(queue=queue), declared(queue))
    for exchange, kind in [("mine-x", "direct"), ("other-x", "direct"), ("mine-t", "topic"), ("mine-y", "topic")]:
        owner.exchange(exchange, kind)
    owner.close()
    return estate


@pytest.fixture
def u(connect: Connect, estate: Estate) -> Client:
    return connect(estate.url, estate.undo).login().open_channel()


def refused(what: str, method: type[Any]) -> str:
    return channel_error(403, f"{what} in vhost 'v' refused for user 'u'", method)


def topic_refused(verb: str, key: str, exchange: str, method: type[Any]) -> str:
    text = f"{verb} access to topic '{key}' in exchange '{exchange}' in vhost 'v' refused for user 'u'"
    return channel_error(403, text, method)


QUEUES = [
    (Queue.Declare(queue="other-new"), "configure access to queue 'other-new'"),
    (Queue.Declare(queue="other-q"), "configure access to queue 'other-q'"),
    (Queue.Declare(queue="", exclusive=True), "configure access to queue 'amq.gen-*'"),
    (Queue.Delete(queue="other-q"), "configure access to queue 'other-q'"),
    (Queue.Delete(queue="other-unknown"), "configure access to queue 'other-unknown'"),
    (Queue.Purge(queue="other-q"), "read access to queue 'other-q'"),
    (Basic.Get(queue="other-q"), "read access to queue 'other-q'"),
    (Basic.Consume(queue="other-q"), "read access to queue 'other-q'"),
    (Basic.Consume(queue="other-unknown"), "read access to queue 'other-unknown'"),
    (Queue.Bind(queue="other-q", exchange="mine-x", routing_key="k"), "write access to queue 'other-q'"),
    (
        Queue.Bind(queue="other-unknown", exchange="other-unknown", routing_key="k"),
        "write access to queue 'other-unknown'",
    ),
    (Queue.Unbind(queue="other-q", exchange="mine-x", routing_key="k"), "write access to queue 'other-q'"),
]


@pytest.mark.parametrize(("method", "what"), QUEUES)
def test_access_to_a_queue_is_refused(u: Client, method: Queue.Declare, what: str) -> None:
    u.send(method)
    u.expect_differing(refused(what, type(method)))


EXCHANGES = [
    (Exchange.Declare(exchange="other-new"), "configure access to exchange 'other-new'"),
    (Exchange.Declare(exchange="amq.new"), "configure access to exchange 'amq.new'"),
    (Exchange.Delete(exchange="other-x"), "configure access to exchange 'other-x'"),
    (Exchange.Delete(exchange="other-unknown"), "configure access to exchange 'other-unknown'"),
    (Queue.Bind(queue="mine-q", exchange="other-x", routing_key="k"), "read access to exchange 'other-x'"),
    (Queue.Unbind(queue="mine-q", exchange="other-x", routing_key="k"), "read access to exchange 'other-x'"),
    (Exchange.Bind(destination="other-x", source="mine-x", routing_key="k"), "write access to exchange 'other-x'"),
    (Exchange.Bind(destination="mine-x", source="other-x", routing_key="k"), "read access to exchange 'other-x'"),
    (Exchange.Unbind(destination="mine-x", source="other-x", routing_key="k"), "read access to exchange 'other-x'"),
    (
        Exchange.Declare(exchange="mine-new", arguments={"alternate-exchange": "other-x"}),
        "write access to exchange 'other-x'",
    ),
    (
        Queue.Declare(queue="mine-new", arguments={"x-dead-letter-exchange": "other-x"}),
        "write access to exchange 'other-x'",
    ),
]


@pytest.mark.parametrize(("method", "what"), EXCHANGES)
def test_access_to_an_exchange_is_refused(u: Client, method: Exchange.Declare, what: str) -> None:
    u.send(method)
    u.expect_differing(refused(what, type(method)))


@pytest.mark.parametrize(
    ("exchange", "called"),
    [("other-x", "other-x"), ("amq.topic", "amq.topic"), ("other-unknown", "other-unknown"), ("", "amq.default")],
)
def test_publishing_is_refused(u: Client, exchange: str, called: str) -> None:
    u.publish("mine-q", exchange=exchange)
    u.expect_differing(refused(f"write access to exchange '{called}'", Basic.Publish))


def test_publishing_in_a_transaction_is_refused_before_commit(u: Client) -> None:
    u.ask(Tx.Select(), "1 Tx.SelectOk()")
    u.publish("k", exchange="other-x")
    u.expect_differing(refused("write access to exchange 'other-x'", Basic.Publish))


def test_a_reserved_queue_name_is_refused_as_such(u: Client) -> None:
    text = "queue name 'amq.new' contains reserved prefix 'amq.*'"
    u.ask(Queue.Declare(queue="amq.new"), channel_error(403, text, Queue.Declare))


def test_a_predeclared_exchange_is_refused_as_such(u: Client) -> None:
    text = "deletion of system exchange 'amq.direct' in vhost 'v' not allowed"
    u.ask(Exchange.Delete(exchange="amq.direct"), channel_error(403, text, Exchange.Delete))


@pytest.mark.parametrize(
    ("method", "what"),
    [
        (Queue.Bind(queue="other-q", exchange=""), "write access to queue 'other-q'"),
        (Exchange.Bind(destination="other-x", source=""), "write access to exchange 'other-x'"),
        (Exchange.Bind(destination="", source="mine-x"), "write access to exchange 'amq.default'"),
    ],
)
def test_access_to_the_destination_is_refused_before_the_default_exchange(u: Client, method: Any, what: str) -> None:
    u.send(method)
    u.expect_differing(refused(what, type(method)))


def test_passive_declares_are_allowed_to_all(u: Client) -> None:
    u.ask(Queue.Declare(queue="other-q", passive=True), declared("other-q"))
    u.ask(Exchange.Declare(exchange="other-x", passive=True), EXCHANGE_DECLARED)


def test_what_is_permitted_is_done(u: Client) -> None:
    u.ask(Queue.Declare(queue="mine-own", exclusive=True), declared("mine-own"))
    u.ask(Queue.Bind(queue="mine-own", exchange="mine-x", routing_key="own"), BOUND)
    u.publish("own", exchange="mine-x")
    assert u.bodies("mine-own") == [b"m"]
    arguments: Any = {"x-dead-letter-exchange": "mine-x"}
    u.ask(Queue.Declare(queue="mine-own-too", exclusive=True, arguments=arguments), declared("mine-own-too"))


def test_a_virtual_host_is_refused(connect: Connect, estate: Estate) -> None:
    client = connect(estate.url, estate.undo)
    client.start()
    client.send(client.start_ok(), channel=0)
    client.expect("0 Connection.Tune(...")
    client.send(Connection.TuneOk(2047, 131072, 0), Connection.Open("/"), channel=0)
    client.expect(connection_error(530, "access to vhost '/' refused for user 'u'", Connection.Open))


# -- topics ------------------------------------------------------------------------------------------------


def test_publishing_under_a_permitted_key(u: Client) -> None:
    u.publish("news.1", exchange="mine-t", mandatory=True)
    u.expect(returned(exchange="mine-t", key="news.1"))


def test_publishing_under_another_key_is_refused(u: Client) -> None:
    u.publish("weather.1", exchange="mine-t")
    u.expect_differing(topic_refused("write", "weather.1", "mine-t", Basic.Publish))


def test_copies_need_permission_too(u: Client) -> None:
    u.publish("news.1", exchange="mine-t", mandatory=True, headers={"CC": ["weather.1"]})
    u.expect_differing(topic_refused("write", "weather.1", "mine-t", Basic.Publish))


def test_binding_under_a_permitted_key(u: Client) -> None:
    u.ask(Queue.Bind(queue="mine-q", exchange="mine-t", routing_key="news.*"), BOUND)
    u.ask(Queue.Unbind(queue="mine-q", exchange="mine-t", routing_key="news.*"), "1 Queue.UnbindOk()")


BINDINGS = [
    Queue.Bind(queue="mine-q", exchange="mine-t", routing_key="weather.*"),
    Queue.Unbind(queue="mine-q", exchange="mine-t", routing_key="weather.*"),
    Exchange.Bind(destination="mine-x", source="mine-t", routing_key="weather.*"),
]


@pytest.mark.parametrize("method", BINDINGS, ids=lambda method: method.name)
def test_binding_under_another_key_is_refused(u: Client, method: Queue.Bind) -> None:
    u.send(method)
    u.expect_differing(topic_refused("read", "weather.*", "mine-t", type(method)))


def test_a_topic_permission_may_name_user_and_virtual_host(u: Client, estate: Estate) -> None:
    u.publish(f"{estate.user}.{estate.vhost}.1", exchange="mine-y", mandatory=True)
    u.expect(returned(exchange="mine-y", key="u.v.1"))
    u.publish("someone.1", exchange="mine-y")
    u.expect_differing(topic_refused("write", "someone.1", "mine-y", Basic.Publish))
