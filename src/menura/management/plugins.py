"""What RabbitMQ has plugins for and this broker has anyway, under the names of those plugins.

Tools look whether a plugin is enabled before they use what it brings.
"""

from __future__ import annotations

PLUGINS = {
    "rabbitmq_consistent_hash_exchange": "the exchange type x-consistent-hash",
    "rabbitmq_delayed_message_exchange": "the exchange type x-delayed-message",
    "rabbitmq_event_exchange": "events as messages of amq.rabbitmq.event",
    "rabbitmq_management": "the HTTP API and web pages",
    "rabbitmq_management_agent": "what the HTTP API knows of nodes",
    "rabbitmq_mqtt": "MQTT",
    "rabbitmq_prometheus": "metrics",
    "rabbitmq_random_exchange": "the exchange type x-random",
    "rabbitmq_recent_history_exchange": "the exchange type x-recent-history",
    "rabbitmq_sharding": "the exchange type x-modulus-hash",
    "rabbitmq_shovel": "shovels",
    "rabbitmq_shovel_management": "shovels in the HTTP API and web pages",
    "rabbitmq_stomp": "STOMP",
    "rabbitmq_web_mqtt": "MQTT in WebSockets",
    "rabbitmq_web_stomp": "STOMP in WebSockets",
}
