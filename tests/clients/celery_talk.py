"""A Celery application as a test sees it, the worker processes that serve it, and the pipe its tasks wait at."""

from __future__ import annotations

import contextlib
import json
import os
import types
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.clients.celery_app import make_app
from tests.clients.program import Program

SECONDS = 40
NATIVE_DELAY_LEVELS = 28


class Application:
    """The application as this process sees it, with the node name of its worker."""

    worker: Program

    def __init__(self, amqp_url: str, backend: str, queue: str, settings: dict[str, Any]) -> None:
        self.app = make_app(amqp_url, backend, queue, settings)
        self.tasks = types.SimpleNamespace(**self.app.tasks)
        self.queue = queue
        self.node = f"{queue}@localhost"
        self.inspect = self.app.control.inspect(destination=[self.node], timeout=SECONDS)


@contextlib.contextmanager
def applications(program: Callable[..., Program], amqp_url: str) -> Iterator[Callable[..., Application]]:
    """Yields what starts an application with one worker; all of them are ended and forgotten at the end."""
    started: list[Program] = []
    with contextlib.ExitStack() as running:

        def run(backend: str = "rpc://", *options: str, concurrency: int = 2, **settings: Any) -> Application:
            application = Application(amqp_url, backend, f"celery-{uuid.uuid4().hex[:12]}", settings)
            running.callback(_forget, application)
            worker = program(
                "celery_app.py", "worker", "--hostname", application.node, "--loglevel", "INFO",
                "--concurrency", str(concurrency), "--without-gossip", "--without-mingle", *options,
                env={
                    "CELERY_QUEUE": application.queue,
                    "CELERY_BACKEND": backend,
                    "CELERY_SETTINGS": json.dumps(settings),
                },
            )  # fmt: skip
            application.worker = running.enter_context(worker)
            worker.line(rf"{application.node} ready\.")
            started.append(worker)
            running.callback(worker.finish)
            return application

        yield run
        for worker in started:  # all at once: each takes seconds to its end
            worker.ask_to_end()


def _forget(application: Application) -> None:
    """Delete what an application leaves in a broker, and close what it leaves open here."""
    with application.app.connection_for_write() as connection:
        channel, name = connection.default_channel, application.queue
        channel.queue_delete(name)
        for exchange in (name, f"{name}-control.pidbox", f"reply.{name}-control.pidbox", f"{name}-events"):
            channel.exchange_delete(exchange)
        if application.app.conf.task_default_queue_type == "quorum":
            channel.exchange_delete("celery_delayed_delivery")
            for level in range(NATIVE_DELAY_LEVELS):
                channel.queue_delete(f"celery_delayed_{level}")
                channel.exchange_delete(f"celery_delayed_{level}")
    consumer = getattr(application.app.backend, "result_consumer", None)
    if consumer and consumer._consumer:  # which it has from the first reply on
        consumer.stop()
    application.app.close()


class Pipe:
    """Where tasks wait until the test lets them go."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        # Open for both directions, since a pipe opened for writing only would wait for its first reader.
        self.end = os.open(path, os.O_RDWR)

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.end)

    def release(self, count: int) -> None:
        os.write(self.end, b"x" * count)
