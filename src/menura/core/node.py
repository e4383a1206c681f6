"""Everything one broker holds: virtual hosts, users, the memory account, and what keeps them over its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from menura.core.access import Users
from menura.core.agenda import Agenda
from menura.core.alarms import Alarms
from menura.core.counting import Counts, History, Overview, of_vhost
from menura.core.definitions import Definitions, VHostDefinition
from menura.core.emptying import empty
from menura.core.errors import NotAllowed, PreconditionFailed
from menura.core.event_exchange import EventExchange
from menura.core.events import Events
from menura.core.histogram import Histogram
from menura.core.keeping import Keeper
from menura.core.limits import check_connection_limits
from menura.core.login_counts import LoginCounts
from menura.core.logins import Logins
from menura.core.memory import MemoryAccount
from menura.core.parameters import Parameters, Unfit
from menura.core.passwords import SALT_BYTES
from menura.core.ports import Catalog, Journal
from menura.core.presence import Presence
from menura.core.queue_types import check_default_type
from menura.core.restoring import restore
from menura.core.steps import Steps, finish
from menura.core.tallies import NOTHING_SENT, NOTHING_TAKEN, DeadKey, Register, Sent, Taken, Totals
from menura.core.tracing import Tracer
from menura.core.vhost import VHost

DEFAULT_VHOST = "/"
# What the broker calls itself where others name the one of several that something happened at.
NAME = "menura@localhost"


class Node:
    """The domain as a whole.

    `random_bytes(n)` is passed in, as the core has no source of randomness of its own.
    """

    def __init__(
        self,
        random_bytes: Callable[[int], bytes],
        *,
        watermark_bytes: int = 0,
    ) -> None:
        self.random_bytes = random_bytes
        self.events = Events()
        self.alarms = Alarms()
        self.alarms.on_change.append(self.events.alarm)
        self.agenda = Agenda()
        self.presence = Presence()
        self.churn = self.presence.churn
        self.login_counts = LoginCounts()
        self.presence.on_change.append(self.events.connection)
        self.history = History()
        # How long publishers wait for their confirms; a sample.
        self.confirm_times = Histogram()
        self.memory = MemoryAccount(watermark_bytes)
        self.memory.on_change.append(lambda blocked: self.alarms.set("memory", blocked))
        self.keeper: Keeper | None = None
        self.users = Users()
        self.users.events = self.events
        self.alarms.on_change.append(lambda resource, short: self.users.ask_again())
        self.logins = Logins(self.users, lambda: self.agenda.now)
        self.parameters = Parameters(self)
        self.vhosts: dict[str, VHost] = {}
        # Those that were deleted, and the work that is left.
        self._ending: dict[VHost, Steps] = {}
        # What virtual hosts that were deleted had counted.
        self.gone = Counts()
        self._gone_register = Register()
        self.add_vhost(DEFAULT_VHOST, "Default virtual host")

    def keep(self, catalog: Catalog, journal: Journal, definitions: Definitions) -> list[Unfit]:
        """Take over what outlived the last process, and from now on keep what is to outlive this one.

        To be called before anything else is done with the node. Of what was set, that which has no effect any more.
        """
        self.keeper = Keeper(catalog, journal, self.memory)
        self.vhosts.clear()
        for vhost in definitions.vhosts:
            self._new_vhost(vhost.name).definition = vhost
        self.users.restore(definitions)
        unfit = self.parameters.restore(definitions)
        self.users.catalog = catalog
        if definitions.are_new:
            self.add_vhost(DEFAULT_VHOST, "Default virtual host")
        restore(self.vhosts, definitions, journal)
        return unfit

    def add_vhost(self, name: str, description: str = "") -> VHost:
        """The virtual host of that name, made if there is none."""
        if name not in self.vhosts:
            for steps in [steps for vhost, steps in self._ending.items() if vhost.name == name]:
                finish(steps)  # what is told and kept of the two would be mixed up
            self._define(self._new_vhost(name), VHostDefinition(name, description))
            self.events.tell("vhost.created", name=name, description=description)
        return self.vhosts[name]

    def _new_vhost(self, name: str) -> VHost:
        vhost = self.vhosts[name] = VHost(name, self.memory, self.keeper, self.agenda)
        vhost.events = self.events
        vhost.churn = self.churn
        if name == DEFAULT_VHOST:
            vhost.add_exchange(EventExchange(vhost, self.events, NAME))
        return vhost

    def describe_vhost(
        self,
        name: str,
        *,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        default_queue_type: str | None = None,
        protected: bool | None = None,
    ) -> None:
        """Change what is said of a virtual host; None leaves it as it is.

        `default_queue_type` is the type of queues declared without one; a `protected` one cannot be deleted.
        """
        vhost = self.vhost(name)
        check_default_type(default_queue_type or "")
        now = vhost.definition
        definition = VHostDefinition(
            name,
            now.description if description is None else description,
            now.tags if tags is None else frozenset(tags),
            now.default_queue_type if default_queue_type is None else default_queue_type,
            now.protected if protected is None else protected,
        )
        if definition != now:
            self._define(vhost, definition)

    def _define(self, vhost: VHost, definition: VHostDefinition) -> None:
        vhost.definition = definition
        if self.keeper is not None:
            self.keeper.catalog.put(definition)

    def vhost(self, name: str) -> VHost:
        vhost = self.vhosts.get(name)
        if vhost is None:
            raise NotAllowed(f"vhost {name} not found")
        return vhost

    def delete_vhost(self, name: str) -> None:
        """Remove a virtual host with all that is in it; its clients are sent away."""
        finish(self.delete_vhost_in_steps(name))

    def delete_vhost_in_steps(self, name: str) -> Steps:
        """The same, where it is gone for everybody, on the disk as well, with the first step."""
        vhost = self.vhost(name)
        if vhost.definition.protected:
            raise PreconditionFailed(f"Refusing to delete virtual host '{name}' because it is protected from deletion")
        self.parameters.forget_vhost(name)
        if self.keeper is not None:
            self.keeper.catalog.delete(VHostDefinition(name))
        for user in self.users:
            user.permissions.pop(name, None)
            for key in [key for key in user.topic_permissions if key[0] == name]:
                del user.topic_permissions[key]
        self.users.version += 1
        del self.vhosts[name]
        vhost.deleted = True
        steps = self._ending[vhost] = self._end(vhost)
        yield
        yield from steps

    def _end(self, vhost: VHost) -> Steps:
        try:
            yield from empty(self, vhost)
        finally:
            del self._ending[vhost]
            self.gone += of_vhost(vhost)
            self._gone_register.absorb(vhost.register)
        self.events.tell("vhost.deleted", name=vhost.name)

    def add_user(self, name: str, password: str, tags: frozenset[str] = frozenset()) -> None:
        """Create a user, or give an existing one a new password and tags."""
        if not name:
            raise PreconditionFailed("a user needs a name")
        self.users.add(name, password, self.random_bytes(SALT_BYTES), tags)

    def set_password(self, name: str, password: str) -> None:
        """Give an existing user another password, and leave the rest."""
        self.users.set_password(name, password, self.random_bytes(SALT_BYTES))

    def remove_user(self, name: str) -> None:
        """Remove a user with all rights; connections of that user are sent away."""
        self.users.remove(name)
        for connected in list(self.presence.connections):
            if connected.user == name:
                connected.end(f"user '{name}' is deleted")

    def enter(self, user: str, vhost: str) -> VHost:
        """The virtual host, for a user who may use it."""
        found = self.vhost(vhost)
        check_connection_limits(self, user, found)
        if vhost not in self.users.get(user).permissions:
            raise NotAllowed(f"access to vhost '{vhost}' refused for user '{user}'")
        return found

    def trace(self, vhost: str) -> None:
        """Copy all that clients of a virtual host publish and are sent (see `tracing`)."""
        traced = self.vhost(vhost)
        if traced.tracer is None:
            Tracer(traced, NAME).start()

    def untrace(self, vhost: str) -> None:
        tracer = self.vhost(vhost).tracer
        if tracer is not None:
            tracer.stop()

    # -- numbers ---------------------------------------------------------------------------------------------

    @property
    def counts(self) -> Counts:
        """What has happened to messages since the start."""
        return sum(map(of_vhost, self._counting), start=self.gone)

    @property
    def _counting(self) -> list[VHost]:
        """Virtual hosts of which `gone` does not know."""
        return [*self.vhosts.values(), *self._ending]

    @property
    def registers(self) -> list[Register]:
        """Where all that clients do is counted; the first one is of virtual hosts that were deleted."""
        return [self._gone_register, *(vhost.register for vhost in self._counting)]

    def totals(self) -> dict[str, Totals]:
        """What clients have sent and taken since the start, by protocol."""
        found = self._gone_register.totals()
        for vhost in self._counting:
            for protocol, totals in vhost.register.totals().items():
                found.setdefault(protocol, Totals()).add(totals)
        return found

    def sent(self) -> Sent:
        return sum((totals.sent for totals in self.totals().values()), start=NOTHING_SENT)

    def taken(self) -> Taken:
        return sum((totals.all_taken for totals in self.totals().values()), start=NOTHING_TAKEN)

    def dead_letters(self) -> Mapping[DeadKey, int]:
        """Messages that have left a queue otherwise than by a consumer since the start."""
        return sum((register.dead for register in self.registers), start=Counter())

    def sample(self, now: float) -> None:
        """The time, in seconds, monotonic: count if it is time to."""
        if self.history.due(now):
            self.history.add(now, self.counts)

    def overview(self) -> Overview:
        vhosts = self.vhosts.values()
        queues = [queue for vhost in vhosts for queue in vhost.queues.values()]
        presence = self.presence
        return Overview(
            connections=len(presence.connections),
            connections_opened=presence.opened,
            connections_closed=presence.closed,
            sessions=len(presence.sessions),
            subscriptions=presence.subscription_count,
            vhosts=len(vhosts),
            exchanges=sum(len(vhost.exchanges) for vhost in vhosts),
            queues=len(queues),
            ready=sum(queue.ready_count for queue in queues),
            ready_bytes=sum(queue.ready_bytes for queue in queues),
            unsettled=sum(queue.unsettled_count for queue in queues),
            retained=sum(vhost.retained.count for vhost in vhosts),
            counts=self.counts,
            rates=self.history.rates,
        )

    # -- names -----------------------------------------------------------------------------------------------

    def unique_name(self, prefix: str) -> str:
        """A name nobody can guess: the prefix and 128 bits."""
        return prefix + _letters(self.random_bytes(16))


def _letters(data: bytes) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    number = int.from_bytes(data, "big")
    letters = []
    for _ in range(22):
        number, digit = divmod(number, 64)
        letters.append(alphabet[digit])
    return "".join(letters)
