"""One broker that a random sequence of operations is said to, and all that it answers, sorted so that it compares.

Brokers answer in their own time, so after each operation a `Peer` waits until nothing more comes: each channel is asked
something that is answered in turn (a cancel of a consumer that does not exist), and each queue for its length by an
onlooker, whose question stands behind whatever the queue had to do. That is repeated until a round brings nothing new
and what is published is confirmed.

What a channel was told in one step is a `Said`: answers in their order, deliveries by consumer, returns, and what may
come in any order, confirms and cancellations.
"""

from __future__ import annotations

import struct
import time
from collections import defaultdict
from typing import Any, NamedTuple

from pamqp import base
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue, Tx
from tests.conformance.differential.operations import EXCHANGES, QUEUES, RESTRICTED, Lose, Operation, Publish, Settle
from tests.conformance.differential.told import Said, shown_properties, starred
from tests.conformance.frames import BODY, HEADER, decode, raw_frame
from tests.conformance.typed_fields import encode_properties, method_frame
from tests.conformance.wire import CLOSED, Client

NOBODY = "nobody"
ROUNDS_MAX = 40
CONFIRM_SECONDS_MAX = 3.0
SECONDS_MAX = 30.0


class Urls(NamedTuple):
    """Where a broker is, for a user who may do all, and for one who may do some."""

    all: str
    some: str


class Link:
    """One connection."""

    def __init__(self, url: str) -> None:
        self.client = Client(url).login()
        self.open: set[int] = set()
        self.asked_to_close: set[int] = set()
        self.committing: set[int] = set()
        self.said: dict[int, Said] = defaultdict(Said)
        self.ended = False
        self.frames = 0
        self.named: list[str] = []  # queues that the broker has made up a name for
        self.outstanding: dict[int, list[int]] = defaultdict(list)
        self.published: dict[int, int] = defaultdict(int)  # on channels that confirm
        self.unconfirmed: dict[int, set[int]] = {}
        self._no_ack = False

    def ensure(self, channel: int) -> None:
        if channel not in self.open:
            self.client.send(method_frame(channel, Channel.Open()))
            self.open.add(channel)

    def forget(self, channel: int) -> None:
        self.open.discard(channel)
        self.asked_to_close.discard(channel)
        self.committing.discard(channel)
        self.outstanding.pop(channel, None)
        self.published.pop(channel, None)
        self.unconfirmed.pop(channel, None)

    # -- sending -------------------------------------------------------------------------------------------------

    def say(self, channel: int, action: Any) -> None:
        if isinstance(action, Lose):
            self.client.lose()
            self.ended = True
        elif isinstance(action, Connection.Close):
            self.client.send(method_frame(0, action))
            self.asked_to_close.add(0)
        else:
            self.ensure(channel)
            if isinstance(action, Publish):
                self.client.send(self._content(channel, action))
            else:
                self._note(channel, action)
                self.client.send(method_frame(channel, action))

    def _content(self, channel: int, it: Publish) -> bytes:
        if channel in self.unconfirmed:
            self.published[channel] += 1
            self.unconfirmed[channel].add(self.published[channel])
        method = Basic.Publish(exchange=it.exchange, routing_key=it.routing_key, mandatory=it.mandatory)
        head = struct.pack(">HHQ", 60, 0, len(it.body)) + encode_properties(it.properties)
        data = method_frame(channel, method) + raw_frame(HEADER, channel, head)
        for start in range(0, len(it.body), 131064):
            data += raw_frame(BODY, channel, it.body[start : start + 131064])
        return data

    def _note(self, channel: int, method: base.Frame) -> None:
        if isinstance(method, Basic.Get):
            self._no_ack = method.no_ack
        elif isinstance(method, Channel.Close):
            self.asked_to_close.add(channel)
        elif isinstance(method, Tx.Commit):
            self.committing.add(channel)
        elif isinstance(method, Confirm.Select) and method.nowait:
            self.unconfirmed.setdefault(channel, set())

    def resolve(self, channel: int, it: Settle) -> base.Frame | None:
        """The method that settles what is meant; None if nothing is open."""
        tags = self.outstanding.get(channel)
        if not tags:
            return None
        tag = tags[it.which % len(tags)]
        kept = [other for other in tags if (other > tag if it.options.get("multiple") else other != tag)]
        self.outstanding[channel] = kept
        return it.method(tag, **it.options)  # type: ignore[call-arg]

    # -- receiving -----------------------------------------------------------------------------------------------

    def round(self) -> None:
        """Ask each channel something, and read until all have answered."""
        if self.ended:
            return
        waiting = set(self.open) | self.asked_to_close
        silent = self.asked_to_close | self.committing  # RabbitMQ takes nothing more while it waits for the disk
        asked = [channel for channel in self.open if not {0, channel} & silent]
        self.client.send(b"".join(method_frame(channel, Basic.Cancel(NOBODY)) for channel in asked))
        while waiting and not self.ended:
            channel = self.read()
            if channel is not None:
                waiting.discard(channel)

    def confirmed(self) -> bool:
        return self.ended or not any(self.unconfirmed.values())

    def read(self) -> int | None:
        """Read one method with its content; the channel if it has now told everything, 0 and -1 being none."""
        data = self.client.frame_bytes(SECONDS_MAX)
        if not data:
            self.said[0].answers.append(CLOSED)
            self.ended = True
            return None
        channel, method = decode(data)
        if isinstance(method, Basic.CancelOk) and method.consumer_tag == NOBODY:
            return channel
        self.frames += 1
        said = self.said[channel]
        if isinstance(method, Basic.Ack | Basic.Nack):
            self._confirm(channel, method, said)
        elif isinstance(method, Basic.Cancel):
            said.cancels.append(self._show(method))
        elif isinstance(method, Basic.Deliver | Basic.GetOk | Basic.Return):
            self._content_came(channel, method, said)
        else:
            return self._answered(channel, method, said)
        return None

    def _confirm(self, channel: int, method: Any, said: Said) -> None:
        open_tags = self.unconfirmed.get(channel, set())
        tag = method.delivery_tag
        tags = {other for other in open_tags if other <= tag} if method.multiple else {tag}
        said.confirms |= {f"{method.name} {tag}" for tag in tags}
        open_tags -= tags

    def _content_came(self, channel: int, method: Any, said: Said) -> None:
        head = self.client.frame_bytes(SECONDS_MAX)[7:-1]
        size = struct.unpack_from(">Q", head, 4)[0]
        payload = b""
        while len(payload) < size:
            payload += self.client.frame_bytes(SECONDS_MAX)[7:-1]
        content = f"{shown_properties(head[12:])} {len(payload)} {payload[:12]!r}"
        if isinstance(method, Basic.Return):
            said.returns.append(starred(f"{self._show(method)} {content}"))
            return
        tag = method.delivery_tag
        if isinstance(method, Basic.GetOk):
            said.answers.append(starred(f"{self._show(method)} {content}"))
            no_ack = self._no_ack
        else:
            text = f"{method.redelivered} {method.exchange!r} {method.routing_key!r} {content}"
            said.deliveries.append((starred(method.consumer_tag), tag, starred(text)))
            no_ack = method.consumer_tag[0] == "n"
        if not no_ack:
            self.outstanding[channel].append(tag)

    def _answered(self, channel: int, method: Any, said: Said) -> int | None:
        if isinstance(method, Queue.DeclareOk) and method.queue.startswith("amq."):
            self.named.append(method.queue)
        said.answers.append(self._show(method))
        if isinstance(method, Confirm.SelectOk):
            self.unconfirmed.setdefault(channel, set())
        elif isinstance(method, Tx.CommitOk):
            self.committing.discard(channel)
            return channel
        elif isinstance(method, Basic.RecoverOk):
            self.outstanding.pop(channel, None)
        elif isinstance(method, Channel.Close):
            self.client.send(method_frame(channel, Channel.CloseOk()))
            self.forget(channel)
            return channel
        elif isinstance(method, Channel.CloseOk):
            self.forget(channel)
            return channel
        elif isinstance(method, Connection.Close | Connection.CloseOk):
            # Who closes the socket when is compared elsewhere; RabbitMQ may take its time. It ends one channel after
            # the other, so that what the first had may reach the next.
            for other in self.said.values():
                other.deliveries.clear()
                other.cancels.clear()
            if isinstance(method, Connection.Close):
                self.client.send(method_frame(0, Connection.CloseOk()))
            self.client.lose()
            self.ended = True
        return None

    def _show(self, method: Any) -> str:
        return starred(self.client.show(0, method).removeprefix("0 "))


class Peer:
    """One broker, with an onlooker's connection beside those of the operations."""

    def __init__(self, urls: Urls) -> None:
        self._urls = urls
        self._links: dict[int, Link] = {}
        self._onlooker = Link(urls.all)
        self._absent = set(QUEUES)  # queues there is no use in asking for

    def link(self, number: int) -> Link:
        link = self._links.get(number)
        if link is None or link.ended:
            link = self._links[number] = Link(self._urls.some if number == RESTRICTED else self._urls.all)
        return link

    def say(self, operation: Operation, action: Any) -> None:
        if isinstance(action, Queue.Declare):
            self._absent.discard(action.queue.strip())
        self.link(operation.link).say(operation.channel, action)

    def listen(self) -> dict[Any, Any]:
        """Wait until all is quiet; what each channel has been told, and the lengths of the queues."""
        state: Any = None
        deadline = time.monotonic() + CONFIRM_SECONDS_MAX
        for number in range(ROUNDS_MAX):
            before, state = state, (self._heard(), self._look())
            if number and state == before and (self._confirmed() or time.monotonic() > deadline):
                break
        told: dict[Any, Any] = {
            (number, channel): said for number, link in self._links.items() for channel, said in link.said.items()
        }
        told["queues"] = state[1]
        return told

    def clear(self) -> None:
        """Forget what has been said so far."""
        for link in self._links.values():
            link.said = defaultdict(Said)

    def _heard(self) -> list[int]:
        for link in self._links.values():
            link.round()
        return [link.frames for link in self._links.values()]

    def _confirmed(self) -> bool:
        return all(link.confirmed() for link in self._links.values())

    def _names(self) -> list[str]:
        return [*QUEUES, *(name for link in self._links.values() for name in link.named)]

    def _look(self) -> list[str]:
        """The lengths of all queues, each asked on a channel of its own, since it may not exist."""
        onlooker = self._onlooker
        onlooker.said.clear()
        asked = [name for name in self._names() if name not in self._absent]
        for channel, name in enumerate(asked, 1):
            onlooker.say(channel, Queue.Declare(queue=name, passive=True))
        onlooker.round()
        answers = [onlooker.said[channel].answers[-1] for channel in range(1, len(asked) + 1)]
        self._absent |= {name for name, answer in zip(asked, answers, strict=True) if "NOT_FOUND" in answer}
        return answers

    def end(self) -> None:
        """Close all connections, and delete what they leave."""
        names = self._names()
        for link in self._links.values():
            if not link.ended:
                link.say(0, Connection.Close(200, "", 0, 0))
                link.round()
            link.client.lose()
        self._links.clear()
        for name in names:
            self._onlooker.say(99, Queue.Delete(queue=name, nowait=True))
        for name in EXCHANGES:
            self._onlooker.say(99, Exchange.Delete(exchange=name, nowait=True))
        self._onlooker.round()

    def close(self) -> None:
        self.end()
        self._onlooker.client.close()
