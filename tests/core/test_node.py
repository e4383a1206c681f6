"""The node: virtual hosts, users and names."""

from __future__ import annotations

import re

import pytest
from tests.core.domain import Receiver, publish
from tests.core.kept import counted, live

from menura.core.access import Verb
from menura.core.errors import NotAllowed, NotFound, PreconditionFailed
from menura.core.node import DEFAULT_VHOST, Node


@pytest.fixture
def node() -> Node:
    return Node(counted())


def test_a_node_begins_with_one_virtual_host_and_no_users(node: Node) -> None:
    assert set(node.vhosts) == {DEFAULT_VHOST}
    assert list(node.users) == []


def test_virtual_hosts_share_the_memory_account_and_what_keeps_them() -> None:
    node = live(watermark_bytes=1000).node
    vhost = node.add_vhost("v")
    assert vhost.memory is node.memory is node.vhost(DEFAULT_VHOST).memory
    assert vhost.keeper is node.keeper is node.vhost(DEFAULT_VHOST).keeper is not None
    assert node.memory.watermark_bytes == 1000


def test_a_node_whose_catalog_is_empty_begins_like_any_other() -> None:
    node = live().node
    assert set(node.vhosts) == {DEFAULT_VHOST}
    assert list(node.users) == []


def test_a_virtual_host_added_again_is_the_same(node: Node) -> None:
    assert node.add_vhost("v") is node.add_vhost("v") is node.vhost("v")


def test_virtual_hosts_are_name_spaces_of_their_own(node: Node) -> None:
    node.vhost(DEFAULT_VHOST).declare_queue("q")
    assert "q" not in node.add_vhost("v").queues


def test_only_who_has_permissions_may_enter(node: Node) -> None:
    node.add_user("ann", "secret")
    with pytest.raises(NotAllowed, match=r"^access to vhost '/' refused for user 'ann'$"):
        node.enter("ann", DEFAULT_VHOST)
    with pytest.raises(NotAllowed, match=r"^vhost missing not found$"):
        node.enter("ann", "missing")
    with pytest.raises(NotFound):
        node.enter("bob", DEFAULT_VHOST)
    node.users.permit("ann", DEFAULT_VHOST, "", "", "")
    assert node.enter("ann", DEFAULT_VHOST) is node.vhost(DEFAULT_VHOST)


def test_users_get_a_salt_of_their_own(node: Node) -> None:
    node.add_user("ann", "secret")
    node.add_user("bob", "secret")
    hashes = {user.password_hash for user in node.users}
    assert len(hashes) == 2


def test_a_user_needs_a_name(node: Node) -> None:
    with pytest.raises(PreconditionFailed):
        node.add_user("", "secret")


def test_unique_names_have_the_prefix_and_never_repeat(node: Node) -> None:
    names = {node.unique_name("amq.gen-") for _ in range(1000)}
    assert len(names) == 1000
    assert all(re.fullmatch(r"amq\.gen-[A-Za-z0-9_-]{22}", name) for name in names)


def test_unique_names_use_all_the_randomness() -> None:
    names = {Node(lambda size, bit=bit: (1 << bit).to_bytes(size, "big")).unique_name("") for bit in range(128)}  # type: ignore[misc]
    assert len(names) == 128


def test_deleting_a_virtual_host_takes_queues_messages_and_permissions_along(node: Node) -> None:
    vhost, receiver = node.add_vhost("v"), Receiver()
    node.add_user("ann", "secret")
    node.users.permit("ann", "v")
    before = node.users.version
    vhost.declare_queue("q", exclusive=True, owner=receiver)
    publish(vhost, "", "q", range(10))
    node.delete_vhost("v")
    assert node.memory.used_bytes == 0
    assert [queue.name for queue in receiver.disowned] == ["q"]
    assert node.users.get("ann").permissions == {}
    assert node.users.version > before
    with pytest.raises(NotAllowed):
        node.vhost("v")
    with pytest.raises(NotAllowed):
        node.delete_vhost("v")


def test_deleting_a_virtual_host_releases_its_replies(node: Node) -> None:
    vhost = node.add_vhost("v")
    vhost.add_reply_queue("reply")
    publish(vhost, "", "reply", range(10))
    node.delete_vhost("v")
    assert node.memory.used_bytes == 0


def test_deleting_a_virtual_host_takes_topic_permissions_along(node: Node) -> None:
    node.add_vhost("v")
    node.add_user("ann", "secret")
    node.users.permit_topics("ann", "v", "amq.topic", "^a$", "^a$")
    node.delete_vhost("v")
    assert node.users.get("ann").topic_permissions == {}


def test_verbs_are_those_of_the_permission_triple() -> None:
    assert [verb.value for verb in Verb] == ["configure", "write", "read"]
