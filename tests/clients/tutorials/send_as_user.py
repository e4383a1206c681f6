"""As send.py, with host, port, vhost, user and password each given by itself: HOST PORT VHOST USER PASSWORD."""

import sys

import pika

host, port, vhost, user, password = sys.argv[1:]
credentials = pika.PlainCredentials(user, password)
parameters = pika.ConnectionParameters(host, int(port), vhost, credentials)
try:
    connection = pika.BlockingConnection(parameters)
except pika.exceptions.ProbableAuthenticationError as problem:
    sys.exit(f"refused: {problem}")
channel = connection.channel()
channel.queue_declare(queue="hello")
channel.basic_publish(exchange="", routing_key="hello", body=f"greetings from {user}")
print(f"sent as {user}")
connection.close()
