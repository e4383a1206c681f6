"""The same conversation with Menura and with RabbitMQ's STOMP plugin, step by step.

After each step every connection sends something with a receipt, twice, so that what was under way has come; then what
each client was told is compared, less what is documented to differ (docs/protocols/stomp.md).

`python -m tests.conformance.stomp.lockstep --cases N --seed S` runs further cases.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
from tests.conformance.steps import Step
from tests.conformance.stomp.connection import Connection
from tests.conformance.stomp.generating import QUEUES, conversation
from tests.fuzz.hunting import smallest

import menura
from menura.protocols.stomp.queues import durable_name

RABBITMQ = ("127.0.0.1", 61613), "amqp://guest:guest@127.0.0.1:5672/"
Address = tuple[tuple[str, int], str]
LATE_SECONDS = 0.5
Told = dict[str, Any]


class Difference(AssertionError):
    pass


@contextmanager
def ours() -> Iterator[Address]:
    with menura.Broker(listen=["stomp://127.0.0.1:0", "amqp://127.0.0.1:0"]) as broker:
        yield ("127.0.0.1", broker.listeners[0].port), broker.amqp_url


class Side:
    """One broker, and the clients as it sees them; `names` begin all names of a case."""

    def __init__(self, address: Address) -> None:
        self.address, self.amqp_url = address
        self.names = ""
        self.connections: dict[str, Connection] = {}

    def take(self, step: Step) -> Told:
        getattr(self, step.verb)(step.client, **step.arguments)
        for _ in range(2):
            for each in self.connections.values():
                each.settle()
        told = {name: each.told() for name, each in sorted(self.connections.items())}
        for name, each in list(self.connections.items()):
            if not each.alive:
                del self.connections[name]
        return told

    def own(self, text: Any) -> str:
        return str(text).replace("{n}", self.names)

    def tell(
        self, client: str, command: str, headers: dict[str, Any], body: bytes = b"", measured: bool = True
    ) -> None:
        if (found := self.connections.get(client)) is not None:
            found.ask(command, {name: self.own(value) for name, value in headers.items()}, body, measured)

    def connect(self, client: str, version: str) -> None:
        self.connections[client] = Connection(self.address, version)

    def send(self, client: str, destination: str, body: bytes, more: dict[str, Any], measured: bool) -> None:
        self.tell(client, "SEND", {"destination": destination, **more}, body, measured)

    def subscribe(self, client: str, id: str, destination: str, more: dict[str, Any]) -> None:
        self.tell(client, "SUBSCRIBE", {"destination": destination, "id": id, **more})

    def unsubscribe(self, client: str, id: str) -> None:
        self.tell(client, "UNSUBSCRIBE", {"id": id})
        if (found := self.connections.get(client)) is not None:
            found.forget(id)

    def settle(self, client: str, command: str, which: int, more: dict[str, Any]) -> None:
        found = self.connections.get(client)
        if found is None or not (-len(found.unsettled) <= which < len(found.unsettled)):
            return
        name, token, cumulative, _ = found.unsettled[which]
        if cumulative:
            del found.unsettled[: which % len(found.unsettled) + 1]
        else:
            del found.unsettled[which]
        self.tell(client, command, {name: token, **more})

    def transact(self, client: str, command: str, name: str) -> None:
        self.tell(client, command, {"transaction": name})

    def request(self, client: str, answering: str, body: bytes) -> None:
        queue = {"destination": "/queue/{n}-requests", "id": "requests"}
        self.tell(answering, "SUBSCRIBE", queue)
        found = self.connections.get(answering)
        self.tell(client, "SEND", {"destination": queue["destination"], "reply-to": "/temp-queue/answers"}, body)
        if found is not None and client in self.connections:
            self.connections[client].settle()
            found.settle()
            address = found.messages["requests"][-1].headers["reply-to"]
            self.tell(answering, "SEND", {"destination": address}, body + b"!")
        self.tell(answering, "UNSUBSCRIBE", {"id": "requests"})

    def disconnect(self, client: str) -> None:
        self.tell(client, "DISCONNECT", {})
        self.drop(client)

    def drop(self, client: str) -> None:
        if (found := self.connections.get(client)) is not None:
            found.hang_up()

    def wrong(self, client: str, command: str, headers: dict[str, Any]) -> None:
        """Something that is answered with an ERROR frame, after which Menura closes the connection."""
        if (found := self.connections.get(client)) is not None:
            found.send(command, {name: self.own(value) for name, value in headers.items()})
            found.read_until("ERROR")
            found.hang_up()

    def clean(self, steps: list[Step]) -> None:
        """End all connections, and delete the queues that outlive them."""
        for each in self.connections.values():
            each.hang_up()
        self.connections = {}
        left = [self.names + each.removeprefix("{n}").replace("%2F", "/") for each in (*QUEUES, "{n}-requests")]
        for step in steps:
            if "durable" in step.arguments.get("more", {}):
                key = self.own(step.arguments["destination"]).removeprefix("/topic/").replace("%2F", "/")
                left.append(durable_name(key, step.arguments["id"]))
        with pika.BlockingConnection(pika.URLParameters(self.amqp_url)) as connection:
            channel = connection.channel()
            for name in left:
                channel.queue_delete(name)


def compare(mine: Side, theirs: Side, steps: list[Step]) -> None:
    """Raises Difference at the first step that the two do not answer alike."""
    mine.names = theirs.names = f"lock{uuid.uuid4().hex[:8]}"
    try:
        for step in steps:
            told = [side.take(step) for side in (mine, theirs)]
            if told[0] != told[1]:
                told = [_later(side, so_far) for side, so_far in zip((mine, theirs), told, strict=True)]
            if told[0] != told[1]:
                raise Difference(_described(step, *told))
    finally:
        mine.clean(steps)
        theirs.clean(steps)


def _later(side: Side, told: Told) -> Told:
    """Some of it may have been under way still."""
    for each in side.connections.values():
        each.wait(LATE_SECONDS)
    later = {name: each.told() for name, each in sorted(side.connections.items())}
    for name, (answers, messages) in later.items():
        told[name][0].extend(answers)
        for id, heard in messages.items():
            told[name][1].setdefault(id, []).extend(heard)
    return told


def _described(step: Step, mine: Told, theirs: Told) -> str:
    lines = [f"{step.verb}: the answers differ", repr(step)]
    for name in sorted({*mine, *theirs}):
        if mine.get(name) != theirs.get(name):
            lines += [f"{name}: Menura    {mine.get(name)}", f"{' ' * len(name)}  RabbitMQ  {theirs.get(name)}"]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keep-going", action="store_true")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    logging.getLogger("menura").addHandler(logging.NullHandler())
    failed = 0
    with ours() as address:
        sides = Side(address), Side(RABBITMQ)
        for seed in range(arguments.seed, arguments.seed + arguments.cases):
            steps = conversation(seed)
            try:
                compare(*sides, steps)
            except Difference as difference:
                failed += 1
                print(f"--- seed {seed} ---\n{difference}")
                small = smallest(steps, lambda steps: compare(*sides, steps), attempts=40)
                print("smallest:", *small, sep="\n    ")
                try:
                    compare(*sides, small)
                except Difference as difference:
                    print(difference, flush=True)
                if not arguments.keep_going:
                    return 1
    print(f"{arguments.cases} cases, {failed} with differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
