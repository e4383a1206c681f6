"""pika's callback-style connections: the same conversations over the select, asyncio, gevent and tornado loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pika
import pika.exceptions
import pytest
from pika.channel import Channel
from tests.clients.pika_talk import ADAPTERS, Conversation, Step, Talk


@pytest.fixture(params=ADAPTERS)
def talk(request: pytest.FixtureRequest, amqp_url: str) -> Talk:
    return Talk(request.param, pika.URLParameters(amqp_url))


def declared(talk: Talk) -> Step:
    return lambda callback: talk.channel.queue_declare("", exclusive=True, callback=callback)


def collect(count: int, callback: Callable[..., None]) -> Callable[..., None]:
    """A callback that gathers `count` calls and then passes their arguments on as one list."""
    calls: list[Any] = []

    def one_more(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == count:
            callback(calls)

    return one_more


def confirmed(talk: Talk, queue: str, count: int) -> Step:
    """Put the channel into confirm mode, publish `count` bodies and go on when each is confirmed."""

    def step(callback: Callable[..., None]) -> None:
        last = 0

        def on_confirm(frame: Any) -> None:
            nonlocal last
            assert isinstance(frame.method, pika.spec.Basic.Ack)
            assert frame.method.multiple or frame.method.delivery_tag == last + 1
            last = frame.method.delivery_tag
            if last == count:
                callback(last)

        def publish(_: Any) -> None:
            for number in range(count):
                talk.channel.basic_publish("", queue, b"%d" % number, mandatory=True)

        talk.channel.confirm_delivery(on_confirm, publish)

    return step


def test_every_publish_is_confirmed_once_it_is_in_the_queue(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        queue = (yield declared(talk)).method.queue
        assert (yield confirmed(talk, queue, 50)) == 50
        answer = yield lambda callback: talk.channel.queue_declare(queue, passive=True, callback=callback)
        assert answer.method.message_count == 50

    talk.run(conversation)


def test_an_unroutable_mandatory_message_is_returned_before_its_confirm(talk: Talk, name: str) -> None:
    def conversation(talk: Talk) -> Conversation:
        order: list[Any] = []

        def both(callback: Callable[..., None]) -> None:
            done = collect(2, callback)
            talk.channel.add_on_return_callback(lambda _c, method, _p, body: done("return", method.reply_code, body))
            order.append(done)
            talk.channel.basic_publish("", name, b"m", mandatory=True)

        yield lambda callback: talk.channel.confirm_delivery(
            lambda frame: order[0]("confirm", type(frame.method).__name__, frame.method.delivery_tag), callback
        )
        assert (yield both) == [("return", 312, b"m"), ("confirm", "Ack", 1)]

    talk.run(conversation)


def test_consume_then_ack_nack_and_reject(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        queue = (yield declared(talk)).method.queue
        for body in (b"ack", b"nack", b"reject"):
            talk.channel.basic_publish("", queue, body)
        later: list[Callable[..., None]] = []

        def first_three(callback: Callable[..., None]) -> None:
            later.append(collect(3, callback))
            talk.channel.basic_consume(queue, lambda _c, method, _p, body: later[-1](method, body))

        first, second, third = yield first_three
        assert [first[1], second[1], third[1]] == [b"ack", b"nack", b"reject"]

        def settle(callback: Callable[..., None]) -> None:
            later.append(collect(2, callback))
            talk.channel.basic_ack(first[0].delivery_tag)
            talk.channel.basic_nack(second[0].delivery_tag, requeue=True)
            talk.channel.basic_reject(third[0].delivery_tag, requeue=True)

        again = yield settle
        assert sorted(body for _, body in again) == [b"nack", b"reject"]
        assert all(method.redelivered for method, _ in again)

    talk.run(conversation)


def test_prefetch_bounds_what_is_delivered(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        queue = (yield declared(talk)).method.queue
        yield confirmed(talk, queue, 10)
        yield lambda callback: talk.channel.basic_qos(prefetch_count=3, callback=callback)
        got: list[bytes] = []

        def three(callback: Callable[..., None]) -> None:
            def on_message(_c: Channel, _m: Any, _p: Any, body: bytes) -> None:
                got.append(body)
                if len(got) == 3:
                    callback(None)

            talk.channel.basic_consume(queue, on_message)

        yield three
        answer = yield lambda callback: talk.channel.queue_declare(queue, passive=True, callback=callback)
        assert (len(got), answer.method.message_count, answer.method.consumer_count) == (3, 7, 1)

    talk.run(conversation)


def test_get_and_get_empty(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        queue = (yield declared(talk)).method.queue
        talk.channel.basic_publish("", queue, b"only", pika.BasicProperties(headers={"a": 1}))
        _, method, properties, body = yield lambda callback: talk.channel.basic_get(queue, callback)
        assert (method.message_count, properties.headers, body) == (0, {"a": 1}, b"only")
        talk.channel.basic_ack(method.delivery_tag)

        def empty(callback: Callable[..., None]) -> None:
            talk.channel.add_callback(callback, [pika.spec.Basic.GetEmpty])
            talk.channel.basic_get(queue, lambda *_: pytest.fail("the queue is not empty"))

        assert isinstance((yield empty).method, pika.spec.Basic.GetEmpty)

    talk.run(conversation)


def consuming(talk: Talk, queue: str, tag: str) -> Step:
    return lambda callback: talk.channel.basic_consume(queue, lambda *_: None, consumer_tag=tag, callback=callback)


def test_a_cancelled_consumer_no_longer_counts(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        queue = (yield declared(talk)).method.queue
        yield consuming(talk, queue, "one")
        yield consuming(talk, queue, "two")
        yield lambda callback: talk.channel.basic_cancel("one", callback)
        answer = yield lambda callback: talk.channel.queue_declare(queue, passive=True, callback=callback)
        assert answer.method.consumer_count == 1
        assert talk.channel.consumer_tags == ["two"]

    talk.run(conversation)


def test_deleting_a_queue_cancels_its_consumers(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        queue = (yield declared(talk)).method.queue
        yield consuming(talk, queue, "one")

        def cancelled_and_deleted(callback: Callable[..., None]) -> None:
            done = collect(2, callback)
            talk.channel.add_on_cancel_callback(lambda frame: done("cancelled", frame.method.consumer_tag))
            talk.channel.queue_delete(queue, callback=lambda frame: done("deleted", frame.method.message_count))

        assert sorted((yield cancelled_and_deleted)) == [("cancelled", "one"), ("deleted", 0)]

    talk.run(conversation)


def test_a_body_of_5_megabytes(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        queue = (yield declared(talk)).method.queue
        body = bytes(range(256)) * (5 * 1024 * 1024 // 256)

        def there_and_back(callback: Callable[..., None]) -> None:
            talk.channel.basic_consume(queue, lambda _c, _m, _p, got: callback(got), auto_ack=True)
            talk.channel.basic_publish("", queue, body)

        assert (yield there_and_back) == body

    talk.run(conversation)


def test_the_brokers_heartbeat_is_taken_over(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        yield declared(talk)
        assert talk.connection.params.heartbeat == 60

    talk.run(conversation)


def test_update_secret_is_answered(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        frame = yield lambda callback: talk.connection.update_secret("guest", "rotation", callback)
        assert isinstance(frame.method, pika.spec.Connection.UpdateSecretOk)
        assert talk.connection.is_open
        yield declared(talk)

    talk.run(conversation)


def test_blocked_callbacks_are_offered_and_quiet_while_memory_is_free(talk: Talk) -> None:
    def conversation(talk: Talk) -> Conversation:
        calls: list[Any] = []
        talk.connection.add_on_connection_blocked_callback(lambda *arguments: calls.append(arguments))
        talk.connection.add_on_connection_unblocked_callback(lambda *arguments: calls.append(arguments))
        assert talk.connection.server_capabilities["connection.blocked"] is True
        queue = (yield declared(talk)).method.queue
        talk.channel.basic_publish("", queue, b"")
        yield lambda callback: talk.channel.queue_purge(queue, callback)
        assert calls == []

    talk.run(conversation)


def test_a_channel_closed_by_the_broker_says_why(talk: Talk, name: str) -> None:
    def conversation(talk: Talk) -> Conversation:
        def fails(callback: Callable[..., None]) -> None:
            talk.channel.add_on_close_callback(lambda _, reason: callback(reason))
            talk.channel.basic_publish(name, "key", b"to an exchange that is not there")

        reason = yield fails
        assert isinstance(reason, pika.exceptions.ChannelClosedByBroker)
        assert reason.reply_code == 404
        assert reason.reply_text.startswith(f"NOT_FOUND - no exchange '{name}' in vhost ")

    talk.run(conversation)


def test_a_question_is_answered_over_an_exclusive_queue(talk: Talk, name: str) -> None:
    def conversation(talk: Talk) -> Conversation:
        yield lambda callback: talk.channel.queue_declare(name, exclusive=True, callback=callback)
        replies = (yield declared(talk)).method.queue

        def serve(channel: Channel, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
            reply = pika.BasicProperties(correlation_id=properties.correlation_id)
            channel.basic_publish("", properties.reply_to, body.upper(), reply)
            channel.basic_ack(method.delivery_tag)

        talk.channel.basic_consume(name, serve)

        def ask(callback: Callable[..., None]) -> None:
            talk.channel.basic_consume(
                replies, lambda _c, _m, p, body: callback((p.correlation_id, body)), auto_ack=True
            )
            question = pika.BasicProperties(reply_to=replies, correlation_id="7")
            talk.channel.basic_publish("", name, b"hello", question)

        assert (yield ask) == ("7", b"HELLO")

    talk.run(conversation)
