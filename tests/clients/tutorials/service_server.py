"""A service with oslo.messaging, whose endpoint can be called, cast to and fanned out to: NAME of the server."""

import os
import signal
import sys
import threading

import oslo_messaging
from oslo_config import cfg
from oslo_messaging.rpc.dispatcher import DefaultRPCAccessPolicy

server_name = sys.argv[1]


def say(line):
    # In one write, since the endpoint's methods run on several threads.
    sys.stdout.write(f"{line}\n")


class Endpoint:
    target = oslo_messaging.Target(version="1.0")

    def greet(self, context, who):
        say(f"{server_name} greets {who}")
        return f"hello {who}, this is {server_name}"

    def note(self, context, text):
        say(f"{server_name} notes {text!r}")


cfg.CONF([])
url = os.environ["AMQP_URL"].replace("amqp://", "rabbit://", 1)
transport = oslo_messaging.get_rpc_transport(cfg.CONF, url=url)
target = oslo_messaging.Target(topic="tutorial", server=server_name)
server = oslo_messaging.get_rpc_server(
    transport, target, [Endpoint()], executor="threading", access_policy=DefaultRPCAccessPolicy
)
stop = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stop.set())
server.start()
print("serving, Ctrl+C ends")
stop.wait()
server.stop()
server.wait()
transport.cleanup()
