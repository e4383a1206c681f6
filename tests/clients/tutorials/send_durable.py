"""As send.py, with a queue that survives a restart of the broker and a message that is kept on disk."""

import os
import sys

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.queue_declare(queue="hello", durable=True)
message = " ".join(sys.argv[1:]) or "Hello World!"
persistent = pika.BasicProperties(delivery_mode=2)
channel.basic_publish(exchange="", routing_key="hello", body=message, properties=persistent)
print(f"sent {message!r}")
connection.close()
