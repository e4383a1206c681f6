"""Histories: what the rounds saw, for as little memory and in as small steps as promised.

Time is an argument: a `Watch` is the wall clock, and `go_round` a round at that time.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.core.domain import consume, numbered, operations
from tests.seeds import first_seed

import menura
from menura.core.descriptions import SocketCounts
from menura.core.node import Node
from menura.core.peers import Peer
from menura.core.presence import Connected
from menura.core.routing import Route
from menura.core.tallies import Tallies
from menura.management.http.messages import HttpError, Request
from menura.management.statistics import Statistics, Window, Windows, windows
from menura.management.statistics.columns import GAUGES
from menura.management.statistics.sampler import FINE_STEPS, Sampler
from menura.management.statistics.series import MINUTE, Series

START = 1_700_000_000  # a whole minute, and a whole step
STEP = 5


class Watch:
    """A broker's statistics, and the clock they go by."""

    def __init__(self) -> None:
        self.now = float(START)
        self.node = Node(bytes)
        self.vhost = self.node.vhosts["/"]
        self.statistics = Statistics(self.node, lambda: (0,) * len(GAUGES), wall=lambda: self.now)

    def go_round(self, seconds: float = STEP) -> None:
        self.now += seconds
        self.statistics.go_round()

    def queue(self, name: str = "q") -> Any:
        return self.vhost.declare_queue(name)

    def publish(self, name: str, count: int) -> None:
        route = Route("", name)
        self.vhost.publish(route, numbered(route, range(count)))


@pytest.fixture
def watch() -> Watch:
    return Watch()


# -- series ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(20))
def test_a_series_knows_every_step_of_the_last_minutes_and_every_minute_of_the_last_hour(number: int) -> None:
    seed = first_seed() + number
    print("seed", seed)
    chance = random.Random(seed)
    step, values, seen = 1000, (0, 0), {}
    series = Series(step, values)
    restlessness = chance.random()
    for step in range(1000, 1000 + 70 * MINUTE):
        if chance.random() < restlessness:
            values = (values[0] + chance.randrange(3), chance.randrange(3))
        series.add(step, values)
        series.trim(step - FINE_STEPS, step - 60 * MINUTE)
        seen[step] = values
    last = step
    fine = range(last - FINE_STEPS, last + 1)
    coarse = [at for at in range(last - 60 * MINUTE, last + 1) if not at % MINUTE]
    for at in (*fine, *coarse):
        assert (series.at(at, 0), series.at(at, 1)) == seen[at], at
    for steps in (fine, coarse, [*coarse[:50], *fine[1::7]]):
        assert series.along(steps, 1) == [series.at(at, 1) for at in steps]
    assert series.size_bytes <= 8 * 3 * (FINE_STEPS + 60 + 4)


def test_a_series_of_what_does_not_change_is_one_row() -> None:
    series = Series(0, (7, 8, 9))
    for step in range(1, 1000):
        series.add(step, (7, 8, 9))
    assert series.size_bytes == 8 * 4
    assert series.at(999, 2) == 9


# -- rates -------------------------------------------------------------------------------------------------------


def test_a_rate_is_what_came_between_the_last_two_rounds(watch: Watch) -> None:
    queue = watch.queue()
    watch.go_round()
    watch.publish("q", 50)
    watch.go_round()
    history = watch.statistics.history(queue)
    assert history.rate("publish") == 10
    assert history.rate("messages_ready") == 10
    assert history.rate("deliver_get") == 0
    watch.go_round()
    assert history.rate("publish") == 0


def test_a_rate_counts_the_time_there_was_and_not_the_time_there_should_have_been(watch: Watch) -> None:
    queue = watch.queue()
    watch.go_round()
    watch.publish("q", 90)
    watch.go_round(9)
    assert watch.statistics.history(queue).rate("publish") == 10


def test_rates_are_known_over_longer_windows(watch: Watch) -> None:
    """100 a second for an hour, which is an hour ago; then nothing; and 12 a second in the last minute."""
    queue = watch.queue()
    for at in range(0, 7200, STEP):
        count = 100 * STEP if at < 3600 else 0 if at < 7200 - 60 else 12 * STEP
        if count:
            watch.publish("q", count)
        watch.go_round()
    history = watch.statistics.history(queue)
    assert [history.rate("publish", seconds) for seconds in (5, 60, 600, 3600)] == [12, 12, 1.2, 0.2]


def test_what_was_there_before_the_first_round_is_no_rate(watch: Watch) -> None:
    queue = watch.queue()
    watch.publish("q", 1000)
    watch.go_round()
    assert watch.statistics.history(queue).rate("publish") == 0
    watch.go_round()
    assert watch.statistics.history(queue).rate("messages_ready") == 0


def test_samples_are_those_that_rabbitmq_gives(watch: Watch) -> None:
    queue = watch.queue()
    watch.go_round()
    for _ in range(12):
        watch.publish("q", 10)
        watch.go_round()
    details = watch.statistics.history(queue).details("publish", Window(age=30, incr=10))
    samples = details["samples"]
    assert [sample["sample"] for sample in samples] == [110, 90, 70, 50]
    assert [sample["timestamp"] for sample in samples] == [(START + 60 - 10 * at) * 1000 for at in range(4)]
    assert details["rate"] == 2.0
    assert details["avg_rate"] == 2.0
    assert details["avg"] == 80.0


def test_there_are_no_samples_of_the_time_before_the_broker(watch: Watch) -> None:
    queue = watch.queue()
    watch.publish("q", 1)
    watch.go_round()
    watch.go_round()
    details = watch.statistics.history(queue).details("publish", Window(age=600, incr=5))
    assert [sample["sample"] for sample in details["samples"]] == [1, 1]


def test_a_history_of_nothing_is_empty(watch: Watch) -> None:
    history = watch.statistics.history(watch.queue())
    assert history.rate("publish") == 0
    assert history.details("publish") == {"rate": 0.0}
    assert history.details("publish", Window(60, 5)) == {"rate": 0.0, "samples": [], "avg_rate": 0.0, "avg": 0.0}
    assert watch.statistics.message_stats(watch.vhost.queues["q"]) == {}


# -- parts of answers --------------------------------------------------------------------------------------------


def test_message_stats_have_a_rate_beside_each_number(watch: Watch) -> None:
    queue = watch.queue()
    tallies = Tallies(watch.vhost.register, "AMQP 0-9-1")
    consume(queue, tallies=tallies)
    watch.go_round()
    watch.publish("q", 10)
    watch.vhost.dispatch()
    watch.go_round()
    found = watch.statistics.message_stats(queue)
    assert (found["publish"], found["publish_details"]) == (10, {"rate": 2.0})
    assert (found["deliver_get"], found["deliver_get_details"]) == (10, {"rate": 2.0})
    assert found.keys() == {
        each + ending
        for each in ("publish", "deliver", "deliver_no_ack", "get", "get_no_ack", "get_empty", "redeliver", "ack",
                     "deliver_get")
        for ending in ("", "_details")
    }  # fmt: skip
    assert watch.statistics.lengths(queue)["messages_unacknowledged_details"] == {"rate": 2.0}
    of_channel = watch.statistics.message_stats(tallies)
    assert of_channel["deliver_details"] == {"rate": 2.0}
    assert watch.statistics.message_stats(watch.vhost)["deliver_details"] == {"rate": 2.0}
    assert watch.statistics.message_stats(watch.node)["deliver"] == 10
    exchange = watch.statistics.message_stats(watch.vhost.exchanges[""])
    assert exchange["publish_in"] == exchange["publish_out"] == 10


def test_sums_of_a_virtual_host_do_not_fall_when_a_channel_is_closed(watch: Watch) -> None:
    tallies = Tallies(watch.vhost.register, "AMQP 0-9-1")
    tallies.to(watch.vhost.exchanges[""]).publish += 100
    watch.go_round()
    walk = watch.statistics.sampler.walk(START // STEP + 10)
    for number, _ in enumerate(walk):
        if number == 0:
            tallies.close()
    history = watch.statistics.history(watch.vhost)
    watch.go_round(60)
    assert [value for _, value in history.series("publish", Window(60, 5))] == [100] * 13
    assert watch.statistics.history(watch.node).latest("publish") == 100


def test_the_octets_of_a_virtual_host_are_those_of_its_connections(watch: Watch) -> None:
    counts = SocketCounts(received_bytes=1000, sent_bytes=10)
    connected = Connected("AMQP 0-9-1", Peer("127.0.0.1:1", socket=lambda: counts), "guest", "/")
    watch.node.presence.arrive(connected)
    watch.go_round()
    counts = SocketCounts(received_bytes=6000, sent_bytes=10)
    watch.go_round()
    assert watch.statistics.traffic(connected)["recv_oct_details"] == {"rate": 1000.0}
    watch.node.presence.leave(connected)
    watch.go_round()
    of_vhost = watch.statistics.traffic(watch.vhost)
    assert (of_vhost["recv_oct"], of_vhost["send_oct"]) == (6000, 10)


# -- memory ------------------------------------------------------------------------------------------------------


def test_what_does_nothing_takes_no_memory(watch: Watch) -> None:
    for number in range(1000):
        watch.queue(f"q{number}")
    watch.publish("q7", 1)
    for _ in range(3):
        watch.go_round()
    known = watch.statistics.sampler.series
    assert [queue.name for queue in watch.vhost.queues.values() if queue in known] == ["q7"]


def test_what_is_gone_is_forgotten_in_the_next_round(watch: Watch) -> None:
    queue = watch.queue()
    exchange = watch.vhost.declare_exchange("x", "fanout")
    other = watch.node.add_vhost("other")
    connected = Connected("AMQP 0-9-1", Peer("127.0.0.1:1"), "guest", "/")
    watch.node.presence.arrive(connected)
    tallies = Tallies(watch.vhost.register, "AMQP 0-9-1")
    tallies.to(exchange).publish += 1
    tallies.of(queue).get += 1
    watch.publish("q", 1)
    watch.go_round()
    known = watch.statistics.sampler.series
    things = (queue, exchange, other, connected, tallies)
    assert [thing in known for thing in things] == [True] * 5
    tallies.close()
    watch.vhost.remove_queue(queue)
    watch.vhost.delete_exchange("x")
    watch.node.delete_vhost("other")
    watch.node.presence.leave(connected)
    watch.go_round()
    assert [thing in known for thing in things] == [False] * 5


def test_a_queue_that_comes_again_under_its_name_begins_anew(watch: Watch) -> None:
    queue = watch.queue()
    watch.publish("q", 100)
    watch.go_round()
    watch.vhost.remove_queue(queue)
    again = watch.queue()
    watch.go_round()
    assert watch.statistics.history(again).rate("publish") == 0
    watch.publish("q", 5)
    watch.go_round()
    assert watch.statistics.history(again).rate("publish") == 1


def test_all_histories_together_stay_within_their_bound() -> None:
    """500 queues that never rest, for two hours."""
    node = Node(bytes)
    vhost = node.vhosts["/"]
    queues = [vhost.declare_queue(f"q{number}") for number in range(500)]
    bytes_max = 1_000_000
    sampler = Sampler(node, lambda: (0,) * len(GAUGES), bytes_max)
    most = 0
    for step in range(10_000, 10_000 + 120 * MINUTE, 4):
        for queue in queues:
            queue.published += 1
        for _ in sampler.walk(step):
            pass
        most = max(most, sampler.size_bytes)
    assert sampler.size_bytes <= bytes_max
    assert most <= 2 * bytes_max
    assert sampler.series[queues[0]].at(step, 0) == queues[0].published


# -- time --------------------------------------------------------------------------------------------------------


def test_a_step_of_a_round_looks_at_a_few_objects_only(watch: Watch) -> None:
    def most(step: int) -> int:
        walk, found = watch.statistics.sampler.walk(step), 0
        ended = False

        def work() -> None:
            nonlocal ended
            ended = next(walk, "end") == "end"

        while not ended:
            found = max(found, operations(work))
        return found

    for number in range(100):
        watch.queue(f"q{number}").published += 1
    few = most(10)
    for number in range(100, 1000):
        watch.queue(f"q{number}").published += 1
    assert most(20) <= few * 1.2


def test_a_clock_that_is_set_back_makes_no_round_twice(watch: Watch) -> None:
    timers: list[tuple[float, Any]] = []

    class Entry:
        def cancel(self) -> None: ...

    def call_later(seconds: float, work: Any) -> Entry:
        timers.append((seconds, work))
        return Entry()

    def until_next_round() -> None:
        while True:
            seconds, work = timers.pop()
            watch.now += seconds
            work()
            if watch.statistics._walk is None:
                return

    watch.statistics.start(call_later)
    until_next_round()
    steps = [step for step, _ in watch.statistics.rounds.all]
    watch.now -= 60
    until_next_round()
    assert [step for step, _ in watch.statistics.rounds.all] == steps
    for _ in range(14):
        until_next_round()
    steps = [step for step, _ in watch.statistics.rounds.all]
    assert steps == sorted(set(steps))
    assert len(steps) > 2


def test_a_round_that_fails_is_told_and_does_not_end_the_others(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    timers: list[Any] = []

    class Entry:
        def cancel(self) -> None: ...

    def call_later(seconds: float, work: Any) -> Entry:
        timers.append(work)
        return Entry()

    def fail(step: int) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(watch.statistics.sampler, "walk", fail)
        watch.statistics.start(call_later)
    assert "a round was given up" in caplog.text
    watch.now += STEP
    while not watch.statistics.rounds.all:
        timers.pop()()


def test_a_broker_that_is_told_to_keeps_no_histories() -> None:
    with menura.Broker(statistics=False) as broker:
        queue = broker._call(lambda: broker.node.vhosts["/"].declare_queue("q"))
        queue.published += 1
        assert not broker.statistics.rounds.all
        found = broker._call(lambda: broker.statistics.message_stats(queue))
        assert (found["publish"], found["publish_details"]) == (1, {"rate": 0.0})
    with menura.Broker() as broker:
        assert broker._call(lambda: len(broker.statistics.rounds.all)) <= 2
        assert broker.statistics._timer is not None


# -- what can be asked -------------------------------------------------------------------------------------------


def asked(query: str) -> Windows:
    return windows(Request("GET", f"/api/queues?{query}", {}, Peer()))


def test_windows_are_asked_for_as_with_rabbitmq() -> None:
    assert asked("") == Windows(None, None, None, None)
    assert asked("msg_rates_age=60&msg_rates_incr=5") == Windows(msg_rates=Window(60, 5))
    assert asked("lengths_age=600&lengths_incr=10&node_stats_age=60&node_stats_incr=5") == Windows(
        lengths=Window(600, 10), node_stats=Window(60, 5)
    )
    assert asked("lengths_age=600") == Windows()


@pytest.mark.parametrize("query", ["msg_rates_age=x&msg_rates_incr=5", "lengths_age=86400&lengths_incr=1"])
def test_a_window_that_makes_no_sense_is_refused(query: str) -> None:
    with pytest.raises(HttpError) as raised:
        asked(query)
    assert raised.value.status == 400
