"""Conversations with a broker over pika's callback-style connections, whatever loop carries them.

A conversation is a generator: it yields a function that takes a callback, and goes on with what the callback was given.
So the order of a conversation stands in the order of its lines. `Talk` runs one on the loop of one adapter and closes
the connection at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.gevent_connection import GeventConnection
from pika.adapters.select_connection import IOLoop, SelectConnection
from pika.adapters.tornado_connection import TornadoConnection
from pika.channel import Channel
from tornado.ioloop import IOLoop as TornadoLoop

Step = Callable[[Callable[..., None]], Any]
Conversation = Generator[Step, Any, None]


class Talk:
    """Runs one conversation on one adapter's loop."""

    def __init__(self, adapter: str, parameters: pika.URLParameters) -> None:
        self._kind, self._loop_options, self._run, self._close_loop = ADAPTERS[adapter]
        self._parameters = parameters
        self._problem: BaseException | None = None
        self._done = False
        self.channel: Channel
        self.connection: Any

    def run(self, conversation: Callable[[Talk], Conversation]) -> None:
        self._steps = conversation(self)
        self.connection = self._kind(
            self._parameters,
            on_open_callback=self._opened,
            on_open_error_callback=self._closed,
            on_close_callback=self._closed,
            **self._loop_options(),
        )
        self._loop = self.connection.ioloop
        self._run(self._loop)
        self._close_loop(self._loop)
        if self._problem:
            raise self._problem
        assert self._done

    def _opened(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Channel) -> None:
        self.channel = channel
        self._advance(None)

    def _advance(self, *result: Any) -> None:
        """Hand the generator what a callback was given, and start what it asks for next."""
        try:
            step = self._steps.send(None if result == (None,) else result[0] if len(result) == 1 else result)
        except StopIteration:
            self._done = True
            self.connection.close()
        except BaseException as problem:
            self._problem = problem
            self.connection.close()
        else:
            step(self._advance)

    def _closed(self, _: Any, reason: BaseException) -> None:
        if not self._done and not self._problem:
            self._problem = reason
        self._loop.stop()


def _start(loop: Any) -> None:
    loop.start()


def _close(loop: Any) -> None:
    loop.close()


# Of each adapter: its class, options that give it a loop of its own, how to run the loop, and how to close it.
# gevent's loop belongs to the thread: it is taken as it is, and left open.
ADAPTERS: dict[str, tuple[Any, Callable[[], dict[str, Any]], Callable[[Any], None], Callable[[Any], None]]] = {
    "select": (SelectConnection, lambda: {"custom_ioloop": IOLoop()}, _start, _close),
    "asyncio": (
        AsyncioConnection,
        lambda: {"custom_ioloop": asyncio.new_event_loop()},
        lambda loop: loop.run_forever(),
        _close,
    ),
    "gevent": (GeventConnection, dict, _start, lambda _: None),
    "tornado": (TornadoConnection, lambda: {"custom_ioloop": TornadoLoop(make_current=False)}, _start, _close),
}
