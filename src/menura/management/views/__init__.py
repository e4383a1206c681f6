"""How each thing looks in JSON: names and types are those of RabbitMQ's management plugin."""
