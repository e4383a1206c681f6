"""What connections and sessions tell of themselves to whoever wants to see them (`core.descriptions`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from menura.core import descriptions
from menura.core.descriptions import ChannelState, Description, SessionState, SubscriptionState

if TYPE_CHECKING:
    from menura.core.tallies import Tallies, Totals
    from menura.protocols.mqtt.client import Client
    from menura.protocols.mqtt.session import Session
    from menura.protocols.mqtt.subscription import Subscription

_FOR_EVER = 0xFFFFFFFF


class Report:
    """Of one connection."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def describe(self) -> Description:
        session = self._session
        unread = session.output.backed_up(session.limits.output_bytes_max) or session.peer.socket().flooded
        return Description(
            state=session.throttle.state(unread),
            waits_for=session.throttle.waits_for(unread),
            auth_mechanism=session.mechanism,
            heartbeat_seconds=session.keep_alive_seconds,
            client_properties={"client_id": session.client_id, "product": "MQTT client"},
            client_id=session.client_id,
            subscription_count=len(session.client.subscriptions),
        )

    def channels(self) -> list[ChannelState]:
        return []

    def subscribed(self) -> Iterator[SubscriptionState]:
        return subscriptions_of(self._session.client)

    def tallies(self) -> list[Tallies]:
        return [self._session.tallies]

    def totals(self) -> Totals:
        return self._session.tallies.totals()


def session_of(client: Client) -> SessionState:
    """What is kept of a client."""
    session, expiry_seconds = client.session, client.expiry_seconds
    away_since_ms = 0 if session is not None else client.away_since_ms
    ending = session is None and expiry_seconds != _FOR_EVER
    return SessionState(
        client_id=client.id,
        vhost=client.vhost.name,
        protocol="MQTT",
        connected=session.here if session is not None else None,
        clean=not client.persistent,
        expiry_seconds=descriptions.NEVER if expiry_seconds == _FOR_EVER else expiry_seconds,
        away_since_ms=away_since_ms,
        expires_at_ms=away_since_ms + expiry_seconds * 1000 if ending else 0,
        inflight=len(client.ids.inflight) + len(client.ids.released),
        queues=[queue for queue in (client.queue, client.loose) if queue is not None],
        subscription_count=len(client.subscriptions),
        subscriptions=lambda: subscriptions_of(client),
    )


def subscriptions_of(client: Client) -> Iterator[SubscriptionState]:
    for subscription in list(client.subscriptions.values()):
        yield _subscription(client, subscription)


def _subscription(client: Client, subscription: Subscription) -> SubscriptionState:
    share = subscription.share
    if share is not None:
        queue = client.shared_queue_name(subscription)
    else:
        queue = client.queue_name if subscription.qos else client.loose_name
    return SubscriptionState(
        source=share.filter if share is not None else subscription.filter,
        queue=queue,
        quality=subscription.qos,
        share=share.name if share is not None else "",
        no_local=subscription.no_local,
        retain_as_published=subscription.retain_as_published,
        retain_handling=subscription.retain_handling,
        identifier=subscription.id,
        consumer=subscription.consumer,
    )
