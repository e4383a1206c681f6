"""Gives the workers tasks: persistent messages in the durable queue "task_queue". Each dot is a second of work."""

import os
import sys

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.queue_declare(queue="task_queue", durable=True)
for task in sys.argv[1:] or ["Hello World!"]:
    channel.basic_publish(
        exchange="",
        routing_key="task_queue",
        body=task,
        properties=pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent),
    )
    print(f"sent {task!r}")
connection.close()
