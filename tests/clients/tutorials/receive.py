"""Prints what comes out of the queue "hello"; nothing is acknowledged, the broker forgets what it delivers."""

import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.queue_declare(queue="hello")


def on_message(channel, method, properties, body):
    print(f"received {body.decode()!r}")


channel.basic_consume(queue="hello", on_message_callback=on_message, auto_ack=True)
print("waiting for messages, Ctrl+C ends")
try:
    channel.start_consuming()
except KeyboardInterrupt:
    channel.stop_consuming()
connection.close()
