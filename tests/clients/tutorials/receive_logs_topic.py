"""Prints the messages of "topic_logs" whose key fits one of the patterns given: * is a word, # any number of words."""

import os
import sys

import pika

patterns = sys.argv[1:]
if not patterns:
    sys.exit("usage: receive_logs_topic.py PATTERN...")
connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.exchange_declare(exchange="topic_logs", exchange_type="topic")
queue = channel.queue_declare(queue="", exclusive=True).method.queue
for pattern in patterns:
    channel.queue_bind(exchange="topic_logs", queue=queue, routing_key=pattern)


def on_line(channel, method, properties, body):
    print(f"{method.routing_key}: {body.decode()!r}")
    channel.basic_ack(delivery_tag=method.delivery_tag)


channel.basic_consume(queue=queue, on_message_callback=on_line, auto_ack=False)
print("waiting for logs, Ctrl+C ends")
try:
    channel.start_consuming()
except KeyboardInterrupt:
    channel.stop_consuming()
connection.close()
