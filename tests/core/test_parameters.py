"""Parameters, limits, and what is said of virtual hosts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.domain import Receiver
from tests.core.kept import Kept, fold, live

from menura.core import fields
from menura.core.definitions import ParameterDefinition
from menura.core.errors import NotAllowed, NotFound, PreconditionFailed, Refusal
from menura.core.limits import check_channel_limit
from menura.core.node import Node
from menura.core.peers import Peer
from menura.core.presence import Connected
from menura.core.vhost import VHost

QUORUM = fields.encode_value("quorum")


@pytest.fixture
def kept() -> Kept:
    kept = live()
    kept.node.add_user("ann", "secret")
    kept.node.users.permit("ann", "/")
    return kept


@pytest.fixture
def node(kept: Kept) -> Node:
    return kept.node


@pytest.fixture
def vhost(kept: Kept) -> VHost:
    return kept.vhost


def arrive(node: Node, user: str = "ann", vhost: str = "/", channels: int = 0) -> Connected:
    node.enter(user, vhost)
    connected = Connected("test", Peer(), user, vhost, channel_count=channels)
    node.presence.arrive(connected)
    return connected


def refusal(kind: type[Refusal], *given: Any) -> str:
    function, *arguments = given
    with pytest.raises(kind) as caught:
        function(*arguments)
    return str(caught.value)


class Registered:
    """A component whose values are numbers, and secret below zero."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def faults(self, name: str, value: Any, user: str | None) -> list[str]:
        return [] if isinstance(value, int) else [f"{name} of {user} is no number"]

    def completed(self, value: Any, before: Any) -> Any:
        return before if value == "before" else value

    def shown(self, value: Any) -> Any:
        return "secret" if value < 0 else value

    def changed(self, vhost: str, name: str, value: Any) -> None:
        self.told.append((vhost, name, value))

    def cleared(self, vhost: str, name: str) -> None:
        self.told.append((vhost, name))


def test_a_registered_component_checks_its_parameters_and_is_told_of_them(kept: Kept) -> None:
    node, component = kept.node, Registered()
    node.parameters.register("number", component)
    said = refusal(PreconditionFailed, node.parameters.set, "number", "n", "x", "/", "ann")
    assert said == "Validation failed\n\nn of ann is no number\n"
    assert refusal(NotFound, node.parameters.clear, "number", "n", "/") == "Parameter does not exist"
    node.parameters.set("number", "n", -5, "/")
    node.parameters.set("number", "n", "before", "/")
    assert node.parameters.value("number", "n", "/") == -5
    assert node.parameters.kept("number", "/") == [("/", "number", "n", -5)]
    assert node.parameters.kept("other") == node.parameters.kept(vhost="v") == []
    assert node.parameters.shown("number", -5) == "secret"
    assert kept.catalog.changes[-1][1] == ParameterDefinition("/", "number", "n", "-5")
    node.parameters.clear("number", "n", "/")
    assert component.told == [("/", "n", -5), ("/", "n", -5), ("/", "n")]
    assert kept.next_life().node.parameters.kept() == []


def test_secrets_are_not_told_as_events(node: Node, vhost: VHost) -> None:
    node.parameters.register("number", Registered())
    told: list[Any] = []
    node.events.tell_all = lambda key, details: told.append(details)  # type: ignore[method-assign]
    node.parameters.set("number", "n", -5, "/")
    assert told == [{"name": "n", "component": "number", "vhost": "/", "value": "secret"}]


def test_parameters_of_a_component_nobody_has_registered_yet_wait_for_it(kept: Kept) -> None:
    kept.node.parameters.register("number", Registered())
    kept.node.parameters.set("number", "n", 7, "/")
    node = kept.next_life().node
    assert node.parameters.value("number", "n", "/") == 7
    assert refusal(PreconditionFailed, node.parameters.set, "number", "n", 8, "/").endswith("number not found\n")
    assert node.parameters.shown("number", 7) == 7
    node.parameters.clear("number", "n", "/")


def test_parameters_go_with_their_virtual_host(node: Node) -> None:
    component = Registered()
    node.parameters.register("number", component)
    node.add_vhost("v")
    node.parameters.set("number", "n", 7, "v")
    node.delete_vhost("v")
    assert node.parameters.kept() == []
    assert component.told[-1] == ("v", "n")


# -- parameters --------------------------------------------------------------------------------------------------


def test_an_operator_policy_is_a_parameter_and_a_policy_is_not(node: Node, vhost: VHost) -> None:
    value = {"pattern": "", "definition": {"max-length": 1}, "priority": 0}
    node.parameters.set("operator_policy", "o", value, "/")
    effective = vhost.policies.of_queue("q", {})
    assert effective.operator is not None
    assert effective.operator.value == {**value, "apply-to": "all"}
    node.parameters.clear("operator_policy", "o", "/")
    assert vhost.policies.of_queue("q", {}).operator is None
    said = refusal(PreconditionFailed, node.parameters.set, "policy", "p", value, "/")
    assert said == "policies may not be set using this method"
    said = refusal(PreconditionFailed, node.parameters.clear, "policy", "p", "/")
    assert said == "policies may not be cleared using this method"


def test_a_component_nobody_knows_is_refused(node: Node) -> None:
    said = refusal(PreconditionFailed, node.parameters.set, "foo", "x", {}, "/")
    assert said == "Validation failed\n\ncomponent foo not found\n"
    assert refusal(NotFound, node.parameters.clear, "foo", "x", "/") == "Parameter does not exist"
    assert refusal(NotAllowed, node.parameters.set, "vhost-limits", "limits", {}, "v") == "vhost v not found"


def test_global_parameters_are_any_values_under_a_name(kept: Kept) -> None:
    kept.node.parameters.set_global("cluster_tags", {"region": ["eu", None, 1.5]})
    kept.node.parameters.set_global("gone", 1)
    kept.node.parameters.clear_global("gone")
    assert refusal(NotFound, kept.node.parameters.clear_global, "gone") == "Parameter does not exist"
    assert kept.next_life().node.parameters.globals == {"cluster_tags": {"region": ["eu", None, 1.5]}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"max-queues": "a"}, 'max-queues should be a number, actually was <<"a">>'),
        ({"max-queues": None}, "max-queues should be a number, actually was null"),
        ({"max-connections": True}, "max-connections should be a number, actually was true"),
        ({"max-connections": 1.5}, "max-connections should be a number, actually was 1.5"),
        ({"foo": 5}, 'Unrecognised terms [{<<"foo">>,5}] in limits'),
        ([1], "Unrecognised terms [1] in limits"),
        ("x", 'limits not a list <<"x">>'),
    ],
)
def test_limits_that_are_none_are_refused(kept: Kept, value: Any, expected: str) -> None:
    before = len(kept.catalog.changes)
    said = refusal(PreconditionFailed, kept.node.parameters.set, "vhost-limits", "limits", value, "/")
    assert said == f"Validation failed\n\n{expected}\n"
    assert (kept.vhost.limits, len(kept.catalog.changes)) == ({}, before)


def test_limits_are_kept_with_their_virtual_host(kept: Kept) -> None:
    kept.node.parameters.set("vhost-limits", "limits", {"max-queues": 3}, "/")
    assert kept.catalog.changes[-1] == (
        True,
        ParameterDefinition("/", "vhost-limits", "limits", '{"max-queues": 3}'),
    )
    assert kept.next_life().vhost.limits == {"max-queues": 3}
    kept.node.parameters.clear("vhost-limits", "limits", "/")
    assert kept.next_life().vhost.limits == {}
    said = refusal(NotFound, kept.node.parameters.clear, "vhost-limits", "limits", "/")
    assert said == "Parameter does not exist"


# -- queues ------------------------------------------------------------------------------------------------------


def test_no_more_queues_are_declared_than_there_may_be(node: Node, vhost: VHost) -> None:
    node.parameters.set("vhost-limits", "limits", {"max-queues": 1}, "/")
    queue = vhost.declare_queue("a")
    assert vhost.declare_queue("a") is queue, "one that is there may be declared again"
    expected = "cannot declare queue 'b': queue limit in vhost '/' (1) is reached"
    assert refusal(PreconditionFailed, vhost.declare_queue, "b") == expected
    vhost.delete_queue(queue)
    vhost.declare_queue("b")
    node.parameters.set("vhost-limits", "limits", {"max-queues": 0}, "/")
    assert "(0) is reached" in refusal(PreconditionFailed, vhost.declare_queue, "c")
    node.parameters.set("vhost-limits", "limits", {"max-queues": -1}, "/")
    vhost.declare_queue("c")


def test_a_limit_below_what_there_is_takes_nothing_away(node: Node, vhost: VHost) -> None:
    for name in "abc":
        vhost.declare_queue(name)
    node.parameters.set("vhost-limits", "limits", {"max-queues": 1}, "/")
    assert set(vhost.queues) == set("abc")


# -- connections and channels ------------------------------------------------------------------------------------


def test_no_more_connections_enter_a_virtual_host_than_there_may_be(node: Node) -> None:
    node.add_vhost("v")
    node.users.permit("ann", "v")
    node.parameters.set("vhost-limits", "limits", {"max-connections": 2}, "/")
    first, _ = arrive(node), arrive(node)
    expected = "access to vhost '/' refused for user 'ann': connection limit (2) is reached"
    assert refusal(NotAllowed, node.enter, "ann", "/") == expected
    arrive(node, vhost="v")
    node.presence.leave(first)
    arrive(node)
    node.parameters.set("vhost-limits", "limits", {"max-connections": 0}, "v")
    assert "(0) is reached" in refusal(NotAllowed, node.enter, "ann", "v")


def test_no_more_connections_of_a_user_enter_than_there_may_be(node: Node) -> None:
    node.add_user("bob", "secret")
    node.users.permit("bob", "/")
    node.parameters.set_user_limits("ann", {"max-connections": 1})
    first = arrive(node)
    arrive(node, "bob")
    expected = "connection refused for user 'ann': user connection limit (1) is reached"
    assert refusal(NotAllowed, node.enter, "ann", "/") == expected
    node.presence.leave(first)
    arrive(node)


def test_a_user_opens_no_more_channels_than_there_may_be_over_all_connections(node: Node) -> None:
    first = arrive(node, channels=2)
    arrive(node, channels=1)
    check_channel_limit(node, "ann")
    node.parameters.set_user_limits("ann", {"max-channels": 3})
    expected = "number of channels opened for user 'ann' has reached the maximum allowed user limit of (3)"
    assert refusal(NotAllowed, check_channel_limit, node, "ann") == expected
    first.channel_count -= 1
    check_channel_limit(node, "ann")


def test_limits_of_a_user_are_set_one_by_one_and_kept(kept: Kept) -> None:
    parameters = kept.node.parameters
    parameters.set_user_limits("ann", {"max-connections": 1})
    parameters.set_user_limits("ann", {"max-channels": 5})
    assert kept.next_life().node.users.get("ann").limits == {"max-connections": 1, "max-channels": 5}
    kept.node.add_user("ann", "other")
    parameters.clear_user_limits("ann", "max-channels")
    assert kept.next_life().node.users.get("ann").limits == {"max-connections": 1}
    parameters.clear_user_limits("ann")
    assert kept.next_life().node.users.get("ann").limits == {}


def test_limits_of_a_user_that_are_none_are_refused(node: Node) -> None:
    def said(limits: Any) -> str:
        return refusal(PreconditionFailed, node.parameters.set_user_limits, "ann", limits)

    assert said({"foo": 5}) == 'Unrecognised terms [{<<"foo">>,5}] in user-limits'
    assert said({"max-channels": "a"}) == 'max-channels should be a number, actually was <<"a">>'
    assert refusal(NotFound, node.parameters.set_user_limits, "bob", {"max-channels": 1}) == "no user 'bob'"
    assert node.users.get("ann").limits == {}


# -- what is said of virtual hosts -------------------------------------------------------------------------------


def test_a_protected_virtual_host_is_not_deleted(kept: Kept) -> None:
    kept.node.add_vhost("v").declare_queue("q", durable=True)
    kept.node.describe_vhost("v", protected=True)
    kept = kept.next_life()
    expected = "Refusing to delete virtual host 'v' because it is protected from deletion"
    assert refusal(PreconditionFailed, kept.node.delete_vhost, "v") == expected
    assert set(kept.node.vhosts["v"].queues) == {"q"}
    kept.node.describe_vhost("v", protected=False)
    kept.node.delete_vhost("v")
    assert set(kept.node.vhosts) == {"/"}


def test_what_is_not_named_stays_as_it_is(node: Node, vhost: VHost) -> None:
    node.describe_vhost("/", description="d", tags=["b", "a"])
    node.describe_vhost("/", default_queue_type="classic")
    definition = vhost.definition
    assert (definition.description, definition.tags, definition.default_queue_type) == ("d", {"a", "b"}, "classic")
    said = refusal(PreconditionFailed, lambda: node.describe_vhost("/", description="e", default_queue_type="stream"))
    assert (said, vhost.definition) == ("stream is not a valid queue type", definition)


@pytest.mark.parametrize(
    ("how", "given", "expected"),
    [
        ({"durable": True}, {}, QUORUM),
        ({"durable": False}, {}, None),
        ({"durable": True, "auto_delete": True}, {}, None),
        ({"durable": True, "exclusive": True, "owner": Receiver()}, {}, None),
        ({"durable": True, "reserved": True}, {}, None),
        ({"durable": True}, {"x-queue-type": fields.encode_value("classic")}, fields.encode_value("classic")),
    ],
)
def test_the_default_type_is_that_of_queues_that_can_be_of_it_and_say_none(
    kept: Kept, how: dict[str, Any], given: dict[str, bytes], expected: bytes | None
) -> None:
    kept.node.describe_vhost("/", default_queue_type="quorum")
    queue = kept.vhost.declare_queue("q", arguments=given, **how)
    assert queue.arguments.get("x-queue-type") == expected
    assert kept.vhost.declare_queue("q", arguments=given, **how) is queue


def test_a_queue_keeps_its_type_when_the_default_changes(kept: Kept) -> None:
    kept.node.describe_vhost("/", default_queue_type="quorum")
    kept.vhost.declare_queue("q", durable=True)
    kept.node.describe_vhost("/", default_queue_type="")
    kept = kept.next_life()
    assert kept.vhost.queues["q"].arguments == {"x-queue-type": QUORUM}
    assert "inequivalent arg 'x-queue-type'" in refusal(
        PreconditionFailed, lambda: kept.vhost.declare_queue("q", durable=True)
    )


def test_what_the_broker_notes_of_a_queue_is_no_parameter_after_a_restart(kept: Kept) -> None:
    queue = kept.vhost.declare_queue("q", durable=True)
    kept.vhost.note_ranked(queue)
    kept = kept.next_life()
    assert kept.node.parameters.kept() == []


def test_a_component_is_known_once_it_is_registered(node: Node) -> None:
    assert node.parameters.is_known("policy")
    assert not node.parameters.is_known("shovel")
    assert "component shovel not found" in refusal(
        PreconditionFailed, lambda: node.parameters.checked("shovel", "n", {}, "/")
    )


def test_what_was_kept_and_is_not_valid_any_more_is_told_and_has_no_effect(kept: Kept) -> None:
    for definition in (
        ParameterDefinition("/", "policy", "p", '{"pattern": "("}'),
        ParameterDefinition("/", "operator_policy", "o", "no JSON"),
        ParameterDefinition("/", "vhost-limits", "limits", '{"max-queues": "three"}'),
        ParameterDefinition("", "", "cluster_name", "no JSON"),
        ParameterDefinition("/", "number", "n", "no JSON"),
        ParameterDefinition("/", "number", "good", "1"),
        ParameterDefinition("", "", "good", "2"),
        ParameterDefinition("gone", "policy", "p", '{"pattern": "", "definition": {"max-length": 1}}'),
    ):
        kept.catalog.put(definition)
    node = Node(lambda size: bytes(size))
    told = [str(unfit) for unfit in node.keep(kept.catalog, kept.journal, fold(kept.catalog.changes))]
    effect = " is kept, but has no effect: "
    assert [line.partition(effect)[0] for line in told] == [
        "policy 'p' in virtual host '/'",
        "operator policy 'o' in virtual host '/'",
        "vhost-limits 'limits' in virtual host '/'",
        "global parameter 'cluster_name'",
        "number 'n' in virtual host '/'",
        "policy 'p' in virtual host 'gone'",
    ]
    assert 'Key "definition" not found in p' in told[0]
    assert told[2].endswith('max-queues should be a number, actually was <<"three">>. Set it anew, or delete it.'), (
        told[2]
    )
    assert node.vhosts["/"].limits == {}
    assert node.parameters.globals == {"good": 2}
    assert [(found.name, found.value) for found in node.parameters.kept()] == [("good", 1)]
