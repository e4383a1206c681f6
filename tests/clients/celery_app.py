"""The Celery application that the tests call, and a worker of it when run as a program.

    AMQP_URL=... CELERY_QUEUE=... CELERY_BACKEND=rpc:// CELERY_SETTINGS={} python celery_app.py worker

The name of the task queue is the test run's own, so that workers of other runs do not mix in; CELERY_SETTINGS is JSON,
and `queue_arguments` among the settings is what that queue is declared with. A task that must wait reads a byte from a
named pipe: it goes on when the test writes one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from celery import Celery, Task, shared_task
from celery.exceptions import Reject
from kombu import Exchange, Queue


def make_app(broker: str, backend: str, queue: str, settings: dict[str, Any] | None = None) -> Celery:
    app = Celery("clients", broker=broker, backend=backend, set_as_current=False)
    app.conf.update(
        task_default_queue=queue,
        control_exchange=f"{queue}-control",
        event_exchange=f"{queue}-events",
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        broker_connection_retry_on_startup=True,
        result_expires=60,
    )
    settings = dict(settings or {})
    if arguments := settings.pop("queue_arguments", None):
        app.conf.task_queues = [Queue(queue, Exchange(queue, "direct"), queue, queue_arguments=arguments)]
    app.conf.update(settings)
    app.finalize()
    return app


@shared_task(name="add")
def add(left: int, right: int) -> int:
    return left + right


@shared_task(name="total")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@shared_task(name="echo")
def echo(value: Any) -> Any:
    return value


@shared_task(name="fails_first", bind=True)
def fails_first(self: Task, times: int, countdown: float = 0.1) -> int:
    """Fails so often, then gives the number of retries it took."""
    if self.request.retries < times:
        raise self.retry(countdown=countdown, max_retries=times, exc=ValueError("not yet"))
    return self.request.retries


@shared_task(name="never_works", autoretry_for=(KeyError,), retry_kwargs={"max_retries": 2, "countdown": 0.1})
def never_works() -> None:
    raise KeyError("always")


@shared_task(name="dies_first", bind=True, acks_late=True, reject_on_worker_lost=True)
def dies_first(self: Task) -> str:
    """Takes its process down at the first delivery; a second one is marked as redelivered."""
    if not self.request.delivery_info["redelivered"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@shared_task(name="wait_for", acks_late=True)
def wait_for(pipe: str) -> str:
    """Waits for a byte in the pipe; several tasks may wait at the same pipe."""
    with open(pipe, "rb", buffering=0) as end:
        return end.read(1).decode()


@shared_task(name="note", acks_late=True)
def note(path: str, word: str) -> None:
    """Adds a line to a file."""
    with open(path, "a") as notes:
        notes.write(f"{word}\n")


@shared_task(name="rejects", bind=True, acks_late=True)
def rejects(self: Task) -> None:
    raise Reject("not for me", requeue=False)


@shared_task(name="fails_unacked", acks_late=True, acks_on_failure_or_timeout=False)
def fails_unacked() -> None:
    raise KeyError("always")


@shared_task(name="way", bind=True)
def way(self: Task) -> list[tuple[str, str]]:
    """The queues in which this task has waited, the latest first, and why it left each of them."""
    return [(death["queue"], death["reason"]) for death in self.request.get("x-death") or []]


@shared_task(name="progress", bind=True)
def progress(self: Task, steps: int) -> str:
    for step in range(steps):
        self.update_state(state="PROGRESS", meta={"step": step})
    return "done"


if __name__ == "__main__":
    settings = json.loads(os.environ["CELERY_SETTINGS"])
    app = make_app(os.environ["AMQP_URL"], os.environ["CELERY_BACKEND"], os.environ["CELERY_QUEUE"], settings)
    app.start(sys.argv[1:])
