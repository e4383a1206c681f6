"""Menura: a message broker in one Python process, for the clients you already have.

with menura.Broker() as broker:
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
"""

__version__ = "0.1.0"

from menura.broker import Broker
from menura.config import Config

__all__ = ["Broker", "Config", "__version__"]
