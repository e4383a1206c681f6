"""Wills of sessions that are kept, over the broker's end (sections 3.1.2.5 and 3.1.3.2.2)."""

from __future__ import annotations

import pytest
from tests.protocols.mqtt.peer import DISCONNECT, V3_1_1, V5, Life, Packet, Peer, connect, payloads, subscribe, will

from menura import voices
from menura.core import content as packed
from menura.core.errors import Locked
from menura.core.routing import Route
from menura.core.run import Run
from menura.protocols.mqtt.wills import _encode
from menura.protocols.mqtt.wire import Will

NEVER = b"\x11\xff\xff\xff\xff"
DELAY = b"\x18\x00\x00\x00\x0a"


def watcher(life: Life, now: float = 100.0) -> Peer:
    """Somebody who waits for wills; the first client of a broker, mostly."""
    peer = Peer(life.node, now=now)
    peer.feed(connect("watcher", V5), subscribe(("w", 1)))
    life.flush()
    peer.take()
    return peer


def leave(life: Life, properties: bytes = DELAY, version: int = V5, session: bytes = NEVER) -> Peer:
    """A client with a will and a session that is kept."""
    peer = life.peer(
        "c",
        version,
        clean=False,
        last=will("w", b"gone", 1, False, properties),
        properties=session if version == V5 else b"",
    )
    life.flush()
    return peer


@pytest.mark.parametrize("version", [V3_1_1, V5])
def test_3_1_2_5_the_will_of_a_kept_session_is_published_after_a_crash(version: int) -> None:
    life = Life()
    life.tell(life.peer("reader", clean=False, properties=NEVER), subscribe(("w", 1)))
    leave(life, b"", version)
    for dup in (False, True):
        life = life.next()
        reader = life.peer("reader", clean=False, properties=NEVER)
        messages = [each for each in reader.early if each.name == "PUBLISH"]
        assert [(each.payload, each.dup) for each in messages] == [(b"gone", dup)]


def test_3_1_3_2_2_the_delay_goes_on_after_a_crash_from_its_beginning() -> None:
    life = Life()
    leave(life).lose()
    life.flush()
    for _ in range(2):
        life = life.next()
        reader = watcher(life)
        assert payloads(reader.tick(9.5)) == []
    assert payloads(reader.tick(2)) == [b"gone"]
    life.flush()
    life = life.next()
    assert payloads(watcher(life).tick(1000)) == []


def test_3_1_3_2_2_a_will_that_waits_when_the_broker_stops_is_published_by_the_next_one() -> None:
    life = Life()
    peer = leave(life)
    peer.session.stop()
    life.flush()
    life = life.next()
    assert payloads(watcher(life).tick(11)) == [b"gone"]


def test_3_1_3_2_2_a_client_that_is_back_in_time_after_a_crash_leaves_no_will() -> None:
    life = Life()
    leave(life)
    life = life.next()
    reader = watcher(life)
    life.peer("c", clean=False, properties=NEVER)
    assert payloads(reader.tick(1000)) == []
    life.flush()
    life = life.next()
    assert payloads(watcher(life).tick(1000)) == []


def test_3_1_3_2_2_the_end_of_the_session_ends_the_delay_after_a_crash_too() -> None:
    life = Life()
    leave(life, b"\x18\x00\x00\x27\x10", session=b"\x11\x00\x00\x00\x05").lose()
    life.flush()
    life = life.next()
    assert payloads(watcher(life).tick(6)) == [b"gone"]
    assert "mqtt-state-c" not in life.node.vhosts["/"].queues


def test_3_14_4_3_after_disconnect_there_is_no_will_in_any_life() -> None:
    life = Life()
    life.tell(leave(life), DISCONNECT)
    life = life.next()
    assert payloads(watcher(life).tick(1000)) == []


def test_4_1_a_new_connection_brings_its_own_will_or_none() -> None:
    life = Life()
    leave(life).lose()
    life.peer("c", clean=False, properties=NEVER, last=will("w", b"second", 1, False, DELAY)).lose()
    life.flush()
    life = life.next()
    assert payloads(watcher(life).tick(11)) == [b"second"]


def test_a_will_comes_back_with_all_it_had() -> None:
    life = Life()
    found = DELAY + b"\x01\x01\x03\x00\x01t\x26\x00\x01a\x00\x01b"
    life.peer("c", clean=False, properties=NEVER, last=will("w", b"", 2, False, found))
    life = life.next()
    reader = watcher(life)
    reader.feed(subscribe(("#", 2)))
    life.flush()
    reader.take()
    (message,) = [each for each in later(life, reader, 11) if each.name == "PUBLISH"]
    assert (message.topic, message.payload, message.qos) == ("w", b"", 2)
    assert dict(message.properties) == {0x01: [1], 0x03: ["t"], 0x26: [("a", "b")]}


def later(life: Life, peer: Peer, seconds: float) -> list[Packet]:
    answers = peer.tick(seconds)
    life.flush()
    return answers + peer.take()


def test_a_will_whose_user_has_lost_the_right_is_not_published_after_a_crash() -> None:
    life = Life()
    leave(life)
    life = life.next()
    reader = watcher(life)
    life.node.users.permit("guest", "/", ".*", "^$", ".*")
    assert payloads(reader.tick(11)) == []


def test_wills_that_wait_weigh_on_the_memory_account() -> None:
    life = Life()
    for number in range(10):
        last = will("w", bytes(60_000), 1, False, b"\x18\xff\xff\xff\xff")
        life.peer(f"c{number}", clean=False, properties=NEVER, last=last).lose()
    life.flush()
    assert life.node.memory.used_bytes > 600_000


@pytest.mark.parametrize("body", [b"\x03", b"\x03\x02", b"\x03\x02garbage", b"\x03\x02\x00\x00\x05guest\x00\x01\xff"])
def test_what_is_no_will_does_not_keep_a_broker_from_starting(body: bytes) -> None:
    """Whoever may publish to a session's queue of notes can put anything there."""
    life = Life()
    life.peer("c", clean=False, properties=NEVER)
    vhost = life.node.vhosts["/"]
    queue = vhost.declare_queue("mqtt-state-c", durable=True)
    content = packed.pack(b"\0\0", body)
    vhost.append(queue, Run(Route("", queue.name), [content], len(content), len(content), True))
    life.flush()
    life = life.next()
    voices.take_up(life.node)
    assert payloads(watcher(life).tick(1000)) == []
    life.flush()
    assert not life.node.vhosts["/"].queues["mqtt-state-c"].unsettled_count


def test_nobody_else_can_write_a_will_or_get_at_one() -> None:
    life = Life()
    leave(life)
    name = "mqtt-state-c"
    vhost = life.node.vhosts["/"]
    with pytest.raises(Locked):
        vhost.queue(name, owner=None)
    forged = packed.pack(b"\0\0", b"\x03" + _encode("guest", Will("w", b"forged", 1, False, {})))
    route = Route("", name)
    assert not vhost.publish(route, Run(route, [forged], len(forged), len(forged), True))
    life.flush()
    life = life.next()
    reader = watcher(life)
    assert payloads(reader.tick(20)) == [b"gone"]
    assert life.node.vhosts["/"].queues[name].ready_count == 0
