"""Menura: a message broker in one Python process, for the clients you already have.

with menura.Broker() as broker:
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
"""

from menura.broker import Broker
from menura.config import Config
from menura.version import __version__

__all__ = ["Broker", "Config", "__version__"]
