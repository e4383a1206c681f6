"""Celery with what its queues can do: quorum queues and the delays inside the broker that go with them, priorities,
tasks that die into another queue, replies that expire.

A worker is told about its queue at its start; so there are three, each with the settings of a real set-up.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.clients.celery_talk import SECONDS, Application, Pipe, applications
from tests.clients.program import Program

Wait = Callable[..., Any]
QUORUM = {
    "task_default_queue_type": "quorum",
    "task_default_exchange_type": "topic",
    "broker_transport_options": {"confirm_publish": True},
}


@pytest.fixture(scope="module")
def run_application(program: Callable[..., Program], amqp_url: str) -> Iterator[Callable[..., Application]]:
    with applications(program, amqp_url) as run:
        yield run


@pytest.fixture(scope="module")
def quorum(run_application: Callable[..., Application]) -> Application:
    return run_application(**QUORUM)


@pytest.fixture(scope="module")
def with_dead_letters(run_application: Callable[..., Application]) -> Iterator[Application]:
    """One child and a queue with priorities, whose dead letters wait in a queue of their own."""
    arguments = {"x-max-priority": 10, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "celery-dead"}
    application = run_application(concurrency=1, queue_arguments=arguments, task_default_priority=5)
    with application.app.connection_for_write() as connection:
        connection.default_channel.queue_declare("celery-dead", durable=True, auto_delete=False)
        yield application
        connection.default_channel.queue_delete("celery-dead")


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    with Pipe(tmp_path / "go-on") as pipe:
        yield pipe


def count(application: Application, queue: str) -> int:
    with application.app.connection_for_read() as connection:
        return connection.default_channel.queue_declare(queue, passive=True).message_count


def dead_letter(application: Application, wait_until: Wait) -> tuple[str, list[tuple[str, str]]]:
    """The task that died, by its id, and in which queues for which reasons."""
    with application.app.connection_for_read() as connection:
        get = functools.partial(connection.default_channel.basic_get, "celery-dead", no_ack=True)
        message = wait_until(get, "a dead letter")
    deaths = message.headers["x-death"]
    return message.headers["id"], [(death["queue"], death["reason"]) for death in deaths]


def test_a_worker_sees_that_its_queue_is_a_quorum_queue_and_works_it_off(quorum: Application) -> None:
    assert any("Global QoS is disabled" in line for line in quorum.worker.lines)
    results = [quorum.tasks.add.delay(n, n) for n in range(20)]
    assert [result.get(timeout=SECONDS) for result in results] == [2 * n for n in range(20)]


def test_a_countdown_passes_in_the_broker_not_in_the_worker(quorum: Application, wait_until: Wait) -> None:
    """Three seconds are the levels 1 and 0, of two seconds and of one."""
    started = time.monotonic()
    delayed = quorum.tasks.way.apply_async(countdown=3)
    far = quorum.tasks.way.apply_async(countdown=3600)
    wait_until(lambda: count(quorum, "celery_delayed_11") == 1, "the far task waits for two thousand seconds")
    assert quorum.inspect.scheduled()[quorum.node] == []
    assert delayed.get(timeout=SECONDS) == [["celery_delayed_0", "expired"], ["celery_delayed_1", "expired"]]
    assert time.monotonic() - started >= 3
    assert not far.ready()


def test_a_retry_with_a_countdown_is_delayed_in_the_broker(quorum: Application) -> None:
    assert quorum.tasks.fails_first.delay(2, 1).get(timeout=SECONDS) == 2


def test_the_global_prefetch_of_an_undetected_quorum_queue_is_kept(
    run_application: Callable[..., Application], pipe: Pipe, wait_until: Wait
) -> None:
    """Workers from before quorum queues limit the channel: 2 children, multiplier 1."""
    worker = run_application(**QUORUM, worker_detect_quorum_queues=False)
    results = [worker.tasks.wait_for.delay(pipe.path) for _ in range(5)]
    wait_until(lambda: len(worker.inspect.active()[worker.node]) == 2, "both children busy")
    wait_until(lambda: count(worker, worker.queue) == 3, "the other tasks stay in the queue")
    pipe.release(len(results))
    assert [result.get(timeout=SECONDS) for result in results] == ["x"] * 5


def test_tasks_run_by_their_priority(with_dead_letters: Application, pipe: Pipe, tmp_path: Path) -> None:
    tasks, notes = with_dead_letters.tasks, tmp_path / "notes"
    running = tasks.wait_for.apply_async((pipe.path,), priority=10)
    orders: dict[str, dict[str, int]] = {
        "low": {"priority": 1}, "default": {}, "high": {"priority": 9}, "high again": {"priority": 9},
        "none": {"priority": 0},
    }  # fmt: skip
    results = [tasks.note.apply_async((str(notes), word), **order) for word, order in orders.items()]
    pipe.release(1)
    for result in (running, *results):
        result.get(timeout=SECONDS)
    assert notes.read_text().splitlines() == ["high", "high again", "default", "low", "none"]


def test_a_task_whose_time_is_up_is_dead_before_it_runs(
    with_dead_letters: Application, pipe: Pipe, tmp_path: Path, wait_until: Wait
) -> None:
    application = with_dead_letters
    running = application.tasks.wait_for.delay(pipe.path)
    wait_until(lambda: application.inspect.active()[application.node], "the child is busy")
    late = application.tasks.note.apply_async((str(tmp_path / "notes"), "late"), expiration=0.1)
    assert dead_letter(application, wait_until) == (late.id, [(application.queue, "expired")])
    pipe.release(1)
    assert running.get(timeout=SECONDS) == "x"
    assert application.tasks.add.delay(1, 2).get(timeout=SECONDS) == 3
    assert not (tmp_path / "notes").exists()


@pytest.mark.parametrize("task", ["rejects", "fails_unacked"])
def test_a_task_that_rejects_its_message_becomes_a_dead_letter(
    with_dead_letters: Application, wait_until: Wait, task: str
) -> None:
    result = getattr(with_dead_letters.tasks, task).delay()
    assert dead_letter(with_dead_letters, wait_until) == (result.id, [(with_dead_letters.queue, "rejected")])


def test_the_reply_queue_of_somebody_who_never_asks_expires(amqp_url: str, name: str, wait_until: Wait) -> None:
    application = Application(amqp_url, "rpc://", name, {"result_expires": 3})
    application.tasks.add.delay(1, 2)
    returned: list[int] = []
    with application.app.connection_for_write() as connection:
        producer = connection.Producer(on_return=lambda error, *_: returned.append(error.reply_code))

        def is_gone() -> list[int]:
            producer.publish("a result", routing_key=application.app.thread_oid, mandatory=True)
            try:
                connection.drain_events(timeout=0.1)
            except TimeoutError:
                pass
            return returned

        assert not is_gone()
        wait_until(is_gone, "the reply queue is gone")
        assert returned == [312]
        connection.default_channel.queue_delete(name)
        connection.default_channel.exchange_delete(name)
    application.app.close()
