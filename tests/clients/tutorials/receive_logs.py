"""Prints every line published to the fanout exchange "logs", from a queue that lives as long as this program.

With the argument "ack" each line is acknowledged; without, the broker forgets what it delivers.
"""

import os
import sys

import pika

acknowledge = sys.argv[1:] == ["ack"]
connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.exchange_declare(exchange="logs", exchange_type="fanout")
# Without a name the broker makes one up; exclusive means that the queue goes when this connection does.
queue = channel.queue_declare(queue="", exclusive=True).method.queue
channel.queue_bind(exchange="logs", queue=queue)


def on_line(channel, method, properties, body):
    print(f"log: {body.decode()!r}")
    if acknowledge:
        channel.basic_ack(delivery_tag=method.delivery_tag)


channel.basic_consume(queue=queue, on_message_callback=on_line, auto_ack=not acknowledge)
print("waiting for logs, Ctrl+C ends")
try:
    channel.start_consuming()
except KeyboardInterrupt:
    channel.stop_consuming()
connection.close()
