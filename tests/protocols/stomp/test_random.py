"""Random conversations, whole and damaged, in random reads: no defect, nothing lost, nothing held afterwards."""

from __future__ import annotations

import random

import pytest
from tests.protocols.memory import assert_balanced, assert_empty_after_all, make_node
from tests.protocols.stomp.memory import Client, frame, send
from tests.seeds import first_seed

from menura.protocols.stomp.limits import StompLimits
from menura.store.memory import MemoryCatalog, MemoryJournal

LIMITS = StompLimits(
    frame_bytes_max=3000, head_bytes_max=700, header_count_max=12, transactions_max=3, transaction_frames_max=200,
    subscriptions_max=8, output_bytes_max=4000, sends_max=8,
)  # fmt: skip
DESTINATIONS = (
    "/queue/a", "/queue/b", "c", "/topic/t.a", "/topic/#", "/exchange/amq.fanout", "/exchange/amq.direct/k",
    "/amq/queue/a", "/reply-queue/a", "/queue/%2F",
)  # fmt: skip


class Speaker:
    """Says what is in order, nearly always; remembers what it has said, and what it could acknowledge."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.subscribed: dict[str, str] = {}
        self.begun: set[str] = set()
        self.acks: list[str] = []

    def say(self) -> bytes:
        chance = self.chance
        headers: dict[str, object] = {}
        if chance.random() < 0.3:
            headers["receipt"] = chance.randrange(1000)
        if chance.random() < 0.3 and self.begun:
            headers["transaction"] = chance.choice(sorted(self.begun))
        kind = chance.random()
        if kind < 0.55:
            return self._send(headers)
        if kind < 0.85 and self.acks:
            return self._settle(headers)
        headers.pop("transaction", None)
        if kind < 0.92:
            return self._subscribe(headers)
        name = chance.choice("xy")
        command = chance.choice(("COMMIT", "ABORT")) if name in self.begun else "BEGIN"
        (self.begun.discard if name in self.begun else self.begun.add)(name)
        return frame(command, {**headers, "transaction": name})

    def _send(self, headers: dict[str, object]) -> bytes:
        if self.chance.random() < 0.3:
            headers["persistent"] = "true"
        if self.chance.random() < 0.2:
            headers["reply_to"] = "/temp-queue/" + self.chance.choice("pq")
        body = self.chance.randbytes(self.chance.choice((0, 1, 5, 5, 5, 300)))
        return send(self.chance.choice(DESTINATIONS), body, **headers)

    def _settle(self, headers: dict[str, object]) -> bytes:
        """The oldest or the youngest; where the mode is cumulative, those before it are settled as well."""
        at = self.chance.choice((0, 0, 0, len(self.acks) - 1))
        id = self.acks.pop(at)
        tag = id.split("@@")[0]
        if self.subscribed.get(tag.removeprefix("T_")) == "client":
            self.acks = [other for other in self.acks[:at] if other.split("@@")[0] != tag] + self.acks[at:]
        return frame(self.chance.choice(("ACK", "ACK", "ACK", "NACK")), {"id": id, "message-id": id, **headers}, b"")

    def _subscribe(self, headers: dict[str, object]) -> bytes:
        id = self.chance.choice("12345")
        if id in self.subscribed and self.chance.random() < 0.98:
            # A later subscription of that id may be of another mode, and a cumulative ack then take more than we know.
            self.acks = [ack for ack in self.acks if not ack.startswith(f"T_{id}@@")]
            del self.subscribed[id]
            return frame("UNSUBSCRIBE", {"id": id, **headers})
        mode = self.subscribed[id] = self.chance.choice(("auto", "client", "client-individual"))
        headers |= {"ack": mode, "prefetch-count": self.chance.choice((0, 1, 7))}
        return frame("SUBSCRIBE", {"id": id, "destination": self.chance.choice(DESTINATIONS), **headers})


def damaged(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    how = chance.randrange(4)
    if how == 0:
        return octets[:at] + octets[at + chance.randrange(1, 4) :]
    if how == 1:
        return octets[:at] + chance.randbytes(chance.randrange(1, 4)) + octets[at:]
    if how == 2:
        return octets[:at] + chance.choice((b"\0", b"\n", b"\n\n", b":", b"\\", b"\r")) + octets[at + 1 :]
    return octets[:at] + octets[at : at + 20] * 2 + octets[at + 20 :]


@pytest.mark.parametrize("number", range(30))
def test_whatever_is_said_the_session_stays_whole(number: int) -> None:
    seed = first_seed() + number
    print(f"seed {seed}")
    chance = random.Random(seed)
    journal, catalog = (MemoryJournal(), MemoryCatalog()) if number % 2 else (None, None)
    node = make_node(journal, catalog)
    node.vhosts["/"].declare_queue("a", durable=True)
    for _ in range(4):
        client = Client(node, limits=LIMITS).connect(chance.choice(("1.0", "1.1", "1.2")))
        speaker = Speaker(chance)
        rot = chance.choice((0.0, 0.02))
        for _ in range(100):
            octets = b"".join(speaker.say() for _ in range(chance.choice((1, 3, 10))))
            if chance.random() < rot:
                octets = damaged(chance, octets)
            cut = chance.randrange(len(octets))
            client.feed(octets[:cut], octets[cut:])
            if client.session.stalled:
                client.take()
                client.session.resume()
            assert sum(map(len, client.session.output.pieces)) == client.session.output.size_bytes
            answers = client.take()
            if journal is not None and catalog is not None:
                catalog.flush()
                journal.flush()
                answers += client.take()
            name = "ack" if client.version == "1.2" else "message-id"
            speaker.acks += [
                answer[name]
                for answer in answers
                if name in answer.headers
                and speaker.subscribed.get(answer.headers.get("subscription", ""), "auto") != "auto"
            ]
            assert not client.defects
            assert_balanced(node)
            if client.session.closing:
                assert client.session.finished
                assert answers[-1].command == "ERROR"
                break
        client.session.lost()
        if journal is not None:
            journal.flush()
        assert all(queue.owner is None for queue in node.vhosts["/"].queues.values())
    assert_empty_after_all(node)
