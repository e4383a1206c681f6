"""A virtual host: exchanges, queues and bindings under their names. The way of messages through them is `traffic`.

All checks that need only names and states are here; who may do what is `access`. Every change of the topology moves
`version`, on which routes rely.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from menura.core.agenda import Agenda
from menura.core.arguments import (
    Arguments,
    check_exchange_arguments,
    check_queue_arguments,
    check_replicable,
    require_equal,
    require_equal_arguments,
)
from menura.core.counting import Counts, of_exchange, of_queue
from menura.core.definitions import ParameterDefinition, QueueDefinition, VHostDefinition
from menura.core.delays import DELAY_PREFIX, Delays
from menura.core.errors import AccessRefused, Locked, NotAllowed, NotFound, PreconditionFailed
from menura.core.events import Events
from menura.core.exchange import Binding, Exchange, binding_identity
from menura.core.exchanges import KINDS, quoted
from menura.core.exchanges.direct import DefaultExchange
from menura.core.limits import check_queue_limit
from menura.core.policies import Policies
from menura.core.queue import Queue
from menura.core.queue_types import with_default_type
from menura.core.restoring import RANKED, RESERVED_PREFIX, binding_definition, exchange_definition
from menura.core.retained import Retained
from menura.core.tallies import NOTHING_SENT, NOTHING_TAKEN, Churn, Sent, Taken
from menura.core.traffic import Traffic

if TYPE_CHECKING:
    from menura.core.definitions import Definition
    from menura.core.keeping import Keeper
    from menura.core.memory import MemoryAccount
    from menura.core.ports import Owner
    from menura.core.tracing import Tracer

PREDECLARED = (
    ("amq.direct", "direct", False),
    ("amq.fanout", "fanout", False),
    ("amq.topic", "topic", False),
    ("amq.headers", "headers", False),
    ("amq.match", "headers", False),
    ("amq.rabbitmq.trace", "topic", True),
)


class VHost(Traffic):
    """One name space of a broker."""

    def __init__(
        self, name: str, memory: MemoryAccount, keeper: Keeper | None = None, agenda: Agenda | None = None
    ) -> None:
        super().__init__(name, memory, keeper, Agenda() if agenda is None else agenda)
        self.definition = VHostDefinition(name)
        # It is not a node's any more, and ends; what was kept of it went with its definition.
        self.deleted = False
        self.policies = Policies(self)
        self.limits: Mapping[str, int] = {}
        self.queues: dict[str, Queue] = {}
        # Queues that take replies: reachable by name, but not declared, listed or kept.
        self.reply_queues: dict[str, Queue] = {}
        self.exchanges[""] = DefaultExchange(self.queues, self.reply_queues)
        self.bindings: dict[object, Binding] = {}
        # What queues and exchanges that were deleted had counted.
        self.gone = Counts()
        # What a protocol keeps for each virtual host, under a name of its own.
        self.attached: dict[str, Any] = {}
        self._retained: Retained | None = None
        self.events = Events()
        self.churn = Churn()
        # Sessions tell it what they publish.
        self.tracer: Tracer | None = None
        for exchange, kind, internal in PREDECLARED:
            self.exchanges[exchange] = KINDS[kind](exchange, durable=True, internal=internal)

    @property
    def retained(self) -> Retained:
        if self._retained is None:
            self._retained = Retained(self)
        return self._retained

    # -- finding ---------------------------------------------------------------------------------------------

    def queue(self, name: str, owner: Owner | None = None) -> Queue:
        """The queue of that name, usable by connection `owner`."""
        queue = self.queues.get(name)
        if queue is None:
            raise NotFound(f"no queue '{name}' in vhost '{self.name}'")
        if queue.owner is not None and queue.owner is not owner:
            raise self._locked(name)
        return queue

    def exchange(self, name: str) -> Exchange:
        exchange = self.exchanges.get(name)
        if exchange is None:
            raise NotFound(f"no exchange '{name}' in vhost '{self.name}'")
        return exchange

    def require_there(self) -> None:
        """Refuse to define anything that nobody would ever remove from the catalog."""
        if self.deleted:
            raise NotAllowed(f"vhost {self.name} not found")

    def _locked(self, name: str) -> Locked:
        return Locked(
            f"cannot obtain exclusive access to locked queue '{name}' in vhost '{self.name}'. It could be "
            "originally declared on another connection or the exclusive property value does not match that "
            "of the original declaration."
        )

    # -- exchanges -------------------------------------------------------------------------------------------

    def declare_exchange(
        self,
        name: str,
        kind: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Arguments | None = None,
    ) -> Exchange:
        """Create an exchange, or make sure that the one of this name is the same."""
        self.require_there()
        arguments = arguments or {}
        existing = self.exchanges.get(name)
        if existing is not None:
            what = f"exchange '{name}' in vhost '{self.name}'"
            require_equal("type", what, quoted(kind), quoted(existing.kind))
            require_equal("durable", what, durable, existing.durable)
            require_equal("auto_delete", what, auto_delete, existing.auto_delete)
            require_equal("internal", what, internal, existing.internal)
            require_equal_arguments(what, arguments, existing.arguments, ("alternate-exchange",))
            return existing
        if kind not in KINDS:
            raise PreconditionFailed(f"unknown exchange type '{kind}'")
        if name.startswith(RESERVED_PREFIX):
            raise AccessRefused(f"exchange name '{name}' contains reserved prefix 'amq.*'")
        check_exchange_arguments(name, self.name, arguments)
        KINDS[kind].check_arguments(f"exchange '{name}' in vhost '{self.name}'", arguments)
        exchange = KINDS[kind](
            name,
            durable=durable,
            auto_delete=auto_delete,
            internal=internal,
            arguments=arguments,
            alternate=self.policies.alternate(name, arguments),
        )
        self.add_exchange(exchange)
        self._put(exchange_definition(self.name, exchange))
        self.events.exchange("created", self.name, exchange)
        exchange.begin(self)
        return exchange

    def add_exchange(self, exchange: Exchange) -> None:
        """Unchecked, and not for the catalog to know."""
        self.exchanges[exchange.name] = exchange
        self.version += 1

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        """Delete an exchange and its bindings. One that does not exist is as good as deleted."""
        self.check_exchange_deletable(name)
        exchange = self.exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailed(f"exchange '{name}' in vhost '{self.name}' in use")
        self._remove_exchange(exchange)

    def check_exchange_deletable(self, name: str) -> None:
        """Refuse names of exchanges that every virtual host has."""
        if not name:
            raise AccessRefused("operation not permitted on the default exchange")
        if name.startswith(RESERVED_PREFIX):
            raise AccessRefused(f"deletion of system exchange '{name}' in vhost '{self.name}' not allowed")

    def _remove_exchange(self, exchange: Exchange) -> None:
        """Remove an exchange, its bindings, and the auto-delete exchanges that lose their last one by that."""
        waiting = [exchange]
        while waiting:
            gone = waiting.pop()
            if self.exchanges.get(gone.name) is not gone:
                continue
            del self.exchanges[gone.name]
            gone.forget(self.memory)
            gone.end(self)
            gone.close()
            self.gone += of_exchange(gone)
            self.version += 1
            self._delete(exchange_definition(self.name, gone))
            self.events.exchange("deleted", self.name, gone)
            for binding in (*gone.bindings, *gone.incoming):
                if self._unlink(binding):
                    waiting.append(binding.source)

    # -- queues ----------------------------------------------------------------------------------------------

    def declare_queue(
        self,
        name: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        owner: Owner | None = None,
        exclusive: bool = False,
        arguments: Arguments | None = None,
        reserved: bool = False,
    ) -> Queue:
        """Create a queue, or make sure that the one of this name is the same.

        `owner` is the declaring connection; an `exclusive` queue is its alone, and never durable. `reserved`
        allows names that only the broker may give.
        """
        self.require_there()
        arguments = with_default_type(
            arguments or {},
            "" if reserved else self.definition.default_queue_type,
            durable=durable,
            exclusive=exclusive,
            auto_delete=auto_delete,
        )
        what = f"queue '{name}' in vhost '{self.name}'"
        asked_durable, durable = durable, durable and not exclusive
        existing = self.queues.get(name)
        if existing is not None:
            if existing.owner is not (owner if exclusive else None):
                raise self._locked(name)
            require_equal("durable", what, durable, existing.durable)
            require_equal("auto_delete", what, auto_delete, existing.auto_delete)
            require_equal_arguments(what, arguments, existing.arguments)
            self.churn.queue_declared += 1
            return existing
        if not reserved:
            self.check_queue_name(name)
        check_replicable(what, arguments, durable=asked_durable, exclusive=exclusive, auto_delete=auto_delete)
        check_queue_limit(self, name)
        check_queue_arguments(what, arguments)
        id = self.keeper.catalog.new_queue_id() if durable and self.keeper is not None else 0
        queue = self.add_queue(name, id, durable, auto_delete, owner if exclusive else None, arguments)
        self._put(queue.definition)
        self.events.queue("created", queue)
        self.churn.queue_created += 1
        self.churn.queue_declared += 1
        return queue

    def add_queue(
        self, name: str, id: int, durable: bool, auto_delete: bool, owner: Owner | None, arguments: Arguments
    ) -> Queue:
        """Unchecked, and not for the catalog to know."""
        queue = self.queues[name] = Queue(
            self,
            name,
            id=id,
            durable=durable,
            auto_delete=auto_delete,
            owner=owner,
            arguments=arguments,
        )
        if name.startswith(DELAY_PREFIX):
            queue.schedule(Delays(queue))
        else:
            queue.configure(self.policies.queue_settings(name, arguments))
        self.version += 1
        return queue

    def check_queue_name(self, name: str) -> None:
        """Refuse names that only the broker may give, unless there is such a queue."""
        if name.startswith(RESERVED_PREFIX) and name not in self.queues:
            raise AccessRefused(f"queue name '{name}' contains reserved prefix 'amq.*'")

    def delete_queue(self, queue: Queue, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Delete a queue; the number of messages that waited in it."""
        what = f"queue '{queue.name}' in vhost '{self.name}'"
        if if_unused and len(queue.consumers):
            raise PreconditionFailed(f"{what} in use")
        if if_empty and queue.ready_count:
            raise PreconditionFailed(f"{what} not empty")
        return self.remove_queue(queue)

    def remove_queue(self, queue: Queue) -> int:
        """Remove a queue with its bindings, messages and consumers; the number of messages that waited."""
        if not queue.alive:
            return 0
        if queue.rules is not None:
            queue.rules.purge()
        queue.alive = False
        count = queue.purge()
        del self.queues[queue.name]
        queue.close()
        self.gone += of_queue(queue)
        self.churn.queue_deleted += 1
        if self.keeper is not None and queue.definition is not None:
            self._forget_queue(queue, queue.definition)
        self.version += 1
        for binding in list(queue.bindings):
            self._remove_binding(binding)
        for consumer in list(queue.consumers.all):
            if consumer.limit is not None:
                consumer.limit.consumers.pop(consumer, None)
            self.events.consumer("deleted", consumer)
            consumer.subscriber.cancelled(consumer)
        if queue.owner is not None:
            queue.owner.disown(queue)
        self.events.queue("deleted", queue)
        return count

    def _forget_queue(self, queue: Queue, definition: QueueDefinition) -> None:
        assert self.keeper is not None
        if self.deleted:
            self.keeper.forget_queue(queue.id)
            return
        self.keeper.delete_queue(definition)
        if queue.ranked:
            self._delete(ParameterDefinition(self.name, RANKED, queue.name))

    def note_ranked(self, queue: Queue) -> None:
        """A queue has to look at each of its messages when it is made again."""
        self._put(ParameterDefinition(self.name, RANKED, queue.name))

    def redefine(self, queue: Queue, arguments: Arguments) -> None:
        """Give a queue other arguments, for those that mean something only to whoever declared it."""
        queue.arguments = arguments
        self._put(queue.definition)

    def add_reply_queue(self, name: str) -> Queue:
        """A queue outside the name space, for the replies to one consumer."""
        queue = self.reply_queues[name] = Queue(self, name)
        self.version += 1
        return queue

    def remove_reply_queue(self, name: str) -> None:
        queue = self.reply_queues.pop(name, None)
        if queue is not None:
            if queue.rules is not None:
                queue.rules.purge()
            queue.purge()
            queue.alive = False
            queue.close()
            self.version += 1

    # -- bindings --------------------------------------------------------------------------------------------

    def bind(self, source: str, destination: Exchange | Queue, key: str, arguments: Arguments) -> None:
        """Route what reaches `source` and fits key or arguments to `destination` as well."""
        self._require_bindable(source, destination)
        exchange = self.exchange(source)
        exchange.check(destination, key, arguments)
        identity = binding_identity(exchange, destination, key, arguments)
        if identity in self.bindings:
            return
        binding = Binding(exchange, destination, key, arguments)
        self.add_binding(binding)
        self._put(binding_definition(self.name, binding))
        self.events.binding("created", self.name, binding)
        self._hand_on(exchange, destination)

    def add_binding(self, binding: Binding) -> None:
        """Unchecked, and not for the catalog to know."""
        source, destination = binding.source, binding.destination
        source.add(binding)
        self.bindings[binding.identity] = binding
        source.bindings[binding] = None
        (destination.bindings if isinstance(destination, Queue) else destination.incoming)[binding] = None
        self.version += 1

    def unbind(self, source: str, destination: Exchange | Queue, key: str, arguments: Arguments) -> None:
        """Undo `bind`. A binding that does not exist is as good as removed."""
        self._require_bindable(source, destination)
        binding = self.binding(source, destination, key, arguments)
        if binding is not None:
            self._remove_binding(binding)

    def binding(self, source: str, destination: Exchange | Queue, key: str, arguments: Arguments) -> Binding | None:
        """The binding that `bind` has made of these."""
        exchange = self.exchanges.get(source)
        if exchange is None:
            return None
        return self.bindings.get(binding_identity(exchange, destination, key, arguments))

    def _require_bindable(self, source: str, destination: Exchange | Queue) -> None:
        if not source or not destination.name:
            raise AccessRefused("operation not permitted on the default exchange")

    def _remove_binding(self, binding: Binding) -> None:
        if self._unlink(binding):
            self._remove_exchange(binding.source)

    def _unlink(self, binding: Binding) -> bool:
        """Take a binding out of everything that knows it; whether its source has to go with it."""
        if self.bindings.pop(binding.identity, None) is None:
            return False
        source, destination = binding.source, binding.destination
        (destination.bindings if isinstance(destination, Queue) else destination.incoming).pop(binding, None)
        source.bindings.pop(binding, None)
        source.remove(binding)
        self.version += 1
        self._delete(binding_definition(self.name, binding))
        self.events.binding("deleted", self.name, binding)
        return source.auto_delete and not source.bindings

    # -- what is counted -------------------------------------------------------------------------------------

    def sent(self) -> Sent:
        """What clients have published here."""
        return sum((totals.sent for totals in self.register.totals().values()), start=NOTHING_SENT)

    def taken(self) -> Taken:
        """What clients have taken from here."""
        return sum((totals.all_taken for totals in self.register.totals().values()), start=NOTHING_TAKEN)

    # -- what is kept ----------------------------------------------------------------------------------------

    def _put(self, definition: Definition | None) -> None:
        if self.keeper is not None and definition is not None and not self.deleted:
            self.keeper.catalog.put(definition)

    def _delete(self, definition: Definition | None) -> None:
        if self.keeper is not None and definition is not None and not self.deleted:
            self.keeper.catalog.delete(definition)
