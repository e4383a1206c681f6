"""One connection: what it takes in, what goes out, and how it ends.

The transport feeds `receive` with whatever a socket read brought and takes what `flush` returns. Errors are raised by
whoever finds them and handled in one place, here: each ends the connection, since a packet that can be answered for
itself is answered by its own function.

Two kinds of output wait for the disk. An answer to CONNECT, SUBSCRIBE or UNSUBSCRIBE holds back all that is said behind
it (`promise`), and so does a message of QoS 2: were it lost, its packet identifier would come again with another one.
Answers of QoS 1 and 2 wait in a row of their own (`acks`), so that deliveries go on meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.access import Access
from menura.core.output import Output
from menura.core.peers import Surroundings
from menura.core.presence import Connected
from menura.core.tallies import Tallies
from menura.core.throttle import Throttle
from menura.protocols.mqtt import spec, wills, wire
from menura.protocols.mqtt.client import Client, clients_of, leave_later
from menura.protocols.mqtt.errors import REASONS, MqttError, code_of
from menura.protocols.mqtt.limits import SHORT_BYTES, MqttLimits
from menura.protocols.mqtt.receiving import receive_packets

if TYPE_CHECKING:
    from menura.core.vhost import VHost
    from menura.protocols.mqtt.delivery import Framing, Shape
    from menura.protocols.mqtt.publishing import Target
    from menura.protocols.mqtt.wire import Will

LOGIN_DELAY_SECONDS = 1.0
# How long a peer that is told why has to close its end. Closed with something unread, a socket may lose those words.
GOODBYE_SECONDS = 1.0
# A half-arrived packet of more than this weighs on the memory account.
_LONG_BYTES = 65536


class Session:
    """A client's connection; implements the transport's port (`net.port.Session`)."""

    def __init__(
        self,
        around: Surroundings,
        limits: MqttLimits | None = None,
    ) -> None:
        node, peer, now = around.node, around.peer, around.now
        self.node = node
        self.peer = peer
        self._log = around.log
        self.wake = around.wake
        self.limits = limits or MqttLimits()
        self.name = peer.address
        self.version = 0  # until CONNECT
        self.user = self.mechanism = ""
        self.here: Connected | None = None
        self.tallies: Tallies = None  # type: ignore[assignment]  # set with the virtual host
        self.client_id = ""
        self.vhost: VHost = None  # type: ignore[assignment]  # set before any other packet is accepted
        self.access: Access = None  # type: ignore[assignment]
        self.client: Client = None  # type: ignore[assignment]
        self.connected = False
        self.will: Will | None = None

        # Input: what is left of earlier reads, and how many octets are needed before it is worth looking again.
        self.unread = bytearray()
        self.held_bytes = 0
        self.needed_bytes = 2
        self.position = 0
        self.packet_bytes_max = self.limits.connect_bytes_max
        self.short_bytes_max = min(SHORT_BYTES, self.packet_bytes_max)
        self.targets: dict[bytes, Target] = {}
        self.learned: dict[bytes, tuple[Target, bytes]] = {}  # of PUBLISH (see receiving)
        self.marking = False  # whether messages say whose they are, for no-local subscriptions
        self.aliased: dict[int, bytes] = {}  # topics by the aliases the client gave them
        self.retained_bytes = 0  # retained messages it has asked for since it last had all of them

        # Output.
        self.output = output = Output(node.keeper, around.wake)
        self.send = output.send
        self.promise = output.promise
        self.promise_later = output.promise_later
        self.acknowledge = output.vouch
        self.throttle = Throttle(node, output, self.log)
        self.congested = False
        self.peer_packet_bytes_max = 0xFFFFFFFF
        self.aliases_max = 0
        self.aliases: dict[str, int] = {}  # by routing key, for the client
        self.announced: set[str] = set()
        self.shapes: dict[tuple[str, bytes, bool], tuple[object, Shape | None]] = {}
        self.framings: dict[str, tuple[object, Framing]] = {}  # by routing key, of messages of QoS 0

        self.closing = False
        self.shunned = False  # a peer that is about to be cut off
        self.leaving = False  # it has been told that this is the end, and is not listened to any more
        self.now = now
        self.deadline: float | None = now + self.limits.handshake_seconds_max
        self.keep_alive_seconds = 0
        self.last_received = now

    def log(self, level: str, line: str, event: str = "connection.notice") -> None:
        """Levels: info, warning, error, and defect, from inside the handling of an exception of ours."""
        self._log(level, f"{self.name}: {line}", event)

    # -- input -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what a socket read brought."""
        self.last_received = self.now
        if self.closing or self.shunned or self.leaving:
            return
        try:
            if self.unread:
                self.unread += data
                if len(self.unread) < self.needed_bytes:
                    self._weigh()
                    return
                data = bytes(self.unread)
                self.unread.clear()
            try:
                used = receive_packets(self, data)
            except MqttError as error:
                self.fail(error)
                used = len(data)
            except REASONS as reason:
                self.fail(MqttError(code_of(reason), str(reason)))
                used = len(data)
            if used < len(data):
                self.unread += data[used:]
            if self.unread or self.held_bytes:
                self._weigh()
            vhost = self.vhost
            if vhost is not None:
                if vhost.touched:
                    vhost.dispatch()
        except Exception as defect:
            # A defect of ours must not take other connections with it.
            self.log("defect", f"{type(defect).__name__}: {defect}", "defect")
            self._give_up()

    def _weigh(self) -> None:
        """Charge a half-arrived packet to the memory account."""
        held_bytes = len(self.unread) if len(self.unread) > _LONG_BYTES else 0
        if held_bytes != self.held_bytes:
            self.node.memory.hold(held_bytes - self.held_bytes)
            self.held_bytes = held_bytes

    # -- output ----------------------------------------------------------------------------------------------

    @property
    def reading(self) -> bool:
        """Whether the transport should read from the socket."""
        if self.output.backed_up(self.limits.output_bytes_max):
            return False
        return not (self.throttle.blocked or self.throttle.slowed or self.shunned)

    @property
    def finished(self) -> bool:
        """Whether the socket should be closed, as nothing more will be said."""
        return self.closing and not self.output.waiting

    @property
    def writable(self) -> bool:
        """Whether queues may be served."""
        return self.output.size_bytes < self.limits.output_bytes_max and not self.congested

    def flush(self) -> bytes:
        """Everything there is to write now."""
        if self.throttle.slowed:
            self.throttle.look()
        return self.output.take()

    def alias_of(self, key: str, topic: bytes) -> tuple[bytes, bytes]:
        """The topic as it is sent, and the property that says or uses its alias (section 3.3.2.3.4)."""
        alias = self.aliases.get(key)
        if alias is None:
            if len(self.aliases) >= self.aliases_max:
                return topic, b""
            alias = self.aliases[key] = len(self.aliases) + 1
        return (b"" if key in self.announced else topic), b"\x23" + alias.to_bytes(2, "big")

    def resume(self) -> None:
        """The peer has caught up: serve it again."""
        if self.connected and self.client.session is self:
            for consumer in self.client.consumers:
                consumer.queue.touch()
            self.vhost.dispatch()

    # -- flow control ----------------------------------------------------------------------------------------

    def unblock(self) -> None:
        """Nothing is short any more."""
        if self.throttle.blocked:
            self.last_received = self.now
            self.throttle.unblock()

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look at the clock (seconds): keep alive, and states that have lasted too long."""
        self.now = now
        if self.deadline is not None and now >= self.deadline:
            if not self.shunned and not self.leaving:
                self.log("warning", "closed: no CONNECT in time", "connection.refused")
            self.closing = True
            self.wake()
        elif self.keep_alive_seconds and self.reading and not self.closing and not self.leaving:
            if now - self.last_received > 1.5 * self.keep_alive_seconds:
                self.fail(MqttError(spec.KEEP_ALIVE_TIMEOUT, "nothing heard within one and a half keep alives"))

    # -- endings ---------------------------------------------------------------------------------------------

    def fail(self, error: MqttError) -> None:
        """Tell the peer what went wrong, as far as its version has words for it, and close."""
        level = "warning" if error.code in (spec.KEEP_ALIVE_TIMEOUT, spec.NOT_AUTHORIZED) else "error"
        event = "login.refused" if error.code == spec.BAD_USER_NAME_OR_PASSWORD else "connection.error"
        self.log(level, f"connection closed: {error} (reason code {error.code:#04x})", event)
        if self.connected:
            self.say_goodbye(error.code, str(error))
            return
        if error.code == spec.UNSUPPORTED_PROTOCOL_VERSION:
            self.send(wire.connack(spec.V3_1_1, spec.RETURN_CODES[error.code], False, wire.NO_PROPERTIES))
        elif self.version == spec.V5:
            packet = wire.connack(spec.V5, error.code, False, {"reason_string": str(error)[:200]})
            if len(packet) > self.peer_packet_bytes_max:
                packet = wire.connack(spec.V5, error.code, False, wire.NO_PROPERTIES)
            if len(packet) <= self.peer_packet_bytes_max:
                self.send(packet)
        elif self.version and error.code in spec.RETURN_CODES:
            self.send(wire.connack(self.version, spec.RETURN_CODES[error.code], False, wire.NO_PROPERTIES))
        if error.code == spec.BAD_USER_NAME_OR_PASSWORD:
            # Guessing is slow: the socket is closed after a moment.
            self.shunned = True
            self.deadline = self.now + LOGIN_DELAY_SECONDS
        else:
            self.closing = True

    def require_room(self, packet: bytes) -> None:
        """An answer that has to be given, and must not be if the client does not take it (MQTT-3.1.2-24)."""
        if len(packet) > self.peer_packet_bytes_max:
            raise MqttError(spec.PACKET_TOO_LARGE, f"an answer of {len(packet)} octets, more than the client takes")

    def say_goodbye(self, code: int, text: str = "") -> None:
        """DISCONNECT, for a client that knows it from us, and the end."""
        self.leave()
        if self.version == spec.V5:
            packet = wire.disconnect(code, text[:200])
            if len(packet) > self.peer_packet_bytes_max:
                packet = wire.disconnect(code)
            if len(packet) <= self.peer_packet_bytes_max:
                self.send(packet)
                self.leaving = True
                self.throttle.release()
                self.deadline = self.now + GOODBYE_SECONDS
                return
        self.closing = True
        self.wake()

    def taken_over(self) -> None:
        """The client has come back on another connection (section 3.1.4)."""
        self.log("info", "taken over by another connection", "connection.closed")
        self.say_goodbye(spec.SESSION_TAKEN_OVER)

    def dropped(self) -> None:
        """Somebody has deleted a queue of the client: it has lost subscriptions, so it has to begin anew."""
        if self.client.session is self:
            self.log("warning", "connection closed: its queue has been deleted", "connection.closed")
            client = self.client
            self.say_goodbye(spec.ADMINISTRATIVE_ACTION, "the queue of the subscription has been deleted")
            client.end_with_will()

    def leave(self) -> None:
        """The client has no connection any more; how it goes on is its own business."""
        if self.here is not None:
            self.node.presence.leave(self.here)
            self.tallies.close()
        client = self.client
        if not self.connected or client.session is not self:
            return
        client.detach()
        will, self.will = self.will, None
        wills.leave(client, self.access, will)
        if not client.expiry_seconds:
            client.end_with_will()
        elif clients_of(self.node, self.vhost).get(client.id) is client:
            leave_later(client)
        self.output.forget_vouched()
        self.vhost.dispatch()

    def hang_up(self) -> None:
        """Close the socket without another word."""
        self.leave()
        self.output.clear()
        self.closing = True
        self.wake()

    def _give_up(self) -> None:
        """After a defect: no more input."""
        self.unread.clear()
        try:
            self._weigh()
            self.fail(MqttError(spec.UNSPECIFIED_ERROR, "defect in the broker; see its log"))
        except Exception as defect:
            self.log("defect", f"{type(defect).__name__}: {defect}", "defect")
            self.output.clear()
        self.closing = True
        self.wake()

    def abandon(self) -> None:
        """The disk has failed: nothing that is not certain will ever be."""
        self.output.forget_uncertain()
        self.stop()

    def stop(self) -> None:
        """The broker shuts down."""
        if not self.connected or self.closing or self.leaving:
            self.hang_up()
        else:
            self.say_goodbye(spec.SERVER_SHUTTING_DOWN)
            self.closing = True

    def send_away(self, reason: str) -> None:
        """The client has to go."""
        if not self.closing and not self.leaving:
            self.say_goodbye(spec.ADMINISTRATIVE_ACTION, reason)
            self.wake()

    def lost(self) -> None:
        """The socket is gone."""
        if self.connected and not self.closing and not self.leaving:
            self.log("warning", "client unexpectedly closed the connection", "connection.lost")
        self.leave()
        self.closing = True
        self.unread.clear()
        self._weigh()
