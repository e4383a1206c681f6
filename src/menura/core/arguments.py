"""Arguments of queues, exchanges and consumers: one table of what is valid, and when two declarations are the same.

Arguments travel as encoded values (see `fields`) because the type counts in messages about them. Those unknown here are
kept and otherwise ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from menura.core import fields
from menura.core.errors import PreconditionFailed
from menura.core.terms import raw_term

Arguments = Mapping[str, bytes]
_INTEGERS = frozenset(("byte", "unsignedbyte", "short", "unsignedshort", "signedint", "unsignedint", "long"))
_FLOATS = frozenset(("float", "double"))
CLASSIC = fields.encode_value("classic")
_VOID = fields.encode_value(None)
_INTEGER = re.compile(r"[+-]?[0-9]+")
# More than any number has that could be meant.
_DIGITS_MAX = 24
KEY_BYTES_MAX = 255
EXPIRES_MS_MAX = 10 * 365 * 24 * 3600 * 1000


def text(arguments: Arguments, name: str) -> str | None:
    raw = arguments.get(name)
    value = fields.decode_value(raw) if raw is not None else None
    return value if isinstance(value, str) else None


def truth(arguments: Arguments, name: str) -> bool:
    raw = arguments.get(name)
    return raw is not None and fields.decode_value(raw) is True


def number(arguments: Arguments, name: str) -> int | None:
    raw = arguments.get(name)
    if raw is None or fields.type_name(raw) not in _INTEGERS:
        return None
    value = fields.decode_value(raw)
    return value if isinstance(value, int) else None


# -- equivalence ---------------------------------------------------------------------------------------------


def require_equal(property_name: str, what: str, received: str | bool, current: str | bool) -> None:
    """Refuse a second declaration whose property differs from the first."""
    if received != current:
        raise PreconditionFailed(
            f"inequivalent arg '{property_name}' for {what}: "
            f"received {_plain(received)} but current is {_plain(current)}"
        )


def require_equal_arguments(
    what: str, received: Arguments, current: Arguments, names: Iterable[str] | None = None
) -> None:
    """Refuse a second declaration whose known arguments differ; integers compare by value, whatever their
    width."""
    for name in QUEUE_ARGUMENTS[queue_type(current)] if names is None else names:
        new, old = received.get(name), current.get(name)
        same = _same_type(new, old) if name == "x-queue-type" else _same(new, old)
        if not same:
            describe = _described if new is None or old is None else _brief
            raise PreconditionFailed(
                f"inequivalent arg '{name}' for {what}: received {describe(new)} but current is {describe(old)}"
            )


def _same(one: bytes | None, other: bytes | None) -> bool:
    """Equal, numbers by value: all integers are of one class, and floats of another."""
    if one == other:
        return True
    if one is None or other is None:
        return False
    return any(
        fields.type_name(one) in kinds
        and fields.type_name(other) in kinds
        and fields.decode_value(one) == fields.decode_value(other)
        for kinds in (_INTEGERS, _FLOATS)
    )


def _same_type(one: bytes | None, other: bytes | None) -> bool:
    """No type is the same as classic."""
    return (one or CLASSIC) == (other or CLASSIC)


def _plain(value: str | bool) -> str:
    return f"'{str(value).lower() if isinstance(value, bool) else value}'"


def _described(raw: bytes | None) -> str:
    if raw is None:
        return "none"
    return f"the value '{_printed(raw)}' of type '{fields.type_name(raw)}'"


def _brief(raw: bytes | None) -> str:
    return "none" if raw is None or raw == _VOID else f"'{_printed(raw)}'"


def _printed(raw: bytes) -> str:
    value = fields.decode_value(raw)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else raw_term(raw)


def shown(value: Any) -> str:
    """A value as error texts print it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- validity ------------------------------------------------------------------------------------------------

Check = Callable[[str, Any, Arguments], str | None]
"""(type name, value, all arguments) -> what is wrong, as an Erlang term like those RabbitMQ prints, or
None."""


def _integer(low: int = 0, high: int | None = None) -> Check:
    def check(kind: str, value: Any, _: Arguments) -> str | None:
        if kind not in _INTEGERS:
            return f'"expected integer, got {kind}"'
        if value < min(low, 0):
            return f"{{value_negative,{value}}}"
        if value < low:
            return f"{{value_zero,{value}}}"
        if high is not None and value > high:
            return f"{{value_too_large,{value}}}"
        return None

    return check


def _string(*allowed: str, otherwise: str = "") -> Check:
    def check(kind: str, value: Any, _: Arguments) -> str | None:
        if kind != "longstr":
            return f"{{unacceptable_type,{kind}}}"
        return otherwise.format(value) if allowed and value not in allowed else None

    return check


def _version(kind: str, value: Any, arguments: Arguments) -> str | None:
    wrong = _integer()(kind, value, arguments)
    return wrong or (None if value in (1, 2) else f"\"unsupported queue version '{value}'\"")


def _anything(kind: str, value: Any, _: Arguments) -> str | None:
    return None


def _boolean(kind: str, value: Any, _: Arguments) -> str | None:
    return None if kind == "bool" else f"{{unacceptable_type,{kind}}}"


def _priority(kind: str, value: Any, arguments: Arguments) -> str | None:
    wrong = _integer()(kind, value, arguments)
    if wrong is None and value > 255:
        return f"{{max_value_exceeded,{value}}}"
    return wrong


def _dead_letter_key(kind: str, value: Any, arguments: Arguments) -> str | None:
    wrong = _string()(kind, value, arguments)
    if wrong is None and "x-dead-letter-exchange" not in arguments:
        return "routing_key_but_no_dlx_defined"
    if wrong is None and len(value.encode()) > KEY_BYTES_MAX:
        # RabbitMQ takes it, and breaks down when such a message is to be delivered.
        return f"{{too_long,{len(value.encode())}}}"
    return wrong


# In the order in which they are looked at.
_COMMON: dict[str, Check] = {
    "x-queue-type": _string("classic", "quorum", otherwise="\"unsupported queue type '{}'\""),
    "x-expires": _integer(1, EXPIRES_MS_MAX),
    "x-message-ttl": _integer(0, EXPIRES_MS_MAX),
    "x-dead-letter-exchange": _string(),
    "x-dead-letter-routing-key": _dead_letter_key,
    "x-max-length": _integer(),
    "x-max-length-bytes": _integer(),
    "x-max-priority": _priority,
    "x-overflow": _string("drop-head", "reject-publish", "reject-publish-dlx", otherwise="invalid_overflow"),
}
_OF_CLASSIC: dict[str, Check] = {
    "x-queue-mode": _string("default", "lazy", otherwise="\"unsupported queue mode '{}'\""),
    "x-queue-version": _version,
    "x-queue-master-locator": _anything,
}
_OF_QUORUM: dict[str, Check] = {
    "x-delivery-limit": _integer(-(1 << 63)),
    "x-dead-letter-strategy": _string("at-most-once", "at-least-once", otherwise="invalid_dlx_strategy"),
    "x-max-in-memory-length": _integer(),
    "x-max-in-memory-bytes": _integer(),
    "x-quorum-initial-group-size": _integer(1),
    "x-quorum-target-group-size": _integer(1),
    "x-queue-leader-locator": _string("client-local", "balanced", otherwise="invalid_queue_locator_arg"),
    "x-delayed-retry-type": _string("disabled", "all", "failed", "returned", otherwise="invalid_delayed_retry_type"),
    "x-delayed-retry-min": _integer(1, EXPIRES_MS_MAX),
    "x-delayed-retry-max": _integer(1, EXPIRES_MS_MAX),
}
_OF_STREAMS: dict[str, Check] = dict.fromkeys(
    ("x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size"), _anything
)
_LAST: dict[str, Check] = {"x-single-active-consumer": _boolean}
QUEUE_ARGUMENTS: dict[str, dict[str, Check]] = {
    "classic": {**_COMMON, **_OF_CLASSIC, **_LAST},
    "quorum": {**_COMMON, **_OF_QUORUM, **_LAST},
}
"""What queues of each type know; what another type knows is refused, and everything else left alone."""


def queue_type(arguments: Arguments) -> str:
    return (text(arguments, "x-queue-type") or "classic") if arguments else "classic"


def check_replicable(what: str, arguments: Arguments, *, durable: bool, exclusive: bool, auto_delete: bool) -> None:
    """Refuse properties that a quorum queue cannot have."""
    if queue_type(arguments) != "quorum":
        return
    for wrong, name in ((auto_delete, "auto-delete"), (exclusive, "exclusive-owner"), (not durable, "non-durable")):
        if wrong:
            raise PreconditionFailed(f"invalid property '{name}' for {what}")


def check_queue_arguments(what: str, arguments: Arguments) -> None:
    """Refuse a declaration with an argument of a wrong type or out of range."""
    require_string("x-dead-letter-exchange", what, arguments)
    kind = queue_type(arguments)
    known = QUEUE_ARGUMENTS.get(kind, _COMMON)
    _check(what, arguments, known)
    for name in (*_OF_CLASSIC, *_OF_QUORUM, *_OF_STREAMS):
        if name in arguments and name not in known:
            raise PreconditionFailed(f"invalid arg '{name}' for {what} of queue type rabbit_{kind}_queue")


def _check(what: str, arguments: Arguments, checks: Mapping[str, Check]) -> None:
    for name, check in checks.items():
        raw = arguments.get(name)
        if raw is not None:
            wrong = check(fields.type_name(raw), fields.decode_value(raw), arguments)
            if wrong is not None:
                raise PreconditionFailed(f"invalid arg '{name}' for {what}: {wrong}")


def check_exchange_arguments(name: str, vhost: str, arguments: Arguments) -> None:
    """Refuse a declaration with an alternate exchange that is no name."""
    require_string("alternate-exchange", f"exchange '{name}' in vhost '{vhost}'", arguments)


_CONSUMER_ARGUMENTS: dict[str, Check] = {"x-priority": _integer(-(1 << 63)), "x-cancel-on-ha-failover": _boolean}
_CONSUMER_ARGUMENTS_OF_OTHERS = {
    "classic": ("x-stream-offset",),
    "quorum": ("x-stream-offset", "x-cancel-on-ha-failover"),
}


def check_consumer_arguments(what: str, kind: str, arguments: Arguments) -> None:
    """Refuse a subscription to `what`, a queue of this type, with an argument of a wrong type or for other queues."""
    _check(what, arguments, _CONSUMER_ARGUMENTS)
    for name in _CONSUMER_ARGUMENTS_OF_OTHERS.get(kind, ()):
        if name in arguments:
            raise PreconditionFailed(f"invalid arg '{name}' for {what} of queue type rabbit_{kind}_queue")


def require_string(name: str, what: str, arguments: Arguments) -> None:
    """Refuse a declaration of `what` with an argument that is no text."""
    raw = arguments.get(name)
    if raw is not None and fields.type_name(raw) != "longstr":
        raise PreconditionFailed(f"invalid type '{fields.type_name(raw)}' for arg '{name}' in {what}")


def check_expiration(text: str) -> None:
    """Refuse what a message may not say of the time it lives: milliseconds, as text."""
    found = _INTEGER.match(text)
    if found is None:
        wrong = "no_integer"
    elif found.end() < len(text):
        wrong = f'{{leftover_string,"{text[found.end() :]}"}}'
    elif len(text) > _DIGITS_MAX or int(text) > EXPIRES_MS_MAX:
        wrong = f"{{value_too_large,{text[:_DIGITS_MAX]}}}"
    elif int(text) < 0:
        wrong = f"{{value_negative,{int(text)}}}"
    else:
        return
    raise PreconditionFailed(f"invalid expiration '{text}': {wrong}")
