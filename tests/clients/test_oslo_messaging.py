"""oslo.messaging: RPC (call, cast, fanout) and notifications, as OpenStack's services talk to each other.

Each server runs on the library's own threads. What an endpoint saw comes back through a queue, so a test waits for it.
"""

from __future__ import annotations

import gc
import queue
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import kombu
import oslo_messaging
import pytest
from oslo_config import cfg
from oslo_messaging.rpc.dispatcher import DefaultRPCAccessPolicy

SECONDS = 30
StartServer = Callable[..., Any]

pytestmark = [
    # The library's own dependencies announce removals of theirs; nothing of that is about the broker.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(autouse=True)
def dropped_sockets_collected() -> Iterator[None]:
    """A stopped server drops its sockets without closing them: they go here, while the warning is ignored."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def conf() -> Iterator[cfg.ConfigOpts]:
    """The process-wide configuration, as services use it: parts of the library know no other."""
    cfg.CONF([])
    yield cfg.CONF
    cfg.CONF.reset()


@pytest.fixture(autouse=True)
def durable_ones_deleted(amqp_url: str, name: str) -> Iterator[None]:
    """The library leaves its topics' queues and exchanges for the next start of a service."""
    yield
    endings = [".one", ".two", ".audit", ".debug", ".info", ".warn", ".error", ".critical", ".sample", ""]
    with kombu.Connection(amqp_url) as connection:
        channel = connection.channel()
        for ending in endings:
            channel.queue_delete(name + ending)
        channel.exchange_delete(name)


@pytest.fixture
def transport(amqp_url: str, conf: cfg.ConfigOpts) -> Iterator[Any]:
    transport = oslo_messaging.get_rpc_transport(conf, url=amqp_url.replace("amqp://", "rabbit://", 1))
    yield transport
    transport.cleanup()


class SpecialError(Exception):
    """One that the caller is not allowed to build by name."""


class Endpoint:
    """Methods for clients to call, with a version of their own."""

    target = oslo_messaging.Target(version="1.3")

    def __init__(self, hostname: str, seen: queue.SimpleQueue[Any]) -> None:
        self._hostname = hostname
        self._seen = seen

    def add(self, ctxt: dict[str, Any], left: int, right: int) -> int:
        return left + right

    def who(self, ctxt: dict[str, Any]) -> str:
        return self._hostname

    def context(self, ctxt: dict[str, Any]) -> dict[str, Any]:
        return ctxt

    def remember(self, ctxt: dict[str, Any], word: str) -> None:
        self._seen.put((self._hostname, word))

    def fail(self, ctxt: dict[str, Any], reason: str) -> None:
        raise ValueError(reason)

    def fail_specially(self, ctxt: dict[str, Any], reason: str) -> None:
        raise SpecialError(reason)

    def never(self, ctxt: dict[str, Any], release: str) -> None:
        RELEASES[release].get(timeout=2 * SECONDS)


RELEASES: dict[str, queue.SimpleQueue[None]] = {}


@pytest.fixture
def seen() -> queue.SimpleQueue[Any]:
    return queue.SimpleQueue()


@pytest.fixture
def start_server(transport: Any, name: str, seen: queue.SimpleQueue[Any]) -> Iterator[StartServer]:
    running = []

    def start(hostname: str) -> Any:
        server = oslo_messaging.get_rpc_server(
            transport,
            oslo_messaging.Target(topic=name, server=hostname, exchange=name),
            [Endpoint(hostname, seen)],
            executor="threading",
            access_policy=DefaultRPCAccessPolicy,
        )
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()
    for server in running:
        server.wait()


@pytest.fixture
def client(transport: Any, name: str) -> Any:
    target = oslo_messaging.Target(topic=name, exchange=name, version="1.0")
    return oslo_messaging.get_rpc_client(transport, target, timeout=SECONDS)


def test_a_call_returns_the_servers_result(start_server: StartServer, client: Any) -> None:
    start_server("one")
    assert client.call({}, "add", left=20, right=22) == 42
    answer = client.call({"user": "me", "roles": ["a"]}, "context")
    assert (answer["user"], answer["roles"]) == ("me", ["a"])


def test_calls_to_a_topic_are_spread_and_calls_to_a_server_are_not(start_server: StartServer, client: Any) -> None:
    start_server("one")
    start_server("two")
    assert {client.call({}, "who") for _ in range(4)} == {"one", "two"}
    assert {client.prepare(server="two").call({}, "who") for _ in range(3)} == {"two"}


def test_a_cast_goes_to_one_server_without_an_answer(
    start_server: StartServer, client: Any, seen: queue.SimpleQueue[Any]
) -> None:
    start_server("one")
    start_server("two")
    assert client.prepare(server="one").cast({}, "remember", word="cast") is None
    assert seen.get(timeout=SECONDS) == ("one", "cast")


def test_a_fanout_reaches_every_server(start_server: StartServer, client: Any, seen: queue.SimpleQueue[Any]) -> None:
    hostnames = {"one", "two"}
    for hostname in hostnames:
        start_server(hostname)
    client.prepare(fanout=True).cast({}, "remember", word="all")
    assert {seen.get(timeout=SECONDS) for _ in hostnames} == {(hostname, "all") for hostname in hostnames}


def test_a_servers_exception_is_raised_at_the_caller(start_server: StartServer, client: Any) -> None:
    start_server("one")
    with pytest.raises(ValueError, match="not today"):
        client.call({}, "fail", reason="not today")
    with pytest.raises(oslo_messaging.RemoteError) as caught:
        client.call({}, "fail_specially", reason="not tomorrow")
    assert (caught.value.exc_type, caught.value.value) == ("SpecialError", "not tomorrow")


def test_an_unknown_method_is_reported(start_server: StartServer, client: Any) -> None:
    start_server("one")
    with pytest.raises(oslo_messaging.RemoteError) as caught:
        client.call({}, "nothing_of_the_kind")
    assert caught.value.exc_type == "NoSuchMethod"


def test_an_unsupported_version_is_reported(start_server: StartServer, client: Any) -> None:
    start_server("one")
    with pytest.raises(oslo_messaging.RemoteError) as caught:
        client.prepare(version="2.0").call({}, "who")
    assert caught.value.exc_type == "UnsupportedVersion"


def test_a_call_that_gets_no_answer_times_out(start_server: StartServer, client: Any, name: str) -> None:
    start_server("one")
    assert client.call({}, "who") == "one"
    RELEASES[name] = queue.SimpleQueue()
    with pytest.raises(oslo_messaging.MessagingTimeout):
        client.prepare(timeout=1).call({}, "never", release=name)
    RELEASES.pop(name).put(None)


def test_a_long_call_is_kept_alive_by_the_servers_heartbeats(start_server: StartServer, client: Any, name: str) -> None:
    start_server("one")
    RELEASES[name] = queue.SimpleQueue()
    release = threading.Timer(6, RELEASES[name].put, [None])
    release.start()
    # Without a heartbeat over the broker every two seconds, the call fails after four.
    assert client.prepare(timeout=SECONDS, call_monitor_timeout=4).call({}, "never", release=name) is None
    release.join()


def test_a_body_of_a_megabyte_goes_both_ways(start_server: StartServer, client: Any) -> None:
    start_server("one")
    text = "lyrebird " * 120_000
    assert client.call({"text": text}, "context")["text"] == text


def test_notifications_reach_the_endpoint_method_of_their_priority(amqp_url: str, name: str) -> None:
    seen: queue.SimpleQueue[Any] = queue.SimpleQueue()
    priorities = ["audit", "debug", "info", "warn", "error", "critical", "sample"]

    def handler(priority: str) -> Callable[..., None]:
        def on_notification(ctxt: Any, publisher: str, event: str, payload: Any, metadata: Any) -> None:
            seen.put((priority, publisher, event, payload))

        return on_notification

    endpoint = types.SimpleNamespace(**{priority: handler(priority) for priority in priorities})
    with notifications(amqp_url, name, [endpoint]) as notifier:
        for priority in priorities:
            getattr(notifier, priority)({"who": "me"}, "compute.start", {"id": 7, "level": priority})
        got = [seen.get(timeout=SECONDS) for _ in priorities]
    expected = [(p, "publisher.host", "compute.start", {"id": 7, "level": p}) for p in priorities]
    assert sorted(got, key=str) == sorted(expected, key=str)


def test_a_refused_notification_comes_again(amqp_url: str, name: str) -> None:
    attempts: queue.SimpleQueue[str] = queue.SimpleQueue()

    class Endpoint:
        filter_rule = oslo_messaging.NotificationFilter(event_type="^wanted$")
        answers = iter([oslo_messaging.NotificationResult.REQUEUE, oslo_messaging.NotificationResult.HANDLED])

        def info(self, ctxt: Any, publisher: str, event: str, payload: Any, metadata: Any) -> Any:
            attempts.put(payload)
            return next(self.answers)

    with notifications(amqp_url, name, [Endpoint()], allow_requeue=True) as notifier:
        notifier.info({}, "unwanted", "filtered out")
        notifier.info({}, "wanted", "tried twice")
        assert [attempts.get(timeout=SECONDS) for _ in range(2)] == ["tried twice", "tried twice"]


class notifications:  # noqa: N801  (used as a context manager, like a function)
    """A notifier of one topic whose listener feeds the endpoints."""

    def __init__(self, amqp_url: str, topic: str, endpoints: list[Any], allow_requeue: bool = False) -> None:
        url = amqp_url.replace("amqp://", "rabbit://", 1)
        self._transport = oslo_messaging.get_notification_transport(cfg.CONF, url=url)
        self._notifier = oslo_messaging.Notifier(
            self._transport, publisher_id="publisher.host", driver="messagingv2", topics=[topic]
        )
        self._listener = oslo_messaging.get_notification_listener(
            self._transport, [oslo_messaging.Target(topic=topic)], endpoints,
            executor="threading", allow_requeue=allow_requeue,
        )  # fmt: skip

    def __enter__(self) -> Any:
        self._listener.start()
        return self._notifier

    def __exit__(self, *_: object) -> None:
        self._listener.stop()
        self._listener.wait()
        self._transport.cleanup()
