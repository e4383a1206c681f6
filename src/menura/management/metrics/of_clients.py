"""Groups about connections and channels.

RabbitMQ marks both by a process of its own under the label `channel`; here that is the name of the connection, and that
name with the channel's number.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from menura.management.metrics.exposition import labels
from menura.management.metrics.groups import Group, Scope, counter, gauge, handed_out

if TYPE_CHECKING:
    from menura.core.descriptions import ChannelState
    from menura.core.exchange import Exchange
    from menura.core.presence import Connected
    from menura.core.queue import Queue
    from menura.core.tallies import Sending, Taking


def _connections(scope: Scope) -> Iterator[Connected]:
    for connected in list(scope.node.presence.connections):
        if scope.names is None or connected.vhost in scope.names:
            yield connected


def _connection_labels(connected: Connected) -> str:
    return labels(channel=connected.address)


OCTETS = Group(
    (
        counter("connection_incoming_bytes_total", "Octets read from a connection", attrgetter("received_bytes")),
        counter("connection_outgoing_bytes_total", "Octets written to a connection", attrgetter("sent_bytes")),
    ),
    _connections,
    _connection_labels,
    view=lambda connected: connected.socket(),
)
PACKETS = Group(
    (
        counter("connection_incoming_packets_total", "Reads from a connection", lambda each: each[0].reads),
        counter("connection_outgoing_packets_total", "Writes to a connection", lambda each: each[0].writes),
        gauge(
            "connection_pending_packets",
            "Octets that wait for a connection to take them",
            lambda each: each[0].pending_bytes,
        ),
        gauge("connection_channels", "Channels of a connection", lambda each: each[1]),
    ),
    _connections,
    _connection_labels,
    view=lambda connected: (connected.socket(), connected.channel_count),
)


class _Channel(NamedTuple):
    name: str
    vhost: str
    state: ChannelState


def _channels(scope: Scope) -> Iterator[_Channel | None]:
    for connected in _connections(scope):
        yield None
        for state in connected.channels():
            yield _Channel(f"{connected.address} ({state.number})", connected.vhost, state)


def _channel_labels(channel: _Channel) -> str:
    return labels(channel=channel.name)


CHANNELS = Group(
    (
        gauge("channel_consumers", "Consumers of a channel", attrgetter("consumers")),
        gauge(
            "channel_messages_unacked",
            "Messages that a channel has and has not acknowledged",
            attrgetter("unacknowledged"),
        ),
        gauge("channel_messages_unconfirmed", "Messages that wait for their confirm", attrgetter("unconfirmed")),
        gauge("channel_messages_uncommitted", "Messages that wait for their transaction", attrgetter("uncommitted")),
        gauge(
            "channel_acks_uncommitted",
            "Acknowledgements that wait for their transaction",
            attrgetter("acks_uncommitted"),
        ),
        gauge(
            "consumer_prefetch",
            "How many unacknowledged messages each consumer may have",
            attrgetter("prefetch"),
        ),
        gauge(
            "channel_prefetch",
            "How many unacknowledged messages all consumers of a channel may have",
            attrgetter("global_prefetch"),
        ),
    ),
    _channels,
    _channel_labels,
    view=lambda channel: channel.state,
)


def _confirmed(channel: _Channel) -> int:
    confirms = channel.state.tallies.confirms
    return confirms()[1] if confirms is not None else 0


CONFIRMED = Group(
    (counter("channel_messages_confirmed_total", "Messages that were confirmed on a channel", _confirmed),),
    _channels,
    _channel_labels,
)


class _Sent(NamedTuple):
    channel: _Channel
    exchange: Exchange
    sending: Sending


def _sent(scope: Scope) -> Iterator[_Sent | None]:
    for channel in _channels(scope):
        if channel is None:
            yield None
            continue
        for exchange, sending in channel.state.tallies.sendings.items():
            yield _Sent(channel, exchange, sending)


SENT = Group(
    (
        counter("channel_messages_published_total", "Messages published on a channel", attrgetter("publish")),
        counter(
            "channel_messages_unroutable_returned_total",
            "Those that were returned for want of a route",
            attrgetter("returned"),
        ),
        counter(
            "channel_messages_unroutable_dropped_total",
            "Those that were dropped for want of a route",
            attrgetter("dropped"),
        ),
    ),
    _sent,
    lambda sent: labels(channel=sent.channel.name, vhost=sent.channel.vhost, exchange=sent.exchange.name),
    view=attrgetter("sending"),
)


class _Taken(NamedTuple):
    channel: _Channel
    queue: Queue
    taking: Taking


def _taken(scope: Scope) -> Iterator[_Taken | None]:
    for channel in _channels(scope):
        if channel is None:
            yield None
            continue
        for queue, taking in channel.state.tallies.takings.items():
            yield _Taken(channel, queue, taking)


TAKEN = Group(
    handed_out("channel"),
    _taken,
    lambda taken: labels(channel=taken.channel.name, vhost=taken.queue.vhost.name, queue=taken.queue.name),
    view=attrgetter("taking"),
)
