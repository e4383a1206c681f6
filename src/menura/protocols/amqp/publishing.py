"""basic.publish and its surroundings: targets, properties with a meaning, returns, content that comes in
pieces.

A `Target` is what one basic.publish frame says, resolved and permitted once; `session.publishes` maps the
octets of the frame to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from menura.core import content as packed
from menura.core import fields, properties
from menura.core.access import Verb
from menura.core.arguments import check_expiration
from menura.core.errors import AccessRefused, PreconditionFailed
from menura.core.routing import Route
from menura.core.run import Run
from menura.protocols.amqp import wire
from menura.protocols.amqp.consuming import REPLY_TO
from menura.protocols.amqp.delivery import content_frames
from menura.protocols.amqp.errors import REASONS, AmqpError, translate

if TYPE_CHECKING:
    from menura.core.exchange import Exchange
    from menura.protocols.amqp.channel import Channel
    from menura.protocols.amqp.session import Session

PUBLISH = (60, 40)
# Flags of properties that mean something to the broker (specification section 4.2.6.1), and of reserved ones.
HEADERS, REPLY, EXPIRATION, USER_ID = 0x2000, 0x0200, 0x0100, 0x0010
SPECIAL = HEADERS | EXPIRATION | USER_ID | 0x0003
# In the first octet of a block: headers or an expiration, which are all that `treatment` knows more of.
_TREATED = (HEADERS | EXPIRATION) >> 8
_REPLY_TO = REPLY_TO.encode()
_KNOWN_BYTES_MAX = 512
_TTL_DIGITS = 10  # what has fewer is not too large a number of milliseconds
_REPLY_FIELD = bytes((len(_REPLY_TO),)) + _REPLY_TO


class Timed:
    """How messages are treated that leave their queues after `ttl_ms`; there is one such object for each such way."""

    __slots__ = ("persistent", "ttl_ms")

    def __init__(self, persistent: bool, ttl_ms: int) -> None:
        self.persistent = persistent
        self.ttl_ms = ttl_ms


Treatment = bool | Timed
"""What messages have in common that make one run: whether they are persistent, and their own time to live."""


class Target:
    """Where a publish goes: a route, for one channel, permitted as of `version` of the users' rights."""

    __slots__ = ("_access", "_exchange", "_exchanges", "_version", "channel", "mandatory", "route")

    def __init__(self, channel: Channel, exchange: Exchange, key: str, mandatory: bool) -> None:
        self.channel = channel
        self.route = Route(exchange.name, key, sending=channel.tallies.to(exchange))
        self.mandatory = mandatory
        self._exchange = exchange
        self._exchanges = channel.session.vhost.exchanges
        self._access = channel.session.access
        self._version = self._access.version

    def holds(self) -> bool:
        """Whether it may still be used: same exchange, same rights, and the channel waits for nothing else."""
        return (
            self._version == self._access.version
            and self._exchanges.get(self.route.exchange) is self._exchange
            and self.channel.content is None
        )

    def traits(self, block: bytes) -> bool | None:
        """Whether a message with this properties block is persistent; None if it needs a closer look.

        A walk over the fields that are there, by their flags (specification section 4.2.6.1).
        """
        try:
            flags = block[0] << 8 | block[1]
            if flags & SPECIAL or (flags & REPLY and _REPLY_TO in block):
                return None
        except IndexError:
            return None
        return self.walk(block)

    def walk(self, block: bytes) -> bool | None:
        """The same for a block without headers, expiration and user-id, whatever its reply-to."""
        try:
            flags = block[0] << 8 | block[1]
            at = 2
            persistent = False
            if flags & 0x8000:
                at += 1 + block[at]
            if flags & 0x4000:
                at += 1 + block[at]
            if flags & 0x1000:
                if not 1 <= block[at] <= 2:
                    return None
                persistent = block[at] == 2
                at += 1
            if flags & 0x0800:
                at += 1
            if flags & 0x0400:
                at += 1 + block[at]
            if flags & REPLY:
                at += 1 + block[at]
            if flags & 0x0080:
                at += 1 + block[at]
            if flags & 0x0040:
                at += 8
            if flags & 0x002C:
                for flag in (0x20, 0x08, 0x04):
                    if flags & flag:
                        at += 1 + block[at]
        except IndexError:
            return None
        return persistent if at == len(block) else None


def learn(session: Session, number: int, frame: bytes) -> bool:
    """Resolve a basic.publish frame seen for the first time; whether the hot loop may go on with it.

    Lead (7 octets), ids (4), ticket (2), exchange and routing key as short strings, a bit each for mandatory and
    immediate, end octet.
    """
    channel = session.channels.get(number)
    if channel is None or channel.closing or channel.content is not None:
        return False
    try:
        key_at = 14 + frame[13]
        bits_at = key_at + 1 + frame[key_at]
        exchange = frame[14:key_at].decode()
        key = frame[key_at + 1 : bits_at].decode()
        bits = frame[bits_at]
    except (IndexError, UnicodeDecodeError):
        return False
    if bits_at + 2 != len(frame):
        return False
    try:
        target = resolve(channel, exchange, key, bool(bits & 1), bool(bits & 2))
    except REASONS as reason:
        session.position += len(frame)
        raise translate(reason, PUBLISH, channel) from reason
    except AmqpError as error:
        error.channel = channel
        session.position += len(frame)
        raise
    if len(session.publishes) >= session.limits.publishes_max:
        session.publishes.clear()
    session.publishes[frame] = target
    return True


def resolve(channel: Channel, name: str, key: str, mandatory: bool, immediate: bool) -> Target:
    """What a basic.publish means, after all checks that do not need the message."""
    session = channel.session
    if immediate:
        raise AmqpError("NOT_IMPLEMENTED", "immediate=true", PUBLISH)
    access = session.access
    access.require(Verb.WRITE, "exchange", name)
    exchange = session.vhost.exchange(name)
    if exchange.internal:
        raise AccessRefused(f"cannot publish to internal exchange '{name}' in vhost '{session.vhost.name}'")
    if exchange.kind == "topic":
        access.require_topic(Verb.WRITE, name, key)
    return Target(channel, exchange, key, mandatory)


def basic_publish(channel: Channel, method: Any) -> None:
    """The slow path, for a frame that the hot loop did not want to learn."""
    target = resolve(channel, method.exchange, method.routing_key, method.mandatory, method.immediate)
    channel.expect_content(target)


# -- messages ------------------------------------------------------------------------------------------------


def publish(channel: Channel, target: Target, run: Run) -> None:
    """Hand a run to the core, or to the transaction."""
    session = channel.session
    if channel.transaction is not None:
        session.vhost.exchange(target.route.exchange)
        channel.transaction.publish(target, run)
        session.throttle.published(kept=False)
        return
    keeper = session.node.keeper if run.persistent else None
    before = keeper.appended if keeper is not None else 0
    vhost = session.vhost
    if vhost.tracer is not None:
        vhost.tracer.published(session.here, channel.number, run)
    unwanted = vhost.publish(run.route, run)
    if unwanted:
        if target.mandatory:
            run.route.sending.returned += len(unwanted)
            send_returns(channel, run.route, unwanted)
        else:
            run.route.sending.dropped += len(unwanted)
    kept = keeper is not None and keeper.appended != before
    if vhost.refused:
        refused = vhost.take_refused()
        channel.note_published(len(run.contents) - refused, kept)
        channel.note_refused(refused)
    elif channel.confirms:
        channel.note_published(len(run.contents), kept)
    session.throttle.published(kept)


def treatment(block: bytes) -> Treatment | None:
    """How messages are treated whose properties have been found to need a closer look.

    None if each has to be looked at by itself, as `publish_special` does, or is wrong.
    """
    if len(block) < 2 or not block[0] & _TREATED:
        return None
    return _treatment(block) if len(block) <= _KNOWN_BYTES_MAX else _treatment.__wrapped__(block)


@lru_cache(maxsize=1024)
def _treatment(block: bytes) -> Treatment | None:
    try:
        flags = block[0] << 8 | block[1]
        if flags & (USER_ID | 0x0003) or (flags & REPLY and _REPLY_TO in block):
            return None
        at = 2
        for flag in (0x8000, 0x4000):
            if flags & flag:
                at += 1 + block[at]
        if flags & HEADERS:
            start, at = at, at + 4 + int.from_bytes(block[at : at + 4], "big")
            # Decoded also to keep what is malformed away from consumers.
            headers = fields.known_table(block[start:at])
            if "CC" in headers or "BCC" in headers:
                return None
        mode = 1
        if flags & 0x1000:
            mode = block[at]
            at += 1
        at += flags >> 11 & 1
        ttl = b""
        for flag in (0x0400, REPLY, EXPIRATION, 0x0080):
            if flags & flag:
                start, at = at + 1, at + 1 + block[at]
                if flag == EXPIRATION:
                    ttl = block[start:at]
        if flags & 0x0040:
            at += 8
        for flag in (0x20, 0x08, 0x04):
            if flags & flag:
                at += 1 + block[at]
    except (IndexError, fields.FieldError):
        return None
    if at != len(block) or not 1 <= mode <= 2:
        return None
    if not flags & EXPIRATION:
        return mode == 2
    return _timed(mode == 2, int(ttl)) if ttl.isdigit() and len(ttl) < _TTL_DIGITS else None


@lru_cache(maxsize=1024)
def _timed(persistent: bool, ttl_ms: int) -> Timed:
    return Timed(persistent, ttl_ms)


def publish_special(channel: Channel, target: Target, content: bytes) -> None:
    """One message whose properties have to be looked at: headers, reply-to, expiration, user-id."""
    changed = block = packed.properties_of(content)
    if len(block) > 2 and not (block[0] << 8 | block[1]) & SPECIAL:
        replied = _with_reply_address(channel, block)
        persistent = target.walk(block)
        if replied is not None and persistent is not None:
            content = packed.with_properties(content, replied)
            size = len(content)
            channel.publish(target, Run(target.route, [content], size, size, persistent))
            return
    properties.check(block)
    flags = block[0] << 8 | block[1]
    route = target.route
    if flags & REPLY and properties.text(block, "reply_to") == REPLY_TO:
        if channel.reply_token is None:
            raise PreconditionFailed("fast reply consumer does not exist")
        changed = properties.replace_field(block, "reply_to", channel.reply_token)
    if flags & USER_ID:
        session = channel.session
        session.access.check_sender(properties.text(block, "user_id") or "")
    deadline_ms = 0
    if flags & EXPIRATION:
        expiration = properties.text(block, "expiration") or ""
        check_expiration(expiration)
        deadline_ms = channel.session.node.agenda.wall_ms + int(expiration)
    if flags & HEADERS:
        raw = properties.headers_raw(block) or b""
        headers = fields.known_table(raw)
        if "CC" in headers or "BCC" in headers:
            route = _copied(channel, target, headers, raw)
            changed = _without_bcc(changed)
    mode = properties.delivery_mode(block)
    if mode not in (None, 1, 2):
        raise PreconditionFailed(f"invalid message: {{delivery_mode_unknown,{mode}}}")
    if changed is not block:
        content = packed.with_properties(content, changed)
    size = len(content)
    channel.publish(target, Run(route, [content], size, size, mode == 2, deadline_ms=deadline_ms))


def _with_reply_address(channel: Channel, block: bytes) -> bytes | None:
    """The block with the channel's own address in place of the well-known one, if that is its reply-to.

    For blocks without headers; None where something else has to be done.
    """
    flags = block[0] << 8 | block[1]
    at = 2
    try:
        for flag in (0x8000, 0x4000):
            if flags & flag:
                at += 1 + block[at]
        at += (flags >> 12 & 1) + (flags >> 11 & 1)
        if flags & 0x0400:
            at += 1 + block[at]
    except IndexError:
        return None
    if not flags & REPLY or not block.startswith(_REPLY_FIELD, at) or channel.reply_token is None:
        return None
    token = channel.reply_token.encode()
    return b"".join((block[:at], bytes((len(token),)), token, block[at + len(_REPLY_FIELD) :]))


def _copied(channel: Channel, target: Target, headers: Mapping[str, Any], raw: bytes) -> Route:
    """The route of a message that names further routing keys in its headers."""
    keys: list[str] = []
    for name in ("CC", "BCC"):
        values = headers.get(name, [])
        if not isinstance(values, list):
            kind = fields.type_name(fields.raw_table(raw)[name])
            raise PreconditionFailed(f'invalid message: {{unacceptable_type_in_header,"{name}",{kind}}}')
        keys += [value for value in values if isinstance(value, str)]
    route = target.route
    session = channel.session
    if session.vhost.exchange(route.exchange).kind == "topic":
        for key in keys:
            session.access.require_topic(Verb.WRITE, route.exchange, key)
    return Route(route.exchange, route.key, tuple(keys), route.sending)


def _without_bcc(block: bytes) -> bytes:
    raw = properties.headers_raw(block)
    assert raw is not None
    table = fields.raw_table(raw)
    if "BCC" not in table:
        return block
    del table["BCC"]
    return properties.replace_headers(block, fields.pack_raw_table(table))


def send_returns(channel: Channel, route: Route, contents: Sequence[bytes]) -> None:
    """Give mandatory messages back that no queue wanted."""
    session = channel.session
    frame = wire.frame(
        channel.number,
        "basic.return",
        reply_code=312,
        reply_text="NO_ROUTE",
        exchange=route.exchange,
        routing_key=route.key,
    )
    for content in contents:
        session.send(frame + content_frames(content, channel.number, session.frame_bytes_max))


# -- content in pieces ---------------------------------------------------------------------------------------


EXPECTED_HEADER = "expected content header for class 60, got non content header frame instead"
EXPECTED_BODY = "expected content body, got non content body frame instead"


class Content:
    """A message whose frames arrive one by one."""

    __slots__ = ("body_bytes", "missing_bytes", "parts", "properties", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.properties: bytes | None = None
        self.parts: list[bytes] = []
        self.body_bytes = self.missing_bytes = 0

    @property
    def unexpected(self) -> AmqpError:
        """The error of a frame that is not the one expected now."""
        return AmqpError("UNEXPECTED_FRAME", EXPECTED_HEADER if self.properties is None else EXPECTED_BODY, PUBLISH)

    def header(self, channel: Channel, payload: bytes) -> None:
        """A content header frame (specification section 4.2.6.1)."""
        class_id = int.from_bytes(payload[:2], "big")
        if self.properties is not None:
            raise AmqpError("UNEXPECTED_FRAME", EXPECTED_BODY, PUBLISH)
        if class_id != PUBLISH[0]:
            raise AmqpError(
                "UNEXPECTED_FRAME",
                f"expected content header for class {PUBLISH[0]}, got one for class {class_id} instead",
                PUBLISH,
            )
        body_bytes = int.from_bytes(payload[4:12], "big")
        limit = channel.session.limits.message_bytes_max
        if body_bytes > limit:
            error = AmqpError(
                "PRECONDITION_FAILED",
                f"message size {body_bytes} is larger than configured max size {limit}",
                PUBLISH,
            )
            error.channel = channel
            raise error
        self.body_bytes = self.missing_bytes = body_bytes
        self.properties = payload[12:]
        if not self.body_bytes:
            self._complete(channel)

    def body(self, channel: Channel, payload: bytes) -> None:
        """A content body frame."""
        if self.properties is None:
            raise AmqpError(
                "UNEXPECTED_FRAME",
                EXPECTED_HEADER,
                PUBLISH,
            )
        channel.session.node.memory.hold(len(payload))
        self.missing_bytes -= len(payload)
        if self.missing_bytes < 0:
            raise AmqpError("FRAME_ERROR", "content body is longer than its header says", PUBLISH, fatal=True)
        self.parts.append(payload)
        if not self.missing_bytes:
            self._complete(channel)

    def forget(self, channel: Channel) -> None:
        """Give back the memory of what has arrived."""
        channel.content = None
        channel.session.node.memory.hold(self.missing_bytes - self.body_bytes)

    def _complete(self, channel: Channel) -> None:
        self.forget(channel)
        assert self.properties is not None
        content = packed.pack(self.properties, b"".join(self.parts))
        traits = self.target.traits(self.properties)
        if traits is None:
            channel.publish_special(self.target, content)
        else:
            channel.publish(self.target, Run(self.target.route, [content], len(content), len(content), traits))


# -- confirms ------------------------------------------------------------------------------------------------


def confirm_select(channel: Channel, method: Any) -> None:
    if channel.transaction is not None:
        raise PreconditionFailed("cannot switch from tx to confirm mode")
    channel.confirms = True
    if not method.nowait:
        channel.send("confirm.select-ok")


METHODS: dict[str, Callable[[Channel, Any], None]] = {
    "basic.publish": basic_publish,
    "confirm.select": confirm_select,
}
