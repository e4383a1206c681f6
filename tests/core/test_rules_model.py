"""Queues with rules against a naive model: priorities, times, limits, dead letters, returns, delays, over restarts.

The model keeps every message as an entry of a list. It is told of each death, each return and each end of a delay in
the moment it happens, and checks that it had to be: what is dropped for lack of room is the front of a queue that has
too much, what expires is due, what was rejected was rejected. Afterwards each queue must have what the model has, in
its order, with the history the model has counted, in memory or in the journal; and what is late must not be there.

All times are such that nothing is due within 50 ms before the machine's clock, which moves by an eighth of a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.core.kept import LAST, Kept, live
from tests.store.memory_disk import open_again, open_journal

from menura.core import content as packed
from menura.core import fields, properties
from menura.core.delays import Delays
from menura.core.delivery_counts import delivery_count
from menura.core.memory import MESSAGE_OVERHEAD_BYTES, RUN_OVERHEAD_BYTES, SINGLE_OVERHEAD_BYTES, SharedCharge
from menura.core.paging import Paged
from menura.core.properties import Properties
from menura.core.queue import Queue
from menura.core.routing import Route
from menura.core.rules import Rules
from menura.core.run import Run

STEP_MS = 125
NEVER = 1 << 60
DELIVERY_LIMIT = 2
HELD_BACK = "amq.delayed.x"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ranks": {"x-max-priority": 3},
    "quorum": {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT},
    "dead": {},
}
RULED = ["plain", "ranks", "quorum"]
NAMES = [*ARGUMENTS, HELD_BACK]
TARGETS = {"plain": ["ranks", "dead"], "quorum": ["ranks", "dead"], "ranks": ["dead"]}
TIMES = [0, 60, 185, 310]

History = tuple[tuple[str, str, int], ...]
Key = tuple[int, History]


@dataclass(eq=False)
class Message:
    number: int
    position: int
    persistent: bool
    priority: int
    body_bytes: int
    at_ms: int
    own_ttl_ms: int | None = None
    history: History = ()
    earliest_ms: int = NEVER  # it is due between these; both are the same unless it was in the journal
    latest_ms: int = NEVER  # while the time to live of its queue was changed
    returned: bool = False
    count: int = 0
    times: int = 0  # it was handed out so often
    where: str = "waiting"  # or "held", "parked"
    until_ms: int = 0
    fate: str = ""  # of what is given back: why it has to die of that
    target: str = ""  # of what is delayed

    @property
    def key(self) -> Key:
        return self.number, self.history

    def due(self, ms: int) -> None:
        self.earliest_ms = self.latest_ms = ms

    def death(self, queue: str, reason: str) -> History:
        times = [entry[2] for entry in self.history if entry[:2] == (queue, reason)]
        others = tuple(entry for entry in self.history if entry[:2] != (queue, reason))
        return ((queue, reason, sum(times) + 1), *others)


@dataclass(eq=False)
class Model:
    queue: Queue
    policy: dict[str, Any] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    next_position: int = 0
    kept_position: int = 0
    delivered: int = 0
    refused: list[Message] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.queue.name

    def waiting(self) -> list[Message]:
        found = [each for each in self.messages if each.where == "waiting"]
        if self.name == HELD_BACK:
            return sorted(found, key=lambda each: (each.earliest_ms, each.position))
        return sorted(found, key=lambda each: (-self.rank(each), each.position))

    def rank(self, message: Message) -> int:
        return min(message.priority, 3) if self.name == "ranks" else 0

    def room(self, messages: list[Message]) -> int:
        if self.policy.get("overflow", "drop-head") == "drop-head":
            return len(messages)
        waiting = self.waiting()
        length, size = len(waiting), sum(each.body_bytes for each in waiting)
        for at, each in enumerate(messages):
            length, size = length + 1, size + each.body_bytes
            if length > self.policy.get("max-length", NEVER) or size > self.policy.get("max-length-bytes", NEVER):
                return at
        return len(messages)

    def too_much(self) -> bool:
        waiting = self.waiting()
        size = sum(each.body_bytes for each in waiting)
        return self.policy.get("overflow", "drop-head") == "drop-head" and (
            len(waiting) > self.policy.get("max-length", NEVER) or size > self.policy.get("max-length-bytes", NEVER)
        )

    def add(self, message: Message) -> None:
        message.position = self.next_position
        self.next_position += 1
        if message.persistent:
            self.kept_position = self.next_position
        message.due(self.deadline_ms(message))
        self.messages.append(message)

    def deadline_ms(self, message: Message) -> int:
        times = [message.own_ttl_ms, self.policy.get("message-ttl")]
        return min((message.at_ms + ms for ms in times if ms is not None), default=NEVER)

    def retry_ms(self, count: int) -> int:
        """For how long a message waits that has come back so often."""
        least, most = self.policy["delayed-retry-min"], self.policy["delayed-retry-max"]
        return int(min(least * count, most))


@dataclass(eq=False)
class Held:
    queue: Queue
    position: int
    run: Run


class QueuesWithRules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.numbers = count()
        self.clock = 1000.0
        self.routes: dict[tuple[str, str], Route] = {}
        self.models: dict[str, Model] = {}
        self.held: list[Held] = []
        self.watch()
        self.kept = self.first_life()
        self.kept.node.agenda.tick(self.clock)
        self.kept.vhost.declare_exchange(
            "x", "x-delayed-message", durable=True, arguments={"x-delayed-type": fields.encode_value("direct")}
        )
        for name in NAMES:
            self.models[name] = Model(self.declare(name))

    def first_life(self) -> Kept:
        return live()

    def next_life(self) -> Kept:
        return self.kept.next_life(self.clock)

    @property
    def now_ms(self) -> int:
        return int(self.clock * 1000)

    def declare(self, name: str) -> Queue:
        vhost = self.kept.vhost
        if name == HELD_BACK:
            return vhost.queues[name]
        encoded = {key: fields.encode_value(value) for key, value in ARGUMENTS[name].items()}
        queue = vhost.declare_queue(name, durable=True, arguments=encoded)
        if name in RULED:
            vhost.bind("x", queue, name, {})
        if name in ("plain", "quorum"):
            vhost.bind("amq.fanout", queue, "", {})
        return queue

    # -- what is seen while it happens -----------------------------------------------------------------------

    def watch(self) -> None:
        from menura.core import rules

        bury, send_on, take_back = rules.bury, Delays._send_on, Rules._take_back

        def seen_bury(queue: Queue, run: Run, reason: str) -> bool:
            self.died(self.models[queue.name], run, reason)
            return bury(queue, run, reason)

        def seen_send_on(delays: Delays, way: Any, due: list[tuple[int, Run]]) -> None:
            # One publish after the other, as the rules do it, so that the model learns of each before what it causes.
            singly = [(first + at, run.piece(at, at + 1)) for first, run in due for at in range(len(run))]
            for _, group in groupby(
                singly, lambda one: properties.expiration_ms(packed.properties_of(one[1].contents[0]))
            ):
                together = list(group)
                self.sent_on(together)
                send_on(delays, way, together)

        def seen_take_back(ruled: Rules, position: int, run: Run, reason: str) -> None:
            self.taken_back(self.models[ruled.queue.name], position, run)
            take_back(ruled, position, run, reason)

        self.patch.setattr(rules, "bury", seen_bury)
        self.patch.setattr(Delays, "_send_on", seen_send_on)
        self.patch.setattr(Rules, "_take_back", seen_take_back)

    def died(self, model: Model, run: Run, reason: str) -> None:
        for content in run.contents:
            message = self.victim(model, key_of(content), reason)
            self.write_letter(model, message, reason)

    def victim(self, model: Model, key: Key, reason: str) -> Message:
        if model.refused:
            message = model.refused.pop(0)
            assert (message.key, reason) == (key, "maxlen")
            return message
        found = [each for each in model.messages if each.key == key and (each.where == "waiting" or each.fate)]
        message = min(found, key=lambda each: (each.fate == "", each.position))
        if message.fate:
            assert message.fate == reason
        elif reason == "maxlen":
            assert model.too_much()
            assert model.waiting()[0].key == key, "the front makes room"
            message = model.waiting()[0]
        else:
            assert reason == "expired"
            assert message.earliest_ms <= self.now_ms, "too early"
        model.messages.remove(message)
        return message

    def write_letter(self, model: Model, message: Message, reason: str) -> None:
        target = model.policy.get("dead-letter-routing-key")
        if target is None:
            return
        history = message.death(model.name, reason)
        passed = []
        for queue, why, _ in history:
            if why == "rejected":
                break
            passed.append(queue)
        if target in passed:
            return
        letter = Message(
            message.number, 0, message.persistent, message.priority, message.body_bytes, self.now_ms, None, history
        )
        into = self.models[target]
        if into.room([letter]):
            into.add(letter)
        elif into.policy.get("overflow") == "reject-publish-dlx":
            into.refused.append(letter)

    def sent_on(self, due: list[tuple[int, Run]]) -> None:
        model = self.models[HELD_BACK]
        sent = []
        for first, run in due:
            for position, content in enumerate(run.contents, first):
                message = next(each for each in model.messages if each.position == position)
                assert message.key == key_of(content)
                assert message.earliest_ms <= self.now_ms, "too early"
                model.messages.remove(message)
                message.at_ms, message.returned = self.now_ms, False
                sent.append(message)
        assert len({message.target for message in sent}) == 1
        self.arrive([self.models[sent[0].target]], [sent])

    def arrive(self, models: list[Model], lists: list[list[Message]]) -> int:
        """Messages come to queues; how many, at the end of them, some queue refuses."""
        refused = 0
        for model, messages in zip(models, lists, strict=True):
            room = model.room(messages)
            for each in messages[:room]:
                model.add(each)
            refused = max(refused, len(messages) - room)
            if model.policy.get("overflow") == "reject-publish-dlx":
                model.refused += messages[room:]
        return refused

    def taken_back(self, model: Model, position: int, run: Run) -> None:
        for offset in range(len(run)):
            message = next(each for each in model.messages if each.position == position + offset)
            assert message.where == "parked"
            assert message.until_ms <= self.now_ms, "too early"
            message.where, message.returned = "waiting", True
            message.fate = message.fate or ("expired" if message.latest_ms <= self.now_ms else "")

    # -- what is done ----------------------------------------------------------------------------------------

    @rule(resident_bytes=st.sampled_from([0, 300, 1 << 30]), read_bytes=st.sampled_from([1, 600, 1 << 20]))
    def set_marks(self, resident_bytes: int, read_bytes: int) -> None:
        self.patch.setattr("menura.core.backlog.RESIDENT_BYTES_MAX", resident_bytes)
        self.patch.setattr("menura.core.paging._READ_BYTES", read_bytes)
        self.patch.setattr("menura.core.paging._READ_MESSAGES_MAX", 1 + read_bytes % 7)

    @rule(
        where=st.sampled_from([*RULED, *RULED, "both", "later"]),
        priorities=st.lists(st.integers(0, 4), min_size=1, max_size=6),
        body_bytes=st.sampled_from([8, 8, 20]),
        ttl_ms=st.sampled_from([None, None, *TIMES]),
        persistent=st.sampled_from([True, True, False]),
        goal=st.sampled_from(RULED),
        delay_ms=st.sampled_from(TIMES[1:]),
    )
    def publish(
        self,
        where: str,
        priorities: list[int],
        body_bytes: int,
        ttl_ms: int | None,
        persistent: bool,
        goal: str,
        delay_ms: int,
    ) -> None:
        messages = [
            Message(next(self.numbers), 0, persistent, priority, body_bytes, self.now_ms, ttl_ms)
            for priority in priorities
        ]
        headers = {"x-delay": delay_ms} if where == "later" else None
        contents = [contents_of(each, headers) for each in messages]
        route = self.route(where, goal)
        refused = 0
        if where == "later":
            held_back = self.models[HELD_BACK]
            for each in messages:
                each.target = goal
                held_back.add(each)
                each.due(self.now_ms + delay_ms)
        else:
            models = [self.models[name] for name in (("plain", "quorum") if where == "both" else (where,))]
            refused = self.arrive(models, [[copied(each) for each in messages] for _ in models])
        deadline_ms = 0 if ttl_ms is None else self.now_ms + ttl_ms
        sizes = list(map(len, contents))
        run = Run(route, contents, sum(sizes), max(sizes), persistent, None, deadline_ms)
        assert not self.kept.vhost.publish(route, run)
        assert self.kept.vhost.take_refused() == refused

    def route(self, where: str, goal: str) -> Route:
        names = {"both": ("amq.fanout", ""), "later": ("x", goal)}.get(where, ("", where))
        return self.routes.setdefault(names, Route(*names))

    @rule(name=st.sampled_from([*RULED, "dead"]), most=st.sampled_from([1, 1, 2, 100]))
    def take(self, name: str, most: int) -> None:
        model = self.models[name]
        taken = model.queue.take(most)
        if taken is None:
            assert not model.waiting()
            return
        position, run, redelivered = taken
        front = model.waiting()[: len(run)]
        assert [each.key for each in front] == [key_of(content) for content in run.contents]
        assert [each.position for each in front] == list(range(position, position + len(run)))
        assert {each.returned for each in front} == {redelivered}
        assert [each.count for each in front] == [delivery_count(content) for content in run.contents]
        for each in front:
            each.where, each.until_ms, each.times = "held", 0, each.times + 1
        if run.persistent and not redelivered:
            model.delivered = max(model.delivered, position + len(run))
        self.held.append(Held(model.queue, position, run))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), what=st.sampled_from(["settle", "reject", "requeue", "requeue", "fail"]))
    def end(self, data: st.DataObject, what: str) -> None:
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        size = len(held.run)
        low = data.draw(st.integers(0, size - 1))
        high = data.draw(st.integers(low + 1, size))
        for start, stop in ((0, low), (high, size)):
            if start < stop:
                self.held.append(Held(held.queue, held.position + start, held.run.piece(start, stop)))
        self.give_back(Held(held.queue, held.position + low, held.run.piece(low, high)), what)

    def give_back(self, held: Held, what: str) -> None:
        queue, position, run = held.queue, held.position, held.run
        model = self.models[queue.name]
        if model.queue is queue:
            ended = [each for each in model.messages if position <= each.position < position + len(run)]
            assert len(ended) == len(run)
            assert {each.where for each in ended} == {"held"}
            for each in ended:
                self.decide(model, each, run, what)
        if what in ("settle", "reject"):
            (queue.settle if what == "settle" else queue.reject)(position, run)
        else:
            queue.requeue(position, run, what == "fail")

    def decide(self, model: Model, message: Message, run: Run, what: str) -> None:
        """What becomes of a message that was held."""
        ruled = model.queue.rules is not None
        if what == "settle" or (what == "reject" and not ruled):
            model.messages.remove(message)
            return
        if what == "reject":
            message.fate = "rejected"
            return
        message.returned = True
        if run.deadline_ms and run.deadline_ms <= self.now_ms:
            assert message.earliest_ms <= self.now_ms
            message.fate = "expired"
            return
        assert message.latest_ms > self.now_ms - 50 or not ruled
        message.where = "waiting"
        if model.name != "quorum":
            return
        message.count += 1
        if message.count > DELIVERY_LIMIT:
            message.fate, message.where = "delivery_limit", "held"
        elif model.policy.get("delayed-retry-type") in ("all", "failed" if what == "fail" else "returned"):
            message.where, message.until_ms = "parked", self.now_ms + model.retry_ms(message.count)

    @rule(
        name=st.sampled_from(RULED),
        ttl_ms=st.sampled_from([None, None, *TIMES]),
        length=st.sampled_from([None, None, 0, 1, 3]),
        size=st.sampled_from([None, None, None, 0, 16, 40]),
        overflow=st.sampled_from(["drop-head", "drop-head", "reject-publish", "reject-publish-dlx"]),
        dies=st.booleans(),
        other=st.booleans(),
        retry=st.sampled_from([None, "all", "failed", "returned"]),
    )
    def set_policy(
        self,
        name: str,
        ttl_ms: int | None,
        length: int | None,
        size: int | None,
        overflow: str,
        dies: bool,
        other: bool,
        retry: str | None,
    ) -> None:
        model = self.models[name]
        policy: dict[str, Any] = {"message-ttl": ttl_ms, "max-length": length, "max-length-bytes": size}
        if dies:
            targets = TARGETS[name]
            policy |= {"dead-letter-exchange": "", "dead-letter-routing-key": targets[-other]}
        if length is not None or size is not None:
            policy["overflow"] = "reject-publish" if name == "quorum" and overflow != "drop-head" else overflow
        if name == "quorum" and retry:
            policy |= {"delayed-retry-type": retry, "delayed-retry-min": 185, "delayed-retry-max": 310}
        policy = {key: value for key, value in policy.items() if value is not None}
        before, model.policy = model.policy, policy
        if before.get("message-ttl") != policy.get("message-ttl"):
            self.loosen(model)
        if policy:
            self.kept.vhost.policies.set(name, {"pattern": f"^{name}$", "definition": policy, "priority": 0})
        elif before:
            self.kept.vhost.policies.clear(name)

    def loosen(self, model: Model) -> None:
        """Messages in the journal follow another time to live as far as it is not earlier."""
        paged = {
            position
            for place in model.queue.places
            if isinstance(place.waiting, Paged)
            for position in range(place.position, place.position + len(place.waiting))
        }
        for each in model.messages:
            if each.position in paged and each.latest_ms != NEVER:
                other_ms = model.deadline_ms(each)
                each.earliest_ms, each.latest_ms = min(each.earliest_ms, other_ms), max(each.latest_ms, other_ms)

    @rule(steps=st.sampled_from([0, 1, 1, 2, 5]))
    def pass_time(self, steps: int) -> None:
        agenda = self.kept.node.agenda
        for _ in range(max(steps, 1)):
            self.clock += STEP_MS / 1000 if steps else 0
            agenda.tick(self.clock)
            while agenda.next_due is not None and agenda.next_due <= self.clock:
                agenda.tick(self.clock)
        for model in self.models.values():
            late = [each for each in model.waiting() if each.latest_ms <= self.now_ms - 50]
            assert not late, "too late"
            assert not [each for each in model.messages if each.where == "parked" and each.until_ms <= self.now_ms]

    @rule(name=st.sampled_from([*RULED, "dead"]), what=st.sampled_from(["reject", "requeue", "fail"]))
    def handle(self, name: str, what: str) -> None:
        """Take some, and do the same with all."""
        self.take(name, 3)
        held, self.held = self.held, []
        for each in held:
            self.give_back(each, what)

    @rule(ends=st.lists(st.sampled_from(["requeue", "fail", "restart", "restart", "wait"]), min_size=1, max_size=5))
    def try_in_vain(self, ends: list[str]) -> None:
        """Hand messages out that nobody accepts, some as the last thing the broker does."""
        if not self.models["quorum"].waiting():
            self.publish("quorum", [0], 8, None, True, "plain", 60)
        for what in ends:
            if what == "wait":
                self.pass_time(1)
            elif what == "restart":
                self.take("quorum", 2)
                self.restart()
            else:
                self.handle("quorum", what)

    @rule(name=st.sampled_from(NAMES), what=st.sampled_from(["purge", "delete", "restart", "restart"]))
    def interrupt(self, name: str, what: str) -> None:
        if what == "purge":
            self.purge(name)
        elif what == "restart":
            self.restart()
        elif name in RULED:
            self.delete_and_declare_anew(name)

    def purge(self, name: str) -> None:
        model = self.models[name]
        waiting = model.waiting()
        assert model.queue.purge() == len(waiting)
        model.messages = [each for each in model.messages if each not in waiting]

    def delete_and_declare_anew(self, name: str) -> None:
        model = self.models[name]
        assert self.kept.vhost.remove_queue(model.queue) == len(model.waiting())
        self.models[name] = Model(self.declare(name), model.policy)

    def restart(self) -> None:
        self.kept = self.next_life()
        self.held = []
        self.routes.clear()
        for name, model in self.models.items():
            model.queue = self.declare(name)
            model.messages = [each for each in model.messages if each.persistent]
            model.next_position = model.kept_position
            for each in model.messages:
                each.returned = each.position < model.delivered
                if name == "quorum":
                    self.come_back(model, each)
                else:
                    each.where = "waiting"
                if name != HELD_BACK:
                    each.due(model.deadline_ms(each))
        self.pass_time(0)

    def come_back(self, model: Model, message: Message) -> None:
        """What has not waited for another try has come back by the restart, as far as the queue can know."""
        message.count = message.times
        if message.where == "parked":
            return
        message.where = "waiting"
        if message.count > DELIVERY_LIMIT:
            message.fate, message.where, message.until_ms = "delivery_limit", "parked", self.now_ms
        elif message.count and not message.until_ms and model.policy.get("delayed-retry-type") in ("all", "returned"):
            message.where, message.until_ms = "parked", self.now_ms + model.retry_ms(message.count)

    @rule(data=st.data())
    def do_together(self, data: st.DataObject) -> None:
        assert self.kept.node.keeper is not None
        with self.kept.node.keeper.together():
            for _ in range(data.draw(st.integers(0, 3))):
                if self.held and data.draw(st.booleans()):
                    self.end(data, data.draw(st.sampled_from(["settle", "reject", "requeue"])))
                else:
                    self.publish(data.draw(st.sampled_from(RULED)), [0, 1], 8, None, True, "plain", 60)

    # -- what must be so -------------------------------------------------------------------------------------

    @invariant()
    def every_message_is_where_it_should_be(self) -> None:
        for model in self.models.values():
            assert not model.refused
            found = [
                (position + offset, key_of(content))
                for position, run in model.queue.read_all()
                for offset, content in enumerate(run.contents)
            ]
            waiting = model.waiting()
            assert [key for _, key in found] == [each.key for each in waiting], model.name
            for (position, _), each in zip(found, waiting, strict=True):
                if model.name == "ranks":
                    each.position = position  # those that came together may have changed places with other ranks
                assert each.position == position
            assert not [each for each in model.messages if each.fate]

    @invariant()
    def the_journal_has_what_is_to_last(self) -> None:
        self.kept.journal.flush()
        for model in self.models.values():
            expected = {each.position: each.number for each in model.messages if each.persistent}
            assert self.kept.messages(model.queue) == expected

    @invariant()
    def counts_are_exact(self) -> None:
        for model in self.models.values():
            queue, waiting = model.queue, model.waiting()
            assert queue.ready_count == len(waiting)
            assert queue.unsettled_count == len(model.messages) - len(waiting)
            assert queue.next_position == model.next_position
            resident = [place.waiting for place in queue.places if isinstance(place.waiting, Run)]
            paged = [place.waiting for place in queue.places if isinstance(place.waiting, Paged)]
            assert queue.ready_bytes - queue._paged_bytes == sum(run.size_bytes for run in resident)
            assert queue._paged_count == sum(map(len, paged))
            assert queue._paged_bytes == sum(each.size_bytes for each in paged)
            away = [held.run for held in self.held if held.queue is queue] + parked(queue)
            assert queue.unsettled_bytes == sum(run.size_bytes for run in away)
            assert sum(map(len, parked(queue))) == len([each for each in model.messages if each.where == "parked"])
            if queue.rules is not None and queue.rules.settings.bytes_max is not None:
                assert queue.rules.body_bytes == sum(each.body_bytes for each in waiting)

    @invariant()
    def the_account_holds_what_is_in_memory(self) -> None:
        entries = [place.waiting for model in self.models.values() for place in model.queue.places]
        in_memory = [run for run in entries if isinstance(run, Run)] + [held.run for held in self.held]
        in_memory += [run for model in self.models.values() for run in parked(model.queue)]
        copies: dict[SharedCharge, int] = {}
        charged = 0
        for run in in_memory:
            if run.shared is None:
                charged += sum(map(len, run.contents)) + MESSAGE_OVERHEAD_BYTES * len(run)
            else:
                copies[run.shared] = copies.get(run.shared, 0) + len(run)
        assert all(shared.copies == number for shared, number in copies.items())
        charged += sum(shared.size_bytes for shared in copies)
        for model in self.models.values():
            held_back = isinstance(model.queue.rules, Delays)
            for place in model.queue.places:
                alone = held_back and isinstance(place.waiting, Paged)
                charged += SINGLE_OVERHEAD_BYTES if alone else RUN_OVERHEAD_BYTES
        assert self.kept.node.memory.used_bytes == charged

    @invariant()
    def each_queue_has_at_most_one_timer_and_it_is_not_late(self) -> None:
        agenda = self.kept.node.agenda
        timers: dict[Queue, float] = {}
        for when, _, entry in agenda._entries:
            if entry.work is not None:
                ruled = entry.work.__self__  # type: ignore[attr-defined]
                assert ruled.queue not in timers
                timers[ruled.queue] = when
        assert {*timers} <= {model.queue for model in self.models.values()}
        for model in self.models.values():
            due_ms = [each.latest_ms for each in model.waiting() if each.latest_ms != NEVER]
            due_ms += [each.until_ms for each in model.messages if each.where == "parked"]
            if due_ms:
                assert timers[model.queue] * 1000 <= min(due_ms) + 50

    def teardown(self) -> None:
        """Everything comes out in the end, and then nothing is left."""
        try:
            for held in self.held:
                self.give_back(held, "settle")
            self.held = []
            self.pass_time(5)
            self.every_message_is_where_it_should_be()
            for model in self.models.values():
                if model.name == HELD_BACK:
                    continue
                while model.queue.ready_count:
                    position, run, _ = model.queue.take(1000)
                    model.queue.settle(position, run)
                assert (model.queue.ready_bytes, model.queue._paged_bytes, model.queue.unsettled_bytes) == (0, 0, 0)
            assert self.kept.node.memory.used_bytes == 0
            self.kept.flush()
            assert all(self.kept.journal.read(id, 0, LAST) == [] for id in self.kept.journal.queues())
        finally:
            self.patch.undo()


def copied(message: Message) -> Message:
    return Message(**vars(message))


def contents_of(message: Message, headers: dict[str, Any] | None) -> bytes:
    block = Properties(
        headers=headers,
        priority=message.priority,
        expiration=None if message.own_ttl_ms is None else str(message.own_ttl_ms),
        delivery_mode=2 if message.persistent else 1,
    ).encode()
    return packed.pack(block, message.number.to_bytes(8, "big") + bytes(message.body_bytes - 8))


def key_of(content: bytes) -> Key:
    """The number of a message and its history, as its consumers read it."""
    raw = properties.headers_raw(packed.properties_of(content))
    headers = fields.decode_table(raw)[0] if raw else {}
    deaths: Any = headers.get("x-death", [])
    history = tuple((death["queue"], death["reason"], death["count"]) for death in deaths)
    if history:
        assert (headers["x-first-death-queue"], headers["x-first-death-reason"]) == history[-1][:2] or len(history) > 1
        assert (headers["x-last-death-queue"], headers["x-last-death-reason"]) == history[0][:2]
    return int.from_bytes(packed.body_of(content)[:8], "big"), history


def parked(queue: Queue) -> list[Run]:
    return [run for _, _, run, _ in queue.rules._parked] if queue.rules is not None else []


class QueuesWithRulesOnDisk(QueuesWithRules):
    """The same with the journal that brokers use, which is stopped and started in between."""

    def first_life(self) -> Kept:
        return live(journal=open_journal())

    def next_life(self) -> Kept:
        return live(self.kept.catalog, open_again(self.kept.journal), now=self.clock)

    @rule()
    def compact(self) -> None:
        while self.kept.journal.compact(1000):
            self.kept.journal.flush()

    def teardown(self) -> None:
        super().teardown()
        assert self.kept.journal.live_bytes == 0
        self.kept.journal.close()


TestQueuesWithRules: Any = QueuesWithRules.TestCase
TestQueuesWithRules.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)

TestQueuesWithRulesOnDisk: Any = QueuesWithRulesOnDisk.TestCase
TestQueuesWithRulesOnDisk.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
