"""The request that a WebSocket begins with, against a listener: the clauses are those of RFC 6455."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.net.websocket_peer import ACCEPT, BINARY, KEY, PING, Answer, Frame, WebSocketPeer, frame, request
from tests.protocols.mqtt.peer import connect

from menura import Broker
from menura.net import upgrade
from menura.net.origins import is_welcome

MQTT = {"Sec_WebSocket_Protocol": "mqtt"}


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker(listen=["mqtt+ws://127.0.0.1:0", "stomp+ws://127.0.0.1:0/a/place"]) as broker:
        yield broker


@pytest.fixture
def peer(broker: Broker) -> Iterator[WebSocketPeer]:
    with WebSocketPeer(broker, "mqtt+ws") as peer:
        yield peer


def ask(broker: Broker, octets: bytes, scheme: str = "mqtt+ws") -> Answer:
    """What comes of a request; where that is not a WebSocket, the connection ends."""
    with WebSocketPeer(broker, scheme) as peer:
        peer.send(octets)
        answer = peer.answer()
        assert answer.status == 101 or peer.ended()
        return answer


def test_the_handshake_of_section_1_3(broker: Broker) -> None:
    status, headers, _ = ask(broker, request(**MQTT))
    assert status == 101
    assert headers.pop("date")
    assert headers == {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": ACCEPT,
        "sec-websocket-protocol": "mqtt",
    }


def test_a_request_may_come_octet_by_octet(peer: WebSocketPeer) -> None:
    for octet in request(**MQTT):
        peer.send(bytes((octet,)))
    assert peer.answer().status == 101


def test_frames_may_come_right_behind_the_request(peer: WebSocketPeer) -> None:
    packet = frame(BINARY, connect())
    peer.send(request(**MQTT) + packet[:10])
    assert peer.answer().status == 101
    peer.send(packet[10:] + frame(PING, b"there?"))
    assert peer.next() == Frame(10, b"there?")
    assert peer.next().payload[0] == 0x20


@pytest.mark.parametrize(
    ("line", "scheme"),
    [
        ("GET /ws/ HTTP/1.1", "mqtt+ws"),
        ("GET /ws?token=1 HTTP/1.1", "mqtt+ws"),
        ("GET /a/place HTTP/1.1", "stomp+ws"),
    ],
)
def test_the_path_is_that_of_the_listener(broker: Broker, line: str, scheme: str) -> None:
    assert ask(broker, request(line, **MQTT), scheme).status == 101


@pytest.mark.parametrize(
    ("line", "scheme", "place"),
    [
        ("GET / HTTP/1.1", "mqtt+ws", "/ws"),
        ("GET /mqtt HTTP/1.1", "mqtt+ws", "/ws"),
        ("GET /ws/x HTTP/1.1", "mqtt+ws", "/ws"),
        ("GET /WS HTTP/1.1", "mqtt+ws", "/ws"),
        ("GET /ws HTTP/1.1", "stomp+ws", "/a/place"),
    ],
)
def test_another_path_is_404_and_says_where_it_is(broker: Broker, line: str, scheme: str, place: str) -> None:
    status, _, body = ask(broker, request(line, **MQTT), scheme)
    assert (status, body) == (404, f"Failed to open a WebSocket connection: the WebSocket is at {place}.\n".encode())


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("chat, mqtt", "mqtt"), ("mqttv3.1, mqtt", "mqtt")],
)
def test_of_the_subprotocols_offered_mqtt_takes_its_own(broker: Broker, offered: str, chosen: str) -> None:
    status, headers, _ = ask(broker, request(Sec_WebSocket_Protocol=offered))
    assert (status, headers["sec-websocket-protocol"]) == (101, chosen)


@pytest.mark.parametrize("offered", [None, "chat", "MQTT", "v12.stomp", "chat, superchat"])
def test_mqtt_6_0_0_3_a_client_must_offer_mqtt(broker: Broker, offered: str | None) -> None:
    status, _, body = ask(broker, request(Sec_WebSocket_Protocol=offered))
    assert status == 400
    assert b"subprotocol must be mqtt or mqttv3.1" in body


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("v12.stomp", "v12.stomp"),
        ("v10.stomp, v11.stomp", "v11.stomp"),
        ("v10.stomp,v11.stomp,v12.stomp", "v12.stomp"),
        (None, None),
        ("chat", None),
    ],
)
def test_stomp_takes_the_highest_version_or_none(broker: Broker, offered: str | None, chosen: str | None) -> None:
    line = "GET /a/place HTTP/1.1"
    status, headers, _ = ask(broker, request(line, Sec_WebSocket_Protocol=offered), "stomp+ws")
    assert (status, headers.get("sec-websocket-protocol")) == (101, chosen)


def test_extensions_are_declined(broker: Broker) -> None:
    answer = ask(broker, request(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits", **MQTT))
    assert answer.status == 101
    assert "sec-websocket-extensions" not in answer.headers


@pytest.mark.parametrize(
    "origin", [None, "http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443", "http://127.8.7.6:1"]
)
def test_programs_and_pages_of_this_machine_may_connect(broker: Broker, origin: str | None) -> None:
    assert ask(broker, request(Origin=origin, Host="the.host:99", **MQTT)).status == 101


def test_a_page_whose_name_leads_to_this_machine_may_not_connect(broker: Broker) -> None:
    """The browser asks for the page's own host, and the name's owner has it mean 127.0.0.1."""
    assert ask(broker, request(Origin="http://the.host:99", Host="the.host:99", **MQTT)).status == 403


@pytest.mark.parametrize(
    ("origin", "host", "welcome"),
    [
        ("https://the.host:1", "the.host:99", True),
        ("https://THE.host", "the.HOST", True),
        ("https://192.0.2.1", "192.0.2.1:15675", True),
        ("https://[2001:db8::1]", "[2001:db8::1]:15675", True),
        ("https://another.host", "the.host", False),
        ("https://the.host", "", False),
        ("https://the.host", "[", False),
    ],
)
def test_to_clients_of_other_machines_pages_of_our_own_host_are_welcome(origin: str, host: str, welcome: bool) -> None:
    assert is_welcome(origin, host, ()) is welcome


@pytest.mark.parametrize("origin", ["https://anywhere.example", "null", "", "http://[", "http://localhost.evil"])
def test_pages_from_elsewhere_may_not_connect(broker: Broker, origin: str) -> None:
    answer = ask(broker, request(Origin=origin, Host="localhost", **MQTT))
    assert answer.status == 403
    assert f"add ?origin={origin} to the listener".encode() in answer.body


@pytest.mark.parametrize(("setting", "status"), [("https://a.example,https://b.example", 101), ("*", 101), ("x", 403)])
def test_a_listener_may_name_pages_that_are_welcome(setting: str, status: int) -> None:
    with Broker(listen=[f"mqtt+ws://127.0.0.1:0?origin={setting}"]) as broker:
        assert ask(broker, request("GET /ws HTTP/1.1", Origin="https://b.example", **MQTT)).status == status


@pytest.mark.parametrize(("own", "status"), [("", 101), ("?origin=https://other.example", 403)])
def test_a_setting_names_pages_for_all_listeners_that_name_none(own: str, status: int) -> None:
    with Broker(listen=[f"mqtt+ws://127.0.0.1:0{own}"], origins=("https://one.example",)) as broker:
        assert ask(broker, request("GET /ws HTTP/1.1", Origin="https://one.example", **MQTT)).status == status


REFUSED = [
    pytest.param(426, b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", "a WebSocket client", id="4.2.1 a browser's GET"),
    pytest.param(426, request(Upgrade=None, **MQTT), "Upgrade", id="4.2.1 without Upgrade"),
    pytest.param(426, request(Upgrade="h2c", **MQTT), "Upgrade", id="4.2.1 upgrade to something else"),
    pytest.param(426, request(Connection="keep-alive", **MQTT), "Connection", id="4.2.1 Connection without Upgrade"),
    pytest.param(405, request("POST /ws HTTP/1.1", **MQTT), "POST", id="4.2.1 not GET"),
    pytest.param(505, request("GET /ws HTTP/1.0", **MQTT), "HTTP/1.0", id="4.2.1 HTTP/1.0"),
    pytest.param(400, request(Sec_WebSocket_Key=None, **MQTT), "Key", id="4.2.1 without a key"),
    pytest.param(400, request(Sec_WebSocket_Key="short", **MQTT), "Key", id="4.2.1 key that is not base64"),
    pytest.param(
        400,
        request(Sec_WebSocket_Key=base64.b64encode(b"x" * 15).decode(), **MQTT),
        "Key",
        id="4.2.1 key of 15 octets",
    ),
    pytest.param(400, request(Sec_WebSocket_Version=None, **MQTT), "Version", id="4.2.1 without a version"),
    pytest.param(400, request(Sec_WebSocket_Version="8", **MQTT), "Version", id="4.4 version 8"),
    pytest.param(400, connect(), "not an HTTP request", id="an MQTT packet instead"),
    pytest.param(400, b"\x16\x03\x01\x02\x00", "not an HTTP request", id="a TLS handshake instead"),
    pytest.param(400, b"CONNECT\naccept-version:1.2\r\n\r\n", "not a valid HTTP request", id="a STOMP frame instead"),
    pytest.param(400, b"GET /ws\r\n\r\n", "not a valid HTTP request", id="HTTP/0.9"),
    pytest.param(400, request("GET /w\xff HTTP/1.1", **MQTT), "not a valid HTTP request", id="a path not in ASCII"),
    pytest.param(400, request(X="a\r\n b", **MQTT), "not a valid HTTP request", id="a folded header"),
    pytest.param(400, request(Content_Length="5", **MQTT), "not a valid HTTP request", id="a body"),
    pytest.param(400, request(Host="a\r\nHost: b", **MQTT), "Host or Origin more than once", id="two hosts"),
    pytest.param(
        400,
        request(Origin="http://localhost\r\nOrigin: http://b", **MQTT),
        "Host or Origin more than once",
        id="two origins",
    ),
    pytest.param(414, request("GET /" + "x" * 9000 + " HTTP/1.1", **MQTT), "", id="a path of 9,000 octets"),
    pytest.param(431, request(X="x" * 9000, **MQTT), "", id="a header of 9,000 octets"),
    pytest.param(431, request(**{f"X{at}": "x" for at in range(150)}, **MQTT), "", id="150 headers"),
    pytest.param(431, b"GET /ws HTTP/1.1\r\nX: " + b"x" * 17_000, "16384 octets", id="a head without an end"),
]


@pytest.mark.parametrize(("status", "octets", "text"), REFUSED)
def test_a_request_that_cannot_be_granted_is_refused_in_words(
    broker: Broker, status: int, octets: bytes, text: str
) -> None:
    answer = ask(broker, octets)
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert answer.body.endswith(b".\n") or answer.body.endswith(b"WebSocket client.\n")
    assert text in answer.body.decode()


def test_a_refused_version_or_upgrade_is_told_the_right_one(broker: Broker) -> None:
    assert ask(broker, request(Sec_WebSocket_Version="8", **MQTT)).headers["sec-websocket-version"] == "13"
    headers = ask(broker, request(Upgrade=None, **MQTT)).headers
    assert (headers["upgrade"], headers["sec-websocket-version"]) == ("websocket", "13")


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (request(Sec_WebSocket_Key=KEY[:-1], **MQTT), "400 invalid Sec-WebSocket-Key header"),
        (request("GET /elsewhere HTTP/1.1", **MQTT), "404 the WebSocket is at /ws"),
        (request(Origin="http://a.example", **MQTT), "403 pages of http://a.example may not connect"),
        (request(Origin="\x9b2J", **MQTT), "403 pages of \\xc2\\x9b2J may not connect"),
    ],
)
def test_a_refusal_is_in_the_log(broker: Broker, caplog: pytest.LogCaptureFixture, octets: bytes, line: str) -> None:
    ask(broker, octets)
    said = [record.getMessage() for record in caplog.records if record.name == "menura"]
    assert [each for each in said if f": closed: WebSocket: {line}" in each], said


@pytest.mark.parametrize("octets", [b"", b"GET /ws HTTP/1.1\r\n", request(**MQTT)[:-1]])
def test_a_request_that_does_not_end_has_a_deadline(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, octets: bytes
) -> None:
    monkeypatch.setattr(upgrade, "HANDSHAKE_SECONDS_MAX", 0.6)
    assert ask(broker, octets).status == 408


def test_a_broker_stops_amid_requests() -> None:
    with ExitStack() as closing:
        with Broker(listen=["mqtt+ws://127.0.0.1:0"]) as broker:
            silent, begun, done = (closing.enter_context(WebSocketPeer(broker, "mqtt+ws")) for _ in range(3))
            begun.send(b"GET /ws")
            done.open("mqtt")
        assert silent.ended()
        assert begun.ended()
        assert done.close_code() == 1001
