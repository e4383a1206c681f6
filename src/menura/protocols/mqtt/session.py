"""One connection: what it takes in, what goes out, and how it ends.

The transport feeds `receive` with whatever a socket read brought and takes what `flush` returns. Errors are raised by
whoever finds them and handled in one place, here: each ends the connection, since a packet that can be answered for
itself is answered by its own function.

Two kinds of output wait for the disk. An answer to CONNECT, SUBSCRIBE or UNSUBSCRIBE holds back all that is said behind
it (`promise`), and so does a message of QoS 2: were it lost, its packet identifier would come again with another one.
Answers of QoS 1 and 2 wait in a row of their own (`acks`), so that deliveries go on meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from menura.core.access import Access
from menura.core.node import Node
from menura.core.peers import Peer
from menura.protocols.mqtt import answering, spec, subscribing, wire
from menura.protocols.mqtt.client import Client, clients_of, leave_later
from menura.protocols.mqtt.errors import REASONS, MqttError, code_of, malformed, violation
from menura.protocols.mqtt.handshake import answer_properties, check, client_for, log_in
from menura.protocols.mqtt.limits import MqttLimits
from menura.protocols.mqtt.outbox import Outbox
from menura.protocols.mqtt.publishing import publish_will
from menura.protocols.mqtt.receiving import receive_packets

if TYPE_CHECKING:
    from menura.core.keeping import Promise
    from menura.core.vhost import VHost
    from menura.protocols.mqtt.delivery import Shape
    from menura.protocols.mqtt.publishing import Target
    from menura.protocols.mqtt.wire import Connect, Will

LOGIN_DELAY_SECONDS = 1.0
# How long a peer that is told why has to close its end. Closed with something unread, a socket may lose those words.
GOODBYE_SECONDS = 1.0
# A half-arrived packet of more than this weighs on the memory account.
_LONG_BYTES = 65536
Log = Callable[[str, str], None]
"""(level, line) -> None. Levels: info, warning, error, and defect, from inside the handling of an exception of ours."""


class Session:
    """A client's connection; implements the transport's port (`net.port.Session`)."""

    def __init__(
        self,
        node: Node,
        peer: Peer,
        log: Log,
        wake: Callable[[], None],
        limits: MqttLimits | None = None,
        now: float = 0.0,
    ) -> None:
        self.node = node
        self.peer = peer
        self.log = log
        self.wake = wake
        self.limits = limits or MqttLimits()
        self.name = peer.address
        self.version = 0  # until CONNECT
        self.user = ""
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
        self.targets: dict[bytes, Target] = {}
        self.aliased: dict[int, bytes] = {}  # topics by the aliases the client gave them

        # Output.
        self.out: list[bytes] = []
        self.output_bytes = 0
        self.congested = False
        self.promises: deque[tuple[int, Promise | None]] = deque()
        self.acks: deque[tuple[Promise, bytes]] = deque()
        self.peer_packet_bytes_max = 0xFFFFFFFF
        self.aliases_max = 0
        self.aliases: dict[str, int] = {}  # by routing key, for the client
        self.announced: set[str] = set()
        self.shapes: dict[tuple[str, bytes, bool], tuple[object, Shape | None]] = {}

        self.closing = False
        self.shunned = False  # a peer that is about to be cut off
        self.leaving = False  # it has been told that this is the end, and is not listened to any more
        self.blocked = False  # a publisher while memory is short
        self.slowed = False  # a publisher while the disk is behind
        self.now = now
        node.agenda.tick(now)
        self.deadline: float | None = now + self.limits.handshake_seconds_max
        self.keep_alive_seconds = 0
        self.last_received = now

    # -- input -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what a socket read brought."""
        self.last_received = self.now
        try:
            self._receive(data)
        except Exception as defect:
            # A defect of ours must not take other connections with it.
            self.log("defect", f"{self.name}: {type(defect).__name__}: {defect}")
            self._give_up()

    def _receive(self, data: bytes) -> None:
        if self.closing or self.shunned or self.leaving:
            return
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
        self._weigh()
        if self.vhost is not None:
            self.vhost.dispatch()

    def _weigh(self) -> None:
        """Charge a half-arrived packet to the memory account."""
        held_bytes = len(self.unread) if len(self.unread) > _LONG_BYTES else 0
        if held_bytes != self.held_bytes:
            self.node.memory.hold(held_bytes - self.held_bytes)
            self.held_bytes = held_bytes

    def packet(self, first: int, body: bytes) -> None:
        """Carry out one packet that is not on the hot path."""
        kind = first >> 4
        if not self.connected:
            self._connect(body)
            return
        if kind == spec.CONNECT:
            raise violation("a second CONNECT")
        handler = _PACKETS.get(kind)
        if handler is None:
            raise violation(f"a packet of type {kind} from a client")
        if first & 15 != spec.FLAGS[kind]:
            raise malformed(f"flags {first & 15:#x} of a packet of type {kind}")
        handler(self, body)

    # -- the connection --------------------------------------------------------------------------------------

    def _connect(self, body: bytes) -> None:
        self.version = wire.version_of(body)
        connect = wire.read_connect(body)
        check(connect, self.limits)
        self.user, self.vhost = log_in(self.node, self.peer, self.limits, connect)
        self.access = Access(self.node.users, self.user, self.vhost.name)
        self.client_id = connect.client_id or self.node.unique_name("auto-")
        self.name = f"{self.peer.address} ({self.client_id}: {self.user}@{self.vhost.name})"
        client, present = client_for(self, connect, self.client_id)
        self._settle_limits(connect)
        self.connected = True
        self.will = connect.will
        self.client = client
        self.deadline = None
        self.promise()
        found = answer_properties(self, connect) if self.version == spec.V5 else wire.NO_PROPERTIES
        self.send(wire.connack(self.version, 0, present, found))
        for id in client.ids.released:
            self.send(wire.answer(spec.PUBREL, id))
        client.attach(self, Outbox(self, client), self._inflight_max(connect))
        self.log("info", f"{self.name}: connected")

    def _settle_limits(self, connect: Connect) -> None:
        limits, found = self.limits, connect.properties
        self.packet_bytes_max = limits.packet_bytes_max
        self.peer_packet_bytes_max = found.get("maximum_packet_size", 0xFFFFFFFF)
        self.aliases_max = min(found.get("topic_alias_maximum", 0), limits.topic_aliases_max)
        self.keep_alive_seconds = connect.keep_alive_seconds
        if self.version == spec.V5 and limits.keep_alive_seconds_max:
            self.keep_alive_seconds = min(self.keep_alive_seconds, limits.keep_alive_seconds_max)

    def _inflight_max(self, connect: Connect) -> int:
        return min(int(connect.properties.get("receive_maximum", 65535)), self.limits.inflight_max)

    def _pingreq(self, body: bytes) -> None:
        if body:
            raise malformed("a PINGREQ with a body")
        self.send(wire.PINGRESP)

    def _disconnect(self, body: bytes) -> None:
        """Section 3.14."""
        code, found = wire.read_disconnect(body, self.version)
        seconds = found.get("session_expiry_interval")
        if seconds is not None:
            if seconds and not self.client.expiry_seconds:
                raise violation("a session that was to end with the connection cannot be prolonged")
            self.client.set_expiry(seconds)
        if code == spec.NORMAL_DISCONNECTION:
            self.will = None
        self.log("info", f"{self.name}: disconnected by the client")
        self.leave()
        self.closing = True

    def _auth(self, body: bytes) -> None:
        wire.read_disconnect(body, self.version, spec.AUTH)
        raise violation("AUTH without an authentication method")

    # -- output ----------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        if not self.out:
            self.wake()
        self.out.append(data)
        self.output_bytes += len(data)

    def promise(self) -> None:
        """Whatever is said from now on waits until all definitions and messages up to now are certain."""
        keeper = self.node.keeper
        if keeper is not None:
            promise = keeper.promise()
            if not keeper.fulfilled(promise):
                self.promises.append((len(self.out), promise))

    def promise_later(self) -> None:
        """The same for what is not in the journal yet, since it is part of something greater: all up to the flush."""
        if self.node.keeper is not None and (not self.promises or self.promises[-1][1] is not None):
            self.promises.append((len(self.out), None))

    def acknowledge(self, data: bytes) -> None:
        """Say this once everything up to now is certain, behind what waits for that already."""
        keeper = self.node.keeper
        if keeper is not None:
            promise = keeper.promise()
            if self.acks or not keeper.fulfilled(promise):
                self.acks.append((promise, data))
                self.wake()
                return
        self.send(data)

    @property
    def reading(self) -> bool:
        """Whether the transport should read from the socket."""
        return not (self.blocked or self.slowed or self.shunned)

    @property
    def finished(self) -> bool:
        """Whether the socket should be closed, as nothing more will be said."""
        return self.closing and not self.promises

    @property
    def writable(self) -> bool:
        """Whether queues may be served."""
        return self.output_bytes < self.limits.output_bytes_max and not self.congested

    def flush(self) -> bytes:
        """Everything there is to write now."""
        if self.acks or self.promises or self.slowed:
            return self._flush_certain()
        data = b"".join(self.out)
        self.out.clear()
        self.output_bytes = 0
        return data

    def _flush_certain(self) -> bytes:
        """What may be said now; for the rest, ask to be woken."""
        keeper = self.node.keeper
        assert keeper is not None
        if self.slowed and not keeper.behind:
            self.slowed = False
        now = keeper.promise()
        while self.promises and keeper.fulfilled(self.promises[0][1] or now):
            self.promises.popleft()
        while self.acks and keeper.fulfilled(self.acks[0][0]):
            self.out.append(self.acks.popleft()[1])
        certain = self.promises[0][0] if self.promises else len(self.out)
        data = b"".join(self.out[:certain])
        del self.out[:certain]
        self.promises = deque((index - certain, promise or now) for index, promise in self.promises)
        self.output_bytes = sum(map(len, self.out))
        if self.promises or self.acks or self.slowed:
            keeper.wait(self)
        return data

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

    def published(self) -> None:
        """Called with every run published: stop reading from this publisher while something is short."""
        keeper = self.node.keeper
        if keeper is not None and keeper.behind:
            self.slowed = True
        if self.node.alarms.blocked and not self.blocked:
            self.blocked = True
            self.log("warning", f"{self.name}: publisher blocked: {self.node.alarms.reason}")

    def unblock(self) -> None:
        """Nothing is short any more."""
        if self.blocked:
            self.blocked = False
            self.last_received = self.now
            self.wake()
            self.log("info", f"{self.name}: publisher unblocked")

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look at the clock (seconds): keep alive, and states that have lasted too long."""
        self.now = now
        try:
            self.node.agenda.tick(now)
        except Exception as defect:
            self.log("defect", f"{self.name}: {type(defect).__name__}: {defect}")
        if self.deadline is not None and now >= self.deadline:
            if not self.shunned and not self.leaving:
                self.log("warning", f"{self.name}: closed: no CONNECT in time")
            self.closing = True
            self.wake()
        elif self.keep_alive_seconds and self.reading and not self.closing and not self.leaving:
            if now - self.last_received > 1.5 * self.keep_alive_seconds:
                self.fail(MqttError(spec.KEEP_ALIVE_TIMEOUT, "nothing heard within one and a half keep alives"))

    # -- endings ---------------------------------------------------------------------------------------------

    def fail(self, error: MqttError) -> None:
        """Tell the peer what went wrong, as far as its version has words for it, and close."""
        level = "warning" if error.code in (spec.KEEP_ALIVE_TIMEOUT, spec.NOT_AUTHORIZED) else "error"
        self.log(level, f"{self.name}: connection closed: {error} (reason code {error.code:#04x})")
        if self.connected:
            self.say_goodbye(error.code, str(error))
            return
        if error.code == spec.UNSUPPORTED_PROTOCOL_VERSION:
            self.send(wire.connack(spec.V3_1_1, spec.RETURN_CODES[error.code], False, wire.NO_PROPERTIES))
        elif self.version == spec.V5:
            self.send(wire.connack(spec.V5, error.code, False, {"reason_string": str(error)[:200]}))
        elif self.version and error.code in spec.RETURN_CODES:
            self.send(wire.connack(self.version, spec.RETURN_CODES[error.code], False, wire.NO_PROPERTIES))
        if error.code == spec.BAD_USER_NAME_OR_PASSWORD:
            # Guessing is slow: the socket is closed after a moment.
            self.shunned = True
            self.deadline = self.now + LOGIN_DELAY_SECONDS
        else:
            self.closing = True

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
                self.blocked = self.slowed = False
                self.deadline = self.now + GOODBYE_SECONDS
                return
        self.closing = True
        self.wake()

    def taken_over(self) -> None:
        """The client has come back on another connection (section 3.1.4)."""
        self.log("info", f"{self.name}: taken over by another connection")
        self.say_goodbye(spec.SESSION_TAKEN_OVER)

    def dropped(self) -> None:
        """Somebody has deleted a queue of the client: it has lost subscriptions, so it has to begin anew."""
        if self.client.session is self:
            self.log("warning", f"{self.name}: connection closed: its queue has been deleted")
            client = self.client
            self.say_goodbye(spec.ADMINISTRATIVE_ACTION, "the queue of the subscription has been deleted")
            client.end_with_will()

    def leave(self) -> None:
        """The client has no connection any more; how it goes on is its own business."""
        client = self.client
        if not self.connected or client.session is not self:
            return
        client.detach()
        will, self.will = self.will, None
        if will is not None:
            access = self.access
            delay_seconds = will.properties.get("will_delay_interval", 0)
            client.leave_will(lambda: publish_will(client, access, will), delay_seconds)
        if not client.expiry_seconds:
            client.end_with_will()
        elif clients_of(self.node, self.vhost).get(client.id) is client:
            leave_later(client)
        self.acks.clear()
        self.vhost.dispatch()

    def hang_up(self) -> None:
        """Close the socket without another word."""
        self.leave()
        self.out.clear()
        self.promises.clear()
        self.output_bytes = 0
        self.closing = True
        self.wake()

    def _give_up(self) -> None:
        """After a defect: no more input."""
        self.unread.clear()
        try:
            self._weigh()
            self.fail(MqttError(spec.UNSPECIFIED_ERROR, "defect in the broker; see its log"))
        except Exception as defect:
            self.log("defect", f"{self.name}: {type(defect).__name__}: {defect}")
            self.out.clear()
            self.promises.clear()
        self.closing = True
        self.wake()

    def abandon(self) -> None:
        """The disk has failed: nothing that is not certain will ever be."""
        self.acks.clear()
        if self.promises:
            del self.out[self.promises[0][0] :]
            self.promises.clear()
        self.stop()

    def stop(self) -> None:
        """The broker shuts down."""
        if not self.connected or self.closing or self.leaving:
            self.hang_up()
        else:
            self.say_goodbye(spec.SERVER_SHUTTING_DOWN)
            self.closing = True

    def lost(self) -> None:
        """The socket is gone."""
        if self.connected and not self.closing and not self.leaving:
            self.log("warning", f"{self.name}: client unexpectedly closed the connection")
        self.leave()
        self.closing = True
        self.unread.clear()
        self._weigh()


_PACKETS: dict[int, Callable[[Session, bytes], None]] = {
    spec.PUBACK: answering.puback,
    spec.PUBREC: answering.pubrec,
    spec.PUBREL: answering.pubrel,
    spec.PUBCOMP: answering.pubcomp,
    spec.SUBSCRIBE: subscribing.subscribe,
    spec.UNSUBSCRIBE: subscribing.unsubscribe,
    spec.PINGREQ: Session._pingreq,
    spec.DISCONNECT: Session._disconnect,
    spec.AUTH: Session._auth,
}
