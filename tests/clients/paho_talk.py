"""paho-mqtt's client with its callbacks turned into queues that a test can wait on."""

from __future__ import annotations

import queue
from typing import Any, Literal

from paho.mqtt.client import Client, MQTTMessage, MQTTProtocolVersion
from paho.mqtt.enums import CallbackAPIVersion

DEADLINE_SECONDS = 25.0
V3_1, V3_1_1, V5 = MQTTProtocolVersion.MQTTv31, MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5


class Paho:
    """A connected client. Each method waits for the broker's answer."""

    def __init__(
        self,
        port: int,
        client_id: str = "",
        version: MQTTProtocolVersion = V5,
        *,
        user: tuple[str, str] | None = ("guest", "guest"),
        clean: bool = True,
        properties: Any = None,
        will: dict[str, Any] | None = None,
        tls: str | None = None,
        certificate: tuple[str, str] = ("", ""),
        transport: Literal["tcp", "websockets"] = "tcp",
    ) -> None:
        sessions = {} if version == V5 else {"clean_session": clean}
        self.client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=version, transport=transport, **sessions)
        if transport == "websockets":
            self.client.ws_set_options(path="/ws")
        if user is not None:
            self.client.username_pw_set(*user)
        if will is not None:
            self.client.will_set(**will)
        if tls is not None:
            certfile, keyfile = (file or None for file in certificate)
            self.client.tls_set(ca_certs=tls, certfile=certfile, keyfile=keyfile)
        self.connacks: queue.Queue[Any] = queue.Queue()
        self.messages: queue.Queue[MQTTMessage] = queue.Queue()
        self.answers: queue.Queue[Any] = queue.Queue()
        self.ends: queue.Queue[Any] = queue.Queue()
        self.client.on_connect = lambda _, __, flags, code, found: self.connacks.put((flags, code, found))
        self.client.on_message = lambda _, __, message: self.messages.put(message)
        self.client.on_subscribe = lambda _, __, id, codes, found: self.answers.put(codes)
        self.client.on_unsubscribe = lambda _, __, id, codes, found: self.answers.put(codes)
        self.client.on_disconnect = lambda _, __, flags, code, found: self.ends.put(code)
        starts = {"clean_start": clean, "properties": properties} if version == V5 else {}
        self.client.connect("127.0.0.1", port, keepalive=30, **starts)
        self.client.loop_start()
        self.flags, self.code, self.properties = self.connacks.get(timeout=DEADLINE_SECONDS)

    def __enter__(self) -> Paho:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def break_off(self) -> None:
        """Go without a word."""
        self.client.on_disconnect = None
        connection = self.client.socket()
        self.client.loop_stop()
        assert connection is not None
        connection.close()

    def subscribe(self, filter: str, qos: int = 0, **settings: Any) -> list[Any]:
        self.client.subscribe(filter, **({"options": settings["options"]} if "options" in settings else {"qos": qos}))
        return list(self.answers.get(timeout=DEADLINE_SECONDS))

    def publish(self, topic: str, payload: bytes = b"", qos: int = 0, **settings: Any) -> None:
        self.client.publish(topic, payload, qos, **settings).wait_for_publish(DEADLINE_SECONDS)

    def message(self) -> MQTTMessage:
        return self.messages.get(timeout=DEADLINE_SECONDS)
