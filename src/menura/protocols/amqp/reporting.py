"""What a connection tells of itself to whoever wants to see it (`core.descriptions`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from menura.core.descriptions import FLOW, RUNNING, ChannelState, Description, SubscriptionState
from menura.core.tallies import Totals

if TYPE_CHECKING:
    from menura.core.tallies import Tallies
    from menura.protocols.amqp.channel import Channel
    from menura.protocols.amqp.session import Session


class Report:
    """Of one connection. `mechanism` is how its user has logged in."""

    __slots__ = ("_mechanism", "_session")

    def __init__(self, session: Session, mechanism: str) -> None:
        self._session = session
        self._mechanism = mechanism

    def describe(self) -> Description:
        session = self._session
        unread = session.stalled or session.peer.socket().flooded
        return Description(
            state=session.throttle.state(unread),
            waits_for=session.throttle.waits_for(unread),
            auth_mechanism=self._mechanism,
            heartbeat_seconds=session.heartbeat_seconds,
            frame_bytes_max=session.frame_bytes_max,
            channels_max=session.channels_max,
            client_properties=session.client_properties,
            subscription_count=sum(len(channel.consumers) for channel in session.channels.values()),
        )

    def channels(self) -> list[ChannelState]:
        return [_state(channel) for channel in self._session.channels.values()]

    def subscribed(self) -> Iterator[SubscriptionState]:
        return iter(())

    def tallies(self) -> list[Tallies]:
        return [channel.tallies for channel in self._session.channels.values()]

    def totals(self) -> Totals:
        totals = Totals()
        totals.add(self._session.closed_channels)
        for tallies in self.tallies():
            if tallies.is_open:
                tallies.add_to(totals)
        return totals


def _state(channel: Channel) -> ChannelState:
    transaction, throttle = channel.transaction, channel.session.throttle
    return ChannelState(
        number=channel.number,
        prefetch=channel.prefetch,
        global_prefetch=channel.limit.count,
        unacknowledged=channel.ledger.outstanding,
        unconfirmed=channel.unconfirmed,
        uncommitted=sum(len(run) for _, run in transaction.published) if transaction is not None else 0,
        acks_uncommitted=sum(len(span.run) for span in transaction.accepted) if transaction is not None else 0,
        consumers=len(channel.consumers),
        confirms=channel.confirms,
        transactional=transaction is not None,
        state=FLOW if throttle.blocked or throttle.slowed else RUNNING,
        tallies=channel.tallies,
        idle_since_ms=channel.idle_since_ms,
        consumer_list=lambda: list(channel.consumers.values()),
    )
