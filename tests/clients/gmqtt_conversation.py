"""Scenarios with gmqtt against the broker at MQTT_PORT; prints what came of each as one line of JSON.

A program of its own, since gmqtt lives in a directory of its own (see test_gmqtt.py).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import Any

import gmqtt

NAME = os.environ["NAME"]
SECONDS_MAX = 20.0


class Peer:
    """A connected client whose callbacks fill queues."""

    def __init__(self, client_id: str, clean: bool = True, will: gmqtt.Message | None = None, **properties: Any):
        self.client = gmqtt.Client(client_id, clean_session=clean, will_message=will, **properties)
        self.client.set_auth_credentials("guest", "guest")
        self.client.set_config({"reconnect_retries": 0})
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.ends: asyncio.Queue[Any] = asyncio.Queue()
        self.client.on_message = self._take
        self.client.on_connect = lambda client, flags, code, properties: setattr(self, "present", bool(flags & 1))
        self.client.on_subscribe = lambda client, id, codes, properties: self.answers.put_nowait(list(codes))
        self.client.on_disconnect = lambda client, packet, error=None: self.ends.put_nowait(packet)

    def _take(self, client: Any, topic: str, payload: bytes, qos: int, properties: dict[str, Any]) -> int:
        self.messages.put_nowait((topic, payload, qos, properties))
        return 0

    async def connect(self, version: int = 5) -> Peer:
        await self.client.connect("127.0.0.1", int(os.environ["MQTT_PORT"]), version=version)
        return self

    async def subscribe(self, filter: str, qos: int = 0, **options: Any) -> list[int]:
        self.client.subscribe(gmqtt.Subscription(filter, qos=qos), **options)
        return await self.answers.get()

    async def bodies(self, count: int) -> list[str]:
        return [(await self.messages.get())[1].decode() for _ in range(count)]

    async def close(self) -> None:
        await self.client.disconnect()


async def messages_in_order(version: int, qos: int) -> Any:
    name = f"{NAME}/order-{version}-{qos}"
    reader, writer = await Peer(f"{NAME}-r").connect(version), await Peer(f"{NAME}-w").connect(version)
    granted = await reader.subscribe(f"{name}/+", qos)
    for number in range(100):
        writer.client.publish(f"{name}/x", str(number), qos=qos)
    got = [await reader.messages.get() for _ in range(100)]
    await reader.close()
    await writer.close()
    in_order = [payload.decode() for _, payload, _, _ in got] == [str(number) for number in range(100)]
    return granted, in_order, sorted({each[2] for each in got})


async def properties_arrive() -> Any:
    peer = await Peer(f"{NAME}-p").connect()
    await peer.subscribe(f"{NAME}/p", 1, subscription_identifier=7)
    peer.client.publish(
        f"{NAME}/p", b"x", qos=1, content_type="text/plain", payload_format_id=1, message_expiry_interval=1000,
        response_topic="answers/here", correlation_data=b"id-1", user_property=[("k", "1"), ("k", "2")],
    )  # fmt: skip
    _, _, _, found = await peer.messages.get()
    await peer.close()
    kept = ("content_type", "payload_format_id", "response_topic", "user_property", "subscription_identifier")
    return {name: found.get(name) for name in kept} | {"correlation_data": found["correlation_data"][0].decode()}


async def aliases_stand_for_topics() -> Any:
    """Both ways: the writer says each topic once, and so does the broker to the reader."""
    reader = await Peer(f"{NAME}-r", topic_alias_maximum=4).connect()
    writer = await Peer(f"{NAME}-w").connect()
    await reader.subscribe(f"{NAME}/alias/+", 1)
    for number in range(6):
        topic = f"{NAME}/alias/{number % 2}" if number < 2 else ""
        writer.client.publish(topic, str(number), qos=1, topic_alias=number % 2 + 1)
    got = [await reader.messages.get() for _ in range(6)]
    await reader.close()
    await writer.close()
    return [[topic.rpartition("/")[2], payload.decode()] for topic, payload, _, _ in got]


async def retained_and_will() -> Any:
    watcher = await Peer(f"{NAME}-w").connect()
    will = gmqtt.Message(f"{NAME}/state", "gone", qos=1, retain=True)
    owner = await Peer(f"{NAME}-o", will=will).connect()
    owner.client.publish(f"{NAME}/state", "here", qos=1, retain=True)
    await watcher.subscribe(f"{NAME}/+", 1)
    first = await watcher.bodies(1)
    other = await Peer(f"{NAME}-o").connect()
    end = await owner.ends.get()
    second = await watcher.bodies(1)
    other.client.publish(f"{NAME}/state", b"", qos=1, retain=True)
    third = await watcher.bodies(1)
    await other.close()
    await watcher.close()
    return [*first, *second, *third], bool(end)


async def a_session_waits() -> Any:
    present = []
    got: list[str] = []
    for round in range(2):
        reader = await Peer(f"{NAME}-s", clean=False, session_expiry_interval=100).connect()
        present.append(reader.present)  # type: ignore[attr-defined]
        if round:
            got = await reader.bodies(3)
        else:
            await reader.subscribe(f"{NAME}/session", 2)
        await reader.close()
        if not round:
            writer = await Peer(f"{NAME}-w").connect()
            for qos in range(3):
                writer.client.publish(f"{NAME}/session", str(qos), qos=qos)
            await writer.subscribe(f"{NAME}/nothing")  # answered behind what was published
            await writer.close()
    await (await Peer(f"{NAME}-s").connect()).close()
    return present, got


async def a_group_shares() -> Any:
    members = [await Peer(f"{NAME}-{number}").connect() for number in range(2)]
    for member in members:
        await member.subscribe(f"$share/group/{NAME}/shared", 1)
    for number in range(20):
        members[0].client.publish(f"{NAME}/shared", str(number), qos=1)
    got = [await member.bodies(10) for member in members]
    for member in members:
        await member.close()
    return sorted(int(text) for texts in got for text in texts)


async def a_wrong_password() -> Any:
    peer = Peer(f"{NAME}-x")
    peer.client.set_auth_credentials("guest", "wrong")
    try:
        await peer.connect()
    except gmqtt.mqtt.handler.MQTTConnectError as error:
        return str(error)


SCENARIOS = (
    properties_arrive,
    aliases_stand_for_topics,
    retained_and_will,
    a_session_waits,
    a_group_shares,
    a_wrong_password,
)


async def main() -> None:
    logging.getLogger("gmqtt").setLevel(logging.CRITICAL)
    results: dict[str, Any] = {}
    for scenario in SCENARIOS:
        async with asyncio.timeout(SECONDS_MAX):
            results[scenario.__name__] = await scenario()
    for version in (4, 5):
        for qos in range(3):
            async with asyncio.timeout(SECONDS_MAX):
                results[f"messages_in_order {version} {qos}"] = await messages_in_order(version, qos)
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main())
