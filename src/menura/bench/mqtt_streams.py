"""MQTT, one publisher and one subscriber: QoS 0, and QoS 1 with a session that outlives its connections.

A delivery of QoS 0 has the octets of the PUBLISH that caused it, so what must arrive is known as a whole. With QoS 1
the broker chooses the identifiers: deliveries, all of one length, are cut into what stands before the identifier, the
identifier and the body; the bodies must be those that were sent, in order, and the identifiers go back as PUBACKs. The
publisher has up to CONFIRM_WINDOW messages unacknowledged. Its own identifiers repeat after many times as many, so none
is in use twice.
"""

from contextlib import ExitStack

from menura.bench import mqtt_wire as wire
from menura.bench.errors import BenchError, BrokerClosedError
from menura.bench.expected import READ_BYTES, Stream
from menura.bench.flow import LITTLE_BYTES, Publisher
from menura.bench.mqtt_connection import MqttConnection, address_of, forget, unique_name
from menura.bench.result import Result, Settings
from menura.bench.streams import CONFIRM_WINDOW, measure_stream

MESSAGES = 256
IDENTIFIERS = 8 * CONFIRM_WINDOW


class Subscriber:
    """Receives QoS 0; a subscription is made already."""

    def __init__(self, connection: MqttConnection, stream: Stream) -> None:
        self._sock = connection.sock
        self._sock.setblocking(False)
        self._stream = stream
        self.octets = 0
        self.has_unsent = self.little = False

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def received(self) -> int:
        return self._stream.cycle.whole(self.octets)

    def on_readable(self) -> int:
        """Read once; the number of octets."""
        data = self._sock.recv(READ_BYTES)
        if not data:
            raise BrokerClosedError("the broker closed a subscriber's connection")
        self._stream.check(data, self.octets)
        self.octets += len(data)
        self.little = len(data) < LITTLE_BYTES
        return len(data)

    def on_writable(self) -> None:
        """QoS 0 needs no answer."""


class AcknowledgingSubscriber:
    """Receives QoS 1 and acknowledges what it has compared; a subscription is made already."""

    def __init__(self, connection: MqttConnection, topic: str, bodies: list[bytes]) -> None:
        self._sock = connection.sock
        self._sock.setblocking(False)
        self._layout = wire.delivery_layout(topic, len(bodies[0]))
        head = wire.publish(topic, bodies[0], 1)[: wire.id_offset(topic, len(bodies[0]))]
        self._head = {head}
        self._bodies = Stream(bodies)
        self._body_bytes = len(bodies[0])
        self._rest = b""
        self._unsent = b""
        self.received = 0
        self.little = False

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def on_readable(self) -> None:
        got = self._sock.recv(READ_BYTES)
        if not got:
            raise BrokerClosedError("the broker closed the subscriber's connection")
        data = self._rest + got
        count = len(data) // self._layout.size
        whole = count * self._layout.size
        self._rest = data[whole:]
        if not count:
            return
        heads, ids, bodies = zip(*self._layout.iter_unpack(data[:whole]), strict=True)
        if {*heads} != self._head:
            raise BenchError("a delivery is not what was sent, or comes for the second time")
        self._bodies.check(b"".join(bodies), self.received * self._body_bytes)
        self.received += count
        self._unsent += wire.pubacks(ids)
        self.little = len(got) < LITTLE_BYTES
        self.on_writable()

    def on_writable(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            pass


def qos0(settings: Settings) -> Result:
    address, topic = address_of(settings.url), unique_name()
    packets = [wire.publish(topic, body) for body in wire.numbered(settings.body_bytes, MESSAGES)]
    with ExitStack() as stack:
        receiving = stack.enter_context(MqttConnection(address))
        receiving.subscribe(topic, 0)
        subscriber = Subscriber(receiving, Stream(packets))
        publisher = Publisher(stack.enter_context(MqttConnection(address)), packets)
        return measure_stream(settings, publisher, [subscriber])


def qos1_persistent(settings: Settings) -> Result:
    address, topic = address_of(settings.url), unique_name()
    bodies = wire.numbered(settings.body_bytes, IDENTIFIERS)
    packets = [wire.publish(topic, body, 1, id) for id, body in enumerate(bodies, 1)]
    try:
        with ExitStack() as stack:
            receiving = stack.enter_context(MqttConnection(address, topic, clean=False))
            receiving.subscribe(topic, 1)
            subscriber = AcknowledgingSubscriber(receiving, topic, bodies)
            connection = stack.enter_context(MqttConnection(address))
            publisher = Publisher(connection, packets, confirm_window=CONFIRM_WINDOW)
            return measure_stream(settings, publisher, [subscriber])
    finally:
        forget(address, topic)
