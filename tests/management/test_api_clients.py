"""Programs that were written for RabbitMQ's HTTP API, unchanged: pyrabbit2, Celery Flower, rabbitmqadmin."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pika
import pytest
from tests.management.conftest import RABBITMQ_PORT, http_port

import menura

ADMIN = Path("/usr/lib/rabbitmq/lib")


@pytest.fixture(scope="module")
def busy(api_broker: menura.Broker) -> Iterator[menura.Broker]:
    """A broker with something in it."""
    with pika.BlockingConnection(pika.URLParameters(api_broker.amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("orders", durable=True)
        channel.exchange_declare("shop", "topic", durable=True)
        channel.queue_bind("orders", "shop", "order.#")
        for _ in range(3):
            channel.basic_publish("shop", "order.new", b"x")
        yield api_broker


# -- pyrabbit2 ---------------------------------------------------------------------------------------------------


@pytest.fixture
def rabbit(busy: menura.Broker) -> Any:
    pyrabbit = pytest.importorskip("pyrabbit2.api")
    return pyrabbit.Client(f"127.0.0.1:{http_port(busy)}", "guest", "guest")


def test_pyrabbit2_sees_the_broker(rabbit: Any) -> None:
    assert rabbit.is_alive()
    assert rabbit.get_whoami()["name"] == "guest"
    assert rabbit.get_overview()["product_name"] == "Menura"
    assert rabbit.get_cluster_name()["name"]
    assert [node["running"] for node in rabbit.get_nodes()] == [True]
    assert len(rabbit.get_connections()) == 1
    assert len(rabbit.get_channels()) == 1


def test_pyrabbit2_manages_users_and_virtual_hosts(rabbit: Any) -> None:
    assert rabbit.create_vhost("from-pyrabbit")
    assert "from-pyrabbit" in rabbit.get_vhost_names()
    assert rabbit.create_user("ann", "secret", tags="monitoring")
    assert {user["name"]: user["tags"] for user in rabbit.get_users()}["ann"] == ["monitoring"]
    assert rabbit.set_vhost_permissions("from-pyrabbit", "ann", "^a", ".*", "")
    assert rabbit.get_user_permissions("ann") == [
        {"user": "ann", "vhost": "from-pyrabbit", "configure": "^a", "write": "", "read": ".*"}
    ]
    assert rabbit.delete_permission("from-pyrabbit", "ann")
    assert rabbit.create_policy("from-pyrabbit", "p", pattern="^a", definition={"max-length": 3}, priority=1)
    assert [policy["name"] for policy in rabbit.get_all_policies() if policy["vhost"] == "from-pyrabbit"] == ["p"]
    assert rabbit.delete_policy("from-pyrabbit", "p")
    rabbit.delete_user("ann")
    rabbit.delete_vhost("from-pyrabbit")
    assert "from-pyrabbit" not in rabbit.get_vhost_names()


def test_pyrabbit2_manages_queues_and_messages(rabbit: Any) -> None:
    assert rabbit.create_queue("/", "by-hand")
    assert rabbit.create_exchange("/", "by-hand-too", "fanout")
    assert rabbit.create_binding("/", "by-hand-too", "by-hand", "key")
    assert rabbit.publish("/", "by-hand-too", "key", "hello")
    assert rabbit.get_queue_depth("/", "by-hand") == 1
    (message,) = rabbit.get_messages("/", "by-hand")
    assert message["payload"] == "hello"
    assert rabbit.get_queue("/", "by-hand")["name"] == "by-hand"
    rabbit.purge_queue("/", "by-hand")
    assert rabbit.get_queue_depth("/", "by-hand") == 0
    rabbit.delete_exchange("/", "by-hand-too")
    rabbit.delete_queue("/", "by-hand")


def test_pyrabbit2_reads_definitions_and_permissions(rabbit: Any) -> None:
    assert "orders" in {queue["name"] for queue in rabbit.get_definitions()["queues"]}
    assert rabbit.get_permission("/", "guest")["configure"] == ".*"
    assert [found["user"] for found in rabbit.get_vhost_permissions("/")] == ["guest"]
    assert rabbit.get_vhost("/")["name"] == "/"
    assert rabbit.get_extensions() == []


# -- Celery Flower -----------------------------------------------------------------------------------------------


def test_flower_shows_the_queues_of_a_broker(busy: menura.Broker) -> None:
    flower = pytest.importorskip("flower.utils.broker")
    asked = flower.RabbitMQ(busy.amqp_url, f"http://guest:guest@127.0.0.1:{http_port(busy)}/api/")
    (queue,) = asyncio.run(asked.queues(["orders"]))
    assert (queue["name"], queue["messages"]) == ("orders", 3)


# -- rabbitmqadmin -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RabbitMQ's own program: as a running RabbitMQ hands it out, or as it is installed."""
    file = tmp_path_factory.mktemp("admin") / "rabbitmqadmin"
    with suppress(OSError):
        with urllib.request.urlopen(f"http://127.0.0.1:{RABBITMQ_PORT}/cli/rabbitmqadmin", timeout=10) as answer:
            file.write_bytes(answer.read())
            return file
    installed = sorted(ADMIN.glob("*/plugins/rabbitmq_management-*/priv/www/cli/rabbitmqadmin"))
    if not installed:
        pytest.skip("no RabbitMQ here to have its program from")
    return installed[-1]


def test_rabbitmqadmin_does_all_it_can(admin: Path, busy: menura.Broker, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-W", "ignore", str(admin), "-P", str(http_port(busy)), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    assert "Menura" in run("show", "overview") or "menura@localhost" in run("show", "overview")
    assert "orders" in run("list", "queues", "name", "messages")
    for kind in ("users", "vhosts", "connections", "exchanges", "bindings", "permissions", "channels", "consumers",
                 "parameters", "policies", "operator_policies", "vhost_limits", "nodes"):  # fmt: skip
        run("list", kind)
    run("declare", "vhost", "name=from-admin")
    run("declare", "user", "name=bob", "password=secret", "tags=management")
    run("declare", "permission", "vhost=from-admin", "user=bob", "configure=.*", "write=.*", "read=.*")
    run("-V", "from-admin", "-u", "bob", "-p", "secret", "declare", "queue", "name=jobs", "durable=true")
    run("-V", "from-admin", "declare", "exchange", "name=work", "type=direct")
    run("-V", "from-admin", "declare", "binding", "source=work", "destination=jobs", "routing_key=job")
    policy = ("name=p", "pattern=^j", 'definition={"max-length":10}', "apply-to=queues")
    run("-V", "from-admin", "declare", "policy", *policy)
    run("-V", "from-admin", "publish", "exchange=work", "routing_key=job", "payload=hello")
    assert "hello" in run("-V", "from-admin", "get", "queue=jobs", "ackmode=ack_requeue_false")
    file = tmp_path / "definitions.json"
    run("export", str(file))
    run("-V", "from-admin", "delete", "queue", "name=jobs")
    run("import", str(file))
    assert "jobs" in run("-V", "from-admin", "list", "queues")
    run("-V", "from-admin", "purge", "queue", "name=jobs")
    run("-V", "from-admin", "delete", "policy", "name=p")
    run("delete", "user", "name=bob")
    run("delete", "vhost", "name=from-admin")
