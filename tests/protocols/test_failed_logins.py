"""Failed logins slow their makers down in every protocol, in its own words, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.protocols.amqp import memory as amqp
from tests.protocols.memory import make_node
from tests.protocols.mqtt import peer as mqtt
from tests.protocols.stomp import memory as stomp

from menura.core.attempts import AttemptLimits
from menura.core.node import Node
from menura.core.peers import Peer

# Each logs in once, from an address, and says whether it got in and what the log says of it.
Login = Callable[[Node, str, str], tuple[bool, str]]


def through_amqp(node: Node, host: str, password: str) -> tuple[bool, str]:
    client = amqp.Client(node, peer=Peer(f"{host}:1", loopback=host.startswith("127.")))
    answers = amqp.names(client.send(amqp.HEADER + amqp.start_ok(response=f"\0ann\0{password}")))
    refused = [answer for answer in answers if answer == "Connection.Close"]
    assert bool(refused) is ("Connection.Tune" not in answers)
    return not refused, client.log[-1][1] if client.log else ""


def through_mqtt(node: Node, host: str, password: str) -> tuple[bool, str]:
    client = mqtt.Peer(node)
    client.session.peer = Peer(f"{host}:1", loopback=host.startswith("127."))
    code = client.open(user="ann", password=password.encode()).code
    assert code in (0, 0x86)
    return code == 0, client.log[-1][1]


def through_stomp(node: Node, host: str, password: str) -> tuple[bool, str]:
    client = stomp.Client(node, peer=Peer(f"{host}:1", loopback=host.startswith("127.")))
    headers = {"accept-version": "1.2", "login": "ann", "passcode": password, "host": "/"}
    (answer,) = client.send(stomp.frame("CONNECT", headers))
    if answer.command == "ERROR":
        assert answer["message"] == "Bad CONNECT"
    return answer.command == "CONNECTED", client.log[-1][1]


logins = pytest.mark.parametrize("login", [through_amqp, through_mqtt, through_stomp])


@pytest.fixture
def node() -> Node:
    node = make_node()
    node.add_user("ann", "secret")
    node.users.permit("ann", "/")
    node.logins.attempts.set_limits(AttemptLimits(failures_max=3, window_seconds=60))
    return node


@logins
def test_after_too_many_failures_the_right_password_is_refused_for_a_while(node: Node, login: Login) -> None:
    for _ in range(3):
        ok, said = login(node, "192.0.2.1", "wrong")
        assert not ok
        assert "too many" not in said
    ok, said = login(node, "192.0.2.1", "secret")
    assert not ok
    assert "user 'ann' - too many failed logins: not looked at for 20 s" in said
    assert login(node, "192.0.2.2", "secret")[0]
    assert login(node, "127.0.0.1", "secret")[0]


@logins
def test_what_the_client_is_not_told_stands_in_the_log_without_the_password(node: Node, login: Login) -> None:
    ok, said = login(node, "192.0.2.1", "wr0ng-s3cret")
    assert not ok
    assert "user 'ann' - invalid credentials" in said
    assert "wr0ng-s3cret" not in said


def test_all_protocols_count_together(node: Node) -> None:
    for login in (through_amqp, through_mqtt, through_stomp):
        assert not login(node, "192.0.2.1", "wrong")[0]
    for login in (through_amqp, through_mqtt, through_stomp):
        assert not login(node, "192.0.2.1", "secret")[0]
