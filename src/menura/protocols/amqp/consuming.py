"""The methods that take messages: consume, cancel, get, qos, and the ways to settle.

Direct reply-to: a consumer of the name `amq.rabbitmq.reply-to` gets a queue of its own that is not listed and
lives as long as the consumer; its real name, with a token nobody can guess, replaces the well-known one in
the reply-to property of what the channel publishes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from menura.core.access import Verb
from menura.core.arguments import check_consumer_arguments, number, queue_type
from menura.core.consumer import Consumer, Limit
from menura.core.errors import Locked, NotFound, PreconditionFailed
from menura.core.ledger import UnknownTag
from menura.protocols.amqp.delivery import DeliverFrames, content_frames, get_ok_frame
from menura.protocols.amqp.errors import AmqpError

if TYPE_CHECKING:
    from menura.core.queue import Queue
    from menura.core.run import Run
    from menura.protocols.amqp.channel import Channel

REPLY_TO = "amq.rabbitmq.reply-to"


def basic_qos(channel: Channel, method: Any) -> None:
    if method.prefetch_size:
        raise AmqpError("NOT_IMPLEMENTED", f"prefetch_size!=0 ({method.prefetch_size})", method.ids)
    if method.global_:
        channel.limit.count = method.prefetch_count
        channel.limit.touch()
    else:
        channel.prefetch = method.prefetch_count
    channel.send("basic.qos-ok")


def basic_consume(channel: Channel, method: Any) -> None:
    session = channel.session
    tag = method.consumer_tag or session.node.unique_name("amq.ctag-")
    name = channel.queue_or_last(method.queue)
    used = channel.consumers.get(tag)
    replies = method.queue == REPLY_TO
    if used is not None and not (replies and used.queue.name == channel.reply_token):
        raise AmqpError("NOT_ALLOWED", f"attempt to reuse consumer tag '{tag}'", method.ids)
    if replies:
        _consume_replies(channel, method, tag)
        return
    session.access.require(Verb.READ, "queue", name)
    queue = session.vhost.queue(name, session)
    arguments = method.arguments.raw_items()
    what = f"queue '{name}' in vhost '{session.vhost.name}'"
    check_consumer_arguments(what, queue_type(queue.arguments), arguments)
    consumer = Consumer(
        tag,
        queue,
        channel,
        settles=not method.no_ack,
        exclusive=method.exclusive,
        priority=number(arguments, "x-priority") or 0,
        prefetch=channel.prefetch,
        limit=channel.limit,
        arguments=arguments,
        tallies=channel.tallies,
    )
    _start(channel, consumer, method)


def _start(channel: Channel, consumer: Consumer, method: Any) -> None:
    consumer.scratch = DeliverFrames(channel.number, consumer.tag, channel.session.frame_bytes_max)
    consumer.queue.subscribe(consumer)
    channel.consumers[consumer.tag] = consumer
    if not method.nowait:
        channel.send("basic.consume-ok", consumer_tag=consumer.tag)


def _consume_replies(channel: Channel, method: Any, tag: str) -> None:
    if not method.no_ack:
        raise PreconditionFailed("reply consumer cannot acknowledge")
    if channel.reply_token is not None:
        raise PreconditionFailed("reply consumer already set")
    session = channel.session
    token = session.node.unique_name(REPLY_TO + ".")
    queue = session.vhost.add_reply_queue(token)
    channel.reply_token = token
    consumer = Consumer(tag, queue, channel, settles=False, limit=Limit(), tallies=channel.tallies)
    _start(channel, consumer, method)


def forget_reply_consumer(channel: Channel) -> None:
    if channel.reply_token is not None:
        channel.session.vhost.remove_reply_queue(channel.reply_token)
        channel.reply_token = None


def basic_cancel(channel: Channel, method: Any) -> None:
    consumer = channel.consumers.pop(method.consumer_tag, None)
    if consumer is not None:
        consumer.queue.unsubscribe(consumer)
        if consumer.queue.name == channel.reply_token:
            forget_reply_consumer(channel)
    if not method.nowait:
        channel.send("basic.cancel-ok", consumer_tag=method.consumer_tag)


def basic_get(channel: Channel, method: Any) -> None:
    session = channel.session
    name = channel.queue_or_last(method.queue)
    session.access.require(Verb.READ, "queue", name)
    vhost = session.vhost
    queue = vhost.queue(name, session)
    taken = queue.take(1) if queue.rules is None else _get_by_rules(queue)
    taking = channel.tallies.of(queue)
    if taken is None:
        taking.get_empty += 1
        channel.send("basic.get-empty")
        return
    position, run, redelivered = taken
    if vhost.tracer is not None:
        vhost.tracer.delivered(session.here, channel.number, queue, run, redelivered)
    if redelivered:
        taking.redeliver += 1
    if method.no_ack:
        taking.get_no_ack += 1
        tag = channel.ledger.skip(1)
        queue.settle(position, run)
    else:
        taking.get += 1
        tag = channel.ledger.add(None, queue, position, run)
    session.send(get_ok_frame(channel.number, tag, redelivered, run.route, queue.ready_count))
    session.send(content_frames(run.contents[0], channel.number, session.frame_bytes_max))


def _get_by_rules(queue: Queue) -> tuple[int, Run, bool] | None:
    if queue.consumers.single and queue_type(queue.arguments) == "quorum":
        raise Locked(
            f"cannot obtain access to locked queue '{queue.name}' in vhost '{queue.vhost.name}'. basic.get operations "
            "are not supported by quorum queues with single active consumer"
        )
    return queue.get()


# -- settling ------------------------------------------------------------------------------------------------


def basic_ack(channel: Channel, method: Any) -> None:
    if not method.multiple:
        channel.settle(method.delivery_tag, method.delivery_tag)
    else:
        channel.accept(_up_to(channel, method))


def basic_nack(channel: Channel, method: Any) -> None:
    if method.multiple:
        spans = _up_to(channel, method)
    else:
        spans = _one(channel, method)
    channel.release(spans, requeue=method.requeue)


def basic_reject(channel: Channel, method: Any) -> None:
    channel.release(_one(channel, method), requeue=method.requeue)


def _one(channel: Channel, method: Any) -> list[Any]:
    try:
        return channel.ledger.take(method.delivery_tag, method.delivery_tag)
    except UnknownTag as unknown:
        raise channel.unknown_tag(unknown, method.ids) from None


def _up_to(channel: Channel, method: Any) -> list[Any]:
    """What a `multiple` means: everything up to the tag, or everything at all for tag 0."""
    if method.delivery_tag == 0:
        return channel.ledger.drain()
    try:
        return channel.ledger.take_up_to(method.delivery_tag)
    except UnknownTag as unknown:
        raise channel.unknown_tag(unknown, method.ids) from None


def basic_recover(channel: Channel, method: Any) -> None:
    if not method.requeue:
        raise AmqpError("NOT_IMPLEMENTED", "requeue=false", method.ids)
    channel.release(channel.ledger.drain(), requeue=True)
    if method.name == "basic.recover":
        channel.send("basic.recover-ok")


def passive_reply_queue(channel: Channel, name: str) -> None:
    """A passive declare of a reply address tells whether somebody still waits there."""
    if name != REPLY_TO and name not in channel.session.vhost.reply_queues:
        raise NotFound(f"no queue '{name}' in vhost '{channel.session.vhost.name}'")


METHODS: dict[str, Callable[[Channel, Any], None]] = {
    "basic.qos": basic_qos,
    "basic.consume": basic_consume,
    "basic.cancel": basic_cancel,
    "basic.get": basic_get,
    "basic.ack": basic_ack,
    "basic.nack": basic_nack,
    "basic.reject": basic_reject,
    "basic.recover": basic_recover,
    "basic.recover-async": basic_recover,
}
