"""Random sequences of what clients may say to a broker.

A `Story` is one sequence, made of a seed. It has a few names and a few shapes for what bears them, so that operations
meet: the same queue is declared again, mostly in the same way, sometimes in another. A flavour says which queues there
are, and which operations are frequent. What a broker has to answer with the passing of time (a time to live) is in a
flavour of its own, since each step has to wait for it there.

What the brokers are known to answer otherwise is not said.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from pamqp import base
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue, Tx
from tests.conformance.differential.operations import EXCHANGES, QUEUES, RESTRICTED, Lose, Operation, Publish, Settle
from tests.conformance.typed_fields import Table, Value

LINKS, CHANNELS, PROLOGUE = 2, 2, 7
SHORT_MS, WAIT_SECONDS = 10, 0.06
PREDECLARED = ("amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match")
ODD_NAMES = (
    "", "none", "amq.none", "amq.rabbitmq.trace", "amq.rabbitmq.reply-to", "q0\r\n", "x0\n", "it's ~p {a} é", "n" * 99,
)  # fmt: skip
KEYS = ("k", "a.b", "a.b.c", "a", "", "a.*", "#", "a.#", "*.b.#", "..", *QUEUES, *EXCHANGES)
KINDS = ("direct", "fanout", "topic", "headers")
TAGS = ("c0", "c1", "c2", "n0", "n1")
"""Consumer tags; those that begin with n do not acknowledge."""

FLAVOURS = ("plain", "limits", "letters", "priorities", "single", "transactions", "confirms", "time", "rights")
MESSAGE_HEADERS: tuple[tuple[str, Value], ...] = (
    ("a", ("I", 1)), ("a", ("l", 1)), ("a", ("b", 1)), ("a", ("S", "1")), ("a", ("V", None)), ("a", ("d", 1.0)),
    ("a", ("t", True)), ("b", ("S", "x")), ("b", ("F", {"c": ("I", 1)})), ("b", ("A", [("I", 1), ("S", "x")])),
    ("b", ("x", b"\xff\x00")), ("b", ("S", b"\xff")), ("x-c", ("S", "x")), ("t", ("T", 1700000000)),
    ("e", ("D", (2, 314))), ("e", ("D", (0, -3))), ("u", ("u", 65535)), ("u", ("I", 65535)), ("é", ("f", 0.5)),
)  # fmt: skip
MATCHES = ("all", "any", "all-with-x", "any-with-x", "none")
ODD_VALUES: tuple[Value, ...] = (
    ("I", -1), ("I", 0), ("I", 5), ("l", 1 << 40), ("b", -3), ("B", 200), ("s", 300), ("u", 300), ("i", 1 << 31),
    ("t", True), ("S", "x"), ("S", ""), ("S", "5"), ("d", 1.5), ("f", 0.5), ("D", (1, 15)), ("T", 5),
    ("V", None), ("A", []), ("A", [("I", 1)]), ("F", {}), ("F", {"a": ("I", 1)}), ("x", b"x"),
)  # fmt: skip
QUEUE_ARGUMENTS = (
    "x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-overflow", "x-dead-letter-exchange",
    "x-dead-letter-routing-key", "x-max-priority", "x-single-active-consumer", "x-queue-mode", "x-queue-version",
    "x-queue-type", "x-queue-master-locator", "x-delivery-limit", "x-max-age", "x-anything",
)  # fmt: skip


@dataclass
class Story:
    """The operations of one seed; `waits` if each needs time to show its effect."""

    seed: int
    flavour: str = ""
    operations: list[Operation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.flavour = self.flavour or self.random.choice(FLAVOURS)
        self.waits = self.flavour == "time"
        self._bodies = 0
        self._queues = {name: self._queue_shape() for name in QUEUES}
        self._exchanges = {name: self._exchange_shape() for name in EXCHANGES}
        for name in (*QUEUES[1:], QUEUES[0])[: self.random.choice((3, 4))]:
            self._add(Queue.Declare(queue=name, **self._queues[name]))
        for name in EXCHANGES[: self.random.choice((2, 3))]:
            self._add(Exchange.Declare(exchange=name, **self._exchanges[name]))
        if self.flavour == "transactions":
            self._add(Tx.Select())
        if self.flavour == "confirms":
            self._add(Confirm.Select())
        for _ in range(4):
            self._add(self._binding())
        for _ in range(self.random.randint(10, 50)):
            self._add(self._operation())

    def _add(self, action: Any) -> None:
        usual = self._chance(0.7)
        link = 0 if usual else self.random.randrange(LINKS)
        if self.flavour == "rights" and len(self.operations) >= PROLOGUE and self._chance(0.7):
            link = RESTRICTED
        self.operations.append(Operation(link, 1 if usual else 1 + self.random.randrange(CHANNELS), action))

    # -- choices -------------------------------------------------------------------------------------------------

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _queue_name(self) -> str:
        if self._chance(0.02):
            return self.random.choice(ODD_NAMES)
        return self.random.choice(QUEUES[1:] if self._chance(0.7) else QUEUES)

    def _exchange_name(self) -> str:
        if self._chance(0.02):
            return self.random.choice(ODD_NAMES)
        return self.random.choice(PREDECLARED if self._chance(0.3) else EXCHANGES)

    def _key(self) -> str:
        return self.random.choice(KEYS)

    def _queue_shape(self) -> dict[str, Any]:
        arguments: Table = {}
        if self.flavour == "limits" or self._chance(0.05):
            arguments["x-max-length"] = ("I", self.random.randint(0, 3))
            if self._chance(0.3):
                arguments = {"x-max-length-bytes": ("l", self.random.choice((0, 5, 50)))}
            if self._chance(0.5):
                arguments["x-overflow"] = (
                    "S",
                    self.random.choice(("drop-head", "reject-publish", "reject-publish-dlx")),
                )
        if self.flavour == "time" and self._chance(0.6):
            arguments["x-message-ttl"] = ("I", self.random.choice((0, SHORT_MS)))
        if (self.flavour in ("letters", "limits", "time") and self._chance(0.7)) or self._chance(0.05):
            arguments["x-dead-letter-exchange"] = ("S", self.random.choice(("", *EXCHANGES, "amq.fanout", "none")))
            if self._chance(0.5):
                arguments["x-dead-letter-routing-key"] = ("S", self._key())
        if self.flavour == "priorities" and self._chance(0.8):
            arguments["x-max-priority"] = ("I", self.random.choice((0, 1, 3, 10, 255)))
        if self.flavour == "single":
            arguments["x-single-active-consumer"] = ("t", self._chance(0.8))
        return {
            "durable": self._chance(0.5), "exclusive": self._chance(0.06), "auto_delete": self._chance(0.08),
            "arguments": arguments,
        }  # fmt: skip

    def _exchange_shape(self) -> dict[str, Any]:
        arguments: Table = {}
        if self._chance(0.2):
            arguments["alternate-exchange"] = ("S", self.random.choice((*EXCHANGES, "amq.fanout", "none", "")))
        return {
            "exchange_type": self.random.choice(KINDS), "durable": self._chance(0.5), "arguments": arguments,
            "auto_delete": self._chance(0.08), "internal": self._chance(0.04),
        }  # fmt: skip

    def _binding_arguments(self) -> Table:
        arguments = dict(self.random.choices(MESSAGE_HEADERS, k=self.random.randint(0, 2)))
        if self._chance(0.6):
            arguments["x-match"] = ("S", self.random.choice(MATCHES)) if self._chance(0.97) else self._odd_value()
        return arguments

    def _odd_value(self) -> Value:
        return self.random.choice(ODD_VALUES)

    # -- what is said --------------------------------------------------------------------------------------------

    def _operation(self) -> Any:
        weights = {
            self._publish: 40, self._get: 10, self._consume: 10, self._settle: 18, self._binding: 5, self._unbinding: 2,
            self._cancel: 3, self._qos: 4, self._declare: 4, self._rare: 5, self._delete: 2,
            self._transaction: 12 if self.flavour == "transactions" else 0,
        }  # fmt: skip
        return self.random.choices(list(weights), list(weights.values()))[0]()

    def _declare(self) -> base.Frame:
        if self._chance(0.6):
            return self._declared_queue(self._queue_name())
        return self._declared_exchange(self._exchange_name())

    def _declared_queue(self, name: str) -> Queue.Declare:
        shape = dict(self._queues.get(name) or self._queue_shape())
        if self._chance(0.15):
            shape = self._queue_shape()
        if self._chance(0.1):
            shape["arguments"] = {**shape["arguments"], self.random.choice(QUEUE_ARGUMENTS): self._odd_value()}
        return Queue.Declare(queue=name, passive=self._chance(0.1), nowait=self._chance(0.1), **shape)

    def _declared_exchange(self, name: str) -> Exchange.Declare:
        shape = dict(self._exchanges.get(name) or self._exchange_shape())
        if self._chance(0.15):
            shape = self._exchange_shape()
        if self._chance(0.05):
            shape["arguments"] = {self.random.choice(("alternate-exchange", "x-anything")): self._odd_value()}
        return Exchange.Declare(exchange=name, passive=self._chance(0.1), nowait=self._chance(0.1), **shape)

    def _binding(self) -> base.Frame:
        return self._bound(Queue.Bind, Exchange.Bind, nowait=self._chance(0.1))

    def _unbinding(self) -> base.Frame:
        return self._bound(Queue.Unbind, Exchange.Unbind)

    def _bound(self, of_queue: Any, of_exchange: Any, **options: bool) -> base.Frame:
        key, arguments = self._key(), self._binding_arguments()
        if self._chance(0.75):
            source, name = self._exchange_name(), self._queue_name()
            name = "none" if name == "amq.rabbitmq.reply-to" else name  # refused otherwise than by RabbitMQ
            return of_queue(queue=name, exchange=source, routing_key=key, arguments=arguments, **options)
        # One end is of the story's own: bindings between predeclared exchanges would outlive it.
        names = [self._exchange_name(), self.random.choice(EXCHANGES)]
        self.random.shuffle(names)
        return of_exchange(destination=names[0], source=names[1], routing_key=key, arguments=arguments, **options)

    def _publish(self) -> Publish:
        self._bodies += 1
        exchange, key = self._exchange_name(), self._key()
        if self._chance(0.6):
            exchange, key = "", self._queue_name()
        size = self.random.choice((0, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 300_000))
        body = (b"m%d" % self._bodies).ljust(size, b".") if size else b""
        return Publish(exchange, key, self._chance(0.3), self._properties(), body)

    def _properties(self) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        possible: dict[str, tuple[float, tuple[Any, ...]]] = {
            "content_type": (0.1, ("text/plain", "")), "content_encoding": (0.1, ("gzip", "é")),
            "delivery_mode": (0.4, (1, 1, 2, 2, 2, 0, 3) if self._chance(0.05) else (1, 2)),
            "priority": (0.6 if self.flavour == "priorities" else 0.1, (0, 1, 2, 3, 4, 9, 10, 11, 255)),
            "correlation_id": (0.1, ("c", "")), "reply_to": (0.1, ("q0", "amq.rabbitmq.reply-to")),
            "expiration": (0.1, ("60000", "100000000")), "message_id": (0.1, ("m" * 255, "m")),
            "timestamp": (0.1, (0, 1700000000, (1 << 64) - 1)), "message_type": (0.1, ("t",)),
            "user_id": (0.05, ("guest", "guest", "other", "")), "app_id": (0.1, ("a",)), "cluster_id": (0.05, ("c",)),
        }  # fmt: skip
        if self.waits:
            possible["expiration"] = 1.0, (str(SHORT_MS),)
        if self._chance(0.02):
            possible["expiration"] = 1.0, ("", "x", "-1", "5x", " 5", "+60000", "99999999999999", "1.5")
        for name, (share, values) in possible.items():
            if self._chance(share):
                chosen[name] = self.random.choice(values)
        if self._chance(0.4):
            chosen["headers"] = self._headers()
        return chosen

    def _headers(self) -> Table:
        headers = dict(self.random.choices(MESSAGE_HEADERS, k=self.random.randint(0, 3)))
        for name in ("CC", "BCC"):
            if self._chance(0.15):
                keys: list[Value] = [("S", self._key()) for _ in range(self.random.randint(0, 2))]
                headers[name] = ("A", keys) if self._chance(0.95) else self._odd_value()
        return headers

    def _get(self) -> Basic.Get:
        return Basic.Get(queue=self._queue_name(), no_ack=self._chance(0.3))

    def _consume(self) -> Basic.Consume:
        tag = self.random.choice(TAGS)
        arguments: Table = {}
        if self._chance(0.2):
            arguments["x-priority"] = (
                ("I", self.random.choice((-1, 0, 1, 5))) if self._chance(0.9) else self._odd_value()
            )
        if self._chance(0.05):
            name = self.random.choice(("x-cancel-on-ha-failover", "x-stream-offset", "x-anything"))
            arguments[name] = self._odd_value()
        name = self._queue_name()
        if self._chance(0.05):
            name, tag = "amq.rabbitmq.reply-to", "nr"  # RabbitMQ lets another consumer have this tag as well
        return Basic.Consume(
            queue=name, consumer_tag=tag, no_ack=tag[0] == "n", exclusive=self._chance(0.08),
            nowait=self._chance(0.1), no_local=self._chance(0.05), arguments=arguments,
        )  # fmt: skip

    def _settle(self) -> Any:
        method = self.random.choice((Basic.Ack, Basic.Ack, Basic.Nack, Basic.Reject))
        options: dict[str, bool] = {}
        if method is not Basic.Reject:
            options["multiple"] = self._chance(0.3)
        if method is not Basic.Ack:
            options["requeue"] = self._chance(0.6)
        if self._chance(0.04):
            return method(self.random.choice((0, 1, 99)), **options)
        return Settle(method, self.random.randrange(8), options)

    def _cancel(self) -> Basic.Cancel:
        return Basic.Cancel(self.random.choice(TAGS), nowait=self._chance(0.1))

    def _qos(self) -> Basic.Qos:
        size = 1 if self._chance(0.02) else 0
        return Basic.Qos(prefetch_size=size, prefetch_count=self.random.randint(0, 3), global_=self._chance(0.3))

    def _delete(self) -> base.Frame:
        if self._chance(0.3):
            name = self._exchange_name()
            return Exchange.Delete(exchange=name, if_unused=self._chance(0.5), nowait=self._chance(0.1))
        name, empty = self._queue_name(), self._chance(0.3)
        return Queue.Delete(queue=name, if_unused=self._chance(0.3), if_empty=empty, nowait=self._chance(0.1))

    def _transaction(self) -> base.Frame:
        return self.random.choice((Tx.Commit, Tx.Commit, Tx.Rollback, Tx.Select))()

    def _rare(self) -> Any:
        return self.random.choice((
            Queue.Purge(queue=self._queue_name(), nowait=self._chance(0.1)),
            Basic.Recover(requeue=not self._chance(0.05)),
            Channel.Close(200, "", 0, 0), Connection.Close(200, "", 0, 0), Lose(),
            Confirm.Select(nowait=self._chance(0.2)), self._transaction(), Lose(), Channel.Close(200, "", 0, 0),
            Channel.Flow(active=not self._chance(0.05)), Queue.Declare(queue="", exclusive=self._chance(0.5)),
            Basic.Get(queue="", no_ack=True), Basic.Consume(queue="", consumer_tag="n0", no_ack=True),
        ))  # fmt: skip
