"""aiomqtt against a broker over TCP."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import menura

SECONDS = 20.0
V5 = aiomqtt.ProtocolVersion.V5


def properties(kind: int, **values: object) -> Properties:
    found = Properties(kind)
    for name, value in values.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_publish_and_subscribe(qos: int, name: str) -> None:
    async with asyncio.timeout(SECONDS), menura.Broker(listen=["mqtt://127.0.0.1:0"]) as broker:
        port = broker.listeners[0].port
        account = {"username": "guest", "password": "guest", "protocol": V5}
        async with (
            aiomqtt.Client("127.0.0.1", port, identifier=f"{name}r", **account) as reader,
            aiomqtt.Client("127.0.0.1", port, identifier=f"{name}w", **account) as writer,
        ):
            await reader.subscribe(f"{name}/#", qos=qos)
            for number in range(100):
                await writer.publish(f"{name}/{number}", b"%d" % number, qos=qos)
            got = []
            async for message in reader.messages:
                got.append(message.payload)
                assert message.qos == qos
                if len(got) == 100:
                    break
        assert got == [b"%d" % number for number in range(100)]


async def test_a_will_and_what_is_retained(name: str) -> None:
    async with asyncio.timeout(SECONDS), menura.Broker(listen=["mqtt://127.0.0.1:0"]) as broker:
        port = broker.listeners[0].port
        will = aiomqtt.Will(f"{name}/state", b"gone", qos=1, retain=True)
        async with aiomqtt.Client("127.0.0.1", port, identifier=f"{name}w") as watcher:
            # Being taken over is a broken connection to the client that it happens to.
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", port, identifier=name, will=will) as peer:
                    await peer.publish(f"{name}/state", b"here", qos=1, retain=True)
                    await watcher.subscribe(f"{name}/+", qos=1)
                    messages = aiter(watcher.messages)
                    message = await anext(messages)
                    assert (message.payload, message.retain) == (b"here", True)
                    async with aiomqtt.Client("127.0.0.1", port, identifier=name):
                        message = await anext(messages)
            assert (message.payload, message.retain) == (b"gone", False)


async def test_properties_of_version_5_arrive(name: str) -> None:
    given = {
        "PayloadFormatIndicator": 1,
        "ContentType": "text/plain",
        "ResponseTopic": f"{name}/answers",
        "CorrelationData": b"\x00\xff",
        "UserProperty": [("a", "1"), ("a", "2")],
    }
    async with asyncio.timeout(SECONDS), menura.Broker(listen=["mqtt://127.0.0.1:0"]) as broker:
        async with aiomqtt.Client("127.0.0.1", broker.listeners[0].port, protocol=V5) as peer:
            await peer.subscribe(name, qos=1, properties=properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=7))
            await peer.publish(name, b"x", qos=1, properties=properties(PacketTypes.PUBLISH, **given))
            message = await anext(aiter(peer.messages))
    assert message.properties is not None
    assert {key: getattr(message.properties, key) for key in given} == given
    assert message.properties.SubscriptionIdentifier == [7]


async def test_a_session_waits_until_it_has_ended(name: str) -> None:
    async with asyncio.timeout(SECONDS), menura.Broker(listen=["mqtt://127.0.0.1:0"]) as broker:
        port = broker.listeners[0].port

        def client(seconds: int) -> aiomqtt.Client:
            expiry = properties(PacketTypes.CONNECT, SessionExpiryInterval=seconds)
            return aiomqtt.Client("127.0.0.1", port, identifier=name, protocol=V5, clean_start=False, properties=expiry)

        async with client(100) as reader:
            await reader.subscribe(name, qos=2)
        async with aiomqtt.Client("127.0.0.1", port) as writer:
            for number in range(3):
                await writer.publish(name, b"%d" % number, qos=2)
        async with client(0) as reader:
            messages = aiter(reader.messages)
            assert [(await anext(messages)).payload for _ in range(3)] == [b"0", b"1", b"2"]
        async with aiomqtt.Client("127.0.0.1", port) as writer:
            await writer.publish(name, b"lost", qos=2)
        async with client(0) as reader:
            await reader.subscribe(name, qos=2)
            await reader.publish(name, b"found", qos=2)
            assert (await anext(aiter(reader.messages))).payload == b"found"


async def test_a_second_connection_takes_over(name: str) -> None:
    async with asyncio.timeout(SECONDS), menura.Broker(listen=["mqtt://127.0.0.1:0"]) as broker:
        port = broker.listeners[0].port
        # Leaving a broken connection is an error once more.
        with suppress(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", port, identifier=name, protocol=V5) as first:
                async with aiomqtt.Client("127.0.0.1", port, identifier=name, protocol=V5) as second:
                    with pytest.raises(aiomqtt.MqttError, match="Disconnected"):
                        await anext(aiter(first.messages))
                    await second.subscribe(name, qos=1)
                    await second.publish(name, b"x", qos=1)
                    assert (await anext(aiter(second.messages))).payload == b"x"
