"""dramatiq: actors, delays, retries with back-off, and what is dead after the last one.

Each queue of dramatiq is three: NAME, NAME.DQ where delayed messages are, NAME.XQ where dead ones stay for a week.
Messages that are delayed come to the worker at once, which keeps them unacknowledged till it is time; the dead ones
come through the dead-letter exchange of the other two.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import AgeLimit, Retries, ShutdownNotifications, TimeLimit

SECONDS = 30
Wait = Callable[..., Any]


class Application:
    """A broker with one queue. An actor tells `seen` what it did; `work` starts a worker of two threads."""

    def __init__(self, amqp_url: str, name: str, **options: Any) -> None:
        middleware = [AgeLimit(), TimeLimit(), ShutdownNotifications(), Retries(min_backoff=20, max_backoff=200)]
        self.broker = RabbitmqBroker(url=amqp_url, middleware=middleware, confirm_delivery=True, **options)
        self.name = name
        self.seen: queue.Queue[Any] = queue.Queue()
        self._workers: list[dramatiq.Worker] = []

    def actor(self, function: Callable[..., Any], **options: Any) -> dramatiq.Actor[..., Any]:
        return dramatiq.actor(function, broker=self.broker, queue_name=self.name, **options)

    def work(self, threads: int = 2) -> dramatiq.Worker:
        worker = dramatiq.Worker(self.broker, worker_threads=threads, worker_timeout=100)
        worker.start()
        self._workers.append(worker)
        return worker

    def next(self) -> Any:
        return self.seen.get(timeout=SECONDS)

    def counts(self) -> tuple[int, int, int]:
        """Ready messages in the queue, the delayed and the dead; declares the three with their arguments again."""
        return self.broker.get_queue_message_counts(self.name)

    def close(self) -> None:
        for worker in self._workers:
            worker.stop()
        for suffix in ("", ".DQ", ".XQ"):
            self.broker.channel.queue_delete(self.name + suffix)
        self.broker.close()


@pytest.fixture
def application(amqp_url: str, name: str) -> Iterator[Application]:
    application = Application(amqp_url, name)
    yield application
    application.close()


@pytest.fixture
def prioritised(amqp_url: str, name: str) -> Iterator[Application]:
    application = Application(amqp_url, name, max_priority=5)
    yield application
    application.close()


def test_an_actor_gets_every_message_once(application: Application) -> None:
    actor = application.actor(application.seen.put, actor_name="put")
    application.work()
    for number in range(50):
        actor.send(number)
    assert sorted(application.next() for _ in range(50)) == list(range(50))
    application.broker.join(application.name, min_successes=1, timeout=SECONDS * 1000)


def test_a_delayed_message_runs_when_it_is_time_and_not_before(application: Application) -> None:
    actor = application.actor(lambda word: application.seen.put((word, time.time())), actor_name="note")
    application.work()
    started = time.time()
    for word, delay in (("late", 3000), ("soon", 300)):
        actor.send_with_options(args=(word,), delay=delay)
    words, times = zip(*(application.next() for _ in range(2)), strict=True)
    assert words == ("soon", "late")
    # The worker looks at its clock in milliseconds.
    assert times[0] - started >= 0.299
    assert times[1] - started >= 2.999


def test_delayed_messages_outlive_the_worker_that_holds_them(application: Application, wait_until: Wait) -> None:
    """A delay lets the first worker take the message; when it stops, the message is back, and the next one runs it."""
    actor = application.actor(application.seen.put, actor_name="put")
    message = actor.send_with_options(args=("after all",), delay=1500)
    first = application.work()
    wait_until(lambda: application.counts() == (0, 0, 0), "the worker holds the delayed message")
    first.stop()
    wait_until(lambda: application.counts() == (0, 1, 0), "the message is back")
    application.work()
    assert application.next() == "after all"
    assert time.time() * 1000 >= message.options["eta"]


def test_a_failing_actor_is_retried_with_back_off_until_it_works(application: Application) -> None:
    attempts: list[float] = []

    def fail_first() -> None:
        attempts.append(time.monotonic())
        if len(attempts) < 4:
            raise ValueError("not yet")
        application.seen.put("done")

    actor = application.actor(fail_first)
    application.work()
    actor.send()
    assert application.next() == "done"
    # A back-off is between half and all of 20 ms, doubled each time; a millisecond is what the clock may be off.
    pauses = [after - before for before, after in itertools.pairwise(attempts)]
    assert all(pause >= least - 0.001 for pause, least in zip(pauses, (0.010, 0.020, 0.040), strict=True))


def test_a_message_is_dead_lettered_after_its_last_retry(application: Application, wait_until: Wait) -> None:
    def fail(word: str) -> None:
        application.seen.put(word)
        raise ValueError("always")

    actor = application.actor(fail, max_retries=2)
    application.work()
    sent = actor.send("poison")
    assert [application.next() for _ in range(3)] == ["poison"] * 3
    wait_until(lambda: application.counts() == (0, 0, 1), "the message is in the queue of the dead")
    dead = f"{application.name}.XQ"
    _, properties, body = application.broker.channel.basic_get(dead, auto_ack=True)
    message = dramatiq.Message.decode(body)
    assert (message.message_id, message.args, message.options["retries"]) == (sent.message_id, ("poison",), 2)
    (death,) = properties.headers["x-death"]
    assert (death["queue"], death["reason"], death["count"]) == (application.name, "rejected", 1)


def test_a_message_nobody_can_read_is_dead_lettered(application: Application, wait_until: Wait) -> None:
    application.broker.declare_queue(application.name, ensure=True)
    application.work()
    application.broker.channel.basic_publish("", application.name, b"not a message")
    wait_until(lambda: application.counts() == (0, 0, 1), "the message is in the queue of the dead")


def test_a_message_that_is_too_old_is_dead_lettered(application: Application, wait_until: Wait) -> None:
    actor = application.actor(application.seen.put, actor_name="put", max_age=1)
    sent = actor.send("too late")
    wait_until(lambda: time.time() * 1000 > sent.message_timestamp + 1, "the message is too old")
    application.work()
    wait_until(lambda: application.counts() == (0, 0, 1), "the message is in the queue of the dead")
    assert application.seen.empty()


def test_messages_of_a_higher_priority_run_first(prioritised: Application) -> None:
    gate = threading.Event()

    def run(word: str) -> None:
        prioritised.seen.put(word)
        gate.wait(SECONDS)

    actor = prioritised.actor(run)
    for word, priority in (("low", 0), ("high", 5), ("middle", 3), ("high again", 5)):
        actor.send_with_options(args=(word,), broker_priority=priority)
    gate.set()
    prioritised.work(threads=1)
    assert [prioritised.next() for _ in range(4)] == ["high", "high again", "middle", "low"]
