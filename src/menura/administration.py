"""What can be set while a broker runs, as methods of `Broker`, callable from any thread.

Each is carried out in the loop's thread and holds when the call returns: for what is declared already as well as for
what comes later. Where there is a data directory, it is there after the next start. What is refused raises a `Refusal`
(`core.errors`) and changes nothing. What is about very many queues is done in steps, between which clients are served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, Unpack

from menura.core.access import Access
from menura.core.browsing import BYTES_MAX, EXAMINED_MAX, MESSAGES_MAX, Peek, Seeing
from menura.core.counting import Overview
from menura.core.moving import Destination, Moved, ToExchange, ToQueue, Transfer, copy, delete, move, replay
from menura.core.node import DEFAULT_VHOST, Node
from menura.core.parameters import VHOST_LIMITS
from menura.core.queue import Queue
from menura.core.selecting import Choice, Selection
from menura.core.steps import Steps

# So long the loop is kept at a time.
_STEPS_SECONDS = 0.001
Result = TypeVar("Result")


class Administration:
    node: Node

    def _call(self, work: Callable[[], Result]) -> Result:
        raise NotImplementedError

    def _wait_for_disk(self) -> None:
        """Wait while the disk has too much to do, if we may."""
        raise NotImplementedError

    def _do(self, begin: Callable[[], Steps]) -> None:
        """Work in steps, some of them at a time."""
        steps = self._call(begin)
        while self._call(lambda: _some(steps)):
            pass

    # -- virtual hosts ---------------------------------------------------------------------------------------

    def add_vhost(self, name: str) -> None:
        self._call(lambda: self.node.add_vhost(name))

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

        `default_queue_type` ("classic" or "quorum") is the type of queues declared without one; a `protected`
        virtual host cannot be deleted.
        """
        self._call(
            lambda: self.node.describe_vhost(
                name,
                description=description,
                tags=tags,
                default_queue_type=default_queue_type,
                protected=protected,
            )
        )

    def delete_vhost(self, name: str) -> None:
        """Remove a virtual host with all that is in it; its clients are sent away."""
        self._do(lambda: self.node.delete_vhost_in_steps(name))

    def set_vhost_limits(self, limits: Mapping[str, int], vhost: str = DEFAULT_VHOST) -> None:
        """Set "max-connections" and "max-queues"; one that is not named, or below 0, is no limit."""
        self._call(lambda: self.node.parameters.set(VHOST_LIMITS, "limits", dict(limits), vhost))

    def clear_vhost_limits(self, vhost: str = DEFAULT_VHOST) -> None:
        self._call(lambda: self.node.parameters.clear(VHOST_LIMITS, "limits", vhost))

    # -- users -----------------------------------------------------------------------------------------------

    def add_user(self, name: str, password: str, tags: Iterable[str] = ()) -> None:
        self._call(lambda: self.node.add_user(name, password, frozenset(tags)))

    def delete_user(self, name: str) -> None:
        """Remove a user; connections of that user are sent away."""
        self._call(lambda: self.node.remove_user(name))

    def change_password(self, name: str, password: str) -> None:
        """The empty one is no password: the user can log in by certificate only."""
        self._call(lambda: self.node.set_password(name, password))

    def set_user_tags(self, name: str, tags: Iterable[str]) -> None:
        self._call(lambda: self.node.users.set_tags(name, tags))

    def permit(
        self,
        user: str,
        vhost: str = DEFAULT_VHOST,
        configure: str = ".*",
        write: str = ".*",
        read: str = ".*",
    ) -> None:
        """Set a user's permissions in a virtual host: three regular expressions on resource names."""
        self._call(lambda: self.node.users.permit(user, vhost, configure, write, read))

    def forbid(self, user: str, vhost: str = DEFAULT_VHOST) -> None:
        """Take a user's permissions in a virtual host away."""
        self._call(lambda: self.node.users.forbid(user, vhost))

    def permit_topics(self, user: str, exchange: str, write: str, read: str, vhost: str = DEFAULT_VHOST) -> None:
        """Set a user's topic permissions on one exchange: two regular expressions on routing keys."""
        self._call(lambda: self.node.users.permit_topics(user, vhost, exchange, write, read))

    def forbid_topics(self, user: str, exchange: str | None = None, vhost: str = DEFAULT_VHOST) -> None:
        """Remove a user's topic permissions on one exchange, or on all."""
        self._call(lambda: self.node.users.forbid_topics(user, vhost, exchange))

    def access(self, user: str, vhost: str = DEFAULT_VHOST) -> Access:
        """A user's rights, to be asked."""
        return Access(self.node.users, user, vhost)

    def set_user_limits(self, user: str, limits: Mapping[str, int]) -> None:
        """Set "max-connections" and "max-channels"; one that is not named stays, one below 0 is no limit."""
        self._call(lambda: self.node.parameters.set_user_limits(user, dict(limits)))

    def clear_user_limits(self, user: str, which: str = "all") -> None:
        self._call(lambda: self.node.parameters.clear_user_limits(user, which))

    # -- policies --------------------------------------------------------------------------------------------

    def set_policy(
        self,
        name: str,
        pattern: str,
        definition: Mapping[str, Any],
        *,
        priority: int = 0,
        apply_to: str = "all",
        vhost: str = DEFAULT_VHOST,
    ) -> None:
        """Set what holds for queues and exchanges whose names match a regular expression."""
        value = {"pattern": pattern, "definition": dict(definition), "priority": priority, "apply-to": apply_to}
        self._do(lambda: self.node.vhost(vhost).policies.set_in_steps(name, value))

    def clear_policy(self, name: str, vhost: str = DEFAULT_VHOST) -> None:
        self._do(lambda: self.node.vhost(vhost).policies.clear_in_steps(name))

    def set_operator_policy(
        self,
        name: str,
        pattern: str,
        definition: Mapping[str, Any],
        *,
        priority: int = 0,
        apply_to: str = "all",
        vhost: str = DEFAULT_VHOST,
    ) -> None:
        """Set bounds for queues whose names match, whatever their arguments and policies say."""
        value = {"pattern": pattern, "definition": dict(definition), "priority": priority, "apply-to": apply_to}
        self._do(lambda: self.node.vhost(vhost).policies.set_in_steps(name, value, operator=True))

    def clear_operator_policy(self, name: str, vhost: str = DEFAULT_VHOST) -> None:
        self._do(lambda: self.node.vhost(vhost).policies.clear_in_steps(name, operator=True))

    # -- parameters ------------------------------------------------------------------------------------------

    def set_parameter(self, component: str, name: str, value: Any, vhost: str = DEFAULT_VHOST) -> None:
        """Set a runtime parameter: a value of JSON's types. Policies have verbs of their own."""
        self._do(lambda: self.node.parameters.set_in_steps(component, name, value, vhost))

    def clear_parameter(self, component: str, name: str, vhost: str = DEFAULT_VHOST) -> None:
        self._do(lambda: self.node.parameters.clear_in_steps(component, name, vhost))

    def set_global_parameter(self, name: str, value: Any) -> None:
        self._call(lambda: self.node.parameters.set_global(name, value))

    def clear_global_parameter(self, name: str) -> None:
        self._call(lambda: self.node.parameters.clear_global(name))

    # -- messages that wait --------------------------------------------------------------------------------------
    #
    # `choice` are the arguments of a `Selection` (`core.selecting`). Large queues are gone through in steps, between
    # which clients are served.

    def peek(
        self,
        queue: str,
        *,
        vhost: str = DEFAULT_VHOST,
        bytes_max: int = BYTES_MAX,
        body_bytes_max: int | None = None,
        examined_max: int = EXAMINED_MAX,
        **choice: Unpack[Choice],
    ) -> Seeing:
        """Read messages without taking them; a hundred, unless `count` is given.

        At most `bytes_max` of properties and bodies, these cut to `body_bytes_max`; at most so many messages are looked
        at.
        """
        choice.setdefault("count", MESSAGES_MAX)
        peek = self._call(
            lambda: Peek(
                self._queue(vhost, queue),
                Selection(**choice),
                bytes_max=bytes_max,
                body_bytes_max=body_bytes_max,
                examined_max=examined_max,
            )
        )
        while self._call(peek.step):
            pass
        return peek.result

    def move(
        self,
        queue: str,
        *,
        to_queue: str | None = None,
        to_exchange: str | None = None,
        key: str | None = None,
        vhost: str = DEFAULT_VHOST,
        **choice: Unpack[Choice],
    ) -> Moved:
        """Take messages out of a queue and send them to another, or to an exchange.

        `key` replaces the routing keys they had.
        """
        return self._transfer(
            lambda: move(
                self._queue(vhost, queue), self._destination(vhost, to_queue, to_exchange, key), Selection(**choice)
            )
        )

    def copy(
        self,
        queue: str,
        *,
        to_queue: str | None = None,
        to_exchange: str | None = None,
        key: str | None = None,
        vhost: str = DEFAULT_VHOST,
        **choice: Unpack[Choice],
    ) -> Moved:
        """The same with messages that stay in the queue as well."""
        return self._transfer(
            lambda: copy(
                self._queue(vhost, queue), self._destination(vhost, to_queue, to_exchange, key), Selection(**choice)
            )
        )

    def replay(self, queue: str, *, vhost: str = DEFAULT_VHOST, **choice: Unpack[Choice]) -> Moved:
        """Send dead letters back to where they died last."""
        return self._transfer(lambda: replay(self._queue(vhost, queue), Selection(**choice)))

    def delete_messages(self, queue: str, *, vhost: str = DEFAULT_VHOST, **choice: Unpack[Choice]) -> Moved:
        """Drop messages; without a choice, all that wait."""
        return self._transfer(lambda: delete(self._queue(vhost, queue), Selection(**choice)))

    def _queue(self, vhost: str, name: str) -> Queue:
        """A queue, whoever it belongs to."""
        found = self.node.vhost(vhost)
        queue = found.queues.get(name)
        return queue if queue is not None else found.queue(name)

    def _destination(self, vhost: str, to_queue: str | None, exchange: str | None, key: str | None) -> Destination:
        if (to_queue is None) is (exchange is None):
            raise ValueError("either a queue or an exchange")
        if to_queue is not None:
            return ToQueue(self.node.vhost(vhost), self._queue(vhost, to_queue))
        return ToExchange(self.node.vhost(vhost), exchange or "", key)

    def _transfer(self, begin: Callable[[], Transfer]) -> Moved:
        transfer = self._call(begin)
        while self._call(transfer.step):
            self._wait_for_disk()
        return transfer.result

    # -- seeing what happens -----------------------------------------------------------------------------------

    def trace_on(self, vhost: str = DEFAULT_VHOST) -> None:
        """Publish a copy of all that clients publish and get to amq.rabbitmq.trace, until `trace_off` or the end."""
        self._call(lambda: self.node.trace(vhost))

    def trace_off(self, vhost: str = DEFAULT_VHOST) -> None:
        self._call(lambda: self.node.untrace(vhost))

    # -- the rest --------------------------------------------------------------------------------------------

    def overview(self) -> Overview:
        """The state of the broker in numbers, the same for every protocol."""
        return self._call(self.node.overview)

    def set_memory_watermark(self, memory_bytes_max: int) -> None:
        """Change the amount of held messages above which publishers are blocked."""
        self._call(lambda: self.node.memory.set_watermark(memory_bytes_max))


def _some(steps: Steps) -> bool:
    """Do some steps; whether there are more."""
    until = time.perf_counter() + _STEPS_SECONDS
    for _ in steps:
        if time.perf_counter() >= until:
            return True
    return False
