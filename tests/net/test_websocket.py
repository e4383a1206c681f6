"""Sessions behind a WebSocket: what becomes of frames, and of the end, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.net.websocket_peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    Frame,
    WebSocketPeer,
    frame,
)
from tests.protocols.mqtt.peer import Packets, connect, names, packet, payloads, publish, subscribe, will

from menura import Broker
from menura.net import websocket

LISTEN = ("mqtt+ws://127.0.0.1:0", "stomp+ws://127.0.0.1:0")
PINGREQ, DISCONNECT = packet(0xC0), packet(0xE0)
STOMP_CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0"
NORMAL = b"\x03\xe8"


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker(listen=LISTEN) as broker:
        yield broker


@pytest.fixture
def mqtt(broker: Broker) -> Iterator[WebSocketPeer]:
    """Connected, its CONNACK read."""
    with WebSocketPeer(broker, "mqtt+ws") as peer:
        peer.open("mqtt").say(connect())
        assert names(Packets().feed(binary(peer))) == ["CONNACK"]
        yield peer


@pytest.fixture
def stomp(broker: Broker) -> Iterator[WebSocketPeer]:
    """Connected, its CONNECTED read."""
    with WebSocketPeer(broker, "stomp+ws") as peer:
        peer.open("v12.stomp").say(STOMP_CONNECT, TEXT)
        assert text(peer).startswith("CONNECTED\n")
        yield peer


def binary(peer: WebSocketPeer) -> bytes:
    opcode, payload = peer.next()
    assert opcode == BINARY, (opcode, payload)
    return payload


def text(peer: WebSocketPeer) -> str:
    opcode, payload = peer.next()
    assert opcode == TEXT, (opcode, payload)
    return payload.decode()


# -- MQTT: section 6 ----------------------------------------------------------------------------------------------


def test_mqtt_6_0_0_2_a_packet_may_span_frames_and_fragments(broker: Broker) -> None:
    octets = connect("spanning")
    with WebSocketPeer(broker, "mqtt+ws") as peer:
        peer.open("mqtt")
        peer.send(frame(BINARY, octets[:1], final=False) + frame(CONTINUATION, octets[1:5], final=False))
        peer.send(frame(PING, b"amid") + frame(CONTINUATION, octets[5:9]) + frame(BINARY) + frame(BINARY, octets[9:-1]))
        assert peer.next() == Frame(PONG, b"amid")
        peer.say(octets[-1:])
        assert names(Packets().feed(binary(peer))) == ["CONNACK"]


def test_several_packets_in_a_frame_are_answered_in_one(mqtt: WebSocketPeer) -> None:
    mqtt.say(PINGREQ + subscribe(("many", 0)) + PINGREQ)
    assert names(Packets().feed(binary(mqtt))) == ["PINGRESP", "SUBACK", "PINGRESP"]


def test_what_is_written_at_once_is_one_frame(mqtt: WebSocketPeer) -> None:
    mqtt.say(subscribe(("burst", 0)) + b"".join(publish("burst", b"%d" % number) for number in range(200)))
    reader, found, frame_count = Packets(), [], 0
    while len(payloads(found)) < 200:
        found += reader.feed(binary(mqtt))
        frame_count += 1
    assert payloads(found) == [b"%d" % number for number in range(200)]
    assert frame_count <= 3
    assert reader.octets == b"", "a frame ends where a packet ends"


def test_mqtt_6_0_0_1_a_text_frame_closes_the_connection(mqtt: WebSocketPeer) -> None:
    mqtt.say(PINGREQ, TEXT)
    assert mqtt.close_code() == 1003
    assert mqtt.ended()


def test_octet_by_octet_makes_no_difference(broker: Broker) -> None:
    with WebSocketPeer(broker, "mqtt+ws") as peer:
        peer.open("mqtt")
        for octets, expected in ((connect(), "CONNACK"), (PINGREQ, "PINGRESP"), (subscribe("a"), "SUBACK")):
            for octet in frame(PING, b"x" * 3) + frame(BINARY, octets):
                peer.send(bytes((octet,)))
            assert peer.next() == Frame(PONG, b"xxx")
            assert names(Packets().feed(binary(peer))) == [expected]


def test_a_megabyte_goes_there_and_back(mqtt: WebSocketPeer) -> None:
    body = bytes(range(256)) * 4096
    mqtt.say(subscribe(("large", 0)) + publish("large", body))
    reader, found = Packets(), []
    while not payloads(found):
        found += reader.feed(binary(mqtt))
    assert payloads(found) == [body]


# -- STOMP --------------------------------------------------------------------------------------------------------


def test_each_stomp_frame_is_a_message_of_its_own(stomp: WebSocketPeer) -> None:
    stomp.say(b"SUBSCRIBE\nid:1\ndestination:/queue/each\nreceipt:s\n\n\0", TEXT)
    assert text(stomp) == "RECEIPT\nreceipt-id:s\n\n\0\n"
    bodies = [b"plain", "ünï".encode(), b"", b"a\n\nb", b"content-length:9\n\n", b"\xff\x00\xfe"]
    stomp.say(
        b"".join(b"SEND\ndestination:/queue/each\ncontent-length:%d\n\n%b\0\n" % (len(body), body) for body in bodies)
    )
    for body in bodies:
        opcode, payload = stomp.next()
        assert payload.startswith(b"MESSAGE\n")
        assert payload.endswith(b"\n\n" + body + b"\0\n")
        assert opcode == (BINARY if body == b"\xff\x00\xfe" else TEXT)


def test_stomp_is_taken_from_text_and_binary_messages_alike(stomp: WebSocketPeer) -> None:
    octets = b"SEND\ndestination:/queue/alike\nreceipt:r\n\nx\0"
    stomp.send(frame(TEXT, octets[:9], final=False) + frame(CONTINUATION, octets[9:20]) + frame(BINARY, octets[20:]))
    assert text(stomp) == "RECEIPT\nreceipt-id:r\n\n\0\n"


def test_text_that_is_not_utf_8_is_1007(stomp: WebSocketPeer) -> None:
    stomp.say(b"SEND\ndestination:/queue/x\n\n\xff\0", TEXT)
    assert stomp.close_code() == 1007
    assert stomp.ended()


def test_heart_beats_are_messages_with_a_line_end(broker: Broker) -> None:
    with WebSocketPeer(broker, "stomp+ws") as peer:
        peer.open().say(STOMP_CONNECT.replace(b"host", b"heart-beat:0,1000\nhost"), TEXT)
        assert "heart-beat:" in text(peer)
        assert text(peer) == "\n"


def test_an_error_comes_before_the_close_frame(stomp: WebSocketPeer) -> None:
    stomp.say(b"NONSENSE\n\n\0", TEXT)
    assert text(stomp).startswith("ERROR\n")
    assert stomp.close_code() == 1000


# -- control frames and the end -----------------------------------------------------------------------------------


def test_a_ping_is_answered_with_its_payload(mqtt: WebSocketPeer) -> None:
    mqtt.send(frame(PING) + frame(PONG, b"unasked") + frame(PING, b"x" * 125))
    assert [mqtt.next(), mqtt.next()] == [Frame(PONG, b""), Frame(PONG, b"x" * 125)]


@pytest.mark.parametrize("payload", [NORMAL, b"\x03\xe9going", b""])
def test_a_close_is_answered_and_the_connection_ended(mqtt: WebSocketPeer, payload: bytes) -> None:
    mqtt.send(frame(BINARY, PINGREQ) + frame(CLOSE, payload) + frame(BINARY, PINGREQ))
    assert names(Packets().feed(binary(mqtt))) == ["PINGRESP"]
    assert mqtt.next() == Frame(CLOSE, payload)
    assert mqtt.ended()


@pytest.mark.parametrize(
    ("code", "octets"),
    [
        (1002, b"\x82\x01x"),
        (1002, frame(BINARY, b"x", reserved=0x40)),
        (1002, frame(CONTINUATION, b"x")),
        (1009, b"\x82\xff" + (1 << 40).to_bytes(8) + MASK),
    ],
)
def test_what_came_before_a_violation_counts(mqtt: WebSocketPeer, code: int, octets: bytes) -> None:
    mqtt.send(frame(BINARY, PINGREQ) + octets)
    assert names(Packets().feed(binary(mqtt))) == ["PINGRESP"]
    assert mqtt.close_code() == code
    assert mqtt.ended()


def test_a_finished_session_closes_and_waits_for_the_answer(mqtt: WebSocketPeer) -> None:
    mqtt.say(DISCONNECT)
    assert mqtt.close_code() == 1000
    # Nobody listens any more, but control frames are in order until the peer has closed too.
    mqtt.send(frame(BINARY, PINGREQ) + frame(PING, b"still"))
    assert mqtt.next() == Frame(PONG, b"still")
    mqtt.say(NORMAL, CLOSE)
    assert mqtt.ended()


def test_a_peer_that_does_not_answer_a_close_is_cut_off(mqtt: WebSocketPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "CLOSE_SECONDS_MAX", 0.1)
    mqtt.say(DISCONNECT)
    assert mqtt.close_code() == 1000
    assert mqtt.ended()


def test_to_close_without_a_disconnect_publishes_the_will(broker: Broker, mqtt: WebSocketPeer) -> None:
    mqtt.say(subscribe(("gone", 0)))
    assert names(Packets().feed(binary(mqtt))) == ["SUBACK"]
    with WebSocketPeer(broker, "mqtt+ws") as mortal:
        mortal.open("mqtt").say(connect(last=will("gone", b"farewell")))
        binary(mortal)
        mortal.say(NORMAL, CLOSE)
        assert mortal.close_code() == 1000
    assert payloads(Packets().feed(binary(mqtt))) == [b"farewell"]


def test_a_broker_that_stops_says_going_away() -> None:
    with ExitStack() as closing:
        with Broker(listen=LISTEN) as broker:
            mqtt = closing.enter_context(WebSocketPeer(broker, "mqtt+ws")).open("mqtt")
            stomp = closing.enter_context(WebSocketPeer(broker, "stomp+ws")).open()
            mqtt.say(connect())
            stomp.say(STOMP_CONNECT)
            assert binary(mqtt)
            assert text(stomp).startswith("CONNECTED\n")
        # The broker has waited for answers and got none.
        assert names(Packets().feed(binary(mqtt))) == ["DISCONNECT"]
        assert text(stomp).startswith("ERROR\n")
        for peer in (mqtt, stomp):
            assert peer.close_code() == 1001
            assert peer.ended()


def test_a_peer_that_does_not_read_loses_nothing(broker: Broker, stomp: WebSocketPeer) -> None:
    stomp.say(b"SUBSCRIBE\nid:1\ndestination:/queue/slow\nreceipt:s\n\n\0", TEXT)
    assert text(stomp).startswith("RECEIPT\n")
    body = b"x" * 100_000
    sending = frame(BINARY, b"SEND\ndestination:/queue/slow\ncontent-length:%d\n\n%b\0" % (len(body), body))
    with WebSocketPeer(broker, "stomp+ws") as sender:
        sender.open().say(STOMP_CONNECT)
        text(sender)
        for _ in range(200):
            sender.send(sending)
        sender.say(b"SEND\ndestination:/queue/slow\nreceipt:r\n\nlast\0")
        assert text(sender).startswith("RECEIPT\n")
    for _ in range(200):
        assert text(stomp).endswith(body.decode() + "\0\n")
    assert text(stomp).endswith("last\0\n")


def test_the_longest_frame_follows_the_longest_message() -> None:
    size = 1000 + websocket.FRAME_ROOM_BYTES
    with Broker(listen=LISTEN, message_bytes_max=1000) as broker:
        with WebSocketPeer(broker, "stomp+ws") as peer:
            peer.open().say(STOMP_CONNECT + b"\n" * (size - len(STOMP_CONNECT)))
            assert text(peer).startswith("CONNECTED\n")
            peer.send(b"\x82\xff" + (size + 1).to_bytes(8))
            assert peer.close_code() == 1009


def test_a_packet_is_judged_before_the_frame_around_it_has_come(broker: Broker) -> None:
    too_long = b"\x10\xff\xff\xff\x7f"  # CONNECT with 268,435,455 octets to come
    whole = frame(BINARY, too_long.ljust(100_000, b"x"))
    with WebSocketPeer(broker, "mqtt+ws") as peer:
        peer.open("mqtt").send(whole[:1000])
        while (last := peer.next()).opcode != CLOSE:
            pass
        assert last.payload == NORMAL
