"""Which policy counts for what, what a change does at once, and what is refused in which words."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.domain import a_vhost, operations, publish, take_all
from tests.core.kept import Kept, live

from menura.core import fields
from menura.core.definitions import ParameterDefinition
from menura.core.errors import NotFound, PreconditionFailed
from menura.core.policies import policy
from menura.core.policy_rules import KEYS
from menura.core.queue import Queue
from menura.core.settings import PLAIN, QueueSettings
from menura.core.vhost import VHost

QUORUM = {"x-queue-type": fields.encode_value("quorum")}


def value(pattern: str = ".*", definition: Any = None, priority: Any = 0, apply_to: str = "all") -> dict[str, Any]:
    definition = {"max-length": 5} if definition is None else definition
    return {"pattern": pattern, "definition": definition, "priority": priority, "apply-to": apply_to}


def settings(queue: Queue) -> QueueSettings:
    return queue.rules.settings if queue.rules is not None else PLAIN


def length_max(queue: Queue) -> int | None:
    return settings(queue).length_max


@pytest.fixture
def vhost() -> VHost:
    return a_vhost()


# -- which one counts --------------------------------------------------------------------------------------------


def test_a_policy_holds_for_what_its_pattern_is_found_in(vhost: VHost) -> None:
    vhost.policies.set("p", value(r"^orders\."))
    assert length_max(vhost.declare_queue("orders.eu")) == 5
    assert length_max(vhost.declare_queue("x.orders.eu")) is None


def test_the_highest_priority_counts_and_of_equal_ones_the_first_name(vhost: VHost) -> None:
    for name, priority, limit in (("c", 1, 1), ("b", 2, 2), ("a", 2, 3), ("z", -7, 4)):
        vhost.policies.set(name, value(definition={"max-length": limit}, priority=priority))
    queue = vhost.declare_queue("q")
    found = vhost.policies.of_queue("q", {})
    assert found.policy is not None
    assert (found.policy.name, length_max(queue)) == ("a", 3)
    for gone, limit in (("a", 2), ("b", 1), ("c", 4), ("z", None)):
        vhost.policies.clear(gone)
        assert length_max(queue) == limit


def test_one_policy_counts_not_the_sum_of_several(vhost: VHost) -> None:
    vhost.policies.set("p", value(definition={"max-length": 5}, priority=1))
    vhost.policies.set("q", value(definition={"message-ttl": 5}))
    assert settings(vhost.declare_queue("q")) == QueueSettings(length_max=5)


def test_an_operator_policy_bounds_policy_and_arguments(vhost: VHost) -> None:
    vhost.policies.set("p", value(definition={"max-length": 5, "message-ttl": 100}))
    vhost.policies.set("o", value(definition={"max-length": 3, "expires": 7}), operator=True)
    queue = vhost.declare_queue("q", arguments={"x-max-length": fields.encode_value(4)})
    assert settings(queue) == QueueSettings(length_max=3, message_ttl_ms=100, expires_ms=7)
    effective = vhost.policies.of_queue("q", queue.arguments)
    assert (effective.policy and effective.policy.name, effective.operator and effective.operator.name) == ("p", "o")
    assert effective.definition == {"max-length": 3, "message-ttl": 100, "expires": 7}


@pytest.mark.parametrize(
    ("apply_to", "classic", "quorum", "exchange"),
    [
        ("all", True, True, True),
        ("queues", True, True, False),
        ("classic_queues", True, False, False),
        ("quorum_queues", False, True, False),
        ("streams", False, False, False),
        ("exchanges", False, False, True),
    ],
)
def test_a_policy_applies_to_what_it_says(
    vhost: VHost, apply_to: str, classic: bool, quorum: bool, exchange: bool
) -> None:
    definition = {"max-length": 5, "alternate-exchange": "amq.fanout"}
    vhost.policies.set("p", value(definition=definition, apply_to=apply_to))
    found = [length_max(vhost.declare_queue("c")) == 5]
    found.append(length_max(vhost.declare_queue("q", durable=True, arguments=QUORUM)) == 5)
    found.append(vhost.declare_exchange("x", "direct").alternate == "amq.fanout")
    assert found == [classic, quorum, exchange]
    assert (vhost.policies.of_exchange("x").policy is not None) is exchange


def test_a_policy_that_a_type_of_queue_cannot_follow_does_not_match_it(vhost: VHost) -> None:
    vhost.policies.set("p", value(definition={"max-length": 1, "delivery-limit": 3}, priority=1))
    vhost.policies.set("q", value(definition={"max-length": 2, "queue-mode": "lazy"}))
    vhost.policies.set("r", value(definition={"max-length": 3}, priority=-1))
    assert length_max(vhost.declare_queue("c")) == 2
    quorum = vhost.declare_queue("q", durable=True, arguments=QUORUM)
    assert (length_max(quorum), settings(quorum).delivery_limit) == (1, 3)
    vhost.policies.clear("p")
    assert (length_max(quorum), settings(quorum).delivery_limit) == (3, 20)


def test_an_expression_beyond_all_bounds_matches_nothing_and_costs_little(vhost: VHost) -> None:
    vhost.policies.set("p", value("^(a+)+$"))
    vhost.policies.set("r", value("(?:(?=(?:(?=(?:.|a)*b)a)*)a)*b$"))
    assert length_max(vhost.declare_queue("a" * 200 + "!")) is None
    assert length_max(vhost.declare_queue("a" * 255)) == 5


# -- changes -----------------------------------------------------------------------------------------------------


def test_a_change_holds_at_once_for_queues_and_what_is_in_them(vhost: VHost) -> None:
    queue = vhost.declare_queue("q")
    publish(vhost, "", "q", range(10))
    vhost.policies.set("p", value())
    assert queue.ready_count == 5
    publish(vhost, "", "q", range(10, 12))
    vhost.policies.clear("p")
    publish(vhost, "", "q", range(12, 20))
    assert take_all(queue) == [7, 8, 9, 10, 11, *range(12, 20)]
    assert settings(queue) == PLAIN


def test_a_change_of_its_pattern_leaves_some_queues_and_reaches_others(vhost: VHost) -> None:
    one, other, third = (vhost.declare_queue(name) for name in ("one", "other", "third"))
    vhost.policies.set("p", value("^o"))
    assert [length_max(queue) for queue in (one, other, third)] == [5, 5, None]
    vhost.policies.set("p", value("^.h|^oth", {"max-length": 6}))
    assert [length_max(queue) for queue in (one, other, third)] == [None, 6, 6]


def test_an_alternate_exchange_comes_and_goes_with_a_policy(vhost: VHost) -> None:
    queue = vhost.declare_queue("q")
    vhost.bind("amq.fanout", queue, "", {})
    vhost.declare_exchange("x", "direct")
    given = {"alternate-exchange": fields.encode_value("nowhere")}
    assert vhost.declare_exchange("y", "direct", arguments=given).alternate == "nowhere"
    assert publish(vhost, "x", "k", [1]) == [1]
    vhost.policies.set("p", value(definition={"alternate-exchange": "amq.fanout"}, apply_to="exchanges"))
    assert publish(vhost, "x", "k", [2]) == []
    assert publish(vhost, "amq.direct", "k", [3]) == [], "those every virtual host begins with have policies too"
    assert publish(vhost, "y", "k", [4]) == [4], "an argument goes before a policy"
    vhost.policies.clear("p")
    assert publish(vhost, "x", "k", [5]) == [5]
    assert take_all(queue) == [2, 3]


def test_setting_the_same_again_changes_nothing() -> None:
    kept = live()
    kept.vhost.policies.set("p", value())
    before, version = len(kept.catalog.changes), kept.vhost.version
    kept.vhost.policies.set("p", value())
    assert (len(kept.catalog.changes), kept.vhost.version) == (before, version)


def test_clearing_what_there_is_not_is_refused(vhost: VHost) -> None:
    vhost.policies.set("p", value())
    for operator, name in ((True, "p"), (False, "q")):
        with pytest.raises(NotFound, match="Parameter does not exist"):
            vhost.policies.clear(name, operator=operator)


def test_a_refused_policy_leaves_the_one_there_was() -> None:
    kept = live()
    queue = kept.vhost.declare_queue("q")
    kept.vhost.policies.set("p", value())
    before = len(kept.catalog.changes)
    with pytest.raises(PreconditionFailed):
        kept.vhost.policies.set("p", value("("))
    assert (length_max(queue), list(kept.vhost.policies.by_name["policy"])) == (5, ["p"])
    assert len(kept.catalog.changes) == before


# -- what it costs -----------------------------------------------------------------------------------------------


def test_a_declaration_costs_a_few_lines_for_each_policy_however_many_queues_there_are(vhost: VHost) -> None:
    def cost(queue: str) -> int:
        return operations(lambda: vhost.declare_queue(queue))

    plain = cost("plain")
    for number in range(50):
        vhost.policies.set(f"p{number}", value(rf"^team{number}\.", {"max-length": number}, number))
    few = cost("few")
    for number in range(1000):
        vhost.declare_queue(f"team{number % 50}.{number}")
    assert few - plain < 50 * 8
    assert cost("many") == few


def test_a_change_of_a_policy_costs_little_for_queues_it_is_not_about(vhost: VHost) -> None:
    def cost(count: int) -> int:
        for number in range(count):
            vhost.declare_queue(f"q{count}.{number}")
        return operations(lambda: vhost.policies.set("p", value(f"^q{count}.7$", priority=count)))

    few, many = cost(10), cost(1000)
    assert many - few < 1000 * 25


# -- what is kept ------------------------------------------------------------------------------------------------


def some_policies(kept: Kept) -> None:
    kept.vhost.policies.set("p", value("^q", {"max-length": 5, "alternate-exchange": "amq.fanout"}, 1.5))
    kept.vhost.policies.set("o", value("^q", {"max-length": 4}), operator=True)


def test_policies_are_kept_as_parameters() -> None:
    kept = live()
    before = len(kept.catalog.changes)
    some_policies(kept)
    kept.vhost.policies.clear("p")
    assert kept.catalog.changes[before:] == [
        (
            True,
            ParameterDefinition(
                "/",
                "policy",
                "p",
                '{"pattern": "^q", "definition": {"max-length": 5, "alternate-exchange": "amq.fanout"}, '
                '"priority": 1.5, "apply-to": "all"}',
            ),
        ),
        (
            True,
            ParameterDefinition(
                "/",
                "operator_policy",
                "o",
                '{"pattern": "^q", "definition": {"max-length": 4}, "priority": 0, "apply-to": "all"}',
            ),
        ),
        (False, ParameterDefinition("/", "policy", "p")),
    ]


def test_policies_hold_after_a_restart_for_what_there_was_and_what_comes() -> None:
    kept = live()
    kept.vhost.declare_queue("q", durable=True)
    kept.vhost.declare_exchange("qx", "fanout", durable=True)
    some_policies(kept)
    again = kept.next_life().vhost
    assert length_max(again.queues["q"]) == 4
    assert length_max(again.declare_queue("q2")) == 4
    assert again.exchanges["qx"].alternate == "amq.fanout"
    again.policies.clear("o", operator=True)
    assert length_max(again.queues["q"]) == 5


def test_exchanges_every_virtual_host_begins_with_have_their_policy_after_a_restart() -> None:
    kept = live()
    kept.vhost.policies.set("p", value("^amq", {"alternate-exchange": "amq.fanout"}))
    assert kept.next_life().vhost.exchanges["amq.direct"].alternate == "amq.fanout"


# -- what is refused ---------------------------------------------------------------------------------------------


def refusal(given: Any, operator: bool = False, name: str = "p") -> str:
    with pytest.raises(PreconditionFailed) as caught:
        policy(name, given, operator=operator)
    start, text = str(caught.value)[:19], str(caught.value)[19:]
    assert start == "Validation failed\n\n"
    assert text.endswith("\n")
    return text[:-1]


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({}, "no policy provided"),
        ([], "no policy provided"),
        ([1, 2], "definition must be a dictionary: [1,2]"),
        ("abc", 'parse error while reading policy p: <<"abc">>.'),
        ({"foo": 5, "message-ttl": 5}, '[{<<"foo">>,5}] are not recognised policy settings'),
        (
            {"foo": 5, "bar": "x", "baz": [1, {"a": None}], "f": 1.5, "t": True},
            '[{<<"bar">>,<<"x">>},\n {<<"baz">>,[1,#{<<"a">> => null}]},\n {<<"f">>,1.5},\n {<<"foo">>,5},\n '
            '{<<"t">>,true}] are not recognised policy settings',
        ),
        ({"message-ttl": "a"}, '<<"a">> is not a valid message TTL'),
        ({"message-ttl": -1}, "-1 is not a valid message TTL"),
        ({"message-ttl": 1.5}, "1.5 is not a valid message TTL"),
        ({"message-ttl": 1e30}, "1.0e30 is not a valid message TTL"),
        ({"expires": 0}, "0 is not a valid queue expiry"),
        ({"expires": 0, "message-ttl": -1, "overflow": "x"}, "0 is not a valid queue expiry"),
        ({"max-length": True}, "true is not a valid maximum length"),
        ({"max-length": None}, "null is not a valid maximum length"),
        ({"max-length": [1, "a"]}, '[1,<<"a">>] is not a valid maximum length'),
        ({"max-length": {"a": 1}}, '#{<<"a">> => 1} is not a valid maximum length'),
        ({"max-length-bytes": -1}, "-1 is not a valid maximum length in bytes"),
        ({"dead-letter-exchange": 1}, "1 is not a valid dead letter exchange name"),
        ({"dead-letter-routing-key": ""}, None),
        ({"dead-letter-routing-key": 1}, "1 is not a valid dead letter routing key"),
        ({"dead-letter-routing-key": "k" * 255, "dead-letter-exchange": "é" * 127, "alternate-exchange": ""}, None),
        ({"dead-letter-routing-key": "k" * 256}, f'<<"{"k" * 256}">> is not a valid dead letter routing key'),
        ({"dead-letter-exchange": "é" * 128}, f'<<"{"é" * 128}"/utf8>> is not a valid dead letter exchange name'),
        ({"dead-letter-strategy": "x"}, '<<"x">> is not a valid dead letter strategy'),
        ({"alternate-exchange": 1}, "1 is not a valid alternate exchange name"),
        ({"queue-mode": 1}, "1 is not a valid queue-mode value"),
        ({"queue-version": 3}, "3 is not a valid queue-version value"),
        ({"queue-version": True}, "true is not a valid queue-version value"),
        ({"overflow": ""}, "<<>> is not a valid overflow value"),
        ({"overflow": 'a"\\\n'}, r'<<"a\"\\\n">> is not a valid overflow value'),
        ({"delivery-limit": "1"}, '<<"1">> is not a valid delivery limit'),
        ({"delivery-limit": -1}, None),
        ({"max-age": "7x"}, '<<"7x">> is not a valid max age'),
        ({"max-age": "7D"}, None),
        ({"max-age": ""}, "<<>> is not a valid max age"),
        (
            {"member-placement-tag": ""},
            "<<>> is not a valid member-placement-tag value. Must be a non-empty string",
        ),
        ({"stream-filter-size-bytes": 15}, "15 is not a valid filter size. Valid range is 16-255"),
        ({"delayed-retry-type": "x"},
         '<<"x">> is not a valid delayed retry type. Must be one of: all, failed, returned, disabled'),
        ({"delayed-retry-type": "all"}, "delayed-retry-min is required when delayed-retry-type is all"),
        ({"delayed-retry-type": "disabled"}, None),
        ({"delayed-retry-min": 0}, "0 is not a valid delayed retry minimum delay. Must be a positive integer"),
        ({"delayed-retry-type": "all", "delayed-retry-min": 5, "delayed-retry-max": 4},
         "delayed-retry-max (4) must not be smaller than delayed-retry-min (5)"),
    ],
)  # fmt: skip
def test_definitions(definition: Any, expected: str | None) -> None:
    if expected is None:
        assert policy("p", value(definition=definition)).definition == definition
    else:
        assert refusal(value(definition=definition)) == expected


INVALID = "pattern should be regular expression but is invalid: "


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("(", INVALID + '{"missing )",1}'),
        ("[a", INVALID + '{"missing terminating ] for character class",\n' + " " * 54 + "2}"),
        ("*", INVALID + '{"nothing to repeat",0}'),
        ("a**", INVALID + '{"nothing to repeat",2}'),
        ("a{3,1}", INVALID + '{"numbers out of order in {} quantifier",\n' + " " * 54 + "5}"),
        ("\\", INVALID + '{"\\\\ at end of pattern",\n' + " " * 54 + "1}"),
        ("[z-a]", INVALID + '{"range out of order in character class",\n' + " " * 54 + "3}"),
        (")", INVALID + '{"unmatched parentheses",0}'),
        ("(?<=a*)", INVALID + '{"lookbehind assertion is not fixed length",\n' + " " * 54 + "6}"),
        (5, "pattern should be a binary but was 5"),
        ("a" * 1025, "pattern must not exceed 1024 bytes"),
        ("\ud800" * 2, None),
    ],
)
def test_patterns(pattern: Any, expected: str | None) -> None:
    if expected is None:
        assert policy("p", value(pattern)).pattern.source == pattern
    else:
        assert refusal(value(pattern)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"priority": "a"}, 'priority should be a number, actually was <<"a">>'),
        ({"priority": None}, "priority should be a number, actually was null"),
        (
            {"apply-to": "foo"},
            "apply-to 'foo' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', "
            "'exchanges', or 'all'",
        ),
        ({"foo": 1}, 'Unrecognised terms [{<<"foo">>,1}] in p'),
    ],
)
def test_the_rest_of_a_policy(change: dict[str, Any], expected: str) -> None:
    assert refusal(value() | change) == expected


def test_what_is_missing_and_all_that_is_wrong_is_told_at_once() -> None:
    assert refusal({}) == 'Key "definition" not found in p\nKey "pattern" not found in p\nKey "priority" not found in p'
    assert refusal(value("(", {"message-ttl": -5}, "x")) == (
        f'-5 is not a valid message TTL\n{INVALID}{{"missing )",1}}\npriority should be a number, actually was <<"x">>'
    )
    assert refusal("x") == 'p not a list <<"x">>'
    assert refusal([1]) == "Unrecognised terms [1] in p"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 1 << 70)
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(
        ["drop-head", "reject-publish", "all", "failed", "at-least-once", "7D", "lazy", "(a+)+$", "^q", "queues"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
DEFINITIONS = st.dictionaries(st.sampled_from([*KEYS, "foo"]), ANYTHING, max_size=4)


@hypothesis.settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["pattern", "definition", "priority", "apply-to", "foo"]), ANYTHING | DEFINITIONS),
    st.booleans(),
)
def test_whatever_is_set_is_refused_or_followed(found: Any, operator: bool) -> None:
    kept = live()
    queues = [
        kept.vhost.declare_queue("q", durable=True),
        kept.vhost.declare_queue("qq", durable=True, arguments=QUORUM),
    ]
    with suppress(PreconditionFailed):
        kept.vhost.policies.set("p", value() | found, operator=operator)
    publish(kept.vhost, "", "q", range(3), persistent=True)
    publish(kept.vhost, "", "qq", range(3), persistent=True)
    again = kept.next_life().vhost
    assert [settings(again.queues[queue.name]) for queue in queues] == [settings(queue) for queue in queues]


def test_operators_may_only_bound() -> None:
    given = value(definition={"dead-letter-exchange": "a"})
    assert refusal(given, operator=True) == '[{<<"dead-letter-exchange">>,<<"a">>}] are not recognised policy settings'
    assert refusal(value(definition={"max-length": -4}), operator=True) == "-4 is not a valid maximum length"
    for definition in ({"overflow": "drop-head", "max-length": 4}, {"delivery-limit": -1, "expires": 1}):
        assert policy("o", value(definition=definition), operator=True).definition == definition


def test_a_dead_letter_key_longer_than_any_routing_key_is_refused_in_an_argument_too(vhost: VHost) -> None:
    given = {
        "x-dead-letter-exchange": fields.encode_value(""),
        "x-dead-letter-routing-key": fields.encode_value("k" * 256),
    }
    with pytest.raises(PreconditionFailed, match="too_long,256"):
        vhost.declare_queue("q", arguments=given)


# -- what another version has kept -------------------------------------------------------------------------------

GOOD = {"pattern": "^q", "definition": {"max-length": 4}, "priority": 1, "apply-to": "all"}
UNFIT = {
    "pattern": GOOD | {"pattern": "("},
    "definition": GOOD | {"definition": {"max-length": -4, "message-ttl": 1}},
    "key": GOOD | {"definition": {"max-width": 4}},
    "apply-to": GOOD | {"apply-to": "everything"},
    "kind": GOOD | {"apply-to": []},
    "priority": GOOD | {"priority": "high"},
    "no number": GOOD | {"priority": float("nan")},
    "missing": {"pattern": "^q"},
    "text": "max-length",
    "list": [1],
    "nothing": None,
}


@pytest.mark.parametrize("component", ["policy", "operator_policy"])
@pytest.mark.parametrize("what", UNFIT)
def test_a_kept_policy_that_is_not_valid_any_more_applies_to_nothing_until_it_is_set_anew(
    what: str, component: str
) -> None:
    kept = live()
    operator = component == "operator_policy"
    queue = kept.vhost.declare_queue("q", durable=True)
    kept.vhost.policies.set("good", value("^q", {"max-length": 9}), operator=operator)
    kept.catalog.put(ParameterDefinition("/", component, "p", json.dumps(UNFIT[what])))
    again = kept.next_life()
    policies = again.vhost.policies
    assert length_max(again.vhost.queues["q"]) == 9, "as if there were the other one alone"
    assert policies.by_name[component]["p"].fault
    assert json.dumps(policies.by_name[component]["p"].value), "it can be shown"
    policies.set("p", GOOD, operator=operator)
    assert length_max(again.vhost.queues["q"]) == 4
    assert length_max(again.next_life().vhost.queues["q"]) == 4
    assert length_max(queue) == 9


def test_a_kept_policy_that_is_not_valid_any_more_can_be_cleared() -> None:
    kept = live()
    kept.catalog.put(ParameterDefinition("/", "policy", "p", "{"))
    again = kept.next_life()
    again.vhost.policies.clear("p")
    assert not again.vhost.policies.by_name["policy"]
    assert not again.next_life().vhost.policies.by_name["policy"]
