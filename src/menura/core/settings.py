"""How a queue behaves: what its arguments, its policy and its operator policy come to.

A policy says under a key of its own what an argument says behind `x-`. Both kinds of policy are joined first, key by
key (`joined`): of two numbers the smaller one counts, of other values the operator's. Then come the arguments, whose
numbers can only narrow what the policy allows, and whose names of exchanges and keys go first. Quorum queues differ
in that a policy decides what happens to a full queue. All this is what RabbitMQ does.

The result is a value: two queues with equal settings behave alike, and `PLAIN` says that a queue needs none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from menura.core.arguments import Arguments, number, queue_type, text, truth
from menura.core.queue_types import QUORUM

DELIVERY_LIMIT = 20
"""How often a quorum queue delivers a message again if nothing else is said."""
OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")
RETRIES = ("all", "failed", "returned")

Definition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """None, False and the defaults turn a feature off."""

    message_ttl_ms: int | None = None
    expires_ms: int | None = None
    length_max: int | None = None
    bytes_max: int | None = None
    overflow: str = "drop-head"
    dead_letter_exchange: str | None = None
    dead_letter_key: str | None = None
    dead_letters_certain: bool = False
    priority_max: int | None = None
    delivery_limit: int | None = None
    single_active: bool = False
    retry: str | None = None
    retry_min_ms: int | None = None
    retry_max_ms: int | None = None
    consumer_timeout_ms: int | None = None
    quorum: bool = False

    def retry_wait_ms(self, count: int, failed: bool) -> int | None:
        """For how long a message waits for another try that has come back so often, now because its consumer `failed`
        or has gone; None: it does not."""
        if self.retry != "all" and self.retry != ("failed" if failed else "returned"):
            return None
        low = self.retry_min_ms or 0
        return min(low * count, self.retry_max_ms or low)


PLAIN = QueueSettings()


def queue_settings(
    arguments: Arguments, policy: Definition | None = None, operator: Definition | None = None
) -> QueueSettings:
    """The settings of a queue with valid arguments, under the definitions of the policies that match it."""
    quorum = queue_type(arguments) == QUORUM
    if not arguments and not policy and not operator:
        return PLAIN
    both = joined(policy or {}, operator or {})

    def least(key: str) -> Any:
        return _resolved(arguments, both, key, number, min)

    exchange = _resolved(arguments, both, "dead-letter-exchange", text, _first)
    overflow = _resolved(arguments, both, "overflow", text, _second if quorum else _first)
    strategy = _resolved(arguments, both, "dead-letter-strategy", text, _first) if quorum else None
    # As in RabbitMQ, it takes a queue that refuses what it has no room for.
    certain = strategy == "at-least-once" and overflow == "reject-publish" and exchange is not None
    retry, retry_min, retry_max = _retry(arguments, both) if quorum else (None, None, None)
    return QueueSettings(
        message_ttl_ms=least("message-ttl"),
        expires_ms=least("expires"),
        length_max=least("max-length"),
        bytes_max=least("max-length-bytes"),
        overflow=overflow if overflow in (OVERFLOWS[:2] if quorum else OVERFLOWS) else OVERFLOWS[0],
        dead_letter_exchange=exchange,
        dead_letter_key=_resolved(arguments, both, "dead-letter-routing-key", text, _first),
        dead_letters_certain=certain,
        priority_max=number(arguments, "x-max-priority"),
        delivery_limit=_delivery_limit(arguments, both) if quorum else None,
        single_active=truth(arguments, "x-single-active-consumer"),
        retry=retry,
        retry_min_ms=retry_min,
        retry_max_ms=retry_max,
        consumer_timeout_ms=least("consumer-timeout"),
        quorum=quorum,
    )


def joined(policy: Definition, operator: Definition) -> Definition:
    """What a policy and an operator policy come to, key by key."""
    if not operator:
        return policy
    both = {**policy, **operator}
    for key in policy.keys() & operator.keys():
        both[key] = _JOIN.get(key, _second)(policy[key], operator[key])
    return both


def _first(one: Any, other: Any) -> Any:
    return one


def _second(one: Any, other: Any) -> Any:
    return other


def _limit(one: int, other: int) -> int:
    """Of two delivery limits the smaller one, where a negative one is none."""
    return max(one, other) if one < 0 or other < 0 else min(one, other)


_JOIN: dict[str, Callable[[Any, Any], Any]] = {
    "message-ttl": min,
    "expires": min,
    "max-length": min,
    "max-length-bytes": min,
    "max-in-memory-length": min,
    "max-in-memory-bytes": min,
    "delivery-limit": _limit,
    "delayed-retry-min": max,
    "delayed-retry-max": min,
    "target-group-size": max,
}


def _delivery_limit(arguments: Arguments, policy: Definition) -> int | None:
    limit: int | None = _resolved(arguments, policy, "delivery-limit", number, _limit)
    if limit is None:
        return DELIVERY_LIMIT
    return limit if limit >= 0 else None


def _retry(arguments: Arguments, policy: Definition) -> tuple[str | None, int | None, int | None]:
    """Which returned messages wait, and from how long to how long; nothing without the shortest time."""
    kind = _resolved(arguments, policy, "delayed-retry-type", text, _second)
    low = _resolved(arguments, policy, "delayed-retry-min", number, min)
    high = _resolved(arguments, policy, "delayed-retry-max", number, min)
    return (kind, low, high or low) if kind in RETRIES and low else (None, None, None)


def _resolved(
    arguments: Arguments,
    policy: Definition,
    key: str,
    read: Callable[[Arguments, str], Any],
    resolve: Callable[[Any, Any], Any],
) -> Any:
    """The value of an argument or of a policy's key; `resolve` says what they come to where both are given."""
    argument, rule = read(arguments, "x-" + key), policy.get(key)
    if argument is None or rule is None:
        return rule if argument is None else argument
    return resolve(argument, rule)
