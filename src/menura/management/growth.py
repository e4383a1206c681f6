"""Why a queue grows: what can be seen of it, as findings with a code and numbers. The words for it are the pages'.

A finding is a cause that people can do something about. They are looked for from the outside in: is there anybody to
take messages, can they be sent any, do they finish what they have, does what leaves come back, and what would have
kept the queue short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from menura.core import fields, properties
from menura.core.consumer import Consumer
from menura.core.content import properties_of
from menura.core.dead_letters import DEATHS
from menura.core.exchange import Asked, Exchange
from menura.core.queue import Queue
from menura.core.routing import walk
from menura.core.settings import PLAIN, QueueSettings

if TYPE_CHECKING:
    from menura.management.statistics import History, Statistics

# Over which time it is seen whether a queue grows.
WINDOW_SECONDS = 60
CONSUMERS_MAX = 2000
SHOWN_MAX = 10
_KEYS_MAX = 20
_QUEUES_MAX = 50
# Rates below this are nothing, and less than this part of a rate is no difference.
_RATE_MIN, _PART_MIN = 0.05, 0.05
# Of what is handed out, so much again is more than an accident.
_AGAIN_MIN = 0.2
_NO_PROPERTIES = b"\0\0"
Finding = dict[str, Any]


def why(queue: Queue, statistics: Statistics) -> dict[str, Any]:
    history = statistics.history(queue)
    rates = {
        name: history.rate(name, WINDOW_SECONDS) for name in ("publish", "deliver_get", "ack", "redeliver", "messages")
    }
    growth = rates.pop("messages")
    return {
        "queue": queue.name,
        "vhost": queue.vhost.name,
        "messages_ready": queue.ready_count,
        "messages_unacknowledged": queue.unsettled_count,
        "growing": growth > _RATE_MIN,
        "seconds": WINDOW_SECONDS,
        "rates": {**rates, "growth": growth},
        "findings": [*_consumers(queue), *_speed(queue, history), *_returns(queue, rates), *_bounds(queue, growth)],
    }


# -- who takes messages ----------------------------------------------------------------------------------------


def _consumers(queue: Queue) -> Iterator[Finding]:
    consumers = list(islice(queue.consumers.all, CONSUMERS_MAX))
    if not consumers:
        if queue.ready_count or queue.unsettled_count:
            yield {"code": "no_consumers"}
        return
    if queue.consumers.single and len(consumers) > 1:
        yield {"code": "single_active_consumer", "waiting": len(queue.consumers) - 1, **_shown(consumers[:1])}
        consumers = consumers[:1]
    if not queue.ready_count:
        return
    unread = [consumer for consumer in consumers if not consumer.subscriber.writable]
    if unread:
        yield {"code": "consumers_not_reading", "count": len(unread), "of": len(consumers), **_shown(unread)}
    full = [consumer for consumer in consumers if consumer not in unread and consumer.settles and consumer.room() <= 0]
    if full:
        yield {
            "code": "prefetch_exhausted",
            "count": len(full),
            "of": len(consumers),
            "unacknowledged": sum(consumer.unsettled for consumer in full),
            **_shown(full),
        }


def _shown(consumers: list[Consumer]) -> Finding:
    return {"consumers": [_consumer(consumer) for consumer in consumers[:SHOWN_MAX]]}


def _consumer(consumer: Consumer) -> Finding:
    here, number = consumer.subscriber.who
    limit = consumer.limit
    return {
        "consumer_tag": consumer.tag,
        "connection": here.address if here is not None else "",
        "channel": number,
        "user": here.user if here is not None else "",
        "protocol": here.protocol if here is not None else "",
        "prefetch": consumer.prefetch or (limit.count if limit is not None else 0),
        "unacknowledged": consumer.unsettled,
    }


# -- how fast they are -----------------------------------------------------------------------------------------


def _speed(queue: Queue, history: History) -> Iterator[Finding]:
    if not queue.consumers.all:
        return
    coming, growth = (history.rate(name, WINDOW_SECONDS) for name in ("publish", "messages"))
    leaving = max(coming - growth, 0.0)
    if coming > _RATE_MIN and growth > max(_RATE_MIN, coming * _PART_MIN):
        yield {
            "code": "consumers_slower",
            "publish_rate": coming,
            "leaving_rate": leaving,
            "consumers": len(queue.consumers),
        }
    settled = history.rate("ack", WINDOW_SECONDS)
    if queue.unsettled_count and settled < _RATE_MIN and history.rate("deliver", WINDOW_SECONDS) < _RATE_MIN:
        yield {"code": "nothing_acknowledged", "unacknowledged": queue.unsettled_count, "seconds": WINDOW_SECONDS}


def _returns(queue: Queue, rates: Mapping[str, float]) -> Iterator[Finding]:
    """What leaves and comes back."""
    handed_out, again = rates["deliver_get"], rates["redeliver"]
    if again > _RATE_MIN and again > handed_out * _AGAIN_MIN:
        yield {"code": "redelivered", "redeliver_rate": again, "deliver_rate": handed_out}
    path = _circle(queue)
    if path:
        yield {"code": "dead_letter_loop", "queues": path}
    death = _head_death(queue)
    if death is not None:
        yield {"code": "dead_letters", **death}


def _circle(queue: Queue) -> list[str]:
    """The queues that dead letters of this one go through before they are back; none if they do not come back."""
    came_from: dict[Queue, Queue] = {}
    waiting = [queue]
    while waiting and len(came_from) < _QUEUES_MAX:
        at = waiting.pop(0)
        for following in _graves(at):
            if following is queue:
                path = [at]
                while path[0] is not queue:
                    path.insert(0, came_from[path[0]])
                return [found.name for found in (*path, queue)]
            if following not in came_from:
                came_from[following] = at
                waiting.append(following)
    return []


def _graves(queue: Queue) -> list[Queue]:
    """Where messages of a queue go that die there, by the keys they can be expected to have."""
    settings, exchanges = _settings(queue), queue.vhost.exchanges
    exchange = exchanges.get(settings.dead_letter_exchange) if settings.dead_letter_exchange is not None else None
    if exchange is None:
        return []
    keys: tuple[str, ...] = (queue.name, *(binding.key for binding in islice(queue.bindings, _KEYS_MAX)))
    if settings.dead_letter_key is not None:
        keys = (settings.dead_letter_key,)
    return _reached(exchanges, exchange, keys)


def _reached(exchanges: Mapping[str, Exchange], exchange: Exchange, keys: tuple[str, ...]) -> list[Queue]:
    return walk(exchanges, exchange, Asked(keys, {}, _NO_PROPERTIES)).queues[:_QUEUES_MAX]


def _head_death(queue: Queue) -> Finding | None:
    """How the message that is to leave first died before it came here, if it did."""
    content = queue.head
    if content is None:
        return None
    try:
        raw = properties.headers_raw(properties_of(content))
        deaths = fields.decode_table(raw)[0].get(DEATHS) if raw else None
    except (properties.PropertiesError, fields.FieldError):
        return None
    newest = deaths[0] if isinstance(deaths, list) and deaths else None
    if not isinstance(newest, Mapping):
        return None
    said = {key: newest.get(key) for key in ("queue", "reason", "count")}
    return {key: value if isinstance(value, (str, int)) else None for key, value in said.items()}


# -- what could have kept it short -----------------------------------------------------------------------------


def _bounds(queue: Queue, growth: float) -> Iterator[Finding]:
    settings = _settings(queue)
    limited = settings.length_max is not None or settings.bytes_max is not None
    if limited and _full(queue, settings):
        yield {
            "code": "limit_reached",
            "max_length": settings.length_max,
            "max_length_bytes": settings.bytes_max,
            "overflow": settings.overflow,
        }
    if growth > _RATE_MIN and not limited and settings.message_ttl_ms is None:
        yield {"code": "no_limits"}
    alarms = queue.vhost.memory
    if alarms.blocked:
        yield {"code": "memory_short", "used_bytes": alarms.used_bytes, "watermark_bytes": alarms.watermark_bytes}


def _full(queue: Queue, settings: QueueSettings) -> bool:
    if settings.length_max is not None and queue.ready_count >= settings.length_max:
        return True
    rules = queue.rules
    # A message that would have gone beyond it is not let in, so it is seldom met exactly.
    return settings.bytes_max is not None and rules is not None and rules.body_bytes >= settings.bytes_max * 0.95


def _settings(queue: Queue) -> QueueSettings:
    return queue.rules.settings if queue.rules is not None else PLAIN
