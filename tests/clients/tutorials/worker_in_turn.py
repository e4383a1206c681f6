"""As worker.py without a prefetch limit: tasks go to the workers in turn, however busy each one is."""

import os
import time

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.queue_declare(queue="task_queue", durable=True)


def on_task(channel, method, properties, body):
    print(f"received {body.decode()!r}")
    time.sleep(body.count(b"."))
    print("done")
    channel.basic_ack(delivery_tag=method.delivery_tag)


channel.basic_consume(queue="task_queue", on_message_callback=on_task)
print("waiting for tasks, Ctrl+C ends")
try:
    channel.start_consuming()
except KeyboardInterrupt:
    channel.stop_consuming()
connection.close()
