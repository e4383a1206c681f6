"""Queues and connections: emptied, deleted, closed."""

from __future__ import annotations

from pika import BasicProperties
from tests.cli.ctl.conftest import Ctl, channel, ended, eventually

import menura


def test_a_queue_is_purged_and_deleted(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker) as ch:
        ch.queue_declare("q")
        ch.basic_publish("", "q", b"1")
        ch.basic_publish("", "q", b"2", BasicProperties(delivery_mode=2))
        eventually(lambda: ctl("list_queues", "-s").lines == ["q\t2"])
        assert ctl("purge_queue", "q").lines == ["Purging queue 'q' in vhost '/' ..."]
        assert ctl("list_queues", "-s").lines == ["q\t0"]
        ch.basic_publish("", "q", b"3")
        eventually(lambda: ctl("list_queues", "-s").lines == ["q\t1"])
        assert ctl("delete_queue", "q").lines[-1] == "Queue was successfully deleted with 1 ready messages"
    assert ctl("list_queues", "-s").out == ""


def test_a_queue_is_deleted_only_if_it_is_as_was_said(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker) as ch:
        ch.queue_declare("q")
        ch.basic_consume("q", lambda *_: None, auto_ack=False)
        ch.basic_publish("", "q", b"1")
        eventually(lambda: ctl("list_queues", "-s", "messages", "consumers").lines == ["1\t1"])
        used = ctl("delete_queue", "q", "--if-unused")
        assert (used.status, used.err) == (64, "Error:\nQueue is in use\n")
        full = ctl("delete_queue", "q", "-e")
        assert (full.status, full.err) == (64, "Error:\nQueue is not empty\n")


def test_a_queue_that_there_is_not(ctl: Ctl) -> None:
    assert ctl("delete_queue", "q").status == 64
    assert ctl("delete_queue", "q").err == "Error:\nQueue not found\n"
    said = ctl("purge_queue", "q")
    assert (said.status, said.err) == (69, "Error:\nnot_found\n")


def by_pid(ctl: Ctl, name: str) -> str:
    rows = eventually(
        lambda: [row for row in ctl("list_connections", "-s", "pid", "client_properties").rows if name in row[1]]
    )
    return str(rows[0][0])


def test_a_connection_is_closed_by_its_pid_with_a_reason(broker: menura.Broker, ctl: Ctl) -> None:
    with channel(broker, "stays") as other, channel(broker, "goes") as ch:
        assert ctl("close_connection", by_pid(ctl, "goes"), "go away now").status == 0
        assert "go away now" in ended(ch)
        other.queue_declare("still-here")


def test_connections_of_a_virtual_host_or_a_user_are_closed(broker: menura.Broker, ctl: Ctl) -> None:
    ctl("add_vhost", "v")
    ctl("set_permissions", "-p", "v", "guest", ".*", ".*", ".*")
    with channel(broker, "elsewhere") as other, channel(broker, "here", "v") as ch:
        by_pid(ctl, "here")
        assert ctl("close_all_connections", "-p", "v", "bye").lines[-1] == "Closed 1 connections"
        assert "bye" in ended(ch)
        assert ctl("close_all_user_connections", "nobody", "bye").status == 0
        other.queue_declare("still-here")
        assert ctl("close_all_user_connections", "guest", "all of them").status == 0
        assert "all of them" in ended(other)


def test_what_is_no_connection_is_told(ctl: Ctl) -> None:
    assert ctl("close_connection", "nonsense", "why").status == 69
    assert ctl("close_connection", "<menura@localhost.1.1.1>", "why").status == 0
