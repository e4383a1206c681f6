"""All shovels of a broker: one worker for each parameter of the component "shovel".

The component is registered with the node, so that shovels can be set before the broker runs, and those of the last
process are there when it has been read. `start` lets them work; from then on a parameter that is set starts its shovel
anew, and one that is cleared ends it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from menura.core.errors import NotFound, Refusal
from menura.core.node import NAME, Node
from menura.core.policy_rules import Faults
from menura.shovels.definition import Definition, completed, faults, shown

if TYPE_CHECKING:
    from menura.shovels.worker import Connect, Worker

COMPONENT = "shovel"
_log = logging.getLogger("menura.shovels")


class Shovels:
    """Implements `core.parameters.Component`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._connect: Connect | None = None
        self._workers: dict[tuple[str, str], Worker] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        node.parameters.register(COMPONENT, self)

    # -- life ------------------------------------------------------------------------------------------------

    def start(self, connect: Connect) -> None:
        """Let all work that are set; `connect` opens connections to brokers."""
        self._connect = connect
        for vhost, _, name, value in self._node.parameters.kept(COMPONENT):
            if wrong := faults(name, value, lambda vhost: None):  # set by another version
                _log.error("shovel '%s' in virtual host '%s' cannot work: %s", name, vhost, "; ".join(wrong))
            else:
                self.changed(vhost, name, value)

    async def stop(self) -> None:
        """End all, and wait for it."""
        self._connect = None
        for key in list(self._workers):
            self._end(*key)
        while self._leaving:
            await asyncio.wait(self._leaving)

    def restart(self, vhost: str, name: str) -> None:
        """Begin anew, without waiting for the reconnect delay."""
        self.changed(vhost, name, self._node.parameters.value(COMPONENT, name, vhost))

    # -- what the parameters tell --------------------------------------------------------------------------------

    def faults(self, name: str, value: Any, user: str | None) -> Faults:
        def may_enter(vhost: str) -> str | None:
            try:
                self._node.vhost(vhost)
                allowed = user is None or vhost in self._node.users.get(user).permissions
            except Refusal:
                allowed = False
            return None if allowed else f'user "{user or "none"}" may not connect to vhost "{vhost}"'

        return faults(name, value, may_enter)

    def completed(self, value: Any, before: Any) -> Any:
        return completed(value, before)

    def shown(self, value: Any) -> Any:
        return shown(value)

    def changed(self, vhost: str, name: str, value: Any) -> None:
        # Loaded when the first shovel works: most brokers have none.
        from menura.shovels.worker import Worker

        before = self._end(vhost, name)
        if self._connect is None:
            return
        cluster_name = self._node.parameters.globals.get("cluster_name", NAME)
        worker = Worker(vhost, name, Definition.of(value), str(cluster_name), self._connect)
        worker.on_change = lambda: self._tell(worker)
        worker.on_done = lambda: self._done(worker)
        self._workers[vhost, name] = worker
        self._tell(worker)
        if before is None:
            worker.start()
        else:  # what it has not settled is to be in the queue again
            before.add_done_callback(lambda _: self._start(worker))

    def _start(self, worker: Worker) -> None:
        if self._workers.get((worker.vhost, worker.name)) is worker:
            worker.start()

    def cleared(self, vhost: str, name: str) -> None:
        if (vhost, name) in self._workers:
            self._end(vhost, name)
            self._node.events.tell("shovel.worker.removed", vhost=vhost, name=name)

    def _done(self, worker: Worker) -> None:
        """All that was to be moved has been: the shovel deletes itself."""
        if self._workers.get((worker.vhost, worker.name)) is worker:
            self._node.parameters.clear(COMPONENT, worker.name, worker.vhost)

    def _end(self, vhost: str, name: str) -> asyncio.Task[None] | None:
        worker = self._workers.pop((vhost, name), None)
        if worker is None:
            return None
        worker.on_change = worker.on_done = lambda: None
        task = asyncio.get_running_loop().create_task(worker.stop())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    # -- what they look like -----------------------------------------------------------------------------------

    def find(self, vhost: str, name: str) -> Worker:
        worker = self._workers.get((vhost, name))
        if worker is None:
            raise NotFound(f"no shovel '{name}' in vhost '{vhost}'")
        return worker

    def all(self, vhost: str | None = None) -> list[Worker]:
        return [worker for worker in self._workers.values() if vhost in (None, worker.vhost)]

    def _tell(self, worker: Worker) -> None:
        details = status(worker)
        details["status"] = details.pop("state")
        for name in ("node", "type", "timestamp"):
            del details[name]
        self._node.events.tell_all("shovel.worker.status", details)


def status(worker: Worker) -> dict[str, Any]:
    """A shovel as RabbitMQ's API gives it, under `GET /api/shovels`."""
    given: dict[str, Any] = {
        "node": NAME,
        "timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(worker.since)),
        "name": worker.name,
        "vhost": worker.vhost,
        "type": "dynamic",
        "state": worker.flow if worker.state == "running" else worker.state,
    }
    if worker.state == "terminated":
        given["reason"] = worker.reason
    if worker.state == "running":
        given |= _running(worker)
    return given


def _running(worker: Worker) -> Mapping[str, Any]:
    remaining = worker.remaining
    return {
        "src_uri": worker.source_uri,
        "src_protocol": "amqp091",
        "dest_protocol": "amqp091",
        "dest_uri": worker.destination_uri,
        **worker.definition.ends("_"),
        "blocked_status": worker.flow,
        "forwarded": worker.forwarded,
        "pending": worker.pending,
        "remaining": "unlimited" if remaining is None else remaining,
        "remaining_unacked": "unlimited" if remaining is None else remaining + worker.pending,
    }
