"""Publishes to the topic exchange "topic_logs": KEY WORDS..., or one message under each key after "--keys"."""

import os
import sys

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.exchange_declare(exchange="topic_logs", exchange_type="topic")
if sys.argv[1:2] == ["--keys"]:
    lines = [(key, f"about {key}") for key in sys.argv[2:]]
else:
    lines = [(sys.argv[1] if len(sys.argv) > 1 else "anonymous.info", " ".join(sys.argv[2:]) or "Hello World!")]
for key, message in lines:
    channel.basic_publish(exchange="topic_logs", routing_key=key, body=message)
    print(f"sent {key}: {message!r}")
connection.close()
