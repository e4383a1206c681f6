"""What tests need done to the broker under test that AMQP has no words for.

RabbitMQ is asked through `rabbitmqctl`, which must be the one of the broker under test; a broker of our own
through the object that it is.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import menura


class Administration(Protocol):
    def add_vhost(self, name: str) -> None: ...

    def add_user(self, name: str, password: str) -> None: ...

    def permit(self, user: str, vhost: str, configure: str, write: str, read: str) -> None: ...

    def permit_topics(self, user: str, vhost: str, exchange: str, write: str, read: str) -> None: ...

    def memory_alarm(self) -> AbstractContextManager[None]:
        """While entered, memory is short if any message is held at all."""

    def remove_all(self) -> None:
        """Remove the users and virtual hosts added."""


class OwnBroker:
    """A broker of this process; it ends with the session, so nothing has to be removed."""

    def __init__(self, broker: menura.Broker) -> None:
        self._broker = broker

    def add_vhost(self, name: str) -> None:
        self._broker.add_vhost(name)

    def add_user(self, name: str, password: str) -> None:
        self._broker.add_user(name, password)

    def permit(self, user: str, vhost: str, configure: str, write: str, read: str) -> None:
        self._broker.permit(user, vhost, configure, write, read)

    def permit_topics(self, user: str, vhost: str, exchange: str, write: str, read: str) -> None:
        self._broker.permit_topics(user, exchange, write, read, vhost)

    @contextmanager
    def memory_alarm(self) -> Iterator[None]:
        self._broker.set_memory_watermark(1)
        try:
            yield
        finally:
            self._broker.set_memory_watermark(self._broker.config.watermark_bytes)

    def remove_all(self) -> None:
        pass


class Rabbitmqctl:
    """RabbitMQ on this machine."""

    def __init__(self) -> None:
        self._vhosts: list[str] = []
        self._users: list[str] = []

    @staticmethod
    def available() -> bool:
        return shutil.which("rabbitmqctl") is not None and _run("ping").returncode == 0

    def add_vhost(self, name: str) -> None:
        self._vhosts.append(name)
        _demand("add_vhost", name)

    def add_user(self, name: str, password: str) -> None:
        self._users.append(name)
        _demand("add_user", name, password)

    def permit(self, user: str, vhost: str, configure: str, write: str, read: str) -> None:
        _demand("set_permissions", "-p", vhost, user, configure, write, read)

    def permit_topics(self, user: str, vhost: str, exchange: str, write: str, read: str) -> None:
        _demand("set_topic_permissions", "-p", vhost, user, exchange, write, read)

    @contextmanager
    def memory_alarm(self) -> Iterator[None]:
        before = _demand("eval", "vm_memory_monitor:get_vm_memory_high_watermark().").strip()
        _demand("set_vm_memory_high_watermark", "0.000001")
        try:
            yield
        finally:
            _demand("set_vm_memory_high_watermark", before)

    def remove_all(self) -> None:
        for vhost in self._vhosts:
            _demand("delete_vhost", vhost)
        for user in self._users:
            _demand("delete_user", user)


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["rabbitmqctl", "--quiet", *words], capture_output=True, text=True, timeout=30)


def _demand(*words: str) -> str:
    done = _run(*words)
    assert done.returncode == 0, f"rabbitmqctl {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout
