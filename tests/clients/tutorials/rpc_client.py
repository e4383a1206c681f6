"""Asks the server of rpc_server.py for Fibonacci numbers, as if it called a function: N..."""

import os
import sys
import uuid

import pika


class FibonacciClient:
    def __init__(self):
        self.connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
        self.channel = self.connection.channel()
        self.replies = self.channel.queue_declare(queue="", exclusive=True).method.queue
        self.channel.basic_consume(queue=self.replies, on_message_callback=self.on_reply, auto_ack=True)
        self.reply = None
        self.correlation_id = None

    def on_reply(self, channel, method, properties, body):
        # A reply to an earlier request may still come in; its id tells them apart.
        if properties.correlation_id == self.correlation_id:
            self.reply = body

    def call(self, n):
        self.reply = None
        self.correlation_id = str(uuid.uuid4())
        self.channel.basic_publish(
            exchange="",
            routing_key="rpc_queue",
            properties=pika.BasicProperties(reply_to=self.replies, correlation_id=self.correlation_id),
            body=str(n),
        )
        while self.reply is None:
            self.connection.process_data_events(time_limit=None)
        return int(self.reply)


client = FibonacciClient()
for number in sys.argv[1:] or ["30"]:
    print(f"fib({number}) is {client.call(int(number))}")
client.connection.close()
