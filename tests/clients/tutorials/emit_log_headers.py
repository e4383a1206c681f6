"""Publishes a line with headers to the headers exchange "headers_logs": NAME=VALUE... (no key is looked at)."""

import os
import sys

import pika

headers = dict(argument.split("=", 1) for argument in sys.argv[1:])
connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.exchange_declare(exchange="headers_logs", exchange_type="headers")
properties = pika.BasicProperties(headers=headers)
channel.basic_publish(exchange="headers_logs", routing_key="", body=str(headers), properties=properties)
print(f"sent {headers}")
connection.close()
