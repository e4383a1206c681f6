"""Closing a broker to its clients and opening it again, what it may take, and its end."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import paho.mqtt.client as mqtt
import pika
import pika.exceptions
import pytest
from pika import BasicProperties
from tests.cli.conftest import Start
from tests.cli.ctl.conftest import DEADLINE_SECONDS, Ctl, Said, call, channel, ended, eventually, to

import menura

PERSISTENT = BasicProperties(delivery_mode=2)


@pytest.fixture(params=["in memory", "on a disk"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> menura.Broker:
    """A broker with a data directory, and one without."""
    data = str(tmp_path / "data") if request.param == "on a disk" else ":memory:"
    return menura.Broker(listen=["amqp://127.0.0.1:0", "mqtt://127.0.0.1:0", "http://127.0.0.1:0"], data=data)


def refused(broker: menura.Broker) -> bool:
    try:
        with channel(broker):
            return False
    except pika.exceptions.AMQPConnectionError:
        return True


def test_a_stopped_node_keeps_what_is_durable_and_nothing_else(either: menura.Broker) -> None:
    with either as broker:
        ctl = to(broker.url("http").rstrip("/"))
        with channel(broker) as ch:
            ch.confirm_delivery()
            ch.exchange_declare("durable", "topic", durable=True)
            ch.exchange_declare("transient", "topic")
            ch.queue_declare("durable", durable=True)
            ch.queue_declare("transient")
            ch.queue_bind("durable", "durable", "k")
            ch.queue_bind("durable", "transient", "k")
            for number in range(6):
                properties = PERSISTENT if number % 3 else BasicProperties()
                ch.basic_publish("durable", "k", b"%d" % number, properties)
            ch.basic_publish("", "transient", b"gone", PERSISTENT)
            with ThreadPoolExecutor(1) as beside:
                stopping = beside.submit(ctl, "stop_app", "-q")
                assert "CONNECTION_FORCED" in ended(ch)
                assert stopping.result() == Said(0, "", "")
        assert refused(broker)
        stopped = ctl("check_running", "-q")
        assert (stopped.status, "is not running" in stopped.err) == (69, True)
        assert ctl("start_app", "-q") == Said(0, "", "")
        assert ctl("check_running").status == 0
        assert ctl("list_queues", "name", "messages", "-s").lines == ["durable\t4"]
        with channel(broker) as ch:
            assert [ch.basic_get("durable", auto_ack=True)[2] for _ in range(5)] == [b"1", b"2", b"4", b"5", None]
            ch.basic_publish("durable", "k", b"routed", PERSISTENT)
            eventually(lambda: ch.basic_get("durable", auto_ack=True)[2] == b"routed")
        assert "transient" not in ctl("list_exchanges", "-s").out


def test_what_was_kept_over_a_stop_is_on_the_disk_too(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with menura.Broker(listen=["amqp://127.0.0.1:0", "http://127.0.0.1:0"], data=data) as broker:
        ctl = to(broker.url("http").rstrip("/"))
        with channel(broker) as ch:
            ch.confirm_delivery()
            ch.queue_declare("q", durable=True)
            ch.basic_publish("", "q", b"transient")
            ch.basic_publish("", "q", b"kept", PERSISTENT)
        assert ctl("stop_app").status == 0
        assert ctl("start_app").status == 0
        with channel(broker) as ch:
            ch.confirm_delivery()
            ch.basic_publish("", "q", b"later", PERSISTENT)
    with menura.Broker(data=data) as again, channel(again) as ch:
        assert [ch.basic_get("q", auto_ack=True)[2] for _ in range(3)] == [b"kept", b"later", None]


def test_a_session_of_mqtt_goes_on_after_a_stop(either: menura.Broker) -> None:
    with either as broker:
        ctl = to(broker.url("http").rstrip("/"))
        port = next(listener.port for listener in broker.listeners if listener.address.scheme == "mqtt")
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "who", clean_session=False)
        got: SimpleQueue[bytes] = SimpleQueue()
        ready, away = Event(), Event()
        client.on_message = lambda _client, _data, message: got.put(message.payload)
        client.on_subscribe = lambda *_: ready.set()
        client.on_disconnect = lambda *_: away.set()
        client.connect("127.0.0.1", port)
        client.loop_start()
        try:
            client.subscribe([("qos/1", 1), ("qos/0", 0)])
            assert ready.wait(DEADLINE_SECONDS)
            assert ctl("stop_app").status == 0
            assert away.wait(DEADLINE_SECONDS)
            assert ctl("start_app").status == 0
            with channel(broker) as ch:
                ch.confirm_delivery()
                ch.basic_publish("amq.topic", "qos.1", b"one", PERSISTENT)
            assert got.get(timeout=DEADLINE_SECONDS) == b"one"
            eventually(
                lambda: ctl("publish", "exchange=amq.topic", "routing_key=qos.0", "payload=0") and not got.empty()
            )
        finally:
            client.disconnect()
            client.loop_stop()


def test_stopping_and_starting_twice_is_as_once(broker: menura.Broker, ctl: Ctl) -> None:
    for _ in range(2):
        assert [ctl("stop_app").status for _ in range(2)] == [0, 0]
        assert refused(broker)
        assert [ctl("start_app").status for _ in range(2)] == [0, 0]
        with channel(broker) as ch:
            ch.queue_declare("q")


def test_a_broker_that_is_stopped_ends_well() -> None:
    with menura.Broker(listen=["amqp://127.0.0.1:0", "http://127.0.0.1:0"]) as broker:
        assert to(broker.url("http").rstrip("/"))("stop_app").status == 0


def test_suspended_listeners_take_no_new_clients_and_keep_those_there(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker) as ch:
        assert ctl("suspend_listeners").status == 0
        assert refused(broker)
        ch.queue_declare("still-here")
        assert ctl("check_port_listener", str(broker.amqp_port)).status == 69
        assert ctl("check_protocol_listener", "amqp").status == 69
        assert ctl("resume_listeners").status == 0
        assert ctl("check_port_listener", str(broker.amqp_port)).status == 0
        ch.queue_delete("still-here")
    assert not refused(broker)


def test_a_port_that_was_taken_meanwhile_is_told(broker: menura.Broker, ctl: Ctl) -> None:
    port = broker.amqp_port
    assert ctl("suspend_listeners").status == 0
    with menura.Broker(listen=[f"amqp://127.0.0.1:{port}"]):
        said = ctl("resume_listeners")
        assert said.status == 69
        assert "in use" in said.err
    assert ctl("resume_listeners").status == 0
    assert not refused(broker)


def test_a_reset_forgets_everything_but_only_of_a_stopped_node(broker: menura.Broker, ctl: Ctl) -> None:
    ctl("add_vhost", "v")
    ctl("add_user", "ann", "pw")
    ctl("set_policy", "p", "x", '{"max-length":1}')
    ctl("set_global_parameter", "mine", "1")
    ctl("declare", "queue", "name=q")
    said = ctl("reset")
    assert said.status == 69
    assert "stop_app" in said.err
    assert ctl("list_queues", "-s").out
    ctl("stop_app")
    assert ctl("reset").status == 0
    ctl("start_app")
    assert [ctl(verb, "-s").out for verb in ("list_queues", "list_policies")] == ["", ""]
    assert ctl("list_vhosts", "-s").lines == ["/"]
    assert ctl("list_users", "-s").lines == ["guest\t[administrator]"]
    with channel(broker) as ch:
        ch.queue_declare("anew")


# -- how much it may take --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        (("absolute", "1000"), 1000),
        (("absolute", "2MiB"), 2 << 20),
        (("absolute", "3MB"), 3_000_000),
        (("absolute", "1G"), 1 << 30),
    ],
)
def test_the_watermark_of_memory_is_set(broker: menura.Broker, ctl: Ctl, words: tuple[str, ...], amount: int) -> None:
    assert ctl("set_vm_memory_high_watermark", *words).status == 0
    assert broker.node.memory.watermark_bytes == amount


def test_a_fraction_is_of_all_memory(broker: menura.Broker, ctl: Ctl) -> None:
    ctl("set_vm_memory_high_watermark", "0.5")
    half = broker.node.memory.watermark_bytes
    ctl("set_vm_memory_high_watermark", "0.25")
    assert abs(broker.node.memory.watermark_bytes * 2 - half) <= 2


def test_almost_no_memory_blocks_publishers_at_once(broker: menura.Broker, ctl: Ctl) -> None:
    assert ctl("set_vm_memory_high_watermark", "0.000001").status == 0
    assert broker.node.alarms.short == {"memory": None}
    said = ctl("check_alarms")
    assert (said.status, "Memory alarm" in said.err) == (69, True)
    assert "Memory alarm" in ctl("status").out
    assert ctl("set_vm_memory_high_watermark", "0.4").status == 0
    assert not broker.node.alarms.short
    assert ctl("check_alarms").status == 0


@pytest.mark.parametrize("words", [("nonsense",), ("absolute", "1XB"), ("-1",), ("absolute", "-1")])
def test_what_is_no_amount_is_told_with_65(broker: menura.Broker, ctl: Ctl, words: tuple[str, ...]) -> None:
    before = broker.node.memory.watermark_bytes
    assert ctl("set_vm_memory_high_watermark", *words).status == 65
    assert broker.node.memory.watermark_bytes == before


def test_the_limit_of_free_disk_space_is_set(tmp_path: Path) -> None:
    with menura.Broker(listen=[], data=str(tmp_path / "data")) as broker:
        data = f"--data={tmp_path / 'data'}"
        assert call("set_disk_free_limit", data, "2GB").status == 0
        assert broker.storage is not None
        assert broker.storage.disk_free_bytes_min == 2_000_000_000
        assert call("set_disk_free_limit", data, "mem_relative", "1000000").status == 65
        assert call("set_disk_free_limit", data, "mem_relative", "999").status == 0
        eventually(lambda: "disk" in broker.node.alarms.short)
        assert call("set_disk_free_limit", data, "1").status == 0
        eventually(lambda: "disk" not in broker.node.alarms.short)


def test_the_cluster_has_a_name(ctl: Ctl) -> None:
    assert ctl("set_cluster_name", "my cluster").status == 0
    assert "Cluster name: my cluster" in ctl("cluster_status").out


def test_a_level_of_logging_that_there_is_not(ctl: Ctl) -> None:
    said = ctl("set_log_level", "loud")
    assert (said.status, said.err.startswith("Error:\nlevel loud is not supported. Try one of debug, info,")) == (
        69,
        True,
    )


# -- looking, and the end ----------------------------------------------------------------------------------------------


def test_the_status_is_for_people_and_for_programs(ctl: Ctl) -> None:
    said = ctl("status")
    assert said.lines[0] == "Status of node menura@localhost ..."
    assert "(none)" in said.lines
    value = json.loads(ctl("status", "--formatter", "json").out)
    assert value["state"] == "running"
    assert [each["protocol"] for each in value["listeners"]] == ["amqp", "http"]
    assert "rabbitmq_management" in value["active_plugins"]
    cluster = json.loads(ctl("cluster_status", "--formatter", "json").out)
    assert cluster["running_nodes"] == cluster["disk_nodes"] == ["menura@localhost"]


def test_a_report_has_it_all(ctl: Ctl) -> None:
    ctl("declare", "queue", "name=reported")
    said = ctl("report")
    assert said.status == 0
    for part in ("Status of node", "Listing queues for vhost /", "reported", "Listing permissions"):
        assert part in said.out


def test_one_node_is_waited_for_and_more_are_refused(ctl: Ctl) -> None:
    assert ctl("await_startup").status == 0
    assert ctl("await_online_nodes", "1").status == 0
    said = ctl("await_online_nodes", "2")
    assert (said.status, "one node" in said.err) == (64, True)
    assert ctl("ping").lines[-1] == "Ping succeeded"


def test_a_wait_in_vain_ends_with_75(tmp_path: Path) -> None:
    said = call("wait", str(tmp_path / "pid"), "--timeout", "0.1", f"--data={tmp_path}")
    assert said.status == 75
    assert "timed out" in said.err


@pytest.mark.parametrize("verb", ["shutdown", "stop"])
def test_a_broker_is_ended_and_waited_for(start: Start, tmp_path: Path, verb: str) -> None:
    data = tmp_path / "data"
    process = start("--listen", "amqp://127.0.0.1:0", "--data", str(data))
    process.screen()
    file = tmp_path / "pid"
    file.write_text(str(process.process.pid))
    assert call("wait", str(file), f"--data={data}").status == 0
    assert call(verb, f"--data={data}").status == 0
    status, out, err = process.end()
    assert (status, "Traceback" in err) == (0, False)
    assert out.endswith("stopping\n")


def test_verbs_of_clusters_say_that_there_is_none(ctl: Ctl) -> None:
    said = ctl("join_cluster", "rabbit@elsewhere")
    assert (said.status, said.err) == (
        64,
        "Error:\njoin_cluster is not supported: Menura is one node, without a cluster.\n",
    )
    assert ctl("encode", "x", "y").status == 64
