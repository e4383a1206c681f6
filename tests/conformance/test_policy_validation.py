"""What a policy may say, and what is said to one that may not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.administration import Administration
from tests.conformance.conftest import Names

NOWHERE = "^$"


def invalid(why: str) -> str:
    return f"Validation failed\n\n{why}\n"


DEFINITIONS = [
    ({}, "no policy provided"),
    ({"message-ttl": -1}, "-1 is not a valid message TTL"),
    ({"message-ttl": "5"}, '<<"5">> is not a valid message TTL'),
    ({"message-ttl": 1.5}, "1.5 is not a valid message TTL"),
    ({"message-ttl": True}, "true is not a valid message TTL"),
    ({"message-ttl": None}, "null is not a valid message TTL"),
    ({"expires": 0}, "0 is not a valid queue expiry"),
    ({"expires": "a"}, '<<"a">> is not a valid queue expiry'),
    ({"max-length": -1}, "-1 is not a valid maximum length"),
    ({"max-length-bytes": -1}, "-1 is not a valid maximum length in bytes"),
    ({"overflow": "nonsense"}, '<<"nonsense">> is not a valid overflow value'),
    ({"overflow": 5}, "5 is not a valid overflow value"),
    ({"dead-letter-exchange": 5}, "5 is not a valid dead letter exchange name"),
    ({"dead-letter-routing-key": 5}, "5 is not a valid dead letter routing key"),
    ({"dead-letter-strategy": "nonsense"}, '<<"nonsense">> is not a valid dead letter strategy'),
    ({"delivery-limit": "1"}, '<<"1">> is not a valid delivery limit'),
    ({"alternate-exchange": 5}, "5 is not a valid alternate exchange name"),
    ({"queue-mode": "nonsense"}, '<<"nonsense">> is not a valid queue-mode value'),
    ({"queue-version": 3}, "3 is not a valid queue-version value"),
    ({"max-priority": 5}, '[{<<"max-priority">>,5}] are not recognised policy settings'),
    ({"queue-type": "quorum"}, '[{<<"queue-type">>,<<"quorum">>}] are not recognised policy settings'),
    ({"message-ttl": -1, "expires": 0}, "0 is not a valid queue expiry"),
    ({"nonsense": 1, "message-ttl": 5}, '[{<<"nonsense">>,1}] are not recognised policy settings'),
]


@pytest.mark.parametrize(("definition", "why"), DEFINITIONS)
def test_an_invalid_definition(administration: Administration, name: Names, definition: Any, why: str) -> None:
    assert administration.set_policy("/", name("p"), NOWHERE, definition) == invalid(why)


@pytest.mark.parametrize(("pattern", "why"), [("(", '{"missing )",1}'), ("*", '{"nothing to repeat",0}')])
def test_an_invalid_pattern(administration: Administration, name: Names, pattern: str, why: str) -> None:
    text = f"pattern should be regular expression but is invalid: {why}"
    assert administration.set_policy("/", name("p"), pattern, {"max-length": 1}) == invalid(text)


@pytest.mark.parametrize("key", ["dead-letter-exchange", "alternate-exchange", "queue-mode"])
def test_an_operator_policy_has_fewer_keys(administration: Administration, name: Names, key: str) -> None:
    text = f'[{{<<"{key}">>,<<"lazy">>}}] are not recognised policy settings'
    assert administration.set_operator_policy("/", name("p"), NOWHERE, {key: "lazy"}) == invalid(text)


VALID: dict[str, Any] = {
    "message-ttl": 0,
    "expires": 1,
    "max-length": 0,
    "max-length-bytes": 0,
    "overflow": "reject-publish-dlx",
    "dead-letter-exchange": "",
    "dead-letter-routing-key": "",
    "dead-letter-strategy": "at-most-once",
    "delivery-limit": 0,
    "alternate-exchange": "a",
    "queue-mode": "lazy",
    "queue-version": 2,
}


def test_a_policy_may_say_all_it_can(administration: Administration, name: Names) -> None:
    assert administration.set_policy("/", name("p"), NOWHERE, VALID) == ""
    assert administration.clear_policy("/", name("p")) == ""


def test_an_operator_policy_may_say_all_it_can(administration: Administration, name: Names) -> None:
    keys = ["message-ttl", "expires", "max-length", "max-length-bytes", "delivery-limit"]
    definition = {key: VALID[key] for key in keys}
    assert administration.set_operator_policy("/", name("p"), NOWHERE, definition) == ""
    assert administration.clear_operator_policy("/", name("p")) == ""


def test_a_policy_is_cleared_once(administration: Administration, name: Names) -> None:
    assert administration.clear_policy("/", name("p")) == "Parameter does not exist"
    assert administration.clear_operator_policy("/", name("p")) == "Parameter does not exist"
