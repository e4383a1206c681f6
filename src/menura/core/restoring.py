"""Between what a virtual host is made of and the definitions that outlive the process, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.definitions import BindingDefinition, Definitions, ExchangeDefinition
from menura.core.exchange import Binding, Exchange
from menura.core.exchanges import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from menura.core.ports import Journal
    from menura.core.vhost import VHost

RESERVED_PREFIX = "amq."
# The component of the parameters that name queues with a ranked line: what is in them has to be looked at.
RANKED = "ranked"


def exchange_definition(vhost: str, exchange: Exchange) -> ExchangeDefinition | None:
    """None for one that does not outlive the process, and for those every virtual host begins with."""
    if not exchange.durable or exchange.name.startswith(RESERVED_PREFIX):
        return None
    return ExchangeDefinition(
        vhost, exchange.name, exchange.kind, exchange.auto_delete, exchange.internal, exchange.arguments
    )


def binding_definition(vhost: str, binding: Binding) -> BindingDefinition | None:
    """None unless both ends outlive the process."""
    source, destination = binding.source, binding.destination
    if not source.durable or not destination.durable:
        return None
    return BindingDefinition(vhost, source.name, destination.what, destination.name, binding.key, binding.arguments)


def restore(vhosts: Mapping[str, VHost], definitions: Definitions, journal: Journal) -> None:
    """Make what is defined, fill the queues with what the journal has of them, and let it forget all others."""
    for vhost in vhosts.values():
        vhost.policies.meet_exchanges()
    for exchange in definitions.exchanges:
        vhosts[exchange.vhost].add_exchange(_exchange(exchange, vhosts[exchange.vhost]))
    ids = set()
    ranked = {(found.vhost, found.name) for found in definitions.parameters if found.component == RANKED}
    for queue in definitions.queues:
        ids.add(queue.id)
        made = vhosts[queue.vhost].add_queue(queue.name, queue.id, True, queue.auto_delete, None, queue.arguments)
        if (queue.vhost, queue.name) in ranked:
            made.rule().queue.rank()
        made.recover(journal.held(queue.id))
    for binding in definitions.bindings:
        vhost = vhosts[binding.vhost]
        ends = vhost.queues if binding.what == "queue" else vhost.exchanges
        source, destination = vhost.exchanges[binding.source], ends[binding.destination]
        vhost.add_binding(Binding(source, destination, binding.key, binding.arguments))
    for id in journal.queues():
        if id not in ids:
            journal.forget(id)
    for vhost in vhosts.values():
        for made_exchange in list(vhost.exchanges.values()):
            made_exchange.begin(vhost)


def _exchange(definition: ExchangeDefinition, vhost: VHost) -> Exchange:
    return KINDS[definition.kind](
        definition.name,
        durable=True,
        auto_delete=definition.auto_delete,
        internal=definition.internal,
        arguments=definition.arguments,
        alternate=vhost.policies.alternate(definition.name, definition.arguments),
    )
