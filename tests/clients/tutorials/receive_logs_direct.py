"""Prints the lines of the severities given, one binding of its queue for each."""

import os
import sys

import pika

severities = sys.argv[1:]
if not severities:
    sys.exit("usage: receive_logs_direct.py [info] [warning] [error]")
connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.exchange_declare(exchange="direct_logs", exchange_type="direct")
queue = channel.queue_declare(queue="", exclusive=True).method.queue
for severity in severities:
    channel.queue_bind(exchange="direct_logs", queue=queue, routing_key=severity)


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
