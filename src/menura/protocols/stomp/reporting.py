"""What a connection tells of itself to whoever wants to see it (`core.descriptions`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from menura.core.descriptions import ChannelState, Description, SubscriptionState

if TYPE_CHECKING:
    from menura.core.tallies import Tallies, Totals
    from menura.protocols.stomp.session import Session
    from menura.protocols.stomp.subscriptions import Subscription


class Report:
    """Of one connection. `mechanism` is how its user has logged in."""

    __slots__ = ("_mechanism", "_session")

    def __init__(self, session: Session, mechanism: str) -> None:
        self._session = session
        self._mechanism = mechanism

    def describe(self) -> Description:
        session = self._session
        unread = (
            session.stalled
            or session.output.backed_up(session.limits.output_bytes_max)
            or session.peer.socket().flooded
        )
        return Description(
            state=session.throttle.state(unread),
            waits_for=session.throttle.waits_for(unread),
            auth_mechanism=self._mechanism,
            heartbeat_seconds=session.receive_seconds,
            client_properties={"product": "STOMP client"},
            subscription_count=len(session.subscriptions),
        )

    def channels(self) -> list[ChannelState]:
        return []

    def subscribed(self) -> Iterator[SubscriptionState]:
        for subscription in list(self._session.subscriptions):
            yield _subscription(subscription)

    def tallies(self) -> list[Tallies]:
        return [self._session.tallies]

    def totals(self) -> Totals:
        return self._session.tallies.totals()


def _subscription(subscription: Subscription) -> SubscriptionState:
    consumer, deliveries = subscription.consumer, subscription.deliveries
    if not consumer.settles:
        mode = "auto"
    else:
        mode = "client" if deliveries.cumulative else "client-individual"
    return SubscriptionState(
        source=subscription.destination,
        queue=consumer.queue.name,
        id=subscription.id or "",
        ack_mode=mode,
        prefetch=consumer.prefetch,
        unacknowledged=deliveries.ledger.outstanding,
        consumer=consumer,
    )
