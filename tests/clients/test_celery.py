"""A Celery application: a worker process with two children takes tasks, results come back over the rpc backend.

One worker serves the whole module; a test that needs a child to be busy lets it read a named pipe and writes to the
pipe when it may go on. Chords need a backend that counts: the rpc backend keeps every result in the caller's own
reply queue, where no worker can see that the last part of the chord is done, so Celery refuses them; the test of
chords starts a second worker whose results are files.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import celery
import celery.exceptions
import celery.result
import pytest
from tests.clients.celery_talk import SECONDS, Application, Pipe, applications
from tests.clients.program import Program

Wait = Callable[..., Any]


@pytest.fixture(scope="module")
def run_application(program: Callable[..., Program], amqp_url: str) -> Iterator[Callable[..., Application]]:
    with applications(program, amqp_url) as run:
        yield run


@pytest.fixture(scope="module")
def worker(run_application: Callable[..., Application]) -> Application:
    return run_application()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    with Pipe(tmp_path / "go-on") as pipe:
        yield pipe


def test_a_task_runs_and_its_result_comes_back(worker: Application) -> None:
    assert worker.tasks.add.delay(20, 22).get(timeout=SECONDS) == 42
    large = "lyrebird " * 200_000
    assert worker.tasks.echo.delay(large).get(timeout=SECONDS) == large


def test_many_tasks_each_give_their_own_result(worker: Application) -> None:
    results = [worker.tasks.add.delay(n, n) for n in range(100)]
    assert [result.get(timeout=SECONDS) for result in results] == [2 * n for n in range(100)]


def test_a_countdown_and_an_eta_delay_the_start(worker: Application) -> None:
    started = datetime.now(UTC)
    by_countdown = worker.tasks.add.apply_async((1, 1), countdown=1)
    by_eta = worker.tasks.add.apply_async((2, 2), eta=started + timedelta(seconds=1))
    assert (by_countdown.get(timeout=SECONDS), by_eta.get(timeout=SECONDS)) == (2, 4)
    assert datetime.now(UTC) - started >= timedelta(seconds=1)


def test_an_expired_task_is_not_run(worker: Application, wait_until: Wait) -> None:
    """Celery gives its message no time at all: a worker with room gets it, and says so; else it is gone for good."""

    def is_idle() -> bool:
        return not worker.inspect.active()[worker.node] and not worker.inspect.reserved()[worker.node]

    wait_until(is_idle, "the worker has nothing to do, so it has acknowledged all it got")
    result = worker.tasks.add.apply_async((1, 1), expires=datetime.now(UTC) - timedelta(seconds=60))
    with pytest.raises(celery.exceptions.TaskRevokedError):
        result.get(timeout=SECONDS)


def test_a_retried_task_succeeds_in_the_end_or_gives_up(worker: Application) -> None:
    assert worker.tasks.fails_first.delay(3).get(timeout=SECONDS) == 3
    with pytest.raises(KeyError):
        worker.tasks.never_works.delay().get(timeout=SECONDS)


def test_progress_is_seen_on_the_way(worker: Application) -> None:
    seen: list[Any] = []
    result = worker.tasks.progress.delay(3)
    assert result.get(timeout=SECONDS, on_message=lambda message: seen.append(message["status"])) == "done"
    assert seen == ["PROGRESS", "PROGRESS", "PROGRESS", "SUCCESS"]


def test_a_late_acked_task_survives_the_death_of_its_process(worker: Application) -> None:
    assert worker.tasks.dies_first.delay().get(timeout=SECONDS) == "alive"


def test_groups_chains_and_links_run_over_the_rpc_backend(worker: Application) -> None:
    add, total = worker.tasks.add, worker.tasks.total
    group = celery.group(add.s(n, 1) for n in range(10))()
    assert group.get(timeout=SECONDS) == list(range(1, 11))
    assert celery.chain(add.s(1, 2), add.s(10), add.s(100))().get(timeout=SECONDS) == 113
    assert (total.s([1, 2]) | add.s(4))().get(timeout=SECONDS) == 7
    assert add.starmap([(1, 1), (2, 2)]).delay().get(timeout=SECONDS) == [2, 4]
    assert add.chunks([(n, n) for n in range(4)], 2)().get(timeout=SECONDS) == [[0, 2], [4, 6]]


def test_the_rpc_backend_refuses_chords(worker: Application) -> None:
    chord = celery.chord([worker.tasks.add.s(1, 1)], worker.tasks.total.s())
    with pytest.raises(NotImplementedError):
        chord()


def test_chords_run_with_a_backend_that_counts(run_application: Callable[..., Application], tmp_path: Path) -> None:
    counting = run_application(f"file://{tmp_path}", "--pool", "threads")
    parts = [counting.tasks.add.s(n, n) for n in range(5)]
    assert celery.chord(parts, counting.tasks.total.s())().get(timeout=SECONDS, interval=0.05) == 20


def test_no_more_tasks_are_fetched_than_children_times_multiplier(
    worker: Application, pipe: Pipe, wait_until: Wait
) -> None:
    """Tasks that ack late count against the prefetch limit until they end: 2 children, multiplier 1."""
    results = [worker.tasks.wait_for.delay(pipe.path) for _ in range(5)]
    wait_until(lambda: len(worker.inspect.active()[worker.node]) == 2, "both children busy")
    with worker.app.connection_for_read() as connection:
        channel = connection.default_channel
        waiting = functools.partial(channel.queue_declare, worker.queue, passive=True)
        wait_until(lambda: waiting().message_count == 3, "the other tasks stay in the queue")
        assert len(worker.inspect.active()[worker.node]) == 2
        assert waiting().message_count == 3
    pipe.release(len(results))
    assert [result.get(timeout=SECONDS) for result in results] == ["x"] * 5


def test_inspection_shows_the_worker(worker: Application, pipe: Pipe, wait_until: Wait) -> None:
    assert worker.inspect.ping() == {worker.node: {"ok": "pong"}}
    assert worker.app.control.ping(destination=[worker.node], timeout=SECONDS) == [{worker.node: {"ok": "pong"}}]
    assert "add" in worker.inspect.registered()[worker.node]
    stats = worker.inspect.stats()[worker.node]
    assert (stats["pool"]["max-concurrency"], stats["prefetch_count"]) == (2, 2)
    assert stats["broker"]["transport"] == "amqp"
    (queue,) = worker.inspect.active_queues()[worker.node]
    assert queue["name"] == worker.queue
    result = worker.tasks.wait_for.delay(pipe.path)
    (active,) = wait_until(lambda: worker.inspect.active()[worker.node], "the task runs")
    assert active["id"] == result.id
    pipe.release(1)
    assert result.get(timeout=SECONDS) == "x"


def test_a_scheduled_task_is_shown_and_can_be_revoked(worker: Application, wait_until: Wait) -> None:
    result = worker.tasks.add.apply_async((1, 1), countdown=3600)
    (scheduled,) = wait_until(lambda: worker.inspect.scheduled()[worker.node], "the task is scheduled")
    assert scheduled["request"]["id"] == result.id
    worker.app.control.revoke(result.id, reply=True, timeout=SECONDS, destination=[worker.node])
    assert result.id in worker.inspect.revoked()[worker.node]


def test_a_running_task_is_terminated_on_revoke(worker: Application, pipe: Pipe, wait_until: Wait) -> None:
    result = worker.tasks.wait_for.delay(pipe.path)
    wait_until(lambda: worker.inspect.active()[worker.node], "the task runs")
    worker.app.control.revoke(result.id, terminate=True, signal="SIGKILL")
    with pytest.raises(celery.exceptions.TaskRevokedError):
        result.get(timeout=SECONDS)


def test_broadcast_commands_reach_the_worker(worker: Application, wait_until: Wait) -> None:
    control = worker.app.control
    (answer,) = control.broadcast(
        "rate_limit", {"task_name": "add", "rate_limit": "100/s"},
        reply=True, timeout=SECONDS, destination=[worker.node],
    )  # fmt: skip
    assert "new rate limit set successfully" in answer[worker.node]["ok"]
    added = f"{worker.queue}-more"
    (answer,) = control.add_consumer(added, reply=True, timeout=SECONDS, destination=[worker.node])
    assert "add consumer" in answer[worker.node]["ok"]
    result = worker.tasks.add.apply_async((3, 4), queue=added)
    assert result.get(timeout=SECONDS) == 7
    (answer,) = control.cancel_consumer(added, reply=True, timeout=SECONDS, destination=[worker.node])
    assert "no longer consuming" in answer[worker.node]["ok"]
    (answer,) = control.pool_grow(1, reply=True, timeout=SECONDS, destination=[worker.node])
    assert "pool will grow" in answer[worker.node]["ok"]

    def shrunk() -> bool:
        """Refused while every child counts as busy, as one does for a moment after its result is out."""
        (answer,) = control.pool_shrink(1, reply=True, timeout=SECONDS, destination=[worker.node])
        return "pool will shrink" in answer[worker.node].get("ok", "")

    wait_until(shrunk, "a child is idle and goes")
    with worker.app.connection_for_write() as connection:
        connection.default_channel.queue_delete(added)
        connection.default_channel.exchange_delete(added)


def test_events_of_a_task_can_be_watched(worker: Application) -> None:
    seen: list[str] = []
    results: list[celery.result.AsyncResult] = []
    with worker.app.connection_for_read() as connection:
        receiver = worker.app.events.Receiver(connection)

        def note(event: dict[str, Any]) -> None:
            if event.get("uuid") == results[0].id:
                seen.append(event["type"])
                receiver.should_stop = event["type"] == "task-succeeded"

        receiver.handlers["*"] = note
        receiver.on_consume_ready = lambda *_, **__: results.append(worker.tasks.add.delay(1, 2))
        receiver.capture(limit=None, timeout=SECONDS, wakeup=False)
    assert seen == ["task-received", "task-started", "task-succeeded"]
    assert results[0].get(timeout=SECONDS) == 3
