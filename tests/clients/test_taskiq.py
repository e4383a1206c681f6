"""taskiq over aio-pika: tasks in quorum queues, delays through a queue of waiting messages or a delaying exchange."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aio_pika
import pytest
from taskiq import SimpleRetryMiddleware
from taskiq.receiver import Receiver
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue, QueueType

SECONDS = 30
Start = Callable[..., contextlib.AbstractAsyncContextManager["Application"]]


class Application:
    """A broker whose names are the test's own. Tasks tell `seen` what they did."""

    def __init__(self, amqp_url: str, name: str, kind: QueueType, max_priority: int | None, **options: Any) -> None:
        self.dead = f"{name}-dead"
        self.queue = Queue(name=name, type=kind, max_priority=max_priority)
        dead_letters = Queue(name=self.dead, type=kind)
        self.broker = AioPikaBroker(
            amqp_url, exchange=Exchange(name=name), task_queues=[self.queue], dead_letter_queue=dead_letters, **options
        ).with_middlewares(SimpleRetryMiddleware(default_retry_count=3))
        self.seen: asyncio.Queue[Any] = asyncio.Queue()

    def putting(self) -> Any:
        """A task that tells its argument."""

        async def put(value: Any) -> None:
            await self.seen.put(value)

        return self.broker.register_task(put, task_name="put")

    async def next(self) -> Any:
        async with asyncio.timeout(SECONDS):
            return await self.seen.get()

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """Tasks are received and run meanwhile, one after another."""
        self.broker.is_worker_process = True
        await self.broker.startup()
        receiver = Receiver(self.broker, max_async_tasks=1, run_startup=False)
        finish = asyncio.Event()
        listening = asyncio.create_task(receiver.listen(finish))
        try:
            yield
        finally:
            finish.set()
            async with asyncio.timeout(SECONDS):
                await listening


@pytest.fixture
def start(amqp_url: str, name: str) -> Start:
    @contextlib.asynccontextmanager
    async def start(
        kind: QueueType = QueueType.QUORUM, max_priority: int | None = None, **options: Any
    ) -> AsyncIterator[Application]:
        application = Application(amqp_url, name, kind, max_priority, **options)
        yield application
        await application.broker.shutdown()
        async with await aio_pika.connect(amqp_url) as connection:
            channel = await connection.channel()
            for queue in (name, application.dead, f"{name}-delay"):
                await channel.queue_delete(queue)
            for exchange in (name, f"{name}.plugin_delay"):
                await channel.exchange_delete(exchange)

    return start


@pytest.mark.parametrize("kind", [QueueType.CLASSIC, QueueType.QUORUM])
async def test_a_worker_runs_every_task(start: Start, kind: QueueType) -> None:
    async with start(kind) as application:
        task = application.putting()
        async with application.worker():
            for number in range(20):
                await task.kiq(number)
            assert [await application.next() for _ in range(20)] == list(range(20))


def delaying(way: str, name: str) -> dict[str, Any]:
    if way == "delaying exchange":
        return {"delayed_message_exchange_plugin": True}
    return {"delay_queue": Queue(name=f"{name}-delay", type=QueueType.CLASSIC)}


@pytest.mark.parametrize("way", ["waiting queue", "delaying exchange"])
async def test_a_delayed_task_runs_when_it_is_time_and_not_before(start: Start, name: str, way: str) -> None:
    async with start(**delaying(way, name)) as application:

        async def note(word: str) -> None:
            await application.seen.put((word, time.monotonic()))

        task = application.broker.register_task(note, task_name="note")
        async with application.worker():
            started = time.monotonic()
            await task.kicker().with_labels(delay=3).kiq("late")
            await task.kicker().with_labels(delay=0.3).kiq("soon")
            words, times = zip(*[await application.next() for _ in range(2)], strict=True)
    assert words == ("soon", "late")
    assert times[0] - started >= 0.3
    assert times[1] - started >= 3


@pytest.mark.parametrize("way", ["waiting queue", "delaying exchange"])
async def test_a_shorter_delay_overtakes_a_longer_one(start: Start, name: str, way: str) -> None:
    async with start(**delaying(way, name)) as application:
        task = application.putting()
        async with application.worker():
            for delay in (4, 2, 0.2):
                await task.kicker().with_labels(delay=delay).kiq(delay)
            assert [await application.next() for _ in range(3)] == [0.2, 2, 4]


async def test_a_failing_task_is_retried(start: Start) -> None:
    async with start() as application:

        async def fail_first() -> None:
            attempts.append(None)
            if len(attempts) < 3:
                raise ValueError("not yet")
            await application.seen.put("done")

        attempts: list[None] = []
        task = application.broker.register_task(fail_first, task_name="fail_first")
        async with application.worker():
            await task.kicker().with_labels(retry_on_error=True).kiq()
            assert await application.next() == "done"
    assert len(attempts) == 3


async def test_tasks_run_by_their_priority(start: Start) -> None:
    async with start(QueueType.CLASSIC, 5, qos=1) as application:
        task = application.putting()
        await application.broker.startup()
        for word, priority in (("low", 1), ("high", 5), ("middle", 3), ("high again", 5)):
            await task.kicker().with_labels(priority=priority).kiq(word)
        await application.broker.shutdown()
        async with application.worker():
            assert [await application.next() for _ in range(4)] == ["high", "high again", "middle", "low"]


async def test_what_a_consumer_rejects_is_in_the_dead_letter_queue(amqp_url: str, start: Start) -> None:
    async with start() as application:
        task = application.putting()
        await application.broker.startup()
        await task.kiq("poison")
        async with asyncio.timeout(SECONDS), await aio_pika.connect(amqp_url) as connection:
            channel = await connection.channel()
            async with (await channel.get_queue(application.queue.name)).iterator() as messages:
                async for message in messages:
                    await message.reject()
                    break
            async with (await channel.get_queue(application.dead)).iterator(no_ack=True) as letters:
                letter = await anext(letters)
    assert letter.headers["task_name"] == "put"
    assert letter.headers["x-first-death-reason"] == "rejected"
