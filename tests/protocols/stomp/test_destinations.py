"""Destinations: where SEND goes, where SUBSCRIBE listens, and how messages name where they were sent."""

from __future__ import annotations

from typing import Any

import pytest
from tests.protocols.stomp.memory import Client, bodies, commands, frame, send

from menura.core.errors import PreconditionFailed
from menura.core.fields import encode_value
from menura.protocols.stomp.destinations import format_destination, parse_destination
from menura.protocols.stomp.errors import StompError
from menura.protocols.stomp.queues import durable_name

ADDRESSES = {
    "/queue/q": ("", "q"),
    "q": ("", "q"),
    "/queue/a%2Fb": ("", "a/b"),
    "/queue/a%25b": ("", "a%b"),
    "/queue/%C3%BC": ("", "ü"),
    "/queue/100%": ("", "100%"),
    "/queue/%zz%2": ("", "%zz%2"),
    "/queue/%FF": ("", "%FF"),
    "/amq/queue/q": ("", "q"),
    "/reply-queue/a/b//c": ("", "a/b//c"),
    "/topic/a.b": ("amq.topic", "a.b"),
    "/topic/a%2F.#": ("amq.topic", "a/.#"),
    "/exchange/x": ("x", ""),
    "/exchange/x/k": ("x", "k"),
    "/exchange/x/": ("x", ""),
    "/exchange/a%2Fb/c%2Fd": ("a/b", "c/d"),
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_a_destination_is_an_exchange_and_a_key(text: str) -> None:
    assert parse_destination(text).address == ADDRESSES[text]


INVALID = {
    "/queue": ("Invalid destination", "'' is not a valid queue destination\n"),
    "/queue/": ("Invalid destination", "'/' is not a valid queue destination\n"),
    "/queue/a/b": ("Invalid destination", "'/a/b' is not a valid queue destination\n"),
    "/topic": ("Invalid destination", "'' is not a valid topic destination\n"),
    "/topic/a/b": ("Invalid destination", "'/a/b' is not a valid topic destination\n"),
    "/exchange": ("Invalid destination", "'' is not a valid exchange destination\n"),
    "/exchange//k": ("Invalid destination", "'//k' is not a valid exchange destination\n"),
    "/exchange/x/k/l": ("Invalid destination", "'/x/k/l' is not a valid exchange destination\n"),
    "/amq/queue": ("Invalid destination", "'' is not a valid amqqueue destination\n"),
    "/reply-queue/": ("Invalid destination", "'/' is not a valid reply-queue destination\n"),
    "": ("Invalid destination", "Destination cannot be blank"),
    "/queue/" + "x" * 256: ("Invalid destination", f"'{'x' * 80}' is longer than 255 octets\n"),
    "/nowhere/x": (
        "Unknown destination",
        "'/nowhere/x' is not a valid destination.\n"
        "Valid destination types are: /temp-queue, /exchange, /topic, /queue, /amq/queue, /reply-queue/.\n",
    ),
}


@pytest.mark.parametrize("text", INVALID)
@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE"])
def test_a_destination_that_is_none_is_refused(command: str, text: str) -> None:
    assert Client().connect().fails(frame(command, {"id": "1", "destination": text})) == INVALID[text]


@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE"])
def test_without_a_destination_there_is_no_place_to_go(command: str) -> None:
    expected = ("Missing destination", f"\"{command}\" must include a 'destination' header\n")
    assert Client().connect().fails(frame(command, {"id": "1"})) == expected


@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE"])
def test_a_temporary_queue_is_for_replies_only(command: str) -> None:
    got = Client().connect().fails(frame(command, {"id": "1", "destination": "/temp-queue/t"}))
    assert got == ("Invalid destination", f"'/temp-queue/t' is not a valid destination for '{command}'\n")


FORMATTED = {
    ("", "q"): "/queue/q",
    ("", "a/b%c ü\n~\x7f"): "/queue/a%2Fb%25c %C3%BC%0A~%7F",
    ("amq.topic", "a.b/c"): "/topic/a.b%2Fc",
    ("x", ""): "/exchange/x",
    ("x/y", "k/l"): "/exchange/x%2Fy/k%2Fl",
    ("amq.direct", "k"): "/exchange/amq.direct/k",
}


@pytest.mark.parametrize("address", FORMATTED)
def test_an_address_is_written_so_that_it_is_read_back(address: tuple[str, str]) -> None:
    assert format_destination(*address) == FORMATTED[address]
    assert parse_destination(FORMATTED[address]).address == address


@pytest.mark.parametrize("name", ["a/b", "a%b", "%2F", "ü/ä", "a.b/.c", "#", "sp ace", "semi:colon"])
def test_what_a_receiver_is_told_is_where_an_answer_arrives(name: str) -> None:
    client = Client().connect()
    destination = format_destination("", name)
    client.subscribe(destination)
    client.feed(send(destination))
    (answer,) = client.take()
    assert answer["destination"] == destination
    assert list(client.node.vhosts["/"].queues) == [name]


# -- the queues behind them ----------------------------------------------------------------------------------

QUEUE, TOPIC, EXCHANGE = "/queue/q", "/topic/a.*", "/exchange/amq.direct/k"
SHAPES: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[bool, bool, bool]] = {
    # destination, headers: durable, auto-delete, exclusive
    (QUEUE, ()): (True, False, False),
    (QUEUE, (("durable", "false"),)): (False, True, True),
    (QUEUE, (("durable", "false"), ("exclusive", "false"), ("auto-delete", "false"))): (False, False, False),
    (QUEUE, (("auto-delete", "true"),)): (True, True, False),
    (TOPIC, ()): (False, True, False),
    (TOPIC, (("exclusive", "true"),)): (False, True, True),
    (TOPIC, (("durable", "true"),)): (True, True, False),
    (TOPIC, (("durable", "true"), ("auto-delete", "false"))): (True, False, False),
    (TOPIC, (("persistent", "true"), ("auto-delete", "False"))): (True, False, False),
    (EXCHANGE, ()): (False, True, True),
    (EXCHANGE, (("durable", "true"), ("auto-delete", "false"), ("exclusive", "false"))): (True, False, False),
}


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_the_queue_of_a_subscription_is_as_destination_and_headers_say(case: Any) -> None:
    destination, headers = case
    client = Client().connect()
    client.subscribe(destination, **dict(headers))
    (queue,) = client.node.vhosts["/"].queues.values()
    assert (queue.durable, queue.auto_delete, queue.owner is not None) == SHAPES[case]
    assert (queue.name == "q") is (destination == QUEUE)
    assert [(binding.source.name, binding.key) for binding in queue.bindings] == {
        QUEUE: [], TOPIC: [("amq.topic", "a.*")], EXCHANGE: [("amq.direct", "k")]
    }[destination]  # fmt: skip


@pytest.mark.parametrize("destination", [TOPIC, EXCHANGE])
def test_each_subscription_has_a_queue_of_its_own(destination: str) -> None:
    client = Client().connect()
    client.subscribe(destination, "1")
    client.subscribe(destination, "2")
    names = list(client.node.vhosts["/"].queues)
    assert len(names) == 2
    assert all(name.startswith("stomp-subscription-") for name in names)
    answers = client.send(send("/topic/a.b" if destination == TOPIC else destination))
    assert [answer["subscription"] for answer in answers] == ["1", "2"]


def test_a_durable_subscription_is_found_again_by_key_and_id() -> None:
    node = (client := Client().connect()).node
    settings = {"durable": "true", "auto_delete": "false"}
    client.subscribe("/topic/a.b", "1", **settings)
    client.session.lost()
    client = Client(node).connect()
    client.feed(send("/topic/a.b", b"meanwhile"))
    assert bodies(client.subscribe("/topic/a.b", "2", **settings)) == []
    assert bodies(client.subscribe("/topic/a.b", "1", **settings)) == [b"meanwhile"]
    assert durable_name("a.b", "1") in node.vhosts["/"].queues
    assert len(node.vhosts["/"].queues) == 2


def test_two_share_a_durable_subscription() -> None:
    one = Client().connect()
    two = Client(one.node).connect()
    for client in (one, two):
        client.subscribe("/topic/t", "1", durable="true", auto_delete="false")
    one.feed(*(send("/topic/t", b"%d" % number) for number in range(4)))
    assert sorted(bodies(one.take()) + bodies(two.take())) == [b"0", b"1", b"2", b"3"]
    assert len(one.node.vhosts["/"].queues) == 1


def test_a_queue_of_a_topic_may_be_named() -> None:
    client = Client().connect()
    client.subscribe("/topic/t", x_queue_name="mine")
    assert list(client.node.vhosts["/"].queues) == ["mine"]
    too_long = frame("SUBSCRIBE", {"id": "2", "destination": "/topic/t", "x-queue-name": "x" * 256})
    assert client.fails(too_long) == ("Invalid header", "'x-queue-name' is longer than 255 octets\n")


def test_unsubscribing_for_good_takes_the_queue_along() -> None:
    client = Client().connect()
    settings = {"durable": "true", "auto-delete": "false"}
    for headers, left in (({}, 1), (settings, 0)):
        client.send(frame("SUBSCRIBE", {"id": "1", "destination": "/topic/t", **settings}))
        assert client.send(frame("UNSUBSCRIBE", {"id": "1", **headers})) == []
        assert len(client.node.vhosts["/"].queues) == left


@pytest.mark.parametrize("command", ["SUBSCRIBE", "UNSUBSCRIBE"])
@pytest.mark.parametrize("header", ["durable", "persistent"])
def test_a_durable_subscription_needs_an_id(command: str, header: str) -> None:
    got = Client().connect().fails(frame(command, {"destination": "/topic/t", header: "true"}))
    assert got == ("Missing Header", "Header 'id' is required for durable subscriptions")


def test_sending_to_a_queue_makes_it_again_if_it_has_gone() -> None:
    client = Client().connect()
    vhost = client.node.vhosts["/"]
    octets = send("/queue/q")
    client.feed(octets * 3)
    vhost.remove_queue(vhost.queues["q"])
    client.feed(octets * 2)
    assert vhost.queues["q"].ready_count == 2
    assert vhost.queues["q"].durable


def test_persistent_messages_say_nothing_about_the_queue() -> None:
    client = Client().connect()
    client.feed(send("/queue/q", persistent="false"))
    assert client.node.vhosts["/"].queues["q"].durable


def test_a_queue_somebody_made_is_used_as_it_is() -> None:
    client = Client().connect()
    client.node.vhosts["/"].declare_queue("q")
    client.subscribe("/amq/queue/q")
    assert bodies(client.send(send("/amq/queue/q", b"1") + send("/reply-queue/q", b"2"))) == [b"1", b"2"]


def test_a_queue_nobody_made_is_not_found_and_messages_to_it_are_dropped() -> None:
    client = Client().connect()
    assert commands(client.send(send("/amq/queue/no", receipt="1"))) == ["RECEIPT"]
    got = client.fails(frame("SUBSCRIBE", {"id": "1", "destination": "/amq/queue/no"}))
    assert got == ("not_found", "NOT_FOUND - no queue 'no' in vhost '/'")


@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE"])
def test_an_exchange_must_be_there(command: str) -> None:
    client = Client().connect()
    got = client.fails(frame(command, {"id": "1", "destination": "/exchange/no/k"}))
    assert got == ("not_found", "NOT_FOUND - no exchange 'no' in vhost '/'")
    assert not client.node.vhosts["/"].queues


def test_arguments_of_a_queue_come_from_headers() -> None:
    client = Client().connect()
    headers = {"x-message-ttl": "60000", "x-max-length": " 5", "x-dead-letter-exchange": " amq.fanout"}
    client.send(frame("SUBSCRIBE", {"id": "1", "destination": "/queue/q", **headers, "x-unknown": "1"}))
    queue = client.node.vhosts["/"].queues["q"]
    same = {"x-message-ttl": 60000, "x-max-length": 5, "x-dead-letter-exchange": "amq.fanout"}
    vhost = client.node.vhosts["/"]
    arguments = {name: encode_value(value) for name, value in same.items()}
    assert vhost.declare_queue("q", durable=True, arguments=arguments) is queue
    with pytest.raises(PreconditionFailed, match="inequivalent arg 'x-message-ttl'"):
        vhost.declare_queue("q", durable=True, arguments={})


def test_a_queue_that_is_another_one_is_refused() -> None:
    client = Client().connect()
    client.node.vhosts["/"].declare_queue("q")
    message, detail = client.fails(frame("SUBSCRIBE", {"id": "1", "destination": "/queue/q"}))
    assert message == "precondition_failed"
    assert detail.startswith("PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/'")


def test_names_only_the_broker_may_give_are_refused() -> None:
    got = Client().connect().fails(send("/queue/amq.mine"))
    assert got == ("access_refused", "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'")


@pytest.mark.parametrize("text", ["/queue/" + "ü" * 128, "/exchange/" + "x" * 256 + "/k", "/exchange/x/" + "k" * 256])
def test_names_are_no_longer_than_a_name_can_be(text: str) -> None:
    with pytest.raises(StompError, match="longer than 255 octets"):
        parse_destination(text)


# -- replies -------------------------------------------------------------------------------------------------


def test_an_answer_comes_back_through_a_temporary_queue() -> None:
    asker = Client().connect()
    answerer = Client(asker.node).connect()
    answerer.subscribe("/queue/service")
    asker.feed(send("/queue/service", b"?", reply_to="/temp-queue/mine"))
    (request,) = answerer.take()
    assert request["reply-to"].startswith("/reply-queue/stomp.gen-")
    answerer.feed(send(request["reply-to"], b"!"))
    (answer,) = asker.take()
    assert answer.body == b"!"
    assert answer["subscription"] == "/temp-queue/mine"
    assert answer["destination"] == request["reply-to"].replace("/reply-queue/", "/queue/")


def test_a_temporary_queue_is_made_once_and_goes_with_its_connection() -> None:
    client = Client().connect()
    vhost = client.node.vhosts["/"]
    client.feed(*(send("/queue/s", reply_to=f"/temp-queue/{name}") for name in "aabab"))
    assert len(vhost.queues) == 3
    assert {queue.owner for queue in vhost.queues.values()} == {None, client.session}
    client.session.lost()
    assert list(vhost.queues) == ["s"]


@pytest.mark.parametrize("command", ["SUBSCRIBE", "UNSUBSCRIBE"])
def test_ids_of_temporary_queues_are_the_brokers(command: str) -> None:
    got = Client().connect().fails(frame(command, {"id": "/temp-queue/x", "destination": "/queue/q"}))
    assert got == ("Invalid id", f"{command} 'id' may not start with /temp-queue/\n")
