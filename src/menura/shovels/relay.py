"""The hot path of a shovel: from the deliveries of one connection to publishes on another, and back with the confirms.

Both ends use channel 1 of a connection of their own, so the frames of a message go out as they came, behind the method
that publishes it; a run of messages that differ in their bodies alone is one join. Tags of deliveries and numbers of
publishes begin at 1 and grow together. So an acknowledgement needs no table, and a link that breaks takes both
connections with it: what was not acknowledged comes again, from the source, in the next attempt.

A destination that takes nothing more (its socket is full, or it has said so) makes the source be left unread. So does,
for a moment, one that refuses a message: that one goes back to its queue, and would be here again at once.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from menura.client.deliveries import Deliveries
from menura.client.session import ClientSession
from menura.core import content as packed
from menura.protocols.amqp import wire
from menura.protocols.amqp.delivery import ack_frame, content_frames
from menura.shovels.unconfirmed import Unconfirmed

ADDRESSES_MAX = 4096
REST_SECONDS = 1.0
_nack = Struct(">BHIHHQBB").pack
_REQUEUE = 2


class Relay:
    """`publish` gives the method frame for an encoded exchange and routing key, `rewrite` other properties, or is None.

    `on_all` is called when as many messages as were asked for have been moved and settled; `remaining` is how many are
    left, None for no end.
    """

    def __init__(
        self,
        source: ClientSession,
        destination: ClientSession,
        ack_mode: str,
        publish: Callable[[bytes], bytes],
        rewrite: Callable[[bytes], bytes] | None,
        remaining: int | None,
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self.source = source
        self.destination = destination
        self.forwarded = 0
        self.remaining = remaining
        self.blocked = ""
        """Why the destination wants nothing for now, in its words."""
        self.on_all: Callable[[], None] = lambda: None
        self._on_confirm = ack_mode == "on-confirm"
        self._on_publish = ack_mode == "on-publish"
        self._unconfirmed = Unconfirmed()
        self._to_acknowledge = 0
        self._resting = False
        self._call_later = call_later
        self._publish = publish
        self._rewrite = rewrite
        self._leads: dict[bytes, bytes] = {}
        source.on_deliveries = self.take
        source.on_read = self._acknowledge
        destination.on_confirm = self.confirmed
        destination.on_read = self._acknowledge
        destination.on_flow = self.look

    @property
    def pending(self) -> int:
        """Handed to the destination, and not confirmed yet."""
        return self._unconfirmed.count if self._on_confirm else 0

    # -- there -----------------------------------------------------------------------------------------------

    def take(self, run: Deliveries) -> None:
        """Send on what the source has delivered."""
        if self.remaining is not None:
            run.cut(self.remaining)
            if not run.count:  # comes back to its queue when the shovel ends
                return
            self.remaining -= run.count
        lead = self._leads.get(run.address)
        if lead is None:
            if len(self._leads) >= ADDRESSES_MAX:
                self._leads.clear()
            lead = self._leads[run.address] = self._publish(run.address)
        self._send(run, lead)
        self.forwarded += run.count
        if self._on_confirm:
            self._unconfirmed.add(run.count)
            return
        if self._on_publish:
            self._to_acknowledge = run.last_tag
        if self.remaining == 0:
            self._acknowledge()
            self.on_all()

    def _send(self, run: Deliveries, lead: bytes) -> None:
        send = self.destination.send
        rewrite = self._rewrite
        if run.longest_frame_bytes > self.destination.frame_bytes_max:
            send(b"".join([lead + frames for frames in self._recut(run)]))
        elif rewrite is None:
            send(lead + lead.join(run.contents()))
        else:
            lead += wire.header_frame(1, run.body_bytes, rewrite(run.properties()))
            send(lead + lead.join(run.bodies()))

    def _recut(self, run: Deliveries) -> list[bytes]:
        """Header and body frames of each, the body in frames as long as the destination takes."""
        block = run.properties()
        if self._rewrite is not None:
            block = self._rewrite(block)
        frame_bytes_max = self.destination.frame_bytes_max
        return [content_frames(packed.pack(block, joined(body)), 1, frame_bytes_max) for body in run.bodies()]

    # -- back ------------------------------------------------------------------------------------------------

    def confirmed(self, tag: int, multiple: bool, taken: bool) -> None:
        """The destination has taken messages, or refused them."""
        up_to, refused = self._unconfirmed.settle(tag, multiple, taken)
        if refused:
            self._give_back(refused)
        self._to_acknowledge = up_to or self._to_acknowledge
        if self.remaining == 0 and not self._unconfirmed.count:
            self._acknowledge()
            self.on_all()

    def _give_back(self, refused: list[int]) -> None:
        """Return messages to the source, and wait a moment: they are about to come again.

        This comes before any acknowledgement of later ones, which would be one of these as well.
        """
        for each in refused:
            self.source.send(_nack(1, 1, 13, 60, 120, each, _REQUEUE, 0xCE))
        if self.remaining is not None:
            self.remaining += len(refused)
        self.forwarded -= len(refused)
        if not self._resting:
            self._resting = True
            self.look()
            self._call_later(REST_SECONDS, self._rested)

    def _rested(self) -> None:
        self._resting = False
        self.look()

    def _acknowledge(self) -> None:
        """Tell the source of all that may be forgotten there."""
        if self._to_acknowledge:
            self.source.send(ack_frame(1, self._to_acknowledge, True))
            self._to_acknowledge = 0

    # -- flow ------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Leave the source unread while the destination takes nothing, and no longer."""
        paused = self.destination.congested or self._resting or bool(self.blocked)
        if paused is not self.source.paused:
            self.source.paused = paused
            self.source.wake()


def joined(frames: bytes) -> bytes:
    """The body that is in body frames."""
    parts = []
    at = 0
    while at < len(frames):
        size = int.from_bytes(frames[at + 3 : at + 7], "big")
        parts.append(frames[at + 7 : at + 7 + size])
        at += size + 8
    return b"".join(parts)
