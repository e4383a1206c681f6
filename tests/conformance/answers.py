"""The lines in which `wire.Client` shows a broker's answers, spelt shorter.

Close codes imply their names: `channel_error(404, "no queue ...", Queue.Declare)` is the line of a
channel.close with the text `NOT_FOUND - no queue ...` that blames queue.declare. The names `q` and so on are
those of the fixtures.
"""

from __future__ import annotations

from typing import Any

from pamqp import base

NAMES = {
    320: "CONNECTION_FORCED",
    403: "ACCESS_REFUSED",
    404: "NOT_FOUND",
    405: "RESOURCE_LOCKED",
    406: "PRECONDITION_FAILED",
    501: "FRAME_ERROR",
    502: "SYNTAX_ERROR",
    503: "COMMAND_INVALID",
    504: "CHANNEL_ERROR",
    505: "UNEXPECTED_FRAME",
    530: "NOT_ALLOWED",
    540: "NOT_IMPLEMENTED",
    541: "INTERNAL_ERROR",
}
EMPTY = "1 Basic.GetEmpty()"
BOUND = "1 Queue.BindOk()"
UNBOUND = "1 Queue.UnbindOk()"
QOS_OK = "1 Basic.QosOk()"
LOCKED = (
    "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another "
    "connection or the exclusive property value does not match that of the original declaration."
)


def _blamed(method: type[base.Frame] | None) -> str:
    """Class and method, as connection.close and channel.close give them."""
    return f"{method.index >> 16}.{method.frame_id}" if method else "0.0"


def _closed(code: int, text: str, method: type[base.Frame] | None) -> str:
    return f"Close({code}, {f'{NAMES[code]} - {text}'!r}, {_blamed(method)})"


def channel_error(code: int, text: str, method: type[base.Frame], channel: int = 1) -> str:
    return f"{channel} Channel.{_closed(code, text, method)}"


def connection_error(code: int, text: str, method: type[base.Frame] | None = None) -> str:
    return f"0 Connection.{_closed(code, text, method)}"


def declared(queue: str = "q", messages: int = 0, consumers: int = 0) -> str:
    return f"1 Queue.DeclareOk(queue={queue!r}, message_count={messages}, consumer_count={consumers})"


def message(body: bytes, **properties: Any) -> str:
    listed = ", ".join(f"{name}={value!r}" for name, value in properties.items())
    return f"{{{listed}}} {body!r}"


def got(
    tag: int,
    body: bytes = b"m",
    *,
    left: int = 0,
    key: str = "q",
    exchange: str = "",
    redelivered: bool = False,
    **properties: Any,
) -> str:
    """basic.get-ok; `left` messages are still ready behind this one."""
    return (
        f"1 Basic.GetOk(delivery_tag={tag}, redelivered={redelivered}, exchange={exchange!r}, "
        f"routing_key={key!r}, message_count={left}) {message(body, **properties)}"
    )


def delivered(
    tag: int,
    body: bytes = b"m",
    *,
    to: str = "c",
    key: str = "q",
    exchange: str = "",
    redelivered: bool = False,
    channel: int = 1,
    **properties: Any,
) -> str:
    """basic.deliver to the consumer `to`."""
    return (
        f"{channel} Basic.Deliver(consumer_tag={to!r}, delivery_tag={tag}, redelivered={redelivered}, "
        f"exchange={exchange!r}, routing_key={key!r}) {message(body, **properties)}"
    )


def returned(body: bytes = b"m", *, key: str = "q", exchange: str = "", **properties: Any) -> str:
    """basic.return of a mandatory message that no queue took."""
    return (
        f"1 Basic.Return(reply_code=312, reply_text='NO_ROUTE', exchange={exchange!r}, routing_key={key!r}) "
        f"{message(body, **properties)}"
    )


def confirmed(tag: int, multiple: bool = False) -> str:
    return f"1 Basic.Ack(delivery_tag={tag}, multiple={multiple})"


def no_queue(method: type[base.Frame], name: str = "q") -> str:
    return channel_error(404, f"no queue '{name}' in vhost '/'", method)


def no_exchange(method: type[base.Frame], name: str = "x") -> str:
    return channel_error(404, f"no exchange '{name}' in vhost '/'", method)


def locked(method: type[base.Frame]) -> str:
    return channel_error(405, LOCKED, method)
