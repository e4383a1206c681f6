"""Publishes a line under its severity to the direct exchange "direct_logs": SEVERITY WORDS..."""

import os
import sys

import pika

severity = sys.argv[1] if len(sys.argv) > 1 else "info"
message = " ".join(sys.argv[2:]) or "Hello World!"
connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.exchange_declare(exchange="direct_logs", exchange_type="direct")
channel.basic_publish(exchange="direct_logs", routing_key=severity, body=message)
print(f"sent {severity}: {message!r}")
connection.close()
