"""One connection after the protocol header: its state, its channels, and what goes out.

The transport feeds `receive` with whatever a socket read brought and takes what `flush` returns. Errors are raised by
whoever finds them and handled in one place, here: a soft one closes its channel, a hard one the connection.

After connection.close has gone out everything but close and close-ok is ignored, and the peer has `CLOSE_SECONDS_MAX`
to answer. A peer that cannot be answered at all is cut off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from menura.core.access import Access
from menura.core.node import Node
from menura.core.peers import Peer
from menura.protocols.amqp import wire
from menura.protocols.amqp.channel import Channel
from menura.protocols.amqp.errors import REASONS, AmqpError, DisconnectError, shown, translate, unexpected, unknown
from menura.protocols.amqp.handshake import OLDER_HEADER, Handshake
from menura.protocols.amqp.limits import AmqpLimits, Identity
from menura.protocols.amqp.receiving import receive_frames
from menura.protocols.amqp.spec import (
    FRAME_BODY,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_OVERHEAD_BYTES,
    PROTOCOL_HEADER,
)
from menura.protocols.amqp.wire import WireError

if TYPE_CHECKING:
    from menura.core.keeping import Promise
    from menura.core.queue import Queue
    from menura.core.vhost import VHost

_SHORT_PAYLOAD_BYTES = 128
CLOSE_SECONDS_MAX = 3.0
# Longest frame before limits are negotiated: room enough for a client's properties.
FRAME_BYTES_MAX_BEFORE_TUNE = 8192
LOGIN_DELAY_SECONDS = 1.0
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
        limits: AmqpLimits | None = None,
        identity: Identity | None = None,
        now: float = 0.0,
    ) -> None:
        self.node = node
        self.peer = peer
        self.log = log
        self.wake = wake
        self.limits = limits or AmqpLimits()
        self.handshake: Handshake | None = Handshake(node, peer, self.limits, identity or Identity())
        self.name = peer.address
        self.user = ""
        self.vhost: VHost = None  # type: ignore[assignment]  # set before any channel can be opened
        self.access: Access = None  # type: ignore[assignment]
        self.client_properties: Mapping[str, Any] = {}
        self.capabilities: Mapping[str, Any] = {}
        self.channels: dict[int, Channel] = {}
        self.exclusive: dict[Queue, None] = {}
        self.frame_bytes_max = FRAME_BYTES_MAX_BEFORE_TUNE
        # Longest body the hot loop takes: one frame, and no longer than messages may be.
        self.single_body_bytes_max = 0
        self.channels_max = self.limits.channels_max

        # Input: what is left of earlier reads, and how many octets are needed before it is worth looking
        # again.
        self.consume: Callable[[bytes], int] = self._protocol_header
        self.unread: list[bytes] = []
        self.unread_bytes = 0
        self.needed_bytes = len(PROTOCOL_HEADER)
        self.position = 0
        self.publishes: dict[bytes, Any] = {}
        self.publishes_version = -1

        # Output: frames for the next write, and channels that owe confirms.
        self.out: list[bytes] = []
        self.output_bytes = 0
        self.congested = False
        self.confirming: dict[Channel, None] = {}
        self.last_words: list[tuple[Channel, bytes]] = []
        # From which frame on all has to wait for what; frames are counted over the connection, `written` of them
        # have left `out`.
        self.promises: deque[tuple[int, Promise]] = deque()
        self.written = 0

        self.closing = False  # close the socket once everything is written
        self.close_sent = False
        self.blocked = False  # a publisher while memory is short
        self.shunned = False  # a peer that is about to be cut off
        self.stalled = False  # what it asked for has to be written before more is read
        self.slowed = False  # a publisher while the disk is behind
        self.deadline: float | None = now + self.limits.handshake_seconds_max
        self.now = now
        self.heartbeat_seconds = 0
        self.last_received = self.last_sent = now

    # -- input -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what a socket read brought."""
        self.last_received = self.now
        try:
            self._receive(data)
        except Exception as defect:
            # A defect of ours must not take other connections with it, nor leave this one without an answer.
            self.log("defect", f"{self.name}: {type(defect).__name__}: {defect}")
            self._give_up()

    def _receive(self, data: bytes) -> None:
        if self.unread:
            self.unread.append(data)
            self.unread_bytes += len(data)
            if self.unread_bytes < self.needed_bytes:
                return
            data = b"".join(self.unread)
            self.unread.clear()
        start = 0
        while not self.closing:
            try:
                start += self.consume(data[start:] if start else data)
                break
            except AmqpError as error:
                start += self.position
                self.fail(error)
            except DisconnectError as reason:
                self.log("warning", f"{self.name}: closed: {reason}")
                self.close_later()
        if self.closing:
            return
        if start < len(data):
            self.unread.append(data[start:] if start else data)
        self.unread_bytes = len(data) - start
        if self.vhost is not None:
            self.vhost.dispatch()

    def _protocol_header(self, data: bytes) -> int:
        self.position = 0
        size = len(PROTOCOL_HEADER)
        if len(data) < size:
            return 0
        header = data[:size]
        if header not in (PROTOCOL_HEADER, OLDER_HEADER):
            self.send(PROTOCOL_HEADER)
            self.closing = True
            self.log("warning", f"{self.name}: closed: not the protocol's header: {header!r}")
            return len(data)
        assert self.handshake is not None
        self.send(self.handshake.start())
        self.consume = self._frames
        self.needed_bytes = 8
        try:
            return size + self._frames(data[size:])
        except AmqpError:
            self.position += size
            raise

    def _frames(self, data: bytes) -> int:
        return receive_frames(self, data)

    def method(self, number: int, payload: bytes) -> None:
        """Carry out one method frame that is not on the hot path."""
        method = decode(payload)
        if self.close_sent and method.name not in ("connection.close", "connection.close-ok"):
            return
        if number == 0:
            self._connection_method(method)
            return
        if self.handshake is not None:
            raise unexpected(FRAME_METHOD, payload)
        channel = self.channels.get(number)
        if channel is None:
            if method.name != "channel.open":
                raise AmqpError("CHANNEL_ERROR", "expected 'channel.open'", method.ids)
            self._open_channel(number)
            return
        try:
            channel.method(method)
        except AmqpError as error:
            if error.method == (0, 0):
                error.method = method.ids
            error.channel = channel
            raise
        except REASONS as reason:
            raise translate(reason, method.ids, channel) from reason

    def content(self, kind: int, number: int, payload: bytes) -> None:
        """Take a frame that is no method: heartbeat, content header, content body."""
        malformed = (kind == FRAME_HEARTBEAT and payload) or (kind == FRAME_HEADER and len(payload) < 14)
        if malformed or kind not in (FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT):
            raise unknown(kind, payload)
        if self.close_sent or (kind == FRAME_HEARTBEAT and not number):
            return
        if kind == FRAME_HEARTBEAT or not number:
            raise unexpected(kind, payload)
        channel = self.channels.get(number)
        if channel is not None and channel.closing:
            return
        if channel is None or channel.content is None:
            raise AmqpError("UNEXPECTED_FRAME", "expected method frame, got non method frame instead")
        take = channel.content.header if kind == FRAME_HEADER else channel.content.body
        take(channel, payload)

    def disown(self, queue: Queue) -> None:
        self.exclusive.pop(queue, None)

    def _open_channel(self, number: int) -> None:
        if self.channels_max and len(self.channels) >= self.channels_max:
            raise AmqpError(
                "NOT_ALLOWED",
                f"number of channels opened ({len(self.channels)}) has reached the negotiated channel_max "
                f"({self.channels_max})",
            )
        self.channels[number] = Channel(self, number)
        self.send(wire.frame(number, "channel.open-ok", reserved_1=b""))

    def forget_channel(self, channel: Channel) -> None:
        """The channel's number may be used again."""
        self.mute(channel)
        self.channels.pop(channel.number, None)
        self.confirming.pop(channel, None)
        self.publishes.clear()

    def mute(self, channel: Channel) -> None:
        """The channel has nothing more to say."""
        self.last_words = [(other, frame) for other, frame in self.last_words if other is not channel]

    # -- methods of channel 0 --------------------------------------------------------------------------------

    def _connection_method(self, method: Any) -> None:
        name = method.name
        if self.handshake is not None and not self.close_sent:
            self._shake_hands(self.handshake, method)
        elif name == "connection.close":
            self.shut()
            self.send(wire.frame(0, "connection.close-ok"))
            self.closing = True
            self.log("info", f"{self.name}: closed by the client")
        elif name == "connection.close-ok":
            self.closing = True
        elif name == "connection.update-secret":
            self._update_secret(method)
        else:
            raise AmqpError("CHANNEL_ERROR", "unexpected method in connection state running", method.ids)

    def _shake_hands(self, handshake: Handshake, method: Any) -> None:
        try:
            answer = handshake.method(method)
        except REASONS as reason:
            raise translate(reason, method.ids) from reason
        self.capabilities = handshake.capabilities
        if handshake.vhost is None:
            if handshake.state == "OPEN":
                self.frame_bytes_max = handshake.frame_bytes_max or 0xFFFFFFFF
            self.single_body_bytes_max = min(self.frame_bytes_max - FRAME_OVERHEAD_BYTES, self.limits.message_bytes_max)
            self.send(answer)
            return
        self.handshake = None
        self.deadline = None
        self.user = handshake.user
        self.vhost = handshake.vhost
        self.access = Access(self.node.users, self.user, self.vhost.name)
        self.client_properties = handshake.client_properties
        self.channels_max = handshake.channels_max
        self.heartbeat_seconds = handshake.heartbeat_seconds
        self.name = f"{self.peer.address} ({self.user}@{self.vhost.name})"
        self.send(answer)
        self.log("info", f"{self.name}: opened")

    def _update_secret(self, method: Any) -> None:
        """A password says who connects, not how long: there is nothing to renew, and so nothing to refuse."""
        self.send(wire.frame(0, "connection.update-secret-ok"))

    # -- output ----------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        if data:
            if not self.out:
                self.wake()
            self.out.append(data)
            self.output_bytes += len(data)

    def send_last(self, channel: Channel, frame: bytes) -> None:
        """Send a frame of `channel` behind all that is still said before the next write."""
        self.last_words.append((channel, frame))
        self.wake()

    @property
    def reading(self) -> bool:
        """Whether the transport should read from the socket."""
        return not (self.blocked or self.shunned or self.stalled or self.slowed)

    @property
    def finished(self) -> bool:
        """Whether the socket should be closed, as nothing more will be said."""
        return self.closing and not self.promises

    @property
    def writable(self) -> bool:
        """Whether consumers of this connection may be served."""
        return self.output_bytes < self.limits.output_bytes_max and not self.congested

    def flush(self) -> bytes:
        """Everything there is to write now; confirms that have become due come last."""
        if self.last_words:
            self.out += [frame for _, frame in self.last_words]
            self.last_words.clear()
        if self.promises or self.confirming or self.slowed:
            data = self._flush_certain()
        else:
            data = b"".join(self.out)
            self.out.clear()
            self.output_bytes = 0
        if data:
            self.last_sent = self.now
        return data

    def _flush_certain(self) -> bytes:
        """What may be said now; for the rest, ask to be woken."""
        keeper = self.node.keeper
        if keeper is not None:
            if self.slowed and not keeper.behind:
                self.slowed = False
            while self.promises and keeper.fulfilled(self.promises[0][1]):
                self.promises.popleft()
        if self.promises:
            certain = self.promises[0][0] - self.written
            data = b"".join(self.out[:certain])
            del self.out[:certain]
            self.written += certain
            self.output_bytes -= len(data)
        else:
            self.out += [channel.due_confirm() for channel in list(self.confirming)]
            data = b"".join(self.out)
            self.out.clear()
            self.output_bytes = 0
        if keeper is not None and (self.promises or self.confirming or self.slowed):
            keeper.wait(self)
        return data

    def promise(self) -> None:
        """Whatever is said from now on waits until all definitions and messages up to now are certain."""
        keeper = self.node.keeper
        if keeper is not None:
            promise = keeper.promise()
            if not keeper.fulfilled(promise):
                if not self.promises:
                    self.written = 0
                self.promises.append((self.written + len(self.out), promise))

    def slow(self) -> None:
        """Read no more until the disk has caught up."""
        self.slowed = True

    def resume(self) -> None:
        """The peer has caught up: go on with what it has sent, and serve its consumers again."""
        if self.stalled:
            self.stalled = False
            self.receive(b"")
        for channel in self.channels.values():
            for consumer in channel.consumers.values():
                consumer.queue.touch()
        if self.vhost is not None:
            self.vhost.dispatch()

    # -- flow control ----------------------------------------------------------------------------------------

    def published(self) -> None:
        """Called with every run published: while something is short, stop reading from this publisher."""
        if self.node.alarms.blocked and not self.blocked:
            self.blocked = True
            reason = self.node.alarms.reason
            if self.capabilities.get("connection.blocked") is True:
                self.send(wire.frame(0, "connection.blocked", reason=reason))
            self.log("warning", f"{self.name}: publisher blocked: {reason}")

    def unblock(self) -> None:
        """Nothing is short any more."""
        if self.blocked and not self.close_sent and not self.closing:
            self.blocked = False
            self.last_received = self.now
            self.wake()
            if self.capabilities.get("connection.blocked") is True:
                self.send(wire.frame(0, "connection.unblocked"))
            self.log("info", f"{self.name}: publisher unblocked")

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look at the clock (seconds): heartbeats both ways, and states that have lasted too long."""
        self.now = now
        if self.deadline is not None and now >= self.deadline:
            if not self.close_sent and not self.closing:
                self.log("warning", f"{self.name}: closed: handshake took longer than allowed")
            self.hang_up()
            return
        interval = self.heartbeat_seconds
        if not interval or self.closing:
            return
        if now - self.last_received > 2 * interval and self.reading:
            self.log("warning", f"{self.name}: closed: no heartbeat for {2 * interval} s")
            self.hang_up()
        elif now - self.last_sent >= interval / 2 and (self.promises or not self.out):
            self._send_first(wire.HEARTBEAT)
            self.last_sent = now

    def _send_first(self, frame: bytes) -> None:
        """Send a frame ahead of all that waits."""
        self.out.insert(0, frame)
        self.output_bytes += len(frame)
        self.written -= 1
        self.wake()

    def hang_up(self) -> None:
        """Close the socket without another word."""
        self.out.clear()
        self.promises.clear()
        self.output_bytes = 0
        self.closing = True
        self.wake()

    # -- endings ---------------------------------------------------------------------------------------------

    def fail(self, error: AmqpError) -> None:
        """Tell the peer what went wrong and close what has to be."""
        channel = error.channel
        if channel is not None and not error.hard:
            self.log("warning", f"{self.name}: channel {channel.number} closed: {error.reply_text}")
            channel.fail(error)
            return
        self.log("error", f"{self.name}: connection closed: {error.reply_text}")
        if error.framing:
            # Where the next frame begins is not known any more: hear nothing until the socket is closed.
            self.consume = len
        if self.close_sent:
            return
        stage = self.handshake.state if self.handshake is not None else "OPEN"
        if stage != "OPEN" and error.name not in ("ACCESS_REFUSED", "NOT_ALLOWED"):
            # Strangers are told only that their password or their limits were refused.
            self.close_later()
            return
        self.close(error)

    def close(self, error: AmqpError) -> None:
        """Send connection.close and wait for its answer."""
        self.shut()
        self.close_sent = True
        self.blocked = self.slowed = self.stalled = False
        self.deadline = self.now + CLOSE_SECONDS_MAX
        class_id, method_id = error.method
        self.send(
            wire.frame(
                0,
                "connection.close",
                reply_code=error.code,
                reply_text=error.reply_text,
                class_id=class_id,
                method_id=method_id,
            )
        )

    def _give_up(self) -> None:
        """After a defect: one attempt to say so, and no more input."""
        self.unread.clear()
        self.unread_bytes = 0
        try:
            self.fail(AmqpError("INTERNAL_ERROR", "defect in the broker; see its log"))
        except Exception as defect:
            self.log("defect", f"{self.name}: {type(defect).__name__}: {defect}")
            self.hang_up()

    def close_later(self) -> None:
        """Cut the peer off after a moment, so that guessing is slow; what it says meanwhile is not heard."""
        self.close_sent = True
        self.shunned = True
        self.deadline = self.now + LOGIN_DELAY_SECONDS

    def abandon(self) -> None:
        """The disk has failed: nothing that is not certain will ever be."""
        held = bool(self.promises)
        if held:
            del self.out[self.promises[0][0] - self.written :]
            self.promises.clear()
        if self.closing:
            if held:
                self.send(wire.frame(0, "connection.close-ok"))
        elif self.handshake is not None:
            self.hang_up()
        elif not self.close_sent:
            for channel in list(self.confirming):
                self.send(channel.refuse_waiting())
            self.close(AmqpError("INTERNAL_ERROR", "the broker cannot write to its disk", fatal=True))

    def stop(self) -> None:
        """The broker shuts down."""
        if self.handshake is not None:
            self.hang_up()
        elif not self.close_sent:
            text = "broker forced connection closure with reason 'shutdown'"
            self.close(AmqpError("CONNECTION_FORCED", text, fatal=True))

    def lost(self) -> None:
        """The socket is gone."""
        if not self.close_sent and not self.closing and self.handshake is None:
            self.log("warning", f"{self.name}: client unexpectedly closed the connection")
        self.shut()
        self.closing = True

    def shut(self) -> None:
        """Close all channels and delete what belongs to this connection alone."""
        for channel in list(self.channels.values()):
            channel.shut()
        self.channels.clear()
        self.confirming.clear()
        self.publishes.clear()
        self.last_words.clear()
        for queue in list(self.exclusive):
            queue.vhost.remove_queue(queue)
        self.exclusive.clear()
        if self.vhost is not None:
            self.vhost.dispatch()


def _decode(payload: bytes) -> Any:
    return wire.decode_method(payload)[1]


# Clients repeat themselves (basic.get, basic.qos, redeclarations), and methods are immutable.
_decode_short = lru_cache(maxsize=1024)(_decode)


def decode(payload: bytes) -> Any:
    """A method frame's payload as the method's arguments."""
    if len(payload) < 4:
        raise unknown(FRAME_METHOD, payload)
    try:
        return (_decode_short if len(payload) <= _SHORT_PAYLOAD_BYTES else _decode)(payload)
    except WireError as error:
        if error.kind.startswith("unknown"):
            raise AmqpError("COMMAND_INVALID", "unimplemented method", error.ids) from None
        if error.kind == "bad-utf8":
            raise AmqpError("FRAME_ERROR", "Malformed UTF-8 in shortstr") from None
        raise AmqpError("FRAME_ERROR", f"cannot decode {shown(payload[4:])}", error.ids) from None
