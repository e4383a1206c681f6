"""The kinds of exchange, each in a file of its own, under the names by which they are declared."""

from __future__ import annotations

from menura.core.exchange import KINDS
from menura.core.exchanges.consistent_hash import ConsistentHashExchange
from menura.core.exchanges.delayed_message import DelayedMessageExchange
from menura.core.exchanges.direct import DirectExchange
from menura.core.exchanges.fanout import FanoutExchange
from menura.core.exchanges.headers import HeadersExchange
from menura.core.exchanges.modulus_hash import ModulusHashExchange
from menura.core.exchanges.random import LocalRandomExchange, RandomExchange
from menura.core.exchanges.recent_history import RecentHistoryExchange
from menura.core.exchanges.topic import TopicExchange

__all__ = ["KINDS", "quoted"]

KINDS.update(
    (kind.kind, kind)
    for kind in (
        DirectExchange,
        FanoutExchange,
        TopicExchange,
        HeadersExchange,
        ConsistentHashExchange,
        ModulusHashExchange,
        RandomExchange,
        LocalRandomExchange,
        RecentHistoryExchange,
        DelayedMessageExchange,
    )
)


def quoted(kind: str) -> str:
    """A kind as error texts print it: with a hyphen in it, in quotes of its own."""
    return f"'{kind}'" if "-" in kind else kind
