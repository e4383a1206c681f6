"""Addresses to listen on, and what is wrong with them."""

from __future__ import annotations

import pytest

from menura.net.listener import Address, ListenError

PORTS = {"amqp": 5672, "amqps": 5671, "mqtt+ws": 15675, "mqtt+wss": 15676}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://127.0.0.1:5673", ("amqp", "127.0.0.1", 5673)),
        ("amqp://127.0.0.1", ("amqp", "127.0.0.1", 5672)),
        ("amqp://localhost:0", ("amqp", "localhost", 0)),
        ("amqp://[::1]:1", ("amqp", "::1", 1)),
        ("amqp:", ("amqp", "127.0.0.1", 5672)),
        ("amqps://0.0.0.0", ("amqps", "0.0.0.0", 5671)),
    ],
)
def test_a_url_names_scheme_host_and_port(url: str, expected: tuple[str, str, int]) -> None:
    address = Address.parse(url, PORTS)
    assert (address.scheme, address.host, address.port) == expected


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://127.0.0.1",
        "127.0.0.1:5672",
        "localhost:5672",
        "",
        "amqp://127.0.0.1:70000",
        "amqp://127.0.0.1:lyre",
        "amqp://[::1",
        "amqps://127.0.0.1?cert=a&key=b&what=c",
        "amqps://127.0.0.1?cert=a&key=b&ca=c&verify=always",
        "amqps://127.0.0.1?cert=a&key=b&verify=required",
    ],
)
def test_a_url_that_cannot_be_is_refused_with_its_name(url: str) -> None:
    with pytest.raises(ListenError) as refused:
        Address.parse(url, PORTS)
    assert url in str(refused.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt+ws://127.0.0.1:80/a/place", (80, "/a/place")),
        ("mqtt+ws://127.0.0.1/mqtt/", (15675, "/mqtt")),
        ("mqtt+ws:", (15675, "/ws")),
        ("mqtt+ws://[::1]:0/", (0, "/ws")),
        ("mqtt+wss://0.0.0.0?cert=a", (15676, "/ws")),
        ("amqp://127.0.0.1/lyre", (5672, "")),
    ],
)
def test_the_url_of_a_websocket_has_a_path(url: str, expected: tuple[int, str]) -> None:
    address = Address.parse(url, PORTS)
    assert (address.port, address.path) == expected


@pytest.mark.parametrize("scheme", ["amqps", "mqtt+wss"])
def test_tls_needs_a_certificate(scheme: str) -> None:
    with pytest.raises(ListenError, match="needs a certificate"):
        Address.parse(f"{scheme}://127.0.0.1", PORTS).certificates({})


def test_a_certificate_that_is_not_there_is_named() -> None:
    with pytest.raises(ListenError, match="No such file"):
        Address.parse("amqps://127.0.0.1?cert=/none/at-all.pem", PORTS).certificates({})
