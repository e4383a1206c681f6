"""AMQP clients over TLS: certificates made for the run, and EXTERNAL logins where a certificate is the password.

The broker's listener trusts an authority of its own for clients; the common name of a client's certificate is the user.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import aiormq.exceptions
import pika
import pika.exceptions
import pytest
import trustme
from tests.clients.certificates import Authorities

import menura

SECONDS = 30
BODY = bytes(range(256)) * 4096
Connect = Callable[..., pika.BlockingConnection]
# The broker's alert may reach the client within the TLS handshake or after it.
REFUSALS = (ssl.SSLError, pika.exceptions.AMQPConnectionError)


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    return Authorities()


@pytest.fixture(scope="module")
def query(authorities: Authorities, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The part of the listener's address that names its files."""
    return authorities.query(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def broker(query: str) -> Iterator[menura.Broker]:
    with menura.Broker(listen=["amqp://127.0.0.1:0", f"amqps://127.0.0.1:0?{query}"]) as broker:
        broker.add_user("alice", "a password that no test uses")
        broker.permit("alice")
        yield broker


@pytest.fixture
def connect(broker: menura.Broker) -> Iterator[Connect]:
    opened = []

    def open_one(context: ssl.SSLContext, external: bool = False) -> pika.BlockingConnection:
        parameters = pika.URLParameters(broker.amqps_url)
        parameters.ssl_options = pika.SSLOptions(context, "localhost")
        if external:
            parameters.credentials = pika.credentials.ExternalCredentials()
        opened.append(pika.BlockingConnection(parameters))
        return opened[-1]

    yield open_one
    for connection in opened:
        if connection.is_open:
            connection.close()


def test_a_password_login_works_over_tls(connect: Connect, authorities: Authorities) -> None:
    channel = connect(authorities.context()).channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.confirm_delivery()
    channel.basic_publish("", queue, BODY)
    assert channel.basic_get(queue, auto_ack=True)[2] == BODY


def test_a_client_certificate_is_a_login(connect: Connect, authorities: Authorities) -> None:
    connection = connect(authorities.context("alice"), external=True)
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, b"mine", pika.BasicProperties(user_id="alice"))
    assert channel.basic_get(queue, auto_ack=True)[2] == b"mine"
    channel.basic_publish("", queue, b"not mine", pika.BasicProperties(user_id="guest"))
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="authenticated user was 'alice'"):
        channel.basic_get(queue)


def test_a_client_certificate_does_not_stop_a_password_login(connect: Connect, authorities: Authorities) -> None:
    channel = connect(authorities.context("alice")).channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, b"mine", pika.BasicProperties(user_id="guest"))
    assert channel.basic_get(queue, auto_ack=True)[2] == b"mine"


def test_a_certificate_of_an_unknown_user_is_refused(connect: Connect, authorities: Authorities) -> None:
    with pytest.raises(pika.exceptions.ProbableAuthenticationError) as caught:
        connect(authorities.context("mallory"), external=True)
    assert "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL" in str(caught.value)


def test_external_without_a_certificate_is_refused(connect: Connect, authorities: Authorities) -> None:
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        connect(authorities.context(), external=True)


def test_a_certificate_of_a_foreign_authority_is_refused(connect: Connect, authorities: Authorities) -> None:
    with pytest.raises(REFUSALS):
        connect(authorities.context("alice", signed_by=trustme.CA()), external=True)


def test_a_client_refuses_a_server_it_does_not_trust(connect: Connect) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(ssl.create_default_context())


def test_a_listener_may_demand_a_certificate(query: str, authorities: Authorities) -> None:
    with menura.Broker(listen=[f"amqps://127.0.0.1:0?{query}&verify=required"]) as broker:
        parameters = pika.URLParameters(broker.amqps_url)
        parameters.ssl_options = pika.SSLOptions(authorities.context(), "localhost")
        with pytest.raises(REFUSALS):
            pika.BlockingConnection(parameters)
        parameters.ssl_options = pika.SSLOptions(authorities.context("guest"), "localhost")
        with pika.BlockingConnection(parameters) as connection:
            assert connection.is_open


def test_plain_amqp_fails_at_once_on_the_tls_port(broker: menura.Broker) -> None:
    parameters = pika.ConnectionParameters("127.0.0.1", urlsplit(broker.amqps_url).port, stack_timeout=SECONDS)
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(parameters)


def test_tls_fails_at_once_on_the_plain_port(broker: menura.Broker, authorities: Authorities) -> None:
    options = pika.SSLOptions(authorities.context(), "localhost")
    parameters = pika.ConnectionParameters("127.0.0.1", broker.amqp_port, ssl_options=options)
    with pytest.raises(ssl.SSLError):
        pika.BlockingConnection(parameters)


@pytest.mark.parametrize("user", [None, "alice"])
async def test_aio_pika_logs_in_by_password_and_by_certificate(
    broker: menura.Broker, authorities: Authorities, user: str | None
) -> None:
    url = broker.amqps_url.replace("127.0.0.1", "localhost") + ("?auth=EXTERNAL" if user else "")
    context = authorities.context(user)
    async with asyncio.timeout(SECONDS), await aio_pika.connect(url, ssl_context=context) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        message = aio_pika.Message(BODY, user_id=user or "guest")
        await channel.default_exchange.publish(message, queue.name)
        got: Any = await queue.get(no_ack=True)
        assert (got.body, got.user_id) == (BODY, user or "guest")


# A client that is refused sometimes forgets to await the end of its own connection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine 'Connection.close'")
async def test_aio_pika_is_refused_with_a_certificate_of_an_unknown_user(
    broker: menura.Broker, authorities: Authorities
) -> None:
    url = broker.amqps_url.replace("127.0.0.1", "localhost") + "?auth=EXTERNAL"
    with pytest.raises(aiormq.exceptions.ProbableAuthenticationError):
        await aio_pika.connect(url, ssl_context=authorities.context("mallory"), timeout=SECONDS)
