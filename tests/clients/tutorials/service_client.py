"""Uses the service of service_server.py: a call that waits for its answer, a cast that does not, a cast to all."""

import os

import oslo_messaging
from oslo_config import cfg

cfg.CONF([])
url = os.environ["AMQP_URL"].replace("amqp://", "rabbit://", 1)
transport = oslo_messaging.get_rpc_transport(cfg.CONF, url=url)
client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic="tutorial", version="1.0"))
print(client.prepare(server="one").call({}, "greet", who="you"))
client.prepare(server="two").cast({}, "note", text="for two only")
client.prepare(fanout=True).cast({}, "note", text="for everybody")
print("done")
transport.cleanup()
