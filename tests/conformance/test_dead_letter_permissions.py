"""Sending on what others wrote takes more than the right to configure: to read it here, and to write it there.

A user may configure everything, and read and write what begins with `mine`; v and u stand for the names of the
virtual host and the user.
"""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Exchange, Queue
from tests.conformance.administration import Administration
from tests.conformance.answers import channel_error, declared
from tests.conformance.conftest import Connect
from tests.conformance.estates import Estate, new_estate
from tests.conformance.wire import EXCHANGE_DECLARED, Client

TO_MINE: dict[str, Any] = {"x-dead-letter-exchange": "mine-x"}
TO_OTHERS: dict[str, Any] = {"x-dead-letter-exchange": "other-x"}


@pytest.fixture(scope="module")
def writer(amqp_url: str, administration: Administration) -> Estate:
    return new_estate(amqp_url, administration, ".*", "^mine", "^mine")


@pytest.fixture
def u(connect: Connect, writer: Estate) -> Client:
    return connect(writer.url, writer.undo).login().open_channel()


def refused(what: str, method: type[Any]) -> str:
    return channel_error(403, f"{what} in vhost 'v' refused for user 'u'", method)


QUEUES = [
    ("other-q", TO_MINE, "read access to queue 'other-q'"),
    ("other-q", TO_OTHERS, "read access to queue 'other-q'"),
    ("mine-q", TO_OTHERS, "write access to exchange 'other-x'"),
    ("mine-q", {"x-dead-letter-exchange": ""}, "write access to exchange 'amq.default'"),
]


@pytest.mark.parametrize(("queue", "arguments", "what"), QUEUES)
def test_dead_letters_are_read_from_a_queue_and_written_to_an_exchange(
    u: Client, queue: str, arguments: Any, what: str
) -> None:
    u.send(Queue.Declare(queue=queue, exclusive=True, arguments=arguments))
    u.expect_differing(refused(what, Queue.Declare))


def test_with_these_rights_a_queue_has_dead_letters(u: Client) -> None:
    u.ask(Queue.Declare(queue="mine-q", exclusive=True, arguments=TO_MINE), declared("mine-q"))


def test_without_dead_letters_they_are_not_needed(u: Client) -> None:
    u.ask(Queue.Declare(queue="other-q", exclusive=True), declared("other-q"))


EXCHANGES = [
    ("other-x", "mine-y", "read access to exchange 'other-x'"),
    ("mine-x", "other-y", "write access to exchange 'other-y'"),
]


@pytest.mark.parametrize(("exchange", "alternate", "what"), EXCHANGES)
def test_what_has_no_route_is_read_from_one_exchange_and_written_to_the_other(
    u: Client, exchange: str, alternate: str, what: str
) -> None:
    u.send(Exchange.Declare(exchange=exchange, auto_delete=True, arguments={"alternate-exchange": alternate}))
    u.expect_differing(refused(what, Exchange.Declare))


def test_with_these_rights_an_exchange_has_an_alternate_one(u: Client) -> None:
    u.ask(Exchange.Declare(exchange="mine-x", arguments={"alternate-exchange": "mine-y"}), EXCHANGE_DECLARED)
    u.ask(Exchange.Delete(exchange="mine-x"), "1 Exchange.DeleteOk()")


def test_what_exists_already_may_be_declared_again_without_these_rights(
    u: Client, connect: Connect, writer: Estate, administration: Administration
) -> None:
    administration.permit("guest", writer.vhost, ".*", ".*", ".*")
    exchange = Exchange.Declare(exchange="x", auto_delete=True, arguments={"alternate-exchange": "other-x"})
    queue = Queue.Declare(queue="q", auto_delete=True, arguments=TO_OTHERS)
    owner = connect(writer.owners_url).login().open_channel()
    owner.ask(exchange, EXCHANGE_DECLARED)
    owner.ask(queue, declared("q"))
    u.ask(exchange, EXCHANGE_DECLARED)
    u.ask(queue, declared("q"))
