"""One connection: what it is, what it has subscribed to, and what goes out.

The transport feeds `receive` with whatever a socket read brought and takes what `flush` returns. Before CONNECT nothing
else is heard. Whatever is wrong ends in `fail`: an ERROR frame as the last thing said, behind the receipts that are
still to come, and then the socket is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.access import Access
from menura.core.output import Output
from menura.core.peers import Surroundings
from menura.core.presence import Connected
from menura.core.tallies import Tallies
from menura.core.throttle import Throttle
from menura.protocols.stomp.commands import COMMANDS
from menura.protocols.stomp.errors import REASONS, StompError, translate
from menura.protocols.stomp.frames import CONNECTING, VERSIONS, Dialect, Frame, encode_frame, shown
from menura.protocols.stomp.handshake import connect, mechanism
from menura.protocols.stomp.limits import Identity, StompLimits
from menura.protocols.stomp.receipts import Receipts
from menura.protocols.stomp.receiving import Unread, receive_frames
from menura.protocols.stomp.reporting import Report
from menura.protocols.stomp.subscriptions import Subscriptions
from menura.protocols.stomp.transactions import Transactions

if TYPE_CHECKING:
    from menura.core.queue import Queue
    from menura.core.vhost import VHost
    from menura.protocols.stomp.publishing import Head, Target


class Session:
    """A client's connection; implements the transport's port (`net.port.Session`)."""

    vhost: VHost
    access: Access
    tallies: Tallies

    def __init__(
        self,
        around: Surroundings,
        limits: StompLimits | None = None,
        identity: Identity | None = None,
    ) -> None:
        node, peer, now = around.node, around.peer, around.now
        self.node = node
        self.peer = peer
        self._log = around.log
        self.wake = around.wake
        self.limits = limits or StompLimits()
        self.identity = identity or Identity()
        self.name = peer.address
        self.opened = False
        self.id = ""
        self.user = ""
        self.here: Connected | None = None
        self.dialect: Dialect = CONNECTING
        self.subscriptions: Subscriptions = Subscriptions(self)
        self.transactions: Transactions = Transactions(self)
        self.exclusive: dict[Queue, None] = {}

        # Input, and what has been learned of it: heads of SEND frames, octet by octet, and what they mean.
        self.unread = Unread()
        self.unread_bytes = 0
        self.heads: dict[bytes, Head] = {}
        self.targets: dict[bytes, Target] = {}

        # Output. `blocks` has the header lines of blocks of properties.
        self.output = output = Output(node.keeper, around.wake)
        self.send = output.send
        self.throttle = Throttle(node, output, self.log)
        self.congested = False
        self.blocks: dict[bytes, bytes] = {}
        self.receipts = Receipts(self.dialect, output)
        self.farewell = b""

        self.closing = False  # close the socket once everything is said
        self.stalled = False  # what it asked for has to be written before more is read
        self.now = now
        self.deadline: float | None = now + self.limits.handshake_seconds_max
        self.send_seconds = self.receive_seconds = 0
        self.last_received = self.last_sent = now

    def log(self, level: str, line: str, event: str = "connection.notice") -> None:
        """Levels: info, warning, error, and defect, from inside the handling of an exception of ours."""
        self._log(level, f"{self.name}: {line}", event)

    # -- input -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what a socket read brought."""
        self.last_received = self.now
        if self.closing:
            return
        try:
            self._receive(data)
        except Exception as defect:
            # A defect of ours must not take other connections with it, nor leave this one without an answer.
            self.log("defect", f"{type(defect).__name__}: {defect}", "defect")
            self._give_up()

    def _receive(self, data: bytes) -> None:
        unread = self.unread
        whole = unread.add(data)
        if whole is not None:
            try:
                used = receive_frames(self, whole)
            except StompError as error:
                self.fail(error)
                return
            except REASONS as reason:
                self.fail(translate(reason))
                return
            if used < len(whole) and not self.closing:
                unread.keep(whole[used:] if used else whole)
        self._weigh_unread()
        if self.opened:
            self.vhost.dispatch()

    def _weigh_unread(self) -> None:
        """Charge the memory account with what has arrived of a frame."""
        size = len(self.unread)
        if size != self.unread_bytes:
            self.node.memory.hold(size - self.unread_bytes)
            self.unread_bytes = size

    def frame(self, frame: Frame) -> None:
        """Carry out one frame other than SEND."""
        receipt = frame.headers.get("receipt")
        try:
            if not self.opened:
                self._connect(frame)
                return
            command = COMMANDS.get(frame.command)
            if command is None:
                raise StompError("Bad command", f'Could not interpret command "{shown(frame.command)}"\n')
            command(self, frame.headers)
        except StompError as error:
            error.receipt = receipt
            raise
        except REASONS as reason:
            translated = translate(reason)
            translated.receipt = receipt
            raise translated from reason
        if receipt is not None:
            self.receipts.give(receipt)

    def _connect(self, frame: Frame) -> None:
        opened = connect(frame.headers, self.node, self.peer, self.identity, self.limits)
        self.user, self.vhost, self.dialect, self.send_seconds, self.receive_seconds = opened
        self.access = Access(self.node.users, self.user, self.vhost.name)
        self.receipts.dialect = self.dialect
        self.id = self.node.unique_name("session-")
        self.name = f"{self.peer.address} ({self.user}@{self.vhost.name})"
        protocol = f"STOMP {self.dialect.version}"
        self.tallies = Tallies(self.vhost.register, protocol)
        self.here = Connected(
            protocol,
            self.peer,
            self.user,
            self.vhost.name,
            since_ms=self.node.agenda.wall_ms,
            subscriptions=lambda: len(self.subscriptions),
            end=self.send_away,
            report=Report(self, mechanism(frame.headers, self.peer)),
        )
        self.node.presence.arrive(self.here)
        self.opened = True
        self.deadline = None
        headers = (
            ("version", self.dialect.version),
            ("session", self.id),
            ("server", self.identity.server),
            ("heart-beat", f"{self.send_seconds * 1000},{self.receive_seconds * 1000}"),
        )
        self.send(encode_frame("CONNECTED", headers, b"", CONNECTING))
        self.log("info", f"opened, STOMP {self.dialect.version}", "connection.opened")

    def disconnect(self) -> None:
        """The client says goodbye."""
        self.shut()
        self.closing = True
        self.wake()
        self.log("info", "closed by the client", "connection.closed")

    def forget_sends(self) -> None:
        """What SEND frames mean has to be found out anew."""
        self.heads.clear()
        self.targets.clear()

    def disown(self, queue: Queue) -> None:
        self.exclusive.pop(queue, None)

    # -- output ----------------------------------------------------------------------------------------------

    @property
    def reading(self) -> bool:
        """Whether the transport should read from the socket."""
        if self.output.backed_up(self.limits.output_bytes_max):
            return False
        return not (self.throttle.blocked or self.throttle.slowed or self.stalled)

    @property
    def finished(self) -> bool:
        """Whether the socket should be closed, as nothing more will be said."""
        return self.closing and not self.output.waiting and not self.farewell

    @property
    def writable(self) -> bool:
        """Whether subscriptions of this connection may be served."""
        return self.output.size_bytes < self.limits.output_bytes_max and not self.congested

    def flush(self) -> bytes:
        """Everything there is to write now; receipts that have become due come behind what is due already."""
        if self.throttle.slowed:
            self.throttle.look()
        data = self.output.take()
        if self.farewell and not self.output.waiting:
            data += self.farewell
            self.farewell = b""
        if data:
            self.last_sent = self.now
        return data

    def resume(self) -> None:
        """The peer has caught up: go on with what it has sent, and serve its subscriptions again."""
        if self.stalled:
            self.stalled = False
            self.receive(b"")
        self.subscriptions.touch()
        if self.opened:
            self.vhost.dispatch()

    # -- flow control ----------------------------------------------------------------------------------------

    def unblock(self) -> None:
        """Nothing is short any more."""
        if self.throttle.blocked:
            self.last_received = self.now
            self.throttle.unblock()

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look at the clock (seconds): heart-beats both ways, and a login that does not come."""
        self.now = now
        if self.closing:
            return
        if self.deadline is not None and now >= self.deadline:
            self.log("warning", "closed: no CONNECT within the time allowed", "connection.refused")
            self.hang_up()
        elif self.receive_seconds and now - self.last_received > 2 * self.receive_seconds and self.reading:
            self.log("warning", f"closed: no heart-beat for {2 * self.receive_seconds} s", "connection.lost")
            self.hang_up()
        elif self.send_seconds and now - self.last_sent >= self.send_seconds / 2 and not self.output.pieces:
            self.send(b"\n")

    # -- endings ---------------------------------------------------------------------------------------------

    def fail(self, error: StompError, level: str = "error") -> None:
        """Tell the peer what went wrong, and close the connection."""
        if not self.opened:
            # With what the client is not told.
            why = f"{error} ({error.__cause__})" if error.__cause__ is not None else str(error)
            self.log(level, f"closed: {why}", "login.refused")
        else:
            self.log(level, f"closed: {error}", "connection.error")
        headers = [
            ("message", error.message),
            ("content-type", "text/plain"),
            ("version", ",".join(VERSIONS)),
        ]
        if error.receipt is not None:
            headers.append(("receipt-id", error.receipt))
        self.shut()
        self.closing = True
        self.farewell = encode_frame("ERROR", headers, error.detail.encode(), self.dialect)
        self.wake()

    def _give_up(self) -> None:
        """After a defect: one attempt to say so, and no more input."""
        try:
            self.fail(StompError("Processing error", "Processing error"))
        except Exception as defect:
            self.log("defect", f"{type(defect).__name__}: {defect}", "defect")
            self.hang_up()

    def hang_up(self) -> None:
        """Close the socket without another word."""
        self.shut()
        self.output.clear()
        self.farewell = b""
        self.closing = True
        self.wake()

    def abandon(self) -> None:
        """The disk has failed: nothing that is not certain will ever be."""
        self.output.forget_uncertain()
        if not self.opened:
            self.hang_up()
        elif not self.closing:
            self.fail(StompError("internal_error", "the broker cannot write to its disk"))

    def stop(self) -> None:
        """The broker shuts down."""
        if not self.opened:
            self.hang_up()
        else:
            self.send_away("broker forced connection closure with reason 'shutdown'")

    def send_away(self, reason: str) -> None:
        """The client has to go."""
        if not self.closing:
            self.fail(StompError("connection_forced", reason), "info")

    def lost(self) -> None:
        """The socket is gone."""
        if not self.closing and self.opened:
            self.log("warning", "client unexpectedly closed the connection", "connection.lost")
        self.hang_up()

    def shut(self) -> None:
        """End what belongs to this connection: transactions, subscriptions, and queues of its own."""
        self.throttle.release()
        self.unread.clear()
        self._weigh_unread()
        self.forget_sends()
        self.blocks.clear()
        self.transactions.abort_all()
        self.subscriptions.shut()
        for queue in list(self.exclusive):
            queue.vhost.remove_queue(queue)
        self.exclusive.clear()
        if self.here is not None:
            self.node.presence.leave(self.here)
            self.tallies.close()
        if self.opened:
            self.vhost.dispatch()
