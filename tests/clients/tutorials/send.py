"""Puts one message into the queue "hello": the words given, or a greeting."""

import os
import sys

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.queue_declare(queue="hello")
message = " ".join(sys.argv[1:]) or "Hello World!"
# A message never goes to a queue directly; the exchange without a name passes it to the queue the key names.
channel.basic_publish(exchange="", routing_key="hello", body=message)
print(f"sent {message!r}")
connection.close()
