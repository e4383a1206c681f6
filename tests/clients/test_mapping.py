"""docs/protocols/mapping.md, read as data: every row of its tables, through pika, paho-mqtt and stomp.py.

A row is published by a client of one protocol and must arrive at clients of all others as its cells say, with nothing
more.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.clients.mapping_talk import Clients, Found, port_of
from tests.clients.paho_talk import Paho
from tests.test_docs import DOCUMENTS

import menura

(DOCUMENT,) = [path for path in DOCUMENTS if path.name == "mapping.md"]
EXPIRY_SECONDS_LATE_MAX = 30  # what is left of an expiry is told, and tests may run slowly


def rows(section: str) -> list[list[str]]:
    """The cells of the table in a section, without its heading."""
    text = DOCUMENT.read_text(encoding="utf-8")
    (part,) = re.findall(rf"^## {section}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def items(cell: str) -> list[str]:
    """What a cell lists between backticks; nothing if it says so."""
    found = re.findall("`([^`]+)`", cell)
    assert found or cell in ("nothing", "none"), cell
    return found


def values(cell: str) -> Found:
    """A cell of AMQP or MQTT: names and values as in Python."""
    names = {"__builtins__": {}, "datetime": datetime, "Decimal": Decimal}
    return {name: eval(value, names) for name, value in (item.split("=", 1) for item in items(cell))}


def lines(cell: str) -> Found:
    """A cell of STOMP: header lines, in which \\n is a line end."""
    found = (item.replace("\\n", "\n").partition(":") for item in items(cell))
    return {name: ... if value == "..." else value for name, _, value in found}


@pytest.fixture(scope="module")
def broker() -> Iterator[menura.Broker]:
    listen = ["mqtt://127.0.0.1:0", "amqp://127.0.0.1:0", "stomp://127.0.0.1:0"]
    with menura.Broker(listen=listen) as broker:
        yield broker


@pytest.fixture(scope="module")
def clients(broker: menura.Broker) -> Iterator[Clients]:
    clients = Clients(broker)
    yield clients
    clients.close()


# -- properties --------------------------------------------------------------------------------------------------------


def assert_same(got: Found, *expected: Found) -> None:
    """`got` is what the last of `expected` says, or else the one before."""
    merged: Found = {}
    for each in expected:
        merged |= each
    if isinstance(merged.get("expiry"), int) and "expiry" in got:
        assert 0 <= merged["expiry"] - got["expiry"] <= EXPIRY_SECONDS_LATE_MAX
        merged["expiry"] = got["expiry"]
    assert got == {name: got.get(name) if value is ... else value for name, value in merged.items()}


def of_version_3(found: Found) -> Found:
    return {name: value for name, value in found.items() if name in ("qos", "retain")}


def table(section: str) -> Any:
    return pytest.mark.parametrize("row", rows(section), ids=lambda row: row[0])


@table("From AMQP")
def test_what_amqp_publishes(clients: Clients, row: list[str]) -> None:
    base, body = rows("From AMQP")[0], next(clients.bodies)
    clients.amqp.publish("p", body, values(row[0]))
    _, got = clients.mqtt.message(body)
    assert_same(got, values(base[1]), values(row[1]))
    _, got = clients.mqtt_3.message(body)
    assert_same(got, of_version_3(values(base[1]) | values(row[1])))
    _, got = clients.stomp.message(clients.subscription, body)
    assert_same(got, lines(base[2]), lines(row[2]))


@table("From MQTT")
def test_what_mqtt_publishes(clients: Clients, row: list[str]) -> None:
    base, identifier = rows("From MQTT")[:2]
    given = {name: value for name, value in values(row[0]).items() if name != "client_id"}
    published = [(clients.mqtt, identifier)]
    if given == of_version_3(given) and row != identifier:
        published.append((clients.mqtt_3, base))
    for publisher, always in published:
        publisher.publish("p", body := next(clients.bodies), given)
        _, got = clients.amqp.message(clients.queue, body)
        assert_same(got, values(base[1]), values(always[1]), values(row[1]))
        _, got = clients.stomp.message(clients.subscription, body)
        assert_same(got, lines(base[2]), lines(always[2]), lines(row[2]))
        for subscriber in (clients.mqtt, clients.mqtt_3):
            _, got = subscriber.message(body)
            sent = {"qos": 0} | {name: value for name, value in given.items() if name != "retain"}
            assert_same(got, sent if publisher is subscriber is clients.mqtt else of_version_3(sent))
        if "retain" in given:
            publisher.publish("p", b"", {"retain": True})


@table("From STOMP")
def test_what_stomp_publishes(clients: Clients, row: list[str]) -> None:
    base, body = rows("From STOMP")[0], next(clients.bodies)
    clients.stomp.publish("/topic/p", body, lines(row[0]))
    _, got = clients.amqp.message(clients.queue, body)
    assert_same(got, values(base[1]), values(row[1]))
    _, got = clients.mqtt.message(body)
    assert_same(got, values(base[2]), values(row[2]))
    _, got = clients.mqtt_3.message(body)
    assert_same(got, of_version_3(values(base[2]) | values(row[2])))


# -- names -------------------------------------------------------------------------------------------------------------


@table("Topics")
@pytest.mark.parametrize("publisher", ["mqtt", "mqtt_3", "amqp", "stomp"])
def test_a_name_crosses_and_comes_back(clients: Clients, row: list[str], publisher: str) -> None:
    (topic, *_), (key,), (destination,) = items(row[0]) or [""], items(row[1]), items(row[2])
    names = {"mqtt": topic, "mqtt_3": topic, "amqp": key, "stomp": destination}
    queue, subscription = clients.amqp.listen(key), clients.stomp.listen(destination)
    if topic:
        clients.mqtt.peer.subscribe(topic, 2)
        clients.mqtt_3.peer.subscribe(topic, 2)
    elif publisher.startswith("mqtt"):
        return
    getattr(clients, publisher).publish(names[publisher], body := next(clients.bodies), {})
    assert clients.amqp.message(queue, body)[0] == key
    assert clients.amqp.message(clients.queue, body)[0] == key
    assert clients.stomp.message(subscription, body)[0] == destination
    assert clients.stomp.message(clients.subscription, body)[0] == destination
    for subscriber in (clients.mqtt, clients.mqtt_3):
        if topic:
            assert subscriber.message(body)[0] == topic
        else:
            clients.amqp.publish("next", after := next(clients.bodies), {})
            assert body not in [message.payload for message in subscriber.until(after)]


def test_a_destination_may_be_written_plainly(clients: Clients) -> None:
    clients.stomp.publish("/topic/Grüße.世界", body := next(clients.bodies), {})
    assert clients.mqtt.message(body)[0] == "Grüße/世界"
    assert clients.amqp.message(clients.queue, body)[0] == "Grüße.世界"


def test_a_word_that_is_a_star_reaches_mqtt_as_that_level(clients: Clients) -> None:
    clients.amqp.publish("a.*", body := next(clients.bodies), {})
    assert clients.mqtt.message(body)[0] == "a/*"


@pytest.mark.parametrize("key", ["", "#", "+", "a.#.b", "a\0b"])
def test_a_routing_key_that_is_no_topic_does_not_reach_mqtt(clients: Clients, key: str) -> None:
    clients.amqp.publish(key, lost := next(clients.bodies), {})
    clients.amqp.publish("topic", after := next(clients.bodies), {})
    for subscriber in (clients.mqtt, clients.mqtt_3):
        assert lost not in [message.payload for message in subscriber.until(after)]


@table("Patterns")
def test_a_pattern_matches_the_same_everywhere(broker: menura.Broker, clients: Clients, row: list[str]) -> None:
    (filter,), (key,), (destination,), matches = map(items, row)
    queue, subscription = clients.amqp.listen(key), clients.stomp.listen(destination)
    # The last one matches in any case: with it, all that matches has come.
    names = ["a", "a.b", "a.", "a.b.c", "b.b.c", matches[0]]
    bodies = [next(clients.bodies) for _ in names]
    expected = [body for name, body in zip(names, bodies, strict=True) if name in matches]
    with Paho(port_of(broker, "mqtt"), "pattern") as peer:
        peer.subscribe(filter)
        for name, body in zip(names, bodies, strict=True):
            clients.amqp.publish(name, body, {})
        assert [peer.message().payload for _ in expected] == expected
    for body in expected:
        assert next(clients.amqp.deliveries(queue))[2] == body
    frames = (clients.stomp.inbox.message() for _ in itertools.count())
    got = (frame.body for frame in frames if frame.headers["subscription"] == subscription)
    assert [next(got) for _ in expected] == expected


def test_only_mqtt_hides_what_begins_with_a_dollar(clients: Clients) -> None:
    clients.amqp.publish("$hidden", hidden := next(clients.bodies), {})
    clients.amqp.publish("shown", shown := next(clients.bodies), {})
    assert clients.amqp.message(clients.queue, hidden)[0] == "$hidden"
    assert clients.stomp.message(clients.subscription, hidden)[0] == "/topic/$hidden"
    assert hidden not in [message.payload for message in clients.mqtt.until(shown)]


# -- requests and answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["amqp", "stomp"])
def test_mqtt_asks(clients: Clients, service: str) -> None:
    asked, answered = next(clients.bodies), next(clients.bodies)
    clients.mqtt.publish("service", asked, {"response_topic": "answers/v1.0", "correlation_data": b"7"})
    if service == "amqp":
        _, request = clients.amqp.message(clients.queue, asked)
        answer = {"correlation_id": request["correlation_id"]}
        clients.amqp.publish(request["header.x-reply-to-topic"], answered, answer)
    else:
        _, request = clients.stomp.message(clients.subscription, asked)
        clients.stomp.publish(request["reply-to"], answered, {"correlation-id": request["correlation-id"]})
    topic, answer = clients.mqtt.message(answered)
    assert (topic, answer["correlation_data"]) == ("answers/v1.0", b"7")


@pytest.mark.parametrize("caller", ["amqp", "stomp"])
def test_mqtt_answers(clients: Clients, caller: str) -> None:
    asked, answered = next(clients.bodies), next(clients.bodies)
    if caller == "amqp":
        clients.amqp.publish("service", asked, {"header.x-reply-to-topic": "answers.v1", "correlation_id": "7"})
    else:
        headers = {"reply-to": "/topic/answers.v1", "correlation-id": "7"}
        clients.stomp.publish("/topic/service", asked, headers)
    _, request = clients.mqtt.message(asked)
    answer = {"correlation_data": request["correlation_data"]}
    clients.mqtt.publish(request["response_topic"], answered, answer)
    if caller == "amqp":
        key, got = clients.amqp.message(clients.queue, answered)
        assert (key, got["correlation_id"]) == ("answers.v1", "7")
    else:
        destination, got = clients.stomp.message(clients.subscription, answered)
        assert (destination, got["correlation-id"]) == ("/topic/answers.v1", "7")


def test_stomp_answers_a_queue_of_amqp(clients: Clients) -> None:
    asked, answered = next(clients.bodies), next(clients.bodies)
    own = str(clients.amqp.channel.queue_declare("", exclusive=True).method.queue)
    clients.amqp.publish("service", asked, {"reply_to": own})
    _, request = clients.stomp.message(clients.subscription, asked)
    clients.stomp.publish(request["reply-to"], answered, {})
    assert clients.amqp.message(own, answered)[0] == own


def test_amqp_answers_a_temporary_queue_of_stomp(clients: Clients) -> None:
    asked, answered = next(clients.bodies), next(clients.bodies)
    clients.stomp.publish("/topic/service", asked, {"reply-to": "/temp-queue/mine"})
    _, request = clients.amqp.message(clients.queue, asked)
    key = request["reply_to"].removeprefix("/reply-queue/")
    clients.amqp.channel.basic_publish("", key, answered)
    assert clients.stomp.message("/temp-queue/mine", answered)[0] == f"/queue/{key}"
