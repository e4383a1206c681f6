"""What all clients have done since the start, by protocol and type of queue: `rabbitmq_global_...`.

These sums never fall, whoever goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING

from menura.core.queue_types import TYPES
from menura.core.tallies import NOTHING_TAKEN, Taken, Totals
from menura.management.metrics.exposition import COUNTER, GAUGE, Column, Page, labels, sample
from menura.management.views.protocols import label

if TYPE_CHECKING:
    from menura.core.node import Node
    from menura.core.tallies import Register, Tallies

PREFIX = "rabbitmq_global_"
# What boards look for is there before the first client.
_FIRST = "AMQP 0-9-1"
_EACH = 20
RECEIVED = (
    Column("messages_received_total", COUNTER, "Messages that publishers sent"),
    Column("messages_received_confirm_total", COUNTER, "Those whose publisher wants a confirm"),
    Column("messages_routed_total", COUNTER, "Messages that went to a queue, once for each"),
    Column("messages_confirmed_total", COUNTER, "Messages that were confirmed"),
    Column("messages_unroutable_dropped_total", COUNTER, "Messages that were dropped for want of a route"),
    Column("messages_unroutable_returned_total", COUNTER, "Messages that were returned for want of a route"),
)
TAKEN = (
    Column("messages_delivered_total", COUNTER, "Messages handed out"),
    Column("messages_delivered_consume_manual_ack_total", COUNTER, "Messages sent, to be acknowledged"),
    Column("messages_delivered_consume_auto_ack_total", COUNTER, "Messages sent, acknowledged at once"),
    Column("messages_delivered_get_manual_ack_total", COUNTER, "Messages fetched, to be acknowledged"),
    Column("messages_delivered_get_auto_ack_total", COUNTER, "Messages fetched, acknowledged at once"),
    Column("messages_get_empty_total", COUNTER, "Fetches that found the queue empty"),
    Column("messages_redelivered_total", COUNTER, "Messages handed out that had been before"),
    Column("messages_acknowledged_total", COUNTER, "Messages that were acknowledged"),
)
PRESENT = (
    Column("publishers", GAUGE, "Those that are here and have published"),
    Column("consumers", GAUGE, "Consumers that are here"),
)
LETTERS = {
    reason: Column(f"messages_dead_lettered_{reason}_total", COUNTER, said)
    for reason, said in (
        ("expired", "Dead letters: their time was up"),
        ("maxlen", "Dead letters: there was no room"),
        ("rejected", "Dead letters: consumers refused them"),
        ("delivery_limit", "Dead letters: handed out too often"),
        ("confirmed", "Dead letters that are safe where they went"),
    )
}
_STRATEGIES = ("disabled", "at_most_once", "at_least_once")


def add_protocols(page: Page, node: Node, consumers: Mapping[str, int]) -> Generator[None, None, None]:
    """`consumers` are counted by protocol. Versions of a protocol that have one label count together."""
    sums: dict[Column, dict[str, int]] = {column: {} for column in (*RECEIVED, *TAKEN, *PRESENT)}
    totals, publishers = yield from _totals(node)
    for protocol in dict.fromkeys((_FIRST, *sorted(node.presence.by_protocol))):
        done = totals.get(protocol, Totals())
        marks = labels(protocol=label(protocol))
        _add(sums, RECEIVED, marks, _received(done))
        _add(sums, PRESENT, marks, (publishers.get(protocol, 0), consumers.get(protocol, 0)))
        for kind in TYPES:
            taken = done.taken.get(kind, NOTHING_TAKEN)
            _add(sums, TAKEN, f'{marks},queue_type="rabbit_{kind}_queue"', _taken(taken))
    for column, found in sums.items():
        name = PREFIX + column.name
        page.family(name, column, [sample(name, marks, value) for marks, value in found.items()])


def _totals(node: Node) -> Generator[None, None, tuple[dict[str, Totals], Counter[str]]]:
    """What was done over each protocol, and how many have published there.

    Some channels at a time. One that is closed meanwhile is among those that are closed, and only there: sums that
    fell for a moment would look like a broker that was started anew.
    """
    seen: list[tuple[Register, Tallies, Totals]] = []
    publishers: Counter[str] = Counter()
    for register in node.registers:
        for number, tallies in enumerate(list(register.open)):
            if not number % _EACH:
                yield
            seen.append((register, tallies, tallies.totals()))
            publishers[tallies.protocol] += any(sending.publish for sending in tallies.sendings.values())
    found: dict[str, Totals] = {}
    for register in node.registers:
        for protocol, totals in register.closed.items():
            found.setdefault(protocol, Totals()).add(totals)
    still = [(tallies.protocol, totals) for register, tallies, totals in seen if tallies in register.open]
    for number, (protocol, totals) in enumerate(still):
        if not number % _EACH:
            yield
        found.setdefault(protocol, Totals()).add(totals)
    return found, publishers


def _received(done: Totals) -> tuple[int, ...]:
    sent = done.sent
    return (
        sent.publish, done.wanted, sent.routed, sent.confirm, sent.drop_unroutable, sent.return_unroutable
    )  # fmt: skip


def _taken(taken: Taken) -> tuple[int, ...]:
    return (
        taken.deliver_get, taken.deliver, taken.deliver_no_ack, taken.get, taken.get_no_ack, taken.get_empty,
        taken.redeliver, taken.ack,
    )  # fmt: skip


def _add(
    sums: Mapping[Column, dict[str, int]], columns: tuple[Column, ...], marks: str, values: tuple[int, ...]
) -> None:
    for column, value in zip(columns, values, strict=True):
        sums[column][marks] = sums[column].get(marks, 0) + value


def add_letters(page: Page, node: Node) -> None:
    found = node.dead_letters()
    for reason, column in LETTERS.items():
        page.family(PREFIX + column.name, column, _letters(found, reason, PREFIX + column.name))


def _letters(found: Mapping[tuple[str, str, str], int], reason: str, name: str) -> Iterator[str]:
    for kind in TYPES:
        for strategy in _STRATEGIES:
            count = found.get((reason, kind, strategy), 0)
            possible = strategy == "at_least_once" if reason == "confirmed" else True
            if count or (possible and (kind == "quorum" or strategy != "at_least_once")):
                marks = labels(queue_type=f"rabbit_{kind}_queue", dead_letter_strategy=strategy)
                yield sample(name, marks, count)
