"""The frames a client may send after CONNECT, one function each, found by name. SEND is in `publishing`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from menura.protocols.stomp.errors import StompError

if TYPE_CHECKING:
    from menura.protocols.stomp.session import Session

Command = Callable[["Session", Mapping[str, str]], None]


def _transaction(command: str, headers: Mapping[str, str]) -> str:
    name = headers.get("transaction")
    if name is None:
        raise StompError("Missing transaction", f"\"{command}\" must include a 'transaction' header\n")
    return name


def _connect(session: Session, headers: Mapping[str, str]) -> None:
    raise StompError("Illegal command", "You are logged in already")


COMMANDS: dict[str, Command] = {
    "CONNECT": _connect,
    "STOMP": _connect,
    "SUBSCRIBE": lambda session, headers: session.subscriptions.subscribe(headers),
    "UNSUBSCRIBE": lambda session, headers: session.subscriptions.unsubscribe(headers),
    "ACK": lambda session, headers: session.subscriptions.settle("ACK", headers),
    "NACK": lambda session, headers: session.subscriptions.settle("NACK", headers),
    "BEGIN": lambda session, headers: session.transactions.begin(_transaction("BEGIN", headers)),
    "COMMIT": lambda session, headers: session.transactions.commit(_transaction("COMMIT", headers)),
    "ABORT": lambda session, headers: session.transactions.abort(_transaction("ABORT", headers)),
    "DISCONNECT": lambda session, _: session.disconnect(),
}
