"""A virtual host: exchanges, queues and bindings under their names, and the way of a publish through them.

All checks that need only names and states are here; who may do what is `access`. Every change of the topology moves
`version`, on which routes rely.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
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
from menura.core.dead_letters import Letters
from menura.core.definitions import ParameterDefinition, VHostDefinition
from menura.core.delays import DELAY_PREFIX, Delays
from menura.core.errors import AccessRefused, Locked, NotFound, PreconditionFailed
from menura.core.events import Events
from menura.core.exchange import KEY, Binding, Exchange, binding_identity
from menura.core.exchanges import KINDS, quoted
from menura.core.exchanges.direct import DefaultExchange
from menura.core.limits import check_queue_limit
from menura.core.policies import Policies
from menura.core.ports import Published
from menura.core.queue import Queue
from menura.core.queue_types import with_default_type
from menura.core.restoring import RANKED, RESERVED_PREFIX, binding_definition, exchange_definition
from menura.core.retained import Retained
from menura.core.routing import Route
from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.definitions import Definition
    from menura.core.keeping import Keeper
    from menura.core.memory import MemoryAccount
    from menura.core.ports import Dispatcher, Owner
    from menura.core.tracing import Tracer

PREDECLARED = (
    ("amq.direct", "direct", False),
    ("amq.fanout", "fanout", False),
    ("amq.topic", "topic", False),
    ("amq.headers", "headers", False),
    ("amq.match", "headers", False),
    ("amq.rabbitmq.trace", "topic", True),
)

_APART_MAX = 8


class VHost:
    """One name space of a broker."""

    def __init__(
        self, name: str, memory: MemoryAccount, keeper: Keeper | None = None, agenda: Agenda | None = None
    ) -> None:
        self.name = name
        self.memory = memory
        self.keeper = keeper
        self.agenda = Agenda() if agenda is None else agenda
        self.definition = VHostDefinition(name)
        self.policies = Policies(self)
        self.limits: Mapping[str, int] = {}
        self.version = 0
        self.queues: dict[str, Queue] = {}
        # Queues that take replies: reachable by name, but not declared, listed or kept.
        self.reply_queues: dict[str, Queue] = {}
        self.exchanges: dict[str, Exchange] = {"": DefaultExchange(self.queues, self.reply_queues)}
        self.bindings: dict[object, Binding] = {}
        self.touched: list[Dispatcher] = []
        # What queues and exchanges that were deleted had counted.
        self.gone = Counts()
        # What a protocol keeps for each virtual host, under a name of its own.
        self.attached: dict[str, Any] = {}
        self._retained: Retained | None = None
        self.letters = Letters(self)
        self.events = Events()
        # Sessions tell it what they publish.
        self.tracer: Tracer | None = None
        # See `take_refused`, which whoever publishes has to call if this is not 0.
        self.refused = 0
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
        if not name:
            raise AccessRefused("operation not permitted on the default exchange")
        if name.startswith(RESERVED_PREFIX):
            raise AccessRefused(f"deletion of system exchange '{name}' in vhost '{self.name}' not allowed")
        exchange = self.exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailed(f"exchange '{name}' in vhost '{self.name}' in use")
        self._remove_exchange(exchange)

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
            if existing.owner is not None and existing.owner is not owner:
                raise self._locked(name)
            require_equal("durable", what, durable, existing.durable)
            require_equal("auto_delete", what, auto_delete, existing.auto_delete)
            if exclusive is not (existing.owner is not None):
                raise self._locked(name)
            require_equal_arguments(what, arguments, existing.arguments)
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
        self.gone += of_queue(queue)
        if self.keeper is not None and queue.definition is not None:
            self.keeper.delete_queue(queue.definition)
            if queue.ranked:
                self._delete(ParameterDefinition(self.name, RANKED, queue.name))
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

    def together(self) -> AbstractContextManager[None]:
        """What is published and settled within happens as a whole or, after a crash, not at all."""
        return self.keeper.together() if self.keeper is not None else nullcontext()

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
        exchange = self.exchanges.get(source)
        if exchange is not None:
            binding = self.bindings.get(binding_identity(exchange, destination, key, arguments))
            if binding is not None:
                self._remove_binding(binding)

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

    # -- what is kept ----------------------------------------------------------------------------------------

    def _put(self, definition: Definition | None) -> None:
        if self.keeper is not None and definition is not None:
            self.keeper.catalog.put(definition)

    def _delete(self, definition: Definition | None) -> None:
        if self.keeper is not None and definition is not None:
            self.keeper.catalog.delete(definition)

    # -- messages --------------------------------------------------------------------------------------------

    def publish(self, route: Route, run: Run, without: Collection[str] = ()) -> Sequence[bytes]:
        """Put a run into the queues its route leads to, but for those named; the messages no queue wanted.

        Raises NotFound for a missing exchange.
        """
        exchange = self.exchanges.get(route.exchange)
        if exchange is None:
            raise NotFound(f"no exchange '{route.exchange}' in vhost '{self.name}'")
        exchange.published += len(run.contents)
        if route.version != self.version:
            route.resolve(self.exchanges, exchange, self.version)
        if route.special:
            return self._publish_specially(route, exchange, run, without)
        queues = route.queues
        if without:
            queues = _others(queues, without)
        if not queues:
            return run.contents
        if run.deadline_ms:
            self._enqueue_some(run, queues)
        else:
            self._enqueue(run, queues)
        return ()

    def take_refused(self) -> int:
        """How many messages at the end of the run just published found no room in some queue."""
        refused, self.refused = self.refused, 0
        return refused

    def append(self, queue: Queue, run: Run) -> None:
        """Put a run into one queue, whatever its route."""
        self._enqueue_some(run, [queue])

    def _publish_specially(
        self, route: Route, exchange: Exchange, run: Run, without: Collection[str]
    ) -> Sequence[bytes]:
        """Put messages into their queues where somebody on the way records them, or chooses by more than the key, or
        where a queue has rules for what comes."""
        queues, recorders, asks = route.found
        if asks != KEY:
            return self._publish_singly(route, exchange, run, without)
        for recorder in recorders:
            recorder.record(run, self.memory)
        if without:
            queues = _others(queues, without)
        if not queues:
            return run.contents
        self._enqueue_some(run, queues)
        return ()

    def _publish_singly(self, route: Route, exchange: Exchange, run: Run, without: Collection[str]) -> list[bytes]:
        """Put each message where it alone leads, those for one and the same queue as one run."""
        unwanted = []
        gathered: dict[Queue, list[int]] = {}
        for at, content in enumerate(run.contents):
            queues, recorders, _ = route.find(self.exchanges, exchange, content)
            for recorder in recorders:
                recorder.record(_run_of(run, [content]), self.memory)
            if without:
                queues = _others(queues, without)
            if len(queues) == 1:
                gathered.setdefault(queues[0], []).append(at)
            elif queues:
                self._enqueue_gathered(run, gathered)
                self._enqueue_at(run, [at], queues)
            else:
                unwanted.append(content)
        self._enqueue_gathered(run, gathered)
        return unwanted

    def _enqueue_gathered(self, run: Run, gathered: dict[Queue, list[int]]) -> None:
        for queue, places in gathered.items():
            # What leaves the journal one by one is not kept there with too much else.
            step = _APART_MAX if queue.rules is not None and queue.rules.pages else len(places)
            for at in range(0, len(places), step):
                self._enqueue_at(run, places[at : at + step], [queue])
        gathered.clear()

    def _enqueue_at(self, run: Run, places: list[int], queues: list[Queue]) -> None:
        """`_enqueue_some` of a run's messages. What is refused is told from the end of the run: all from the first."""
        before, self.refused = self.refused, 0
        self._enqueue_some(_run_of(run, [run.contents[at] for at in places]), queues)
        if self.refused:
            self.refused = len(run.contents) - places[-self.refused]
        self.refused = max(self.refused, before)

    def _hand_on(self, exchange: Exchange, destination: Exchange | Queue) -> None:
        """Give a new destination of an exchange what that has recorded."""
        for run in exchange.recorded():
            if isinstance(destination, Queue):
                self._enqueue_some(run, [destination])
            else:
                self.publish(Route(destination.name, run.route.key, run.route.further_keys), run)

    def _enqueue_some(self, run: Run, queues: list[Queue]) -> None:
        """`_enqueue` where a queue may have no room, or wants to know more of the messages."""
        count = len(run.contents)
        takers: dict[int, list[Queue]] = {}
        for queue in queues:
            room = count if queue.rules is None else queue.rules.room(run)
            takers.setdefault(room, []).append(queue)
        if count in takers and len(takers) == 1:
            self._enqueue(run, queues, ruled=True)
            return
        self.refused = max(self.refused, count - min(takers))
        for room, piece in [(room, run.piece(0, room)) for room in takers if room]:
            self._enqueue(piece, takers[room], ruled=True)
        for room, piece in [(room, run.piece(room, count)) for room in takers if room < count]:
            for queue in takers[room]:
                queue.rule().refuse(piece)

    def _enqueue(self, run: Run, queues: list[Queue], ruled: bool = False) -> None:
        """Put a run into queues; `ruled`: some may have rules for what comes."""
        if len(queues) > 1:
            self.memory.charge_shared(run, len(queues))
        if self.keeper is not None and run.persistent:
            self._log(run, queues)
        failure: Exception | None = None
        for queue in queues:
            try:
                if ruled and (queue.rules is not None or run.deadline_ms):
                    queue.rule().enqueue(run)
                else:
                    queue.enqueue(run)
            except Exception as error:  # one subscriber's failure is not the other queues'
                failure = error
        if ruled:
            # Not before all have it: what has to leave may go to one of them, and the journal knows their positions.
            for queue in queues:
                try:
                    if queue.rules is not None:
                        queue.rules.taken_in()
                except Exception as error:
                    failure = error
        if failure is not None:
            raise failure

    def _log(self, run: Run, queues: list[Queue]) -> None:
        """Hand a persistent run to the journal, if a durable queue is among its queues."""
        assert self.keeper is not None
        durable = [(queue.id, queue.next_position) for queue in queues if queue.id]
        if durable:
            route = run.route
            keys = (route.key, *route.further_keys)
            self.keeper.append(Published(durable, route.exchange, keys, run.contents, self.agenda.wall_ms))

    def dispatch(self) -> None:
        """Serve the queues that were touched, and whoever waits for that, since the last time."""
        while self.touched:
            touched, self.touched = self.touched, []
            for at, queue in enumerate(touched):
                try:
                    queue.dispatch()
                except BaseException:
                    self.touched += touched[at + 1 :]
                    raise


def _others(queues: list[Queue], without: Collection[str]) -> list[Queue]:
    return [queue for queue in queues if queue.name not in without]


def _run_of(run: Run, contents: list[bytes]) -> Run:
    """Some messages of a run as one of their own."""
    sizes = [len(content) for content in contents]
    return Run(run.route, contents, sum(sizes), max(sizes), run.persistent, deadline_ms=run.deadline_ms)
