"""Random STOMP conversations of a few clients, as lists of steps that are the same for every broker.

What the two brokers are documented to do differently is not asked (docs/protocols/stomp.md): a queue has one
subscription at a time, so that nobody's turn matters; a connection has at most one subscription with cumulative
acknowledgements, and then no other that is acknowledged.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.conformance.steps import Step

CLIENTS = ("ann", "bob", "cid")
TOPICS = ("{n}.a", "{n}.a.b", "{n}.b", "{n}.%2Fx", "{n}.a b")
PATTERNS = (*TOPICS, "{n}.*", "{n}.#", "{n}.a.*", "#.{n}.b")
QUEUES = ("{n}-1", "{n}-2", "{n}-%2F")
TEXTS = ("plain", "a:b", "back\\slash", "two\nlines", "ü€", " blanks ", "")
BODIES = (b"", b"x", b"two\nlines", b"\0", b"a\0b\0", "grün".encode(), bytes(300))
WRONG = (
    ("SEND", {}), ("SEND", {"destination": "/nowhere/x"}), ("SEND", {"destination": "/queue"}),
    ("SEND", {"destination": "/queue/a/b"}), ("SEND", {"destination": "/exchange/a/b/c"}),
    ("SEND", {"destination": "/topic/{n}", "message-id": "m"}), ("SEND", {"destination": "/exchange/{n}-none/k"}),
    ("SUBSCRIBE", {"id": "z"}), ("SUBSCRIBE", {"destination": "/amq/queue/{n}-none", "id": "z"}),
    ("SUBSCRIBE", {"destination": "/temp-queue/{n}", "id": "z"}),
    ("SUBSCRIBE", {"destination": "nowhere/x", "id": "z"}),
    ("SUBSCRIBE", {"destination": "/topic/{n}", "durable": "true", "auto-delete": "false"}),
    ("UNSUBSCRIBE", {}), ("UNSUBSCRIBE", {"id": "none"}), ("UNSUBSCRIBE", {"destination": "/queue/{n}-none"}),
    ("UNSUBSCRIBE", {"id": "/temp-queue/z"}), ("UNSUBSCRIBE", {"durable": "true", "destination": "/topic/x"}),
    ("ACK", {}), ("NACK", {}), ("ACK", {"id": "x", "message-id": "x"}),
    ("ACK", {"id": "T_none@@session-x@@1", "message-id": "T_none@@session-x@@1"}),
    ("BEGIN", {}), ("COMMIT", {}), ("ABORT", {}),
    ("COMMIT", {"transaction": "none"}), ("ABORT", {"transaction": "none"}),
    ("NOTHING", {}),
)  # fmt: skip


class Writer:
    """Writes the steps of one case; `{n}` in names stands for the case's own beginning of names."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.steps: list[Step] = []
        self.versions: dict[str, str] = {}
        self.subscribed: dict[str, dict[str, tuple[str, str]]] = {}  # by client and id: destination and mode
        self.begun: dict[str, list[str]] = {}
        self.number = 0

    def write(self, count: int) -> list[Step]:
        for each in CLIENTS[: self.chance.choice((1, 2, 3))]:
            self.connect(each)
        actions = [self.send] * 8 + [self.subscribe] * 4 + [self.settle] * 4 + [self.transact] * 3
        actions += [self.unsubscribe, self.leave, self.reply, self.break_rules]
        while len(self.steps) < count:
            client = self.chance.choice(CLIENTS)
            action = self.chance.choice(actions) if client in self.versions else self.connect
            action(client)
        return self.steps

    def add(self, verb: str, client: str, **arguments: Any) -> None:
        self.steps.append(Step(verb, client, arguments))

    def connect(self, client: str) -> None:
        version = self.versions[client] = self.chance.choice(("1.0", "1.1", "1.2", "1.2"))
        self.subscribed[client], self.begun[client] = {}, []
        self.add("connect", client, version=version)

    def transaction(self, client: str) -> dict[str, str]:
        begun = self.begun[client]
        return {"transaction": self.chance.choice(begun)} if begun and self.chance.random() < 0.4 else {}

    def headers(self, client: str) -> dict[str, Any]:
        chance = self.chance
        found: dict[str, Any] = {}
        texts = TEXTS if self.versions[client] != "1.0" else TEXTS[:1]
        for name in ("correlation-id", "type", "app-id", "content-type", "content-encoding", "amqp-message-id", "own",
                     "x-other", "with:colon"):  # fmt: skip
            if chance.random() < 0.12 and (":" not in name or self.versions[client] != "1.0"):
                found[name] = chance.choice(texts)
        more = ({}, {}, {}, {"persistent": "true"}, {"priority": 5}, {"expiration": 3600000}, {"timestamp": 1700000000},
                {"user-id": "guest"}, {"reply-to": "/queue/x"}, {"reply-to": "name"})  # fmt: skip
        return {**found, **chance.choice(more)}

    def send(self, client: str) -> None:
        chance = self.chance
        known = [destination for each in self.subscribed.values() for destination, _ in each.values()]
        fixed = [each for each in known if "*" not in each and "#" not in each]
        if fixed and chance.random() < 0.7:
            destination = chance.choice(fixed)
        else:
            destination = chance.choice((f"/queue/{chance.choice(QUEUES)}", f"/topic/{chance.choice(TOPICS)}",
                                         f"/exchange/amq.topic/{chance.choice(TOPICS)}", "{n}-1",
                                         "/exchange/amq.direct/{n}", "/exchange/amq.fanout"))  # fmt: skip
        self.number += 1
        body = f"{self.number} ".encode() + chance.choice(BODIES) if chance.random() < 0.9 else b""
        more = {**self.headers(client), **self.transaction(client)}
        measured = b"\0" in body or chance.random() < 0.5
        self.add("send", client, destination=destination, body=body, more=more, measured=measured)

    def subscribe(self, client: str) -> None:
        chance, own = self.chance, self.subscribed[client]
        taken = [destination for each in self.subscribed.values() for destination, _ in each.values()]
        queues = [f"/queue/{each}" for each in QUEUES if f"/queue/{each}" not in taken]
        topics = [f"/topic/{each}" for each in PATTERNS]
        exchanges = ["/exchange/amq.direct/{n}", "/exchange/amq.fanout", f"/exchange/amq.topic/{chance.choice(TOPICS)}"]
        destination = chance.choice(chance.choice((queues or topics, topics, exchanges)))
        id = chance.choice(("1", "two", "3/x"))
        modes = [mode for _, mode in own.values()]
        mode = chance.choice(("auto", "auto", "client-individual", "client"))
        if id in own or (mode == "client" and modes.count("auto") < len(modes)) or "client" in modes:
            return
        more = {} if mode == "auto" else chance.choice(({}, {"prefetch-count": 1}, {"prefetch-count": 3}))
        if destination.startswith("/topic") and chance.random() < 0.3:
            more = {**more, "durable": "true", "auto-delete": "false"}
        own[id] = destination, mode
        self.add("subscribe", client, id=id, destination=destination, more={"ack": mode, **more})

    def unsubscribe(self, client: str) -> None:
        own = self.subscribed[client]
        if own:
            id = self.chance.choice(sorted(own))
            del own[id]
            self.add("unsubscribe", client, id=id)

    def settle(self, client: str) -> None:
        chance = self.chance
        command = chance.choice(("ACK", "ACK", "NACK"))
        more = self.transaction(client)
        if command == "NACK" and chance.random() < 0.6:
            more = {**more, "requeue": "false"}
        self.add("settle", client, command=command, which=chance.choice((0, 0, 1, -1)), more=more)

    def transact(self, client: str) -> None:
        begun = self.begun[client]
        if not begun or (len(begun) < 2 and self.chance.random() < 0.3):
            name = next(each for each in ("tx1", "tx 2") if each not in begun)
            begun.append(name)
            self.add("transact", client, command="BEGIN", name=name)
        else:
            name = begun.pop(self.chance.randrange(len(begun)))
            self.add("transact", client, command=self.chance.choice(("COMMIT", "COMMIT", "ABORT")), name=name)

    def reply(self, client: str) -> None:
        """A request that is answered to the queue it names."""
        others = [each for each in self.versions if each != client]
        if others and not self.begun[client]:
            self.number += 1
            self.add("request", client, answering=self.chance.choice(others), body=f"{self.number}?".encode())

    def leave(self, client: str) -> None:
        self.add(self.chance.choice(("disconnect", "drop")), client)
        self.gone(client)

    def gone(self, client: str) -> None:
        del self.versions[client]
        self.subscribed[client], self.begun[client] = {}, []

    def break_rules(self, client: str) -> None:
        command, headers = self.chance.choice(WRONG)
        self.add("wrong", client, command=command, headers=headers)
        self.gone(client)


def conversation(seed: int, count: int = 30) -> list[Step]:
    return Writer(Random(seed)).write(count)
