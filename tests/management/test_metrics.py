"""What Prometheus reads: parsed by its own parsers, in both formats."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.core.domain import operations

import menura
from menura.core.peers import Peer
from menura.core.tallies import Tallies
from menura.management.http.messages import Request
from menura.management.metrics.endpoints import per_object
from menura.management.metrics.exposition import Page
from menura.management.metrics.groups import Scope, each_object
from menura.management.metrics.of_protocols import add_protocols
from menura.management.metrics.pages import GROUPS

PAGES = (
    "/metrics",
    "/metrics/per-object",
    "/metrics/detailed?" + "&".join(f"family={name}" for name in GROUPS),
    "/metrics/memory-breakdown",
)
ODD_NAME = 'a "queue"\\ with{much} in=it, ä'
DEADLINE_SECONDS = 20


def fetch(broker: menura.Broker, path: str, accept: str = "text/plain") -> tuple[str, str]:
    """The content type and the text; nobody logs in."""
    url = broker.url("http").replace("guest:guest@", "").rstrip("/") + path
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept})) as answer:
        return answer.headers["content-type"], answer.read().decode()


def families(broker: menura.Broker, path: str = "/metrics") -> dict[str, Any]:
    return {family.name: family for family in parse_text(fetch(broker, path)[1])}


class Values:
    """Samples by name and labels, those of both ends of a page."""

    def __init__(self, broker: menura.Broker, path: str = "/metrics") -> None:
        self.all = [sample for family in families(broker, path).values() for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        (found,) = [
            sample.value for sample in self.all if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return found


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[menura.Broker]:
    data = str(tmp_path_factory.mktemp("data"))
    with menura.Broker(listen=("amqp://127.0.0.1:0", "http://127.0.0.1:0"), data=data) as broker:
        yield broker


@pytest.fixture(scope="module")
def traffic(broker: menura.Broker) -> Iterator[pika.BlockingConnection]:
    """Thirty durable messages in a queue, of which one is unacknowledged; two more without a route."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.amqp_url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(ODD_NAME, durable=True)
    lasting = pika.BasicProperties(delivery_mode=2)
    for _ in range(30):
        channel.basic_publish("", ODD_NAME, bytes(100), lasting)
    channel.basic_publish("", "nowhere", b"")
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("", "nowhere", b"", mandatory=True)
    channel.basic_get(ODD_NAME)
    yield connection
    connection.close()


# -- format ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("accept", "begins", "parse"),
    [
        ("text/plain", "text/plain; version=0.0.4", parse_text),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text", parse_open_metrics),
    ],
)
def test_every_page_is_read_by_prometheus(
    broker: menura.Broker, traffic: Any, path: str, accept: str, begins: str, parse: Callable[[str], Any]
) -> None:
    content_type, text = fetch(broker, path, accept)
    assert content_type.startswith(begins)
    found = list(parse(text))
    assert found
    names = [family.name for family in found]
    assert sorted(names) == sorted(set(names))
    for family in found:
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram", "unknown", "info"), family.name
        samples = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(samples) == len(set(samples)), family.name


def test_names_of_any_kind_come_back_as_they_are(broker: menura.Broker, traffic: Any) -> None:
    values = Values(broker, "/metrics/per-object")
    assert values("rabbitmq_queue_messages_ready", vhost="/", queue=ODD_NAME) == 29


# -- numbers -----------------------------------------------------------------------------------------------------


def test_sums_are_of_all_queues(broker: menura.Broker, traffic: Any) -> None:
    values = Values(broker)
    assert values("rabbitmq_queue_messages_ready") == 29
    assert values("rabbitmq_queue_messages_unacked") == 1
    assert values("rabbitmq_queue_messages") == 30
    assert values("rabbitmq_queue_disk_writes_total") == 30
    assert values("rabbitmq_queues") == 1
    assert values("rabbitmq_queues_created_total") == 1
    assert values("rabbitmq_connections") == 1
    assert values("rabbitmq_channels") == 1
    assert values("rabbitmq_channel_messages_unacked") == 1
    assert values("rabbitmq_alarms_memory_used_watermark") == 0
    assert values("rabbitmq_process_resident_memory_bytes") > 1_000_000
    assert values("rabbitmq_process_open_fds") > 3


def test_what_clients_do_is_told_by_protocol(broker: menura.Broker, traffic: Any) -> None:
    values = Values(broker)
    assert values("rabbitmq_global_messages_received_total", protocol="amqp091") == 32
    assert values("rabbitmq_global_messages_received_confirm_total", protocol="amqp091") == 32
    assert values("rabbitmq_global_messages_confirmed_total", protocol="amqp091") == 32
    assert values("rabbitmq_global_messages_routed_total", protocol="amqp091") == 30
    assert values("rabbitmq_global_messages_unroutable_dropped_total", protocol="amqp091") == 1
    assert values("rabbitmq_global_messages_unroutable_returned_total", protocol="amqp091") == 1
    classic = {"protocol": "amqp091", "queue_type": "rabbit_classic_queue"}
    assert values("rabbitmq_global_messages_delivered_get_manual_ack_total", **classic) == 1
    assert values("rabbitmq_global_messages_delivered_total", **classic) == 1
    assert values("rabbitmq_global_publishers", protocol="amqp091") == 1


def test_boards_find_their_families_before_the_first_client() -> None:
    with menura.Broker(listen=("http://127.0.0.1:0",)) as broker:
        values = Values(broker)
        assert values("rabbitmq_global_messages_received_total", protocol="amqp091") == 0
        assert values("rabbitmq_identity_info", rabbitmq_endpoint="aggregated") == 1
        assert values("rabbitmq_build_info", rabbitmq_version="4.2.0", product_name="Menura") == 1
        assert values("rabbitmq_queue_messages_ready") == 0


def test_the_journal_and_confirms_are_measured(broker: menura.Broker, traffic: Any) -> None:
    values = Values(broker)
    assert values("menura_sync_enabled") == 1
    assert values("menura_journal_sync_seconds_count") >= 30
    assert values("menura_journal_appended_bytes_total") >= 30 * 100
    assert values("menura_journal_written_bytes_total") > values("menura_journal_appended_bytes_total")
    assert 1 <= values("menura_confirm_latency_seconds_count") <= 32
    assert 0 < values("menura_confirm_latency_seconds_sum") < 32 * DEADLINE_SECONDS
    assert values("menura_confirm_latency_seconds_bucket", le="+Inf") == values("menura_confirm_latency_seconds_count")
    assert values("menura_memory_held_bytes") > 30 * 100


def test_without_syncs_that_is_told(tmp_path: Any) -> None:
    with menura.Broker(listen=("http://127.0.0.1:0",), data=str(tmp_path), sync=False) as broker:
        assert Values(broker)("menura_sync_enabled") == 0


def test_the_lag_of_the_loop_is_measured(broker: menura.Broker) -> None:
    """A delay of 50 ms is seen as such."""

    def busy() -> None:
        until = time.perf_counter() + 0.15
        while time.perf_counter() < until:
            pass

    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        broker._call(busy)
        values = Values(broker)
        late = values("menura_loop_lag_seconds_count") - values("menura_loop_lag_seconds_bucket", le="0.02")
        if late >= 1:
            return
        assert time.monotonic() < deadline


def test_failed_logins_are_counted(broker: menura.Broker) -> None:
    before = Values(broker).all
    failed = [sample.value for sample in before if sample.name == "menura_login_failures_total"]
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(pika.URLParameters(broker.amqp_url.replace("guest:guest", "guest:wrong")))
    values = Values(broker)
    assert values("menura_login_failures_total", protocol="amqp091") == sum(failed) + 1
    assert values("rabbitmq_auth_attempts_failed_total", protocol="amqp091") == sum(failed) + 1


# -- what is asked for -------------------------------------------------------------------------------------------


def names(broker: menura.Broker, query: str) -> set[str]:
    return set(families(broker, f"/metrics/detailed?{query}"))


def test_the_detailed_page_has_what_was_asked_for(broker: menura.Broker, traffic: Any) -> None:
    always = {"rabbitmq_build_info", "rabbitmq_identity_info"}
    assert names(broker, "") == always
    assert names(broker, "family=nonsense") == always
    assert names(broker, "family=queue_consumer_count&family=vhost_status") == always | {
        "rabbitmq_detailed_queue_consumers",
        "rabbitmq_detailed_queue_info",
        "rabbitmq_cluster_vhost_status",
    }


def queue_names(broker: menura.Broker, query: str) -> set[str]:
    found = families(broker, f"/metrics/detailed?family=queue_coarse_metrics&{query}")
    return {sample.labels["queue"] for sample in found["rabbitmq_detailed_queue_messages"].samples}


def test_the_detailed_page_is_of_the_queues_that_were_asked_for() -> None:
    with menura.Broker(listen=("http://127.0.0.1:0",)) as broker:

        def declare() -> None:
            other = broker.node.add_vhost("other")
            for vhost in (broker.node.vhosts["/"], other):
                for name in ("orders.eu", "orders.us", "mail"):
                    vhost.declare_queue(f"{name}.{len(vhost.name)}")

        broker._call(declare)
        assert len(queue_names(broker, "")) == 6
        assert queue_names(broker, "vhost=other") == {"orders.eu.5", "orders.us.5", "mail.5"}
        assert queue_names(broker, "vhost=other&vhost=%2F&queue=^mail") == {"mail.5", "mail.1"}
        assert queue_names(broker, "vhost=nowhere") == set()


@pytest.mark.parametrize("query", ["queue=(", "queue=a&queue=b"])
def test_a_filter_that_makes_no_sense_is_refused(broker: menura.Broker, query: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        fetch(broker, f"/metrics/detailed?family=queue_metrics&{query}")
    with raised.value as answer:
        assert answer.code == 400
        assert b"bad_request" in answer.read()


def test_who_has_logged_in_is_told_on_this_machine_only(broker: menura.Broker, traffic: Any) -> None:
    def sources(peer: Peer) -> bool:
        request = Request("GET", "/metrics/per-object", {}, peer)
        request.backend = broker
        work = per_object(request)
        while True:
            try:
                next(work)
            except StopIteration as end:
                return b'username="guest"' in end.value.body

    assert broker._call(lambda: sources(Peer("127.0.0.1:1")))
    assert not broker._call(lambda: sources(Peer("192.0.2.1:1", loopback=False)))


# -- cost --------------------------------------------------------------------------------------------------------


def test_a_page_of_many_queues_is_made_in_small_steps() -> None:
    def most(queues: int) -> int:
        broker = menura.Broker(listen=())
        for number in range(queues):
            broker.node.vhosts["/"].declare_queue(f"q{number}")
        request = Request("GET", "/metrics/per-object", {}, Peer())
        page, found, ended = Page(request), 0, False
        work = each_object(page, Scope(broker, True), GROUPS["queue_metrics"][0], "rabbitmq_")

        def step() -> None:
            nonlocal ended
            ended = next(work, "end") == "end"

        while not ended:
            found = max(found, operations(step))
        return found

    assert most(1000) <= most(100) * 1.2


def test_sums_do_not_fall_when_a_channel_is_closed_meanwhile() -> None:
    """Whenever it is closed: before it has been looked at, or behind that."""
    lengths = set()
    for closed_at in range(200):
        broker = menura.Broker(listen=())
        vhost = broker.node.vhosts["/"]
        channels = [Tallies(vhost.register, "AMQP 0-9-1") for _ in range(50)]
        for tallies in channels:
            tallies.to(vhost.exchanges[""]).publish += 10
        page = Page(Request("GET", "/metrics", {}, Peer()))
        steps = 0
        for steps, _ in enumerate(add_protocols(page, broker.node, {})):
            if steps == closed_at:
                for tallies in channels[::2]:
                    tallies.close()
        text = page.response().body.decode()
        assert 'rabbitmq_global_messages_received_total{protocol="amqp091"} 500\n' in text
        lengths.add(steps)
        if closed_at > steps:
            break
    assert max(lengths) < 200
