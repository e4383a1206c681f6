"""From the protocol header to connection.open-ok.

States, in order: START_OK, TUNE_OK, OPEN (and SECURE is never entered: no mechanism offered needs a second
step). Anything else than the expected method is an error of the state. A failed login is answered with
connection.close only where the client said it understands that; otherwise it is cut off, as the specification
has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from menura.core import fields
from menura.core.attempts import host_of
from menura.core.errors import AuthenticationFailed
from menura.core.node import Node
from menura.core.peers import Peer
from menura.core.vhost import VHost
from menura.protocols.amqp import wire
from menura.protocols.amqp.errors import AmqpError, DisconnectError
from menura.protocols.amqp.limits import AmqpLimits, Identity
from menura.protocols.amqp.spec import FRAME_BYTES_MIN

CAPABILITIES = (
    "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
    "connection.blocked", "consumer_priorities", "authentication_failure_close", "per_consumer_qos",
    "direct_reply_to",
)  # fmt: skip
NOBODY = "none"
OLDER_HEADER = b"AMQP\x01\x01\x00\x09"


class Handshake:
    """Collects what the connection will be: user, virtual host and the tuned limits."""

    def __init__(self, node: Node, peer: Peer, limits: AmqpLimits, identity: Identity) -> None:
        self.node = node
        self.peer = peer
        self.limits = limits
        self.identity = identity
        self.state = "START_OK"
        self.user = ""
        self.claimed = peer.subject or ""  # who it says it is
        self.nobody = False
        """Whether it is the broker itself, which needs no user."""
        self.mechanism = ""
        self.vhost: VHost | None = None
        self.client_properties: Mapping[str, Any] = {}
        self.capabilities: Mapping[str, Any] = {}
        self.channels_max = limits.channels_max
        self.frame_bytes_max = limits.frame_bytes_max
        self.heartbeat_seconds = limits.heartbeat_seconds

    @property
    def mechanisms(self) -> str:
        offered = ["PLAIN", "AMQPLAIN"]
        if self.identity.anonymous:
            offered.append("ANONYMOUS")
        if self.peer.subject is not None or self.peer.internal:
            offered.append("EXTERNAL")
        return " ".join(offered)

    def start(self) -> bytes:
        """The first frame, connection.start."""
        identity = self.identity
        properties: dict[str, Any] = {
            "capabilities": dict.fromkeys(CAPABILITIES, True),
            "cluster_name": self._cluster_name(),
            "copyright": identity.copyright,
            "information": identity.information,
            "platform": identity.platform,
            "product": identity.product,
            "version": identity.version,
        }
        return wire.frame(
            0,
            "connection.start",
            version_major=0,
            version_minor=9,
            server_properties=fields.encode_table(properties),
            mechanisms=self.mechanisms.encode(),
            locales=b"en_US",
        )

    def _cluster_name(self) -> str:
        """As it was set at run time, if it was."""
        name = self.node.parameters.globals.get("cluster_name")
        return name if isinstance(name, str) else self.identity.cluster_name

    def method(self, method: Any) -> bytes:
        """Answer one method of channel 0; the frames to send."""
        if method.name == "connection.start-ok" and self.state == "START_OK":
            return self._start_ok(method)
        if method.name == "connection.tune-ok" and self.state == "TUNE_OK":
            return self._tune_ok(method)
        if method.name == "connection.open" and self.state == "OPEN":
            return self._open(method)
        state = {"START_OK": "starting", "TUNE_OK": "tuning", "OPEN": "opening"}[self.state]
        raise AmqpError("CHANNEL_ERROR", f"unexpected method in connection state {state}", method.ids)

    def _start_ok(self, method: Any) -> bytes:
        self.client_properties = method.client_properties.decode()
        capabilities = self.client_properties.get("capabilities")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        self.mechanism = method.mechanism
        if method.mechanism not in self.mechanisms.split():
            raise AmqpError("COMMAND_INVALID", f"unknown authentication mechanism '{method.mechanism}'", method.ids)
        counts, host = self.node.login_counts, host_of(self.peer.address)
        try:
            self.user = self._authenticate(method)
            if not self.peer.internal:
                counts.note("amqp091", host, self.user, True)
        except AuthenticationFailed as failure:
            counts.note("amqp091", host, self.claimed, False)
            raise self.login_refused(failure, method.ids) from failure
        self.state = "TUNE_OK"
        limits = self.limits
        return wire.frame(
            0,
            "connection.tune",
            channel_max=limits.channels_max,
            frame_max=limits.frame_bytes_max,
            heartbeat=limits.heartbeat_seconds,
        )

    def login_refused(self, failure: Exception, ids: tuple[int, int]) -> Exception:
        """What a failed login ends with."""
        if self.capabilities.get("authentication_failure_close") is True:
            text = (
                f"Login was refused using authentication mechanism {self.mechanism}. "
                "For details see the broker logfile."
            )
            return AmqpError("ACCESS_REFUSED", text, fatal=True)
        return DisconnectError(f"login refused: {failure}")

    def _authenticate(self, method: Any) -> str:
        logins = self.node.logins
        if method.mechanism == "EXTERNAL":
            if self.peer.internal and self.peer.subject is None:
                self.nobody = True
                return NOBODY
            return logins.known(self.peer.subject or "").name
        if method.mechanism == "ANONYMOUS":
            logins.require_near(self.peer, "guest")
            return logins.known("guest").name
        read = _plain if method.mechanism == "PLAIN" else _amqplain
        name, password = read(method.response, method.ids)
        self.claimed = name
        return logins.log_in(self.peer, name, password).name

    def _tune_ok(self, method: Any) -> bytes:
        limits = self.limits
        self.channels_max = _tuned("channel_max", method.channel_max, limits.channels_max, 1, method.ids)
        self.frame_bytes_max = _tuned(
            "frame_max", method.frame_max, limits.frame_bytes_max, FRAME_BYTES_MIN, method.ids
        )
        self.heartbeat_seconds = method.heartbeat
        self.state = "OPEN"
        return b""

    def _open(self, method: Any) -> bytes:
        enter = self.node.vhost if self.nobody else partial(self.node.enter, self.user)
        self.vhost = enter(method.virtual_host)
        return wire.frame(0, "connection.open-ok")


def _tuned(name: str, asked: int, offered: int, least: int, ids: tuple[int, int]) -> int:
    """The negotiated value; 0 stands for no limit."""
    no_limit = "" if asked else " (no limit)"
    if asked and asked < least:
        bound = f"lower than the minimum allowed value ({least})"
    elif offered and (asked == 0 or asked > offered):
        bound = f"higher than the maximum allowed value ({offered})"
    else:
        return asked
    raise AmqpError("NOT_ALLOWED", f"negotiated {name} = {asked}{no_limit} is {bound}", ids)


def _plain(response: bytes, ids: tuple[int, int]) -> tuple[str, str]:
    """RFC 4616: authorisation identity (not used), name and password, each behind a NUL."""
    parts = response.split(b"\x00")
    try:
        _, name, password = parts
        return name.decode(), password.decode()
    except ValueError:
        # There may be a password in it, and this is for the log.
        raise AmqpError("SYNTAX_ERROR", f"response of {len(response)} octets invalid", ids) from None


def _amqplain(response: bytes, ids: tuple[int, int]) -> tuple[str, str]:
    """LOGIN and PASSWORD in a field table without its length."""
    try:
        table, _ = fields.decode_table(len(response).to_bytes(4, "big") + response)
        name, password = table["LOGIN"], table["PASSWORD"]
    except (fields.FieldError, KeyError):
        name = password = None
    if not isinstance(name, str) or not isinstance(password, str):
        raise AmqpError("SYNTAX_ERROR", "AMQPLAIN auth info is missing LOGIN or PASSWORD field", ids)
    return name, password
