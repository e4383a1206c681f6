"""The broker as an object: quickly there, in a thread or in a loop, and gone without a trace."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import statistics
import threading
import time

import pytest
from tests.net.peer import DEADLINE_SECONDS, Peer
from tests.protocols.amqp.memory import Basic, Connection, Queue, method, publish, start_ok

from menura import Broker, Config
from menura.net.listener import ListenError


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")


def use(port: int) -> None:
    """A message there and back."""
    with Peer(port) as peer:
        peer.connect().call(Queue.Declare(0, "q"))
        peer.send(publish("q", b"m") + method(Basic.Get(0, "q", True)))
        assert peer.expect("Basic.GetOk").body == b"m"


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_in_a_thread_it_is_ready_when_the_block_is_entered_and_gone_when_it_is_left() -> None:
    before = threading.enumerate()
    with Broker() as broker:
        port = broker.amqp_port
        assert broker.amqp_url == f"amqp://guest:guest@127.0.0.1:{port}/"
        use(port)
    assert refuses(port)
    assert set(threading.enumerate()) <= set(before)


async def test_in_a_running_loop_too() -> None:
    before = asyncio.all_tasks()
    async with Broker() as broker:
        port = broker.amqp_port
        await asyncio.to_thread(use, port)
    assert await asyncio.to_thread(refuses, port)
    assert asyncio.all_tasks() == before


async def test_a_thread_of_its_own_beside_a_running_loop() -> None:
    with Broker() as broker:
        use(broker.amqp_port)


async def test_whoever_asks_the_work_is_done_in_the_thread_of_the_loop() -> None:
    async with Broker() as broker:
        assert await asyncio.to_thread(broker._call, threading.current_thread) is threading.current_thread()
        assert broker._call(threading.current_thread) is threading.current_thread()
    with Broker() as broker:
        assert broker._call(threading.current_thread) is broker._thread
    assert broker._call(threading.current_thread) is threading.current_thread(), "once it is stopped"


def test_it_is_ready_soon() -> None:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        with Broker():
            seconds.append(time.perf_counter() - start)
    print(f"ready after {statistics.median(seconds) * 1000:.1f} ms")
    assert statistics.median(seconds) < 2


def test_two_brokers_know_nothing_of_each_other() -> None:
    with Broker() as one, Broker() as other, Peer(one.amqp_port) as here, Peer(other.amqp_port) as there:
        here.connect().call(Queue.Declare(0, "q"))
        there.connect().send(method(Queue.Declare(0, "q", passive=True)))
        assert there.expect("Channel.Close").reply_code == 404


@linux
def test_a_hundred_brokers_leave_no_thread_and_no_descriptor() -> None:
    def one() -> None:
        with Broker() as broker, Peer(broker.amqp_port) as peer:
            peer.connect()

    one()
    gc.collect()
    # Threads and files that earlier tests have left may end meanwhile.
    files, threads = descriptors(), set(threading.enumerate())
    for _ in range(100):
        one()
    gc.collect()
    assert descriptors() <= files
    assert set(threading.enumerate()) <= threads


@linux
async def test_a_hundred_brokers_in_one_loop_leave_no_task_and_no_descriptor() -> None:
    async with Broker():
        pass
    gc.collect()
    files, tasks = descriptors(), asyncio.all_tasks()
    for _ in range(100):
        async with Broker() as broker:
            reader, writer = await asyncio.open_connection("127.0.0.1", broker.amqp_port)
            writer.write(b"AMQP\x00\x00\x09\x01")
            assert await reader.read(1) == b"\x01"
            writer.close()
            await writer.wait_closed()
    gc.collect()
    assert descriptors() <= files
    assert asyncio.all_tasks() == tasks


def test_a_listener_that_cannot_be_opened_is_an_error_and_leaves_nothing() -> None:
    threads = set(threading.enumerate())
    with Broker() as running:
        taken = f"amqp://127.0.0.1:{running.amqp_port}"
        before = descriptors() if os.path.isdir("/proc/self/fd") else 0
        with pytest.raises(ListenError, match=str(running.amqp_port)), Broker(listen=["amqp://127.0.0.1:0", taken]):
            pass
        gc.collect()
        assert not before or descriptors() <= before
        use(running.amqp_port)
    assert set(threading.enumerate()) <= threads


async def test_the_same_in_a_running_loop() -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ListenError, match="unknown scheme"):
        async with Broker(listen=["amqp://127.0.0.1:0", "lyre://127.0.0.1"]):
            pass
    assert asyncio.all_tasks() == before


def test_an_exception_in_the_block_stops_the_broker_and_comes_through() -> None:
    broker = Broker()

    def fail() -> None:
        with broker:
            ports.append(broker.amqp_port)
            raise KeyError

    ports: list[int] = []
    with pytest.raises(KeyError):
        fail()
    assert refuses(ports[0])


def test_a_broker_can_be_started_again() -> None:
    broker = Broker()
    for _ in range(3):
        with broker:
            use(broker.amqp_port)
        assert broker.listeners == []
    assert len(broker.node.memory.on_change) <= 2


def test_clients_are_told_that_the_broker_stops_and_it_waits_no_longer_than_they_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("menura.broker.STOP_SECONDS_MAX", 1000)
    broker = Broker()
    with Peer(broker.__enter__().amqp_port) as peer, Peer(broker.amqp_port) as stranger:
        peer.connect()
        stopper = threading.Thread(target=broker.__exit__, args=(None, None, None))
        stopper.start()
        close = peer.expect("Connection.Close")
        assert (close.reply_code, close.reply_text) == (
            320,
            "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
        )
        peer.send(method(Connection.CloseOk(), 0))
        assert peer.ended()
        assert stranger.ended()
        stopper.join(DEADLINE_SECONDS)
        assert not stopper.is_alive()


def test_clients_that_do_not_answer_do_not_keep_it_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("menura.broker.STOP_SECONDS_MAX", 0.1)
    broker = Broker()
    with Peer(broker.__enter__().amqp_port) as silent:
        silent.connect()
        broker.__exit__(None, None, None)
        assert silent.ended()


def test_settings_reach_the_connections() -> None:
    with Broker(channels_max=7, frame_bytes_max=8192, heartbeat_seconds=3) as broker, Peer(broker.amqp_port) as peer:
        peer.send(b"AMQP\x00\x00\x09\x01" + start_ok())
        tune = peer.expect("Connection.Tune")
        assert (tune.channel_max, tune.frame_max, tune.heartbeat) == (7, 8192, 3)


def test_a_config_can_be_given_whole() -> None:
    config = Config(listen=("amqp://127.0.0.1:0",), product="Lyre", product_version="1.2.3")
    with Broker(config) as broker, Peer(broker.amqp_port) as peer:
        peer.send(b"AMQP\x00\x00\x09\x01")
        properties = peer.expect("Connection.Start").server_properties
        assert (properties["product"], properties["version"]) == ("Lyre", "1.2.3")


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError):
        Broker(prot=1)


def test_users_hosts_and_permissions_can_be_added_while_it_runs() -> None:
    with Broker() as broker, Peer(broker.amqp_port) as peer:
        broker.add_vhost("lyre")
        broker.add_user("menura", "secret")
        broker.permit("menura", "lyre", configure="^mine")
        peer.connect(vhost="lyre", response="\0menura\0secret")
        assert peer.call(Queue.Declare(0, "mine")).queue == "mine"
        peer.send(method(Queue.Declare(0, "yours")))
        assert peer.expect("Channel.Close").reply_code == 403


def test_a_mistake_in_administration_comes_back_to_the_caller() -> None:
    with Broker() as broker:
        with pytest.raises(Exception, match="needs a name"):
            broker.add_user("", "x")
        use(broker.amqp_port)


async def test_a_defect_in_one_timer_is_logged_and_everybody_else_has_their_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Waiting:
        """Somebody who has their turn when all timers have had theirs."""

        def __init__(self) -> None:
            self.served = asyncio.Event()

        def dispatch(self) -> None:
            self.served.set()

    class Broken(Waiting):
        def dispatch(self) -> None:
            raise KeyError("dispatch")

    async with Broker() as broker:
        waiting = Waiting()
        broker.add_vhost("other")
        touched = [vhost.touched for vhost in broker.node.vhosts.values()]
        broker.node.agenda.after(0, lambda: {}.pop("timer"))
        broker.node.agenda.after(0, lambda: touched[0].append(Broken()))
        broker.node.agenda.after(0, lambda: touched[1].append(waiting))
        await asyncio.wait_for(waiting.served.wait(), 20)
    defects = [record for record in caplog.records if getattr(record, "event", "") == "defect"]
    assert [record.getMessage() for record in defects] == ["timer: defect in the broker"] * 2
    assert [str(record.exc_info[1]) for record in defects if record.exc_info] == ["'timer'", "'dispatch'"]
