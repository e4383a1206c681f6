"""Connections of pika's BlockingConnection: logins, what is negotiated, what is whose, and what closes what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pika
import pika.exceptions
import pytest

Connect = Callable[..., pika.BlockingConnection]


@pytest.fixture
def connection(connect: Connect) -> pika.BlockingConnection:
    return connect()


def test_the_broker_announces_every_capability_a_client_asks_for(connection: pika.BlockingConnection) -> None:
    assert connection.publisher_confirms_supported
    assert connection.exchange_exchange_bindings_supported
    assert connection.basic_nack_supported
    assert connection.consumer_cancel_notify_supported


def test_the_client_chooses_the_heartbeat_after_hearing_the_brokers(connect: Connect) -> None:
    offers: list[int] = []

    def choose(_: Any, offered: int) -> int:
        offers.append(offered)
        return 7

    channel = connect(heartbeat=choose).channel()
    assert channel.is_open
    assert offers == [60]


@pytest.mark.parametrize("frame_bytes_max", [4096, 8192, 131072])
def test_a_body_of_5_megabytes_goes_through_frames_of_any_size(connect: Connect, frame_bytes_max: int) -> None:
    channel = connect(frame_max=frame_bytes_max).channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.confirm_delivery()
    body = bytes(range(256)) * (5 * 1024 * 1024 // 256)
    channel.basic_publish("", queue, body)
    assert channel.basic_get(queue, auto_ack=True)[2] == body


def test_blocked_and_unblocked_callbacks_can_be_registered(
    connection: pika.BlockingConnection,
) -> None:
    calls: list[Any] = []
    connection.add_on_connection_blocked_callback(lambda *arguments: calls.append(arguments))
    connection.add_on_connection_unblocked_callback(lambda *arguments: calls.append(arguments))
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"x")
    assert calls == []


def test_update_secret_keeps_the_connection(connection: pika.BlockingConnection) -> None:
    connection.update_secret("guest", "a new one every hour")
    connection.channel().queue_declare("", exclusive=True)
    assert connection.is_open


def test_an_exclusive_queue_is_closed_to_others_and_ends_with_its_connection(connect: Connect, name: str) -> None:
    owner, other = connect(), connect()
    owner.channel().queue_declare(name, exclusive=True)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as caught:
        other.channel().queue_declare(name, passive=True)
    assert caught.value.reply_code == 405
    assert caught.value.reply_text.startswith(
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost "
    )
    owner.close()
    other.channel().queue_declare(name, exclusive=True)


def test_a_channel_error_names_its_reason_and_leaves_the_connection(
    connection: pika.BlockingConnection, name: str
) -> None:
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as missing:
        connection.channel().queue_declare(name, passive=True)
    assert missing.value.reply_code == 404
    assert missing.value.reply_text.startswith(f"NOT_FOUND - no queue '{name}' in vhost ")
    connection.channel().queue_declare(name, exclusive=True)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as differs:
        connection.channel().queue_declare(name, exclusive=True, auto_delete=True)
    assert differs.value.reply_code == 406
    assert differs.value.reply_text.startswith("PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue ")
    assert connection.is_open


def test_a_wrong_password_is_refused_with_the_reason(amqp_url: str) -> None:
    parameters = pika.URLParameters(amqp_url)
    parameters.credentials = pika.PlainCredentials("guest", "wrong")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError) as caught:
        pika.BlockingConnection(parameters)
    assert "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN" in str(caught.value)


def test_an_unknown_vhost_is_refused(amqp_url: str, name: str) -> None:
    parameters = pika.URLParameters(amqp_url)
    parameters.virtual_host = name
    with pytest.raises(pika.exceptions.AMQPConnectionError) as caught:
        pika.BlockingConnection(parameters)
    assert f"(530) 'NOT_ALLOWED - vhost {name} not found'" in str(caught.value)
