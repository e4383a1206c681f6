"""Publishes two messages with a pause between, on a connection with a heartbeat of one second.

With the argument "politely" it pauses in the connection, which answers heartbeats meanwhile; with "rudely" it just
sleeps, so the broker takes it for dead and closes the connection.
"""

import os
import sys
import time

import pika

parameters = pika.URLParameters(os.environ["AMQP_URL"])
parameters.heartbeat = 1
connection = pika.BlockingConnection(parameters)
channel = connection.channel()
channel.queue_declare(queue="hello")
channel.basic_publish(exchange="", routing_key="hello", body="before the pause")
print("sent one")
pause = connection.sleep if sys.argv[1] == "politely" else time.sleep
pause(5)
try:
    channel.basic_publish(exchange="", routing_key="hello", body="after the pause")
    connection.close()
except pika.exceptions.AMQPError as problem:
    sys.exit(f"lost: {type(problem).__name__}")
print("sent another")
