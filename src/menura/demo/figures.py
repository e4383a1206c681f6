"""What has happened in the shop so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Figures:
    orders: int = 0
    accepted: int = 0
    declined: int = 0
    failed: int = 0
    """Payments that could not be processed: dead letters."""
    parcels: int = 0
    mails: int = 0
    mails_waiting: int = 0
    mailer_hurries: bool = False
    readings: int = 0
    """Sent by shelves over MQTT."""
    readings_seen: int = 0
    """Of these, read from an AMQP queue."""
    low_stock: int = 0
    shown_shipped: int = 0
    """Shipped parcels that the MQTT screen shows."""
    watched: int = 0
    """Payments that the STOMP dashboard has seen."""
