"""Limits of virtual hosts and users: one queue, connection or channel too many; and parameters nobody knows.

In a virtual host and with a user of its own; v and u stand for their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pamqp.commands import Channel, Connection, Queue
from tests.conformance.administration import Administration
from tests.conformance.answers import channel_error, connection_error, declared
from tests.conformance.conftest import Connect
from tests.conformance.estates import Estate, new_estate
from tests.conformance.wire import Client


@pytest.fixture(scope="module")
def estate(amqp_url: str, administration: Administration) -> Estate:
    return new_estate(amqp_url, administration, ".*", ".*", ".*")


@pytest.fixture
def limited(administration: Administration, estate: Estate) -> Iterator[Administration]:
    """Lets go of the client that deletes what tests leave."""
    yield administration
    administration.set_vhost_limits(estate.vhost, {})
    administration.set_user_limits(estate.user, {"max-connections": -1, "max-channels": -1})


@pytest.fixture
def u(connect: Connect, estate: Estate) -> Client:
    return connect(estate.url, estate.undo).login().open_channel()


def asking_to_enter(connect: Connect, estate: Estate) -> Client:
    """A connection for which connection.open has been sent, and not been answered yet."""
    client = connect(estate.url, estate.undo)
    client.start()
    client.send(client.start_ok(), channel=0)
    client.expect("0 Connection.Tune(...)")
    client.send(Connection.TuneOk(2047, 131072, 0), Connection.Open(estate.vhost), channel=0)
    return client


def test_one_queue_too_many(u: Client, limited: Administration, estate: Estate) -> None:
    u.queue("first")
    assert limited.set_vhost_limits(estate.vhost, {"max-queues": 1}) == ""
    u.ask(Queue.Declare(queue="first", exclusive=True), declared("first"))
    text = "cannot declare queue 'second': queue limit in vhost 'v' (1) is reached"
    u.ask(Queue.Declare(queue="second", exclusive=True), channel_error(406, text, Queue.Declare))


def test_the_limit_comes_before_the_arguments_and_behind_the_name(
    u: Client, limited: Administration, estate: Estate
) -> None:
    assert limited.set_vhost_limits(estate.vhost, {"max-queues": 0}) == ""
    text = "queue name 'amq.q' contains reserved prefix 'amq.*'"
    u.ask(Queue.Declare(queue="amq.q"), channel_error(403, text, Queue.Declare))
    u.open_channel(2)
    text = "cannot declare queue 'q': queue limit in vhost 'v' (0) is reached"
    u.send(Queue.Declare(queue="q", arguments={"x-max-length": -1}), channel=2)
    u.expect(channel_error(406, text, Queue.Declare, channel=2))


def test_one_connection_too_many_to_a_virtual_host(
    u: Client, connect: Connect, limited: Administration, estate: Estate
) -> None:
    assert limited.set_vhost_limits(estate.vhost, {"max-connections": 1}) == ""
    text = "access to vhost 'v' refused for user 'u': connection limit (1) is reached"
    asking_to_enter(connect, estate).expect(connection_error(530, text, Connection.Open))
    assert limited.set_vhost_limits(estate.vhost, {"max-connections": 2}) == ""
    asking_to_enter(connect, estate).expect("0 Connection.OpenOk()")


def test_one_connection_too_many_of_a_user(
    u: Client, connect: Connect, limited: Administration, estate: Estate
) -> None:
    assert limited.set_user_limits(estate.user, {"max-connections": 1}) == ""
    text = "connection refused for user 'u': user connection limit (1) is reached"
    asking_to_enter(connect, estate).expect(connection_error(530, text, Connection.Open))
    assert limited.set_user_limits(estate.user, {"max-connections": 2}) == ""
    asking_to_enter(connect, estate).expect("0 Connection.OpenOk()")


def test_one_channel_too_many_of_a_user(u: Client, limited: Administration, estate: Estate) -> None:
    assert limited.set_user_limits(estate.user, {"max-channels": 1}) == ""
    text = "number of channels opened for user 'u' has reached the maximum allowed user limit of (1)"
    u.send(Channel.Open(), channel=2)
    u.expect(connection_error(530, text))


LIMITS: list[tuple[Any, str]] = [
    ({"max-queues": "a"}, 'max-queues should be a number, actually was <<"a">>'),
    ({"max-connections": None}, "max-connections should be a number, actually was null"),
    ({"max-connections": 1.5}, "max-connections should be a number, actually was 1.5"),
    ({"foo": 5}, 'Unrecognised terms [{<<"foo">>,5}] in limits'),
]


@pytest.mark.parametrize(("limits", "expected"), LIMITS)
def test_limits_of_a_virtual_host_that_are_none(
    administration: Administration, estate: Estate, limits: Any, expected: str
) -> None:
    assert administration.set_vhost_limits(estate.vhost, limits) == f"Validation failed\n\n{expected}\n"


def test_limits_of_a_user_that_are_none(administration: Administration, estate: Estate) -> None:
    said = administration.set_user_limits(estate.user, {"foo": 5})
    assert said.rstrip() == 'Unrecognised terms [{<<"foo">>,5}] in user-limits'
    said = administration.set_user_limits(estate.user, {"max-channels": "a"})
    assert said.rstrip() == 'max-channels should be a number, actually was <<"a">>'


def test_a_parameter_of_a_component_nobody_knows(administration: Administration, estate: Estate) -> None:
    said = administration.set_parameter(estate.vhost, "foo", "x", {})
    assert said == "Validation failed\n\ncomponent foo not found\n"
    said = administration.set_parameter(estate.vhost, "policy", "x", {})
    assert said.rstrip() == "policies may not be set using this method"
