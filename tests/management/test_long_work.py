"""Changes to very many queues: others are served meanwhile, and the answer comes when all is done."""

from __future__ import annotations

import json
from pathlib import Path

import pika
import pytest
from tests.management.http_peer import Desk, HttpPeer, request
from tests.net.peer import eventually

import menura
from menura.core.queue import Queue
from menura.core.vhost import VHost

QUEUES = 3000
POLICY = json.dumps({"pattern": "^q", "definition": {"max-length": 7}}).encode()
OPERATOR = json.dumps({"value": {"pattern": "^q", "definition": {"max-length": 7}, "priority": 0}}).encode()
DOCUMENT = json.dumps({"policies": [{"name": "p", "vhost": "v", **json.loads(POLICY)}]}).encode()


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.broker.node.add_vhost("v")
    desk.broker.node.users.permit("guest", "v")
    for number in range(QUEUES):
        _vhost(desk).declare_queue(f"q{number}")
    return desk


def _vhost(desk: Desk) -> VHost:
    return desk.broker.node.vhosts["v"]


def _turn(desk: Desk) -> None:
    """One of the loop; a pause in the work is over at once."""
    assert desk.busy()
    for _ in range(len(desk.turns)):
        desk.turns.popleft()()


def _limited(queue: Queue) -> bool:
    return queue.rules is not None and queue.rules.settings.length_max == 7


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request("PUT", "/api/policies/v/p", POLICY), 201),
        (request("PUT", "/api/operator-policies/v/p", POLICY), 201),
        (request("PUT", "/api/parameters/operator_policy/v/p", OPERATOR), 201),
        (request("POST", "/api/definitions", DOCUMENT), 204),
    ],
)
def test_others_are_served_while_a_policy_is_applied_which_is_answered_when_all_follow_it(
    desk: Desk, asked: bytes, status: int
) -> None:
    peer, other = HttpPeer(desk), HttpPeer(desk)
    peer.session.receive(asked)
    seen = set()
    while not (said := peer.session.flush()):
        other.session.receive(request("GET", "/api/whoami"))
        assert other.session.flush().startswith(b"HTTP/1.1 200 "), "whatever is under way"
        seen.add(sum(map(_limited, _vhost(desk).queues.values())))
        _turn(desk)
    peer.said += said
    assert [told.status for told in peer.answers("PUT")] == [status]
    assert all(map(_limited, _vhost(desk).queues.values()))
    assert any(0 < count < QUEUES for count in seen), "in slices"


def test_a_policy_is_cleared_while_it_is_being_set(desk: Desk) -> None:
    setting, clearing = HttpPeer(desk), HttpPeer(desk)
    setting.session.receive(request("PUT", "/api/policies/v/p", POLICY))
    _turn(desk)
    clearing.send(request("DELETE", "/api/policies/v/p"))
    assert [told.status for told in clearing.answers("DELETE")] == [204]
    assert [told.status for told in setting.finish().answers("PUT")] == [201]
    assert not any(map(_limited, _vhost(desk).queues.values()))


def test_a_virtual_host_is_gone_at_once_and_answered_when_its_queues_are(desk: Desk) -> None:
    queues = list(_vhost(desk).queues.values())
    peer = HttpPeer(desk)
    peer.session.receive(request("DELETE", "/api/vhosts/v"))
    while not (said := peer.session.flush()):
        assert any(queue.alive for queue in queues)
        another = HttpPeer(desk)
        another.session.receive(request("PUT", "/api/queues/v/new", b"{}"))
        another.said += another.session.flush()
        assert [told.status for told in another.answers("PUT")] == [404]
        _turn(desk)
    peer.said += said
    assert [told.status for told in peer.answers("DELETE")] == [204]
    assert not any(queue.alive for queue in queues)
    assert desk.broker.node.memory.used_bytes == 0


def test_a_virtual_host_can_be_made_again_while_the_old_one_ends(desk: Desk) -> None:
    old = _vhost(desk)
    peer, other = HttpPeer(desk), HttpPeer(desk)
    peer.session.receive(request("DELETE", "/api/vhosts/v"))
    assert old.queues
    other.session.receive(request("PUT", "/api/vhosts/v", b"{}"))
    other.said += other.session.flush()
    assert [told.status for told in other.answers("PUT")] == [201]
    assert not old.queues
    assert [told.status for told in peer.finish().answers("DELETE")] == [204]
    assert _vhost(desk) is not old


def test_clients_of_a_virtual_host_with_many_queues_are_sent_away_and_it_stays_gone(tmp_path: Path) -> None:
    with menura.Broker(data=str(tmp_path), sync=False) as broker:
        broker.add_vhost("v")
        broker.permit("guest", "v")
        vhost = broker.node.vhosts["v"]
        broker._call(lambda: [vhost.declare_queue(f"q{number}", durable=True) for number in range(500)])
        parameters = pika.ConnectionParameters("127.0.0.1", broker.amqp_port, "v")
        connection = pika.BlockingConnection(parameters)
        broker.delete_vhost("v")
        assert not vhost.queues
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
            connection.process_data_events(time_limit=20)
        assert closed.value.reply_code == 320
        eventually(lambda: not broker._call(lambda: broker.node.presence.connections), "nobody is there")
    with menura.Broker(data=str(tmp_path), sync=False) as broker:
        assert list(broker.node.vhosts) == ["/"]
