"""Answers requests of "rpc_queue" with the Fibonacci number asked for, to the queue the request names."""

import os

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.queue_declare(queue="rpc_queue")


def fibonacci(n):
    before, current = 0, 1
    for _ in range(n):
        before, current = current, before + current
    return before


def on_request(channel, method, request, body):
    print(f"fib({int(body)})")
    channel.basic_publish(
        exchange="",
        routing_key=request.reply_to,
        properties=pika.BasicProperties(correlation_id=request.correlation_id),
        body=str(fibonacci(int(body))),
    )
    channel.basic_ack(delivery_tag=method.delivery_tag)


channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue="rpc_queue", on_message_callback=on_request)
print("waiting for requests, Ctrl+C ends")
try:
    channel.start_consuming()
except KeyboardInterrupt:
    channel.stop_consuming()
connection.close()
