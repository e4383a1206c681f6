"""A connection as RabbitMQ's API shows it, and what else there is to tell.

`waits_for` says why a publisher is not read from (`core.descriptions`); `client_id` and `subscriptions` are of
protocols that have such things. Where RabbitMQ reports on the process behind a connection, which there is none of here,
the numbers are 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from menura.core.descriptions import TlsState
from menura.core.node import NAME
from menura.core.presence import Connected
from menura.management.lists import ABSENT, Column, View
from menura.management.statistics import windows
from menura.management.views.arguments import as_json
from menura.management.views.protocols import title
from menura.management.views.schemas import BOOLEAN, INTEGER, OBJECT, STRING, STRINGS, fixed

if TYPE_CHECKING:
    from menura.management.http.messages import Request

GARBAGE_COLLECTION = {
    "fullsweep_after": 0,
    "max_heap_size": 0,
    "min_bin_vheap_size": 0,
    "min_heap_size": 0,
    "minor_gcs": 0,
}
SCHEMA = fixed(
    {
        "name": STRING,
        "user": STRING,
        "vhost": STRING,
        "protocol": STRING,
        "type": STRING,
        "node": STRING,
        "host": STRING,
        "port": INTEGER,
        "peer_host": STRING,
        "peer_port": INTEGER,
        "ssl": BOOLEAN,
        "auth_mechanism": STRING,
        "state": STRING,
        "timeout": INTEGER,
        "frame_max": INTEGER,
        "channel_max": INTEGER,
        "channels": INTEGER,
        "connected_at": INTEGER,
        "client_properties": OBJECT,
        "recv_oct": INTEGER,
        "recv_cnt": INTEGER,
        "send_oct": INTEGER,
        "send_cnt": INTEGER,
        "send_pend": INTEGER,
        "waits_for": STRINGS,
    },
    {"user_provided_name": STRING, "client_id": STRING, "subscriptions": INTEGER, "message_stats": OBJECT},
)
Columns = dict[str, Column[Connected]]

_SAID: Columns = {
    "name": lambda connected: connected.address,
    "user_provided_name": lambda connected: connected.name or ABSENT,
    "user": lambda connected: connected.user,
    "user_who_performed_action": lambda connected: connected.user,
    "vhost": lambda connected: connected.vhost,
    "protocol": title,
    "type": lambda connected: "direct" if connected.peer.internal else "network",
    "node": lambda connected: NAME,
    "host": lambda connected: connected.peer.server_host,
    "port": lambda connected: connected.peer.server_port,
    "peer_host": lambda connected: connected.peer.host,
    "peer_port": lambda connected: connected.peer.port,
    "connected_at": lambda connected: connected.since_ms,
    "channels": lambda connected: connected.channel_count,
    "subscriptions": lambda connected: connected.describe().subscription_count,
    "state": lambda connected: connected.describe().state,
    "waits_for": lambda connected: list(connected.describe().waits_for),
    "auth_mechanism": lambda connected: connected.describe().auth_mechanism,
    "timeout": lambda connected: connected.describe().heartbeat_seconds,
    "frame_max": lambda connected: connected.describe().frame_bytes_max,
    "channel_max": lambda connected: connected.describe().channels_max,
    "client_properties": lambda connected: as_json(connected.describe().client_properties),
    "client_id": lambda connected: connected.describe().client_id or ABSENT,
}
_OF_PROCESS: Columns = {
    "garbage_collection": lambda connected: GARBAGE_COLLECTION,
    "reductions": lambda connected: 0,
    "reductions_details": lambda connected: {"rate": 0.0},
}
_SOCKET: Columns = {
    "recv_oct": lambda connected: connected.socket().received_bytes,
    "recv_cnt": lambda connected: connected.socket().reads,
    "send_oct": lambda connected: connected.socket().sent_bytes,
    "send_cnt": lambda connected: connected.socket().writes,
    "send_pend": lambda connected: connected.socket().pending_bytes,
}


# -- TLS -----------------------------------------------------------------------------------------------------


def _protocol(state: TlsState) -> str:
    return state.protocol.lower()


def _parts(state: TlsState) -> tuple[str, str, str]:
    """Key exchange, cipher and hash out of the name of a cipher suite, as OpenSSL writes it."""
    name = state.cipher.lower().replace("-", "_")
    exchange = "any"
    if name.startswith("tls_"):
        name = name.removeprefix("tls_")
    else:
        words = name.split("_")
        keys = [word for word in words if word in ("ecdhe", "dhe", "ecdh", "dh", "rsa", "ecdsa", "psk")]
        exchange = "_".join(keys) or "rsa"
        name = "_".join(word for word in words if word not in keys)
    cipher, _, digest = name.rpartition("_")
    return (exchange, cipher, digest) if digest.startswith("sha") else (exchange, name, "aead")


def _of_tls(read: Any) -> Column[Connected]:
    """A column that only TLS connections have something in; null elsewhere."""

    def column(connected: Connected) -> Any:
        state = connected.peer.tls_state()
        return None if state is None else read(state) or None

    return column


_TLS: Columns = {
    "ssl": lambda connected: connected.peer.tls,
    "ssl_protocol": _of_tls(_protocol),
    "ssl_key_exchange": _of_tls(lambda state: _parts(state)[0]),
    "ssl_cipher": _of_tls(lambda state: _parts(state)[1]),
    "ssl_hash": _of_tls(lambda state: _parts(state)[2]),
    "peer_cert_subject": _of_tls(lambda state: state.subject),
    "peer_cert_issuer": _of_tls(lambda state: state.issuer),
    "peer_cert_validity": _of_tls(lambda state: state.validity),
}


def connection_view(request: Request) -> View[Connected]:
    """A connection, in a list or alone."""
    statistics, window = request.backend.statistics, windows(request)
    counted: Columns = {
        "message_stats": lambda connected: statistics.message_stats(connected, window.msg_rates) or ABSENT,
        "recv_oct_details": lambda connected: statistics.history(connected).details("recv_oct", window.data_rates),
        "send_oct_details": lambda connected: statistics.history(connected).details("send_oct", window.data_rates),
    }
    return View({**_SAID, **_SOCKET, **_TLS, **_OF_PROCESS, **counted})


def details(connected: Connected | None) -> dict[str, Any]:
    """`connection_details`, where something belongs to a connection."""
    if connected is None:
        return {"name": "", "peer_host": "", "peer_port": 0}
    return {"name": connected.address, "peer_host": connected.peer.host, "peer_port": connected.peer.port}
