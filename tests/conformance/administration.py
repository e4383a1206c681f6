"""What tests need done to the broker under test that AMQP has no words for.

RabbitMQ is asked through `rabbitmqctl`, which must be the one of the broker under test; a broker of our own
through the object that it is.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import menura
from menura.core.errors import Refusal

Definition = Mapping[str, Any]


class Administration(Protocol):
    def add_vhost(self, name: str) -> None: ...

    def add_user(self, name: str, password: str) -> None: ...

    def permit(self, user: str, vhost: str, configure: str, write: str, read: str) -> None: ...

    def permit_topics(self, user: str, vhost: str, exchange: str, write: str, read: str) -> None: ...

    # What may be refused answers with the text of that, and with nothing if it is not.

    def set_policy(
        self, vhost: str, name: str, pattern: str, definition: Definition, priority: int = 0, apply_to: str = "all"
    ) -> str: ...

    def set_operator_policy(
        self, vhost: str, name: str, pattern: str, definition: Definition, priority: int = 0, apply_to: str = "all"
    ) -> str: ...

    def clear_policy(self, vhost: str, name: str) -> str: ...

    def clear_operator_policy(self, vhost: str, name: str) -> str: ...

    def set_parameter(self, vhost: str, component: str, name: str, value: Any) -> str: ...

    def set_vhost_limits(self, vhost: str, limits: Mapping[str, Any]) -> str: ...

    def set_user_limits(self, user: str, limits: Mapping[str, Any]) -> str: ...

    def trace_on(self, vhost: str) -> None: ...

    def trace_off(self, vhost: str) -> None: ...

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

    def set_policy(
        self, vhost: str, name: str, pattern: str, definition: Definition, priority: int = 0, apply_to: str = "all"
    ) -> str:
        return _refusal(
            lambda: self._broker.set_policy(
                name, pattern, definition, priority=priority, apply_to=apply_to, vhost=vhost
            )
        )

    def set_operator_policy(
        self, vhost: str, name: str, pattern: str, definition: Definition, priority: int = 0, apply_to: str = "all"
    ) -> str:
        return _refusal(
            lambda: self._broker.set_operator_policy(
                name, pattern, definition, priority=priority, apply_to=apply_to, vhost=vhost
            )
        )

    def clear_policy(self, vhost: str, name: str) -> str:
        return _refusal(lambda: self._broker.clear_policy(name, vhost))

    def clear_operator_policy(self, vhost: str, name: str) -> str:
        return _refusal(lambda: self._broker.clear_operator_policy(name, vhost))

    def set_parameter(self, vhost: str, component: str, name: str, value: Any) -> str:
        return _refusal(lambda: self._broker.set_parameter(component, name, value, vhost))

    def set_vhost_limits(self, vhost: str, limits: Mapping[str, Any]) -> str:
        return _refusal(lambda: self._broker.set_vhost_limits(limits, vhost))

    def set_user_limits(self, user: str, limits: Mapping[str, Any]) -> str:
        return _refusal(lambda: self._broker.set_user_limits(user, limits))

    def trace_on(self, vhost: str) -> None:
        self._broker.trace_on(vhost)

    def trace_off(self, vhost: str) -> None:
        self._broker.trace_off(vhost)

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

    def set_policy(
        self, vhost: str, name: str, pattern: str, definition: Definition, priority: int = 0, apply_to: str = "all"
    ) -> str:
        return _ask(
            "set_policy", "-p", vhost, "--priority", str(priority), "--apply-to", apply_to, name, pattern,
            json.dumps(definition),
        )  # fmt: skip

    def set_operator_policy(
        self, vhost: str, name: str, pattern: str, definition: Definition, priority: int = 0, apply_to: str = "all"
    ) -> str:
        return _ask(
            "set_operator_policy", "-p", vhost, "--priority", str(priority), "--apply-to", apply_to, name, pattern,
            json.dumps(definition),
        )  # fmt: skip

    def clear_policy(self, vhost: str, name: str) -> str:
        return _ask("clear_policy", "-p", vhost, name)

    def clear_operator_policy(self, vhost: str, name: str) -> str:
        return _ask("clear_operator_policy", "-p", vhost, name)

    def set_parameter(self, vhost: str, component: str, name: str, value: Any) -> str:
        return _ask("set_parameter", "-p", vhost, component, name, json.dumps(value))

    def set_vhost_limits(self, vhost: str, limits: Mapping[str, Any]) -> str:
        return _ask("set_vhost_limits", "-p", vhost, json.dumps(limits))

    def set_user_limits(self, user: str, limits: Mapping[str, Any]) -> str:
        return _ask("set_user_limits", user, json.dumps(limits))

    def trace_on(self, vhost: str) -> None:
        _demand("trace_on", "-p", vhost)

    def trace_off(self, vhost: str) -> None:
        _demand("trace_off", "-p", vhost)

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


def _refusal(work: Callable[[], None]) -> str:
    try:
        work()
    except Refusal as refusal:
        return str(refusal)
    return ""


def _ask(*words: str) -> str:
    """What rabbitmqctl says is wrong."""
    done = _run(*words)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).removeprefix("Error:\n").removesuffix("\n")


def _demand(*words: str) -> str:
    done = _run(*words)
    assert done.returncode == 0, f"rabbitmqctl {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout
