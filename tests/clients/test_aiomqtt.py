"""aiomqtt against a broker over TCP."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiomqtt
import pytest

import menura

SECONDS = 20.0


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_publish_and_subscribe(qos: int, name: str) -> None:
    async with asyncio.timeout(SECONDS), menura.Broker(listen=["mqtt://127.0.0.1:0"]) as broker:
        port = broker.listeners[0].port
        account = {"username": "guest", "password": "guest", "protocol": aiomqtt.ProtocolVersion.V5}
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
