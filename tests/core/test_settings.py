"""What arguments, policy and operator policy come to."""

from __future__ import annotations

from typing import Any

import pytest

from menura.core import fields
from menura.core.settings import PLAIN, QueueSettings, joined, queue_settings


def arguments(**values: Any) -> dict[str, bytes]:
    return {"x-" + name.replace("_", "-"): fields.encode_value(value) for name, value in values.items()}


QUORUM = arguments(queue_type="quorum")


def test_a_queue_of_which_nothing_is_said_is_plain() -> None:
    assert queue_settings({}) == PLAIN
    assert queue_settings(arguments(queue_type="classic"), {}, {}) == PLAIN
    assert queue_settings({"x-unknown": fields.encode_value(1)}, {"queue-mode": "lazy"}) == PLAIN


def test_arguments_alone_are_the_settings() -> None:
    given = arguments(
        message_ttl=1, expires=2, max_length=3, max_length_bytes=4, overflow="reject-publish-dlx",
        dead_letter_exchange="x", dead_letter_routing_key="k", max_priority=5, single_active_consumer=True,
        consumer_timeout=6,
    )  # fmt: skip
    assert queue_settings(given) == QueueSettings(
        message_ttl_ms=1, expires_ms=2, length_max=3, bytes_max=4, overflow="reject-publish-dlx",
        dead_letter_exchange="x", dead_letter_key="k", priority_max=5, single_active=True, consumer_timeout_ms=6,
    )  # fmt: skip


def test_a_policy_alone_is_the_settings() -> None:
    definition = {
        "message-ttl": 1, "expires": 2, "max-length": 3, "max-length-bytes": 4, "overflow": "reject-publish",
        "dead-letter-exchange": "", "dead-letter-routing-key": "k", "consumer-timeout": 6,
    }  # fmt: skip
    expected = QueueSettings(
        message_ttl_ms=1, expires_ms=2, length_max=3, bytes_max=4, overflow="reject-publish",
        dead_letter_exchange="", dead_letter_key="k", consumer_timeout_ms=6,
    )  # fmt: skip
    assert queue_settings({}, definition) == expected
    assert queue_settings({}, None, definition) == expected


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("message-ttl", "message_ttl_ms"),
        ("expires", "expires_ms"),
        ("max-length", "length_max"),
        ("max-length-bytes", "bytes_max"),
    ],
)
def test_the_smallest_number_counts_wherever_it_is_said(key: str, field: str) -> None:
    for argument, policy, operator in ((1, 2, 3), (3, 1, 2), (2, 3, 1), (0, 1, 2)):
        given = {"x-" + key: fields.encode_value(argument)}
        assert getattr(queue_settings(given, {key: policy}, {key: operator}), field) == min(argument, policy, operator)


def test_the_shorter_consumer_timeout_counts() -> None:
    given = arguments(consumer_timeout=5)
    assert queue_settings(given, {"consumer-timeout": 4}).consumer_timeout_ms == 4
    assert queue_settings(given, {"consumer-timeout": 6}).consumer_timeout_ms == 5


@pytest.mark.parametrize("key", ["dead-letter-exchange", "dead-letter-routing-key", "overflow"])
def test_names_in_arguments_go_before_those_in_policies(key: str) -> None:
    names = {"argument": "reject-publish", "policy": "drop-head"}
    given = {"x-" + key: fields.encode_value(names["argument"])}
    found = queue_settings(given, {key: names["policy"]}, {key: names["policy"]})
    assert names["argument"] in (found.dead_letter_exchange, found.dead_letter_key, found.overflow)


def test_what_happens_to_a_full_quorum_queue_is_for_the_policy_to_say() -> None:
    given = {**QUORUM, **arguments(overflow="reject-publish")}
    assert queue_settings(given, {"overflow": "drop-head"}).overflow == "drop-head"
    assert queue_settings(given).overflow == "reject-publish"
    assert queue_settings(QUORUM, {"overflow": "reject-publish-dlx"}).overflow == "drop-head"


def test_priorities_and_the_single_consumer_are_for_arguments_to_say() -> None:
    assert queue_settings({}, {"max-priority": 5, "single-active-consumer": True}) == PLAIN


@pytest.mark.parametrize(
    ("argument", "policy", "operator", "expected"),
    [
        (None, None, None, 20),
        (5, None, None, 5),
        (-1, None, None, None),
        (None, -1, None, None),
        (5, 3, None, 3),
        (-1, 3, None, 3),
        (5, -1, None, 5),
        (None, 7, -1, 7),
        (None, -1, 7, 7),
        (None, 7, 5, 5),
        (-1, -1, -1, None),
        (0, 5, 5, 0),
    ],
)
def test_a_delivery_limit_below_zero_is_none_and_gives_way_to_any_other(
    argument: int | None, policy: int | None, operator: int | None, expected: int | None
) -> None:
    given = QUORUM if argument is None else {**QUORUM, **arguments(delivery_limit=argument)}
    definitions = [{} if limit is None else {"delivery-limit": limit} for limit in (policy, operator)]
    assert queue_settings(given, *definitions).delivery_limit == expected


def test_classic_queues_count_no_deliveries_and_retry_at_once() -> None:
    definition = {"delivery-limit": 3, "delayed-retry-type": "all", "delayed-retry-min": 10}
    assert queue_settings({}, definition) == PLAIN


def retry(given: dict[str, bytes], *definitions: dict[str, Any]) -> tuple[str | None, int | None, int | None]:
    found = queue_settings({**QUORUM, **given}, *definitions)
    return found.retry, found.retry_min_ms, found.retry_max_ms


def test_a_retry_needs_its_shortest_time_and_never_waits_longer_than_its_longest() -> None:
    assert retry(arguments(delayed_retry_type="failed", delayed_retry_min=10)) == ("failed", 10, 10)
    assert retry(arguments(delayed_retry_type="all", delayed_retry_min=10, delayed_retry_max=90)) == ("all", 10, 90)
    assert retry(arguments(delayed_retry_type="all")) == (None, None, None)
    assert retry(arguments(delayed_retry_type="disabled", delayed_retry_min=10)) == (None, None, None)
    assert retry(arguments(delayed_retry_min=10)) == (None, None, None)


def test_a_policy_decides_which_messages_are_retried_and_bounds_narrow() -> None:
    given = arguments(delayed_retry_type="all", delayed_retry_min=20, delayed_retry_max=90)
    policy = {"delayed-retry-type": "returned", "delayed-retry-min": 10, "delayed-retry-max": 100}
    assert retry(given, policy) == ("returned", 10, 90)
    assert retry(given, {}, {"delayed-retry-type": "disabled"}) == (None, None, None)


def test_of_policy_and_operator_policy_the_narrower_counts() -> None:
    policy = {
        "message-ttl": 10, "max-length": 5, "overflow": "drop-head", "delayed-retry-min": 1, "delayed-retry-max": 9,
        "target-group-size": 3, "dead-letter-exchange": "x",
    }  # fmt: skip
    operator = {
        "message-ttl": 20, "max-length": 4, "overflow": "reject-publish", "delayed-retry-min": 2,
        "delayed-retry-max": 8, "target-group-size": 5, "expires": 7,
    }  # fmt: skip
    assert joined(policy, operator) == {
        "message-ttl": 10, "max-length": 4, "overflow": "reject-publish", "delayed-retry-min": 2,
        "delayed-retry-max": 8, "target-group-size": 5, "expires": 7, "dead-letter-exchange": "x",
    }  # fmt: skip
    assert joined(policy, {}) == policy
    assert joined({}, operator) == operator
