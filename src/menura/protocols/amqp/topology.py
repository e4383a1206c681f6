"""The methods that make and change exchanges, queues and bindings, and channel.flow and access.request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from menura.core.access import Verb
from menura.core.arguments import queue_type, text
from menura.core.errors import AccessRefused, PreconditionFailed
from menura.core.exchange import Exchange
from menura.core.exchanges import KINDS
from menura.core.queue import Queue
from menura.protocols.amqp.consuming import REPLY_TO, passive_reply_queue
from menura.protocols.amqp.errors import AmqpError

if TYPE_CHECKING:
    from menura.protocols.amqp.channel import Channel

_REPLY_PREFIX = REPLY_TO + "."
# Characters RabbitMQ takes out of names that clients declare and bind by.
_STRIPPED = str.maketrans("", "", "\r\n")


def exchange_declare(channel: Channel, method: Any) -> None:
    session = channel.session
    name = method.exchange.translate(_STRIPPED)
    _not_default(name)
    if method.passive:
        session.vhost.exchange(name)
    else:
        if method.type not in KINDS:
            raise PreconditionFailed(f"unknown exchange type '{method.type}'")
        access = session.access
        access.require(Verb.CONFIGURE, "exchange", name)
        arguments = method.arguments.raw_items()
        alternate = text(arguments, "alternate-exchange")
        if alternate is not None and name not in session.vhost.exchanges:
            access.require(Verb.READ, "exchange", name)
            access.require(Verb.WRITE, "exchange", alternate)
        session.vhost.declare_exchange(
            name,
            method.type,
            durable=method.durable,
            auto_delete=method.auto_delete,
            internal=method.internal,
            arguments=arguments,
        )
    if not method.nowait:
        tell = channel.send if method.passive else channel.answer
        tell("exchange.declare-ok")


def exchange_delete(channel: Channel, method: Any) -> None:
    session = channel.session
    name = method.exchange.translate(_STRIPPED)
    session.vhost.check_exchange_deletable(name)
    session.access.require(Verb.CONFIGURE, "exchange", name)
    session.vhost.delete_exchange(name, if_unused=method.if_unused)
    if not method.nowait:
        channel.answer("exchange.delete-ok")


def _not_default(name: str) -> None:
    if not name:
        raise AccessRefused("operation not permitted on the default exchange")


def queue_declare(channel: Channel, method: Any) -> None:
    name = method.queue.translate(_STRIPPED)
    if name == REPLY_TO or name.startswith(_REPLY_PREFIX):
        passive_reply_queue(channel, name)
        channel.send("queue.declare-ok", queue=name, message_count=0, consumer_count=1)
        return
    queue = channel.session.vhost.queue(name, channel.session) if method.passive else _declare(channel, method, name)
    channel.queue_name = queue.name
    queue.used()
    if not method.nowait:
        tell = channel.send if method.passive else channel.answer
        tell(
            "queue.declare-ok",
            queue=queue.name,
            message_count=queue.ready_count,
            consumer_count=len(queue.consumers),
        )


def _declare(channel: Channel, method: Any, name: str) -> Queue:
    session = channel.session
    reserved = not name
    name = name or session.node.unique_name("amq.gen-")
    access = session.access
    if not reserved:
        session.vhost.check_queue_name(name)
    access.require(Verb.CONFIGURE, "queue", name)
    arguments = method.arguments.raw_items()
    if reserved and queue_type(arguments) == "quorum":
        raise PreconditionFailed("Cannot declare a server-named queue for type rabbit_quorum_queue")
    dead_letter = text(arguments, "x-dead-letter-exchange")
    if dead_letter is not None and name not in session.vhost.queues:
        access.require(Verb.READ, "queue", name)
        access.require(Verb.WRITE, "exchange", dead_letter)
    queue = session.vhost.declare_queue(
        name,
        durable=method.durable,
        auto_delete=method.auto_delete,
        exclusive=method.exclusive,
        owner=session,
        arguments=arguments,
        reserved=reserved,
    )
    if queue.owner is session:
        session.exclusive[queue] = None
    return queue


def queue_delete(channel: Channel, method: Any) -> None:
    session = channel.session
    name = channel.queue_or_last(method.queue.translate(_STRIPPED))
    session.access.require(Verb.CONFIGURE, "queue", name)
    count = 0
    if name in session.vhost.queues:
        queue = session.vhost.queue(name, session)
        _refuse_conditions(queue, method)
        count = session.vhost.delete_queue(queue, if_unused=method.if_unused, if_empty=method.if_empty)
    if not method.nowait:
        channel.answer("queue.delete-ok", message_count=count)


def _refuse_conditions(queue: Queue, method: Any) -> None:
    """A quorum queue is deleted as it is, or not at all."""
    for flag, name in ((method.if_unused, "if-unused"), (method.if_empty, "if-empty")):
        if flag and queue_type(queue.arguments) == "quorum":
            raise AmqpError(
                "NOT_IMPLEMENTED",
                f"cannot delete queue '{queue.name}' in vhost '{queue.vhost.name}'. queue.delete operations with "
                f"{name} flag set are not supported by quorum queues",
                method.ids,
            )


def queue_purge(channel: Channel, method: Any) -> None:
    session = channel.session
    name = channel.queue_or_last(method.queue)
    session.access.require(Verb.READ, "queue", name)
    count = session.vhost.queue(name, session).purge()
    if not method.nowait:
        channel.send("queue.purge-ok", message_count=count)


# -- bindings ------------------------------------------------------------------------------------------------


def queue_bind(channel: Channel, method: Any) -> None:
    source, name, key = _queue_binding(channel, method)
    vhost = channel.session.vhost
    exchange = vhost.exchange(source)
    if name == REPLY_TO or name.startswith(_REPLY_PREFIX):
        raise AccessRefused(f"cannot bind to queue '{name}'")
    arguments = method.arguments.raw_items()
    if name in vhost.queues:
        exchange.check(vhost.queues[name], key, arguments)  # an error in this comes before whose the queue is
    vhost.bind(source, vhost.queue(name, channel.session), key, arguments)
    if not method.nowait:
        channel.answer("queue.bind-ok")


def queue_unbind(channel: Channel, method: Any) -> None:
    source, name, key = _queue_binding(channel, method)
    vhost, arguments = channel.session.vhost, method.arguments.raw_items()
    queue = vhost.queues.get(name)
    if queue is not None and vhost.binding(source, queue, key, arguments) is not None:
        vhost.unbind(source, vhost.queue(name, channel.session), key, arguments)
    channel.answer("queue.unbind-ok")


def _queue_binding(channel: Channel, method: Any) -> tuple[str, str, str]:
    """Exchange, queue and key that a bind or unbind means, once it is permitted."""
    source = method.exchange.translate(_STRIPPED)
    name = channel.queue_or_last(method.queue.translate(_STRIPPED))
    # Without a queue and a key, the last queue's name is both (specification, queue.bind, "routing-key").
    key = name if not method.queue and not method.routing_key else method.routing_key
    access = channel.session.access
    access.require(Verb.WRITE, "queue", name)
    _not_default(source)
    access.require(Verb.READ, "exchange", source)
    _require_topic(channel, source, key)
    return source, name, key


def exchange_bind(channel: Channel, method: Any) -> None:
    source, name = _exchange_binding(channel, method)
    vhost = channel.session.vhost
    vhost.exchange(source)
    vhost.bind(source, vhost.exchange(name), method.routing_key, method.arguments.raw_items())
    if not method.nowait:
        channel.answer("exchange.bind-ok")


def exchange_unbind(channel: Channel, method: Any) -> None:
    source, name = _exchange_binding(channel, method)
    destination = channel.session.vhost.exchanges.get(name)
    if destination is not None:
        channel.session.vhost.unbind(source, destination, method.routing_key, method.arguments.raw_items())
    if not method.nowait:
        channel.answer("exchange.unbind-ok")


def _exchange_binding(channel: Channel, method: Any) -> tuple[str, str]:
    """Source and destination that a bind or unbind means, once it is permitted."""
    source, name = (given.translate(_STRIPPED) for given in (method.source, method.destination))
    access = channel.session.access
    access.require(Verb.WRITE, "exchange", name)
    for end in (name, source):
        _not_default(end)
    access.require(Verb.READ, "exchange", source)
    _require_topic(channel, source, method.routing_key)
    return source, name


def _require_topic(channel: Channel, source: str, key: str) -> None:
    exchange: Exchange | None = channel.session.vhost.exchanges.get(source)
    if exchange is not None and exchange.kind == "topic":
        channel.session.access.require_topic(Verb.READ, source, key)


# -- the rest ------------------------------------------------------------------------------------------------


def channel_flow(channel: Channel, method: Any) -> None:
    if not method.active:
        raise AmqpError("NOT_IMPLEMENTED", "active=false", method.ids)
    channel.send("channel.flow-ok", active=True)


def access_request(channel: Channel, method: Any) -> None:
    channel.send("access.request-ok", ticket=1)


METHODS: dict[str, Callable[[Channel, Any], None]] = {
    "exchange.declare": exchange_declare,
    "exchange.delete": exchange_delete,
    "exchange.bind": exchange_bind,
    "exchange.unbind": exchange_unbind,
    "queue.declare": queue_declare,
    "queue.delete": queue_delete,
    "queue.purge": queue_purge,
    "queue.bind": queue_bind,
    "queue.unbind": queue_unbind,
    "channel.flow": channel_flow,
    "access.request": access_request,
}
