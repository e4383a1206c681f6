"""Prints the lines of "headers_logs" that have all, or any, of the headers given: all|any NAME=VALUE..."""

import os
import sys

import pika

arguments = {"x-match": sys.argv[1], **dict(argument.split("=", 1) for argument in sys.argv[2:])}
connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.exchange_declare(exchange="headers_logs", exchange_type="headers")
queue = channel.queue_declare(queue="", exclusive=True).method.queue
channel.queue_bind(exchange="headers_logs", queue=queue, arguments=arguments)


def on_line(channel, method, properties, body):
    print(f"log: {properties.headers}")


channel.basic_consume(queue=queue, on_message_callback=on_line, auto_ack=True)
print("waiting for logs, Ctrl+C ends")
try:
    channel.start_consuming()
except KeyboardInterrupt:
    channel.stop_consuming()
connection.close()
