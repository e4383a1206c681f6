"""As receive.py, but each message is acknowledged after it was printed, and consuming starts over when it ends."""

import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.queue_declare("hello")


def on_message(channel, method, properties, body):
    print(f"received {body.decode()!r}")
    channel.basic_ack(delivery_tag=method.delivery_tag)


print("waiting for messages, Ctrl+C ends")
try:
    while True:
        channel.basic_consume("hello", on_message, auto_ack=False)
        channel.start_consuming()
except KeyboardInterrupt:
    channel.stop_consuming()
connection.close()
