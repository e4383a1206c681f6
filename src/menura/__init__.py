"""Menura: a message broker in one Python process, for the clients you already have.

with menura.Broker() as broker:
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from menura.version import __version__

if TYPE_CHECKING:
    from menura.broker import Broker
    from menura.config import Config

__all__ = ["Broker", "Config", "__version__"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: a command such as `menura ctl` needs no broker, and is to be there at once.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from menura import broker, config

    globals().update(Broker=broker.Broker, Config=config.Config)
    return globals()[name]
