"""A blocking MQTT connection: CONNECT, SUBSCRIBE, and the counting of PUBACKs.

As with AMQP, the steady state of a scenario takes `sock` and moves prebuilt octets. No keep alive is asked for, so
nothing passes on an idle connection.
"""

import contextlib
import secrets
from types import TracebackType
from typing import Self

from menura.bench import mqtt_wire as wire
from menura.bench.connection import TIMEOUT_SECONDS, Address
from menura.bench.errors import BenchError, BrokerClosedError

URL = "mqtt://guest:guest@127.0.0.1:1883"


def address_of(url: str) -> Address:
    """Another virtual host than the first is named in the path, as for AMQP."""
    return Address.parse(url, "mqtt", 1883)


def unique_name() -> str:
    return f"menura-bench-{secrets.token_hex(4)}"


class Pubacks:
    """Fed with what the broker sends to a publisher of QoS 1; `count` messages are acknowledged so far."""

    def __init__(self) -> None:
        self.count = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        count = len(data) // wire.PUBACK_BYTES
        whole = count * wire.PUBACK_BYTES
        self._rest = data[whole:]
        if data[0:whole:4] != b"\x40" * count or data[1:whole:4] != b"\x02" * count:
            raise BenchError("the broker sent something that is no PUBACK")
        self.count += count


class MqttConnection:
    """An open connection; with `clean=False`, of a session that outlives it."""

    def __init__(self, address: Address, client_id: str = "", *, clean: bool = True) -> None:
        self.client_id = client_id or unique_name()
        self.sock = address.connect()
        try:
            user = address.user if address.vhost == "/" else f"{address.vhost}:{address.user}"
            self.sock.sendall(wire.connect(self.client_id, user, address.password, clean=clean))
            connack = self._await(wire.CONNACK)
            if connack[3]:
                raise BrokerClosedError(f"the broker refuses: {wire.REFUSALS.get(connack[3], connack[3])}")
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # gone, or so full that it does not matter
            self.sock.send(wire.DISCONNECT)
        self.sock.close()

    def subscribe(self, filter: str, qos: int) -> None:
        self.sock.sendall(wire.subscribe(filter, qos))
        if (granted := self._await(wire.SUBACK)[-1]) != qos:
            raise BenchError(f"a subscription of QoS {qos} was granted {granted:#04x}")

    def select_confirms(self) -> Pubacks:
        return Pubacks()

    def unasked(self, data: bytes) -> None:
        raise BrokerClosedError("the broker closed the publisher's connection")  # 3.1.1 has no words for why

    def _await(self, expected: int) -> bytes:
        data = b""
        while (size := wire.size_of(data)) is None or len(data) < size:
            try:
                part = self.sock.recv(1 if size is None else size - len(data))
            except TimeoutError as error:
                raise BenchError(f"the broker did not answer in {TIMEOUT_SECONDS:.0f} s") from error
            if not part:
                raise BrokerClosedError("the broker closed the connection without a reason")
            data += part
        if data[0] != expected:
            raise BenchError(f"expected packet {expected:#04x}, the broker sent {data[0]:#04x}")
        return data


def forget(address: Address, client_id: str) -> None:
    """End the session of a client that would outlive its connections."""
    with MqttConnection(address, client_id):
        pass
