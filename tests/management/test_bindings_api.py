"""Exchanges and bindings over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.management.http_client import Client

from menura.management.views.binding import properties_key


def bound(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(binding["source"], binding["destination"], binding["routing_key"]) for binding in found]


# -- exchanges -----------------------------------------------------------------------------------------------


def test_an_exchange_is_made_once(api: Client, unique: str) -> None:
    path = f"/exchanges/%2F/{unique}"
    declaration = {
        "type": "topic",
        "durable": True,
        "internal": True,
        "arguments": {"alternate-exchange": "amq.fanout"},
    }
    assert api.put(path, declaration).status == 201
    assert api.put(path, declaration).status == 204
    found = api.get(path).json
    assert {key: found[key] for key in declaration} == declaration
    said = api.put(path, {**declaration, "type": "direct"}).json["reason"]
    assert said == (
        f"inequivalent arg 'type' for exchange '{unique}' in vhost '/': received 'direct' but current is 'topic'"
    )
    assert api.delete(path).status == 204
    assert api.delete(path).status == 404


def test_an_exchange_is_direct_if_nothing_is_said(api: Client, unique: str) -> None:
    assert api.put(f"/exchanges/%2F/{unique}").status == 201
    assert api.get(f"/exchanges/%2F/{unique}?columns=type,durable").json == {"type": "direct", "durable": False}


@pytest.mark.parametrize(
    ("name", "declaration", "status"),
    [
        ("x", {"type": "nope"}, 400),
        ("x", {"type": 3}, 400),
        ("x", {"arguments": {"alternate-exchange": 3}}, 400),
        ("x" * 256, {}, 400),
        ("amq.mine", {}, 401),
        ("amq.default", {}, 401),
    ],
)
def test_what_is_no_exchange_is_refused(name: str, declaration: dict[str, Any], status: int, api: Client) -> None:
    assert api.put(f"/exchanges/%2F/{name}", declaration).status == status


def test_exchanges_in_use_and_those_of_the_broker_stay(api: Client, unique: str) -> None:
    path = f"/exchanges/%2F/{unique}"
    api.put(path, {"type": "fanout"})
    api.put(f"/queues/%2F/{unique}")
    api.post(f"/bindings/%2F/e/{unique}/q/{unique}")
    assert api.delete(f"{path}?if-unused=true").json["reason"] == f"exchange '{unique}' in vhost '/' in use"
    assert api.delete("/exchanges/%2F/amq.direct").status == 401
    assert api.delete("/exchanges/%2F/amq.default").status == 401
    assert api.get("/exchanges/%2F/amq.default").json["name"] == ""


# -- bindings ------------------------------------------------------------------------------------------------


def test_a_queue_is_bound_and_unbound_by_its_properties_key(api: Client, unique: str) -> None:
    api.put(f"/queues/%2F/{unique}")
    path = f"/bindings/%2F/e/amq.topic/q/{unique}"
    for key, arguments in (("", {}), ("a.b", {}), ("x/y ~z+%é", {"a": 1}), ("a.b", {"b": "c"})):
        answer = api.post(path, {"routing_key": key, "arguments": arguments})
        assert answer.status == 201
        place = answer.headers["location"]
        assert place.split("/")[0] == unique
        followed = f"/bindings/%2F/e/amq.topic/q/{place}"
        found = api.get(followed).json
        assert (found["routing_key"], found["arguments"]) == (key, arguments)
        assert unquote(place.split("/")[1]) == found["properties_key"]
    assert len(api.get(path).json) == 4
    for binding in api.get(path).json:
        assert api.delete(f"{path}/{quote(binding['properties_key'], safe='')}").status == 204
    assert api.get(path).json == []
    assert api.delete(f"{path}/~").status == 404


def test_a_properties_key_may_come_as_it_reads(api: Client, unique: str) -> None:
    """Some clients put it into a path without a second look."""
    api.put(f"/queues/%2F/{unique}")
    path = f"/bindings/%2F/e/amq.topic/q/{unique}"
    api.post(path, {"routing_key": "a/b"})
    assert api.get(f"{path}/a%2Fb").json["routing_key"] == "a/b"


def test_exchanges_are_bound_to_exchanges(api: Client, unique: str) -> None:
    api.put(f"/exchanges/%2F/{unique}", {"type": "fanout"})
    path = f"/bindings/%2F/e/amq.topic/e/{unique}"
    assert api.post(path, {"routing_key": "k"}).status == 201
    expected = [("amq.topic", unique, "k")]
    assert bound(api.get(path).json) == expected
    assert bound(api.get(f"/exchanges/%2F/{unique}/bindings/destination").json) == expected
    assert expected[0] in bound(api.get("/exchanges/%2F/amq.topic/bindings/source").json)
    assert api.get(f"{path}/k").json["destination_type"] == "exchange"
    assert api.delete(f"{path}/k").status == 204
    assert api.get(f"{path}/k").status == 404


def test_every_queue_is_bound_to_the_default_exchange(api: Client, unique: str) -> None:
    api.put(f"/queues/%2F/{unique}")
    expected = ("", unique, unique)
    for path in (
        f"/queues/%2F/{unique}/bindings",
        "/exchanges/%2F/amq.default/bindings/source",
        f"/bindings/%2F/e/amq.default/q/{unique}",
        "/bindings/%2F",
        "/bindings",
    ):
        assert expected in bound(api.get(path).json)
    assert api.post(f"/bindings/%2F/e/amq.default/q/{unique}", {"routing_key": "k"}).status == 401
    assert api.delete(f"/bindings/%2F/e/amq.default/q/{unique}/{unique}").status == 401


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/bindings/%2F/e/amq.topic/q/none", {}, 404, "no queue 'none' in vhost '/'"),
        ("/bindings/%2F/e/none/e/amq.topic", {}, 404, "no exchange 'none' in vhost '/'"),
        ("/bindings/%2F/e/amq.topic/e/amq.fanout", {"routing_key": 5}, 400, "routing_key must be a string, not 5"),
        (
            "/bindings/%2F/e/amq.topic/e/amq.fanout",
            {"routing_key": "k" * 256},
            400,
            "routing key is longer than 255 bytes",
        ),
        (
            "/bindings/%2F/e/amq.headers/e/amq.fanout",
            {"arguments": {"x-match": "bogus"}},
            400,
            'Invalid x-match field value <<"bogus">>; expected all, any, all-with-x, or any-with-x',
        ),
    ],
)
def test_what_cannot_be_bound_is_refused(path: str, body: dict[str, Any], status: int, said: str, api: Client) -> None:
    answer = api.post(path, body)
    assert (answer.status, answer.json["reason"]) == (status, said)


def test_binding_takes_the_rights_it_takes_everywhere(api: Client, unique: str) -> None:
    api.put(f"/users/{unique}", {"password": "secret", "tags": "management"})
    api.put(f"/permissions/%2F/{unique}", {"configure": "", "write": "^own", "read": "^amq.topic$"})
    api.put(f"/topic-permissions/%2F/{unique}", {"exchange": "amq.topic", "write": "", "read": "^a"})
    for name in ("own", "other"):
        api.put(f"/queues/%2F/{name}-{unique}")
    user = api.as_user(unique, "secret")
    assert user.post(f"/bindings/%2F/e/amq.topic/q/own-{unique}", {"routing_key": "a"}).status == 201
    assert user.post(f"/bindings/%2F/e/amq.topic/q/own-{unique}", {"routing_key": "b"}).status == 401
    assert user.post(f"/bindings/%2F/e/amq.direct/q/own-{unique}", {"routing_key": "a"}).status == 401
    assert user.post(f"/bindings/%2F/e/amq.topic/q/other-{unique}", {"routing_key": "a"}).status == 401


@given(st.text(max_size=5), st.dictionaries(st.text(max_size=3), st.binary(max_size=3), max_size=3))
def test_a_properties_key_is_the_same_whatever_the_order_of_arguments(key: str, arguments: dict[str, bytes]) -> None:
    other = dict(reversed(arguments.items()))
    assert properties_key(key, arguments) == properties_key(key, other)
    assert ("~" in properties_key(key, arguments)) is (bool(arguments) or not key)
