"""`menura ctl` in this process, against a broker in another thread."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pika
import pika.exceptions
import pytest
from pika.adapters.blocking_connection import BlockingChannel

import menura
from menura.cli.ctl.running import run
from menura.cli.ctl.verbs import OWN

DEADLINE_SECONDS = 20.0


class Said(NamedTuple):
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def rows(self) -> list[list[str]]:
        """A table without the line above it and its header, by columns."""
        return [line.split("\t") for line in self.lines]


Ctl = Callable[..., Said]


def call(*words: str, program: str = OWN) -> Said:
    """A command with nothing but its own words to find a broker by."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(words, program)
    return Said(status, out.getvalue(), err.getvalue())


def to(url: str) -> Ctl:
    """Commands to the broker there."""

    def ctl(*words: str, program: str = OWN) -> Said:
        return call(words[0], f"--url={url}", *words[1:], program=program)

    return ctl


def http_url(broker: menura.Broker) -> str:
    return broker.url("http").rstrip("/")


@pytest.fixture
def broker() -> Iterator[menura.Broker]:
    with menura.Broker(listen=["amqp://127.0.0.1:0", "http://127.0.0.1:0"]) as broker:
        yield broker


@pytest.fixture
def ctl(broker: menura.Broker) -> Ctl:
    return to(http_url(broker))


@contextlib.contextmanager
def channel(broker: menura.Broker, name: str = "", vhost: str = "/") -> Iterator[BlockingChannel]:
    """A channel of a connection that calls itself so; the broker may have ended it in the end."""
    parameters = pika.ConnectionParameters(
        "127.0.0.1", broker.amqp_port, vhost, client_properties={"connection_name": name} if name else None
    )
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection.channel()
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()


def ended(channel: BlockingChannel) -> str:
    """Waits for the broker to end a connection; why it did."""
    try:
        while True:
            channel.connection.process_data_events(DEADLINE_SECONDS)
    except pika.exceptions.ConnectionClosedByBroker as closed:
        return str(closed.reply_text)


def eventually(look: Callable[[], Any]) -> Any:
    """What a look gives, once that is true."""
    until = time.monotonic() + DEADLINE_SECONDS
    while not (found := look()):
        assert time.monotonic() < until, "it has not come to that in time"
    return found
