"""Consumes the durable queue "hello", one unacknowledged message at a time, so several of these share the work."""

import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.queue_declare(queue="hello", durable=True)


def on_message(channel, method, properties, body):
    print(f"received {body.decode()!r}, delivery mode {properties.delivery_mode}")
    channel.basic_ack(delivery_tag=method.delivery_tag)


channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue="hello", on_message_callback=on_message, auto_ack=False)
print("waiting for messages, Ctrl+C ends")
try:
    channel.start_consuming()
except KeyboardInterrupt:
    channel.stop_consuming()
connection.close()
