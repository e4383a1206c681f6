"""One connection after the protocol header: its state, its channels, and what goes out.

The transport feeds `receive` with whatever a socket read brought and takes what `flush` returns. Errors are raised by
whoever finds them and handled in one place, here: a soft one closes its channel, a hard one the connection.

After connection.close has gone out everything but close and close-ok is ignored, and the peer has `CLOSE_SECONDS_MAX`
to answer. A peer that cannot be answered at all is cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from menura.core.access import Access
from menura.core.errors import AuthenticationFailed
from menura.core.output import Output
from menura.core.peers import Surroundings
from menura.core.presence import Connected
from menura.core.tallies import Totals
from menura.core.throttle import Throttle
from menura.protocols.amqp import wire
from menura.protocols.amqp.channel import Channel
from menura.protocols.amqp.errors import AmqpError, DisconnectError
from menura.protocols.amqp.handshake import OLDER_HEADER, Handshake
from menura.protocols.amqp.limits import AmqpLimits, Identity
from menura.protocols.amqp.receiving import receive_frames
from menura.protocols.amqp.spec import PROTOCOL_HEADER

if TYPE_CHECKING:
    from menura.core.queue import Queue
    from menura.core.vhost import VHost

CLOSE_SECONDS_MAX = 3.0
# Longest frame before limits are negotiated: room enough for a client's properties.
FRAME_BYTES_MAX_BEFORE_TUNE = 8192
LOGIN_DELAY_SECONDS = 1.0


class Session:
    """A client's connection; implements the transport's port (`net.port.Session`)."""

    def __init__(
        self,
        around: Surroundings,
        limits: AmqpLimits | None = None,
        identity: Identity | None = None,
    ) -> None:
        node, peer, now = around.node, around.peer, around.now
        self.node = node
        self.peer = peer
        self._log = around.log
        self.wake = around.wake
        self.limits = limits or AmqpLimits()
        self.handshake: Handshake | None = Handshake(node, peer, self.limits, identity or Identity())
        self.name = peer.address
        self.user = ""
        self.vhost: VHost = None  # type: ignore[assignment]  # set before any channel can be opened
        self.access: Access = None  # type: ignore[assignment]
        self.here: Connected | None = None
        self.client_properties: Mapping[str, Any] = {}
        self.capabilities: Mapping[str, Any] = {}
        self.channels: dict[int, Channel] = {}
        self.closed_channels = Totals()
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

        # Output: frames for the next write, and channels that owe confirms.
        self.output = output = Output(node.keeper, around.wake)
        self.send = output.send
        self.promise = output.promise
        self.throttle = Throttle(node, output, self.log, self._tell_publisher)
        self.congested = False
        self.confirming: dict[Channel, None] = {}
        self.last_words: list[tuple[Channel, bytes]] = []

        self.closing = False  # close the socket once everything is written
        self.close_sent = False
        self.shunned = False  # a peer that is about to be cut off
        self.stalled = False  # what it asked for has to be written before more is read
        self.deadline: float | None = now + self.limits.handshake_seconds_max
        self.now = now
        self.heartbeat_seconds = 0
        self.last_received = self.last_sent = now

    def log(self, level: str, line: str, event: str = "connection.notice") -> None:
        """Levels: info, warning, error, and defect, from inside the handling of an exception of ours."""
        self._log(level, f"{self.name}: {line}", event)

    # -- input -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what a socket read brought."""
        self.last_received = self.now
        try:
            self._receive(data)
        except Exception as defect:
            # A defect of ours must not take other connections with it, nor leave this one without an answer.
            self.log("defect", f"{type(defect).__name__}: {defect}", "defect")
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
                self.log("warning", f"closed: {reason}", "login.refused" if self.user == "" else "connection.refused")
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
            self.log("warning", f"closed: not the protocol's header: {header!r}", "connection.refused")
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

    def disown(self, queue: Queue) -> None:
        self.exclusive.pop(queue, None)

    def forget_channel(self, channel: Channel) -> None:
        """The channel's number may be used again."""
        self.mute(channel)
        if self.channels.pop(channel.number, None) is not None and self.here is not None:
            self.here.channel_count -= 1
            self.node.presence.channel(self.here, False)
            self.node.events.channel("closed", self.here, channel.number)
        self.confirming.pop(channel, None)
        self.publishes.clear()

    def mute(self, channel: Channel) -> None:
        """The channel has nothing more to say."""
        self.last_words = [(other, frame) for other, frame in self.last_words if other is not channel]

    # -- output ----------------------------------------------------------------------------------------------

    def send_last(self, channel: Channel, frame: bytes) -> None:
        """Send a frame of `channel` behind all that is still said before the next write."""
        self.last_words.append((channel, frame))
        self.wake()

    @property
    def reading(self) -> bool:
        """Whether the transport should read from the socket."""
        throttle = self.throttle
        return not (throttle.blocked or throttle.slowed or self.shunned or self.stalled)

    @property
    def finished(self) -> bool:
        """Whether the socket should be closed, as nothing more will be said."""
        return self.closing and not self.output.waiting

    @property
    def writable(self) -> bool:
        """Whether consumers of this connection may be served."""
        return self.output.size_bytes < self.limits.output_bytes_max and not self.congested

    def flush(self) -> bytes:
        """Everything there is to write now; confirms that have become due come last, when nothing waits."""
        output = self.output
        if self.last_words:
            output.pieces += [frame for _, frame in self.last_words]
            self.last_words.clear()
        if self.throttle.slowed:
            self.throttle.look()
        if self.confirming:
            if output.lines:
                output.settle()
            if not output.lines:
                output.pieces += [channel.due_confirm() for channel in list(self.confirming)]
            if self.confirming:
                output.wait()
        data = output.take()
        if data:
            self.last_sent = self.now
        return data

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

    def _tell_publisher(self, reason: str) -> None:
        """It has to wait; without a reason, it may go on."""
        if self.capabilities.get("connection.blocked") is True:
            method = "connection.blocked" if reason else "connection.unblocked"
            self.send(wire.frame(0, method, reason=reason) if reason else wire.frame(0, method))

    def unblock(self) -> None:
        """Nothing is short any more."""
        if self.throttle.blocked:
            self.last_received = self.now
            self.throttle.unblock()
            if self.unread:
                # Later, as somebody is in the middle of something: memory has become free by what they do.
                self.node.agenda.after(0, self._go_on)

    def _go_on(self) -> None:
        """Take what was not to be heard while something was short."""
        self.receive(b"")
        self.wake()

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look at the clock (seconds): heartbeats both ways, and states that have lasted too long."""
        self.now = now
        if self.deadline is not None and now >= self.deadline:
            if not self.close_sent and not self.closing:
                self.log("warning", "closed: handshake took longer than allowed", "connection.refused")
            self.hang_up()
            return
        if self.closing:
            return
        for channel in list(self.channels.values()):
            channel.look(now)
        interval = self.heartbeat_seconds
        if not interval:
            return
        if now - self.last_received > 2 * interval and self.reading:
            self.log("warning", f"closed: no heartbeat for {2 * interval} s", "connection.lost")
            self.hang_up()
        elif now - self.last_sent >= interval / 2 and (self.output.lines or not self.output.pieces):
            self.output.send_first(wire.HEARTBEAT)
            self.last_sent = now

    def hang_up(self) -> None:
        """Close the socket without another word."""
        self.output.clear()
        self.throttle.release()
        self.closing = True
        self.wake()

    # -- endings ---------------------------------------------------------------------------------------------

    def fail(self, error: AmqpError) -> None:
        """Tell the peer what went wrong and close what has to be."""
        channel = error.channel
        if channel is not None and not error.hard:
            self.log("warning", f"channel {channel.number} closed: {error.reply_text}", "channel.error")
            channel.fail(error)
            return
        if isinstance(error.__cause__, AuthenticationFailed):
            # What the client is not told.
            self.log("error", f"connection closed: {error.reply_text} ({error.__cause__})", "login.refused")
        else:
            self.log("error", f"connection closed: {error.reply_text}", "connection.error")
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
        self.stalled = False
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
            self.log("defect", f"{type(defect).__name__}: {defect}", "defect")
            self.hang_up()

    def close_later(self) -> None:
        """Cut the peer off after a moment, so that guessing is slow; what it says meanwhile is not heard."""
        self.close_sent = True
        self.shunned = True
        self.throttle.release()
        self.deadline = self.now + LOGIN_DELAY_SECONDS

    def abandon(self) -> None:
        """The disk has failed: nothing that is not certain will ever be."""
        held = self.output.forget_uncertain()
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
        else:
            self.send_away("broker forced connection closure with reason 'shutdown'")

    def send_away(self, reason: str) -> None:
        """The client has to go."""
        if not self.close_sent and not self.closing:
            self.close(AmqpError("CONNECTION_FORCED", reason, fatal=True))
            self.wake()

    def lost(self) -> None:
        """The socket is gone."""
        if not self.close_sent and not self.closing and self.handshake is None:
            self.log("warning", "client unexpectedly closed the connection", "connection.lost")
        self.shut()
        self.closing = True

    def shut(self) -> None:
        """Close all channels and delete what belongs to this connection alone."""
        for channel in list(self.channels.values()):
            channel.shut()
            self.node.events.channel("closed", self.here, channel.number)
            if self.here is not None:
                self.node.presence.channel(self.here, False)
        self.channels.clear()
        self.confirming.clear()
        self.publishes.clear()
        self.last_words.clear()
        self.throttle.release()
        for queue in list(self.exclusive):
            queue.vhost.remove_queue(queue)
        self.exclusive.clear()
        if self.here is not None:
            self.node.presence.leave(self.here)
        if self.vhost is not None:
            self.vhost.dispatch()
