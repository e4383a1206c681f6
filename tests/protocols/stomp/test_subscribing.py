"""SUBSCRIBE, UNSUBSCRIBE, ACK and NACK."""

from __future__ import annotations

import pytest
from tests.protocols.memory import assert_balanced, assert_empty_after_all
from tests.protocols.stomp.memory import Answer, Client, bodies, commands, frame, send

from menura.protocols.stomp.limits import StompLimits


def queued(client: Client, count: int, name: str = "q") -> None:
    client.feed(b"".join(send(f"/queue/{name}", b"%d" % number) for number in range(count)))


def settle(command: str, answer: Answer, version: str = "1.2", **headers: str) -> bytes:
    named = {"id": answer["ack"]} if version == "1.2" else {"message-id": answer["message-id"]}
    return frame(command, {**named, **headers})


def depth(client: Client, name: str = "q") -> tuple[int, int]:
    """Messages that wait, and that are handed out."""
    queue = client.node.vhosts["/"].queues[name]
    return queue.ready_count, queue.unsettled_count


@pytest.fixture
def client() -> Client:
    return Client().connect()


# -- subscriptions -------------------------------------------------------------------------------------------


def test_a_message_names_subscription_destination_and_itself(client: Client) -> None:
    client.subscribe("/queue/q", "sub@@1")
    client.subscribe("/topic/a.#", "2")
    answers = client.send(send("/queue/q"), send("/topic/a.b"))
    session = client.session.id
    assert [(a["subscription"], a["destination"], a["message-id"]) for a in answers] == [
        ("sub@@1", "/queue/q", f"T_sub@@1@@{session}@@1"),
        ("2", "/topic/a.b", f"T_2@@{session}@@1"),
    ]
    assert all(answer["redelivered"] == "false" and "ack" not in answer.headers for answer in answers)


def test_a_subscription_without_an_id_goes_by_its_destination() -> None:
    client = Client().connect("1.0")
    client.feed(frame("SUBSCRIBE", {"destination": "/queue/q"}))
    (answer,) = client.send(send("/queue/q"))
    assert "subscription" not in answer.headers
    assert answer["message-id"] == f"Q_/queue/q@@{client.session.id}@@1"
    assert client.send(frame("UNSUBSCRIBE", {"destination": "/queue/q"}), send("/queue/q")) == []


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("mode", ["client", "client-individual"])
def test_the_ack_header_is_for_1_2(version: str, mode: str) -> None:
    client = Client().connect(version)
    client.subscribe("/queue/q", ack=mode)
    (answer,) = client.send(send("/queue/q"))
    assert answer.get("ack") == (answer["message-id"] if version == "1.2" else None)


def test_what_waits_is_delivered_on_subscribing(client: Client) -> None:
    queued(client, 3)
    assert bodies(client.subscribe("/queue/q")) == [b"0", b"1", b"2"]
    assert depth(client) == (0, 0)


def test_an_id_is_used_once_at_a_time(client: Client) -> None:
    client.subscribe("/queue/q")
    got = client.fails(frame("SUBSCRIBE", {"id": "1", "destination": "/queue/r"}))
    assert got == ("Duplicated subscription identifier", "A subscription identified by 'T_1' already exists.")


def test_prefetch_bounds_what_is_outstanding(client: Client) -> None:
    queued(client, 5)
    answers = client.subscribe("/queue/q", ack="client", prefetch_count="2")
    assert bodies(answers) == [b"0", b"1"]
    assert bodies(client.send(settle("ACK", answers[0]))) == [b"2"]


def test_the_higher_priority_comes_first(client: Client) -> None:
    client.subscribe("/queue/q", "low")
    client.subscribe("/queue/q", "high", x_priority="5")
    assert [answer["subscription"] for answer in client.send(send("/queue/q") * 2)] == ["high", "high"]


WRONG = {
    ("ack", "maybe"): ("Invalid header", "'ack' must be one of auto, client, client-individual, not 'maybe'\n"),
    ("selector", "a = 1"): ("Invalid header", "'selector' is not supported on 'SUBSCRIBE'.\n"),
    ("prefetch-count", "x"): ("Invalid header", "'prefetch-count' must be a number from 0 to 65535, not 'x'\n"),
    ("x-max-length", "x"): (
        "Invalid header", f"'x-max-length' must be a number from {-(1 << 63)} to {(1 << 63) - 1}, not 'x'\n"
    ),
    ("x-max-priority", "256"): (
        "precondition_failed",
        "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'q' in vhost '/': {max_value_exceeded,256}"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_subscription_that_cannot_be_is_refused(client: Client, case: tuple[str, str]) -> None:
    name, value = case
    assert client.fails(frame("SUBSCRIBE", {"id": "1", "destination": "/queue/q", name: value})) == WRONG[case]
    assert not client.node.vhosts["/"].queues


@pytest.mark.parametrize(
    ("permissions", "destination", "detail"),
    [
        (("^$", ".*", ".*"), "/queue/q", "configure access to queue 'q'"),
        ((".*", ".*", "^$"), "/queue/q", "read access to queue 'q'"),
        ((".*", ".*", "^$"), "/amq/queue/q", "read access to queue 'q'"),
        ((".*", ".*", "^s"), "/topic/t", "read access to exchange 'amq.topic'"),
        ((".*", "^$", ".*"), "/topic/t", "write access to queue 's'"),
        (("^$", ".*", ".*"), "/exchange/amq.direct/k", "configure access to queue 's'"),
    ],
)
def test_subscribing_needs_permission(permissions: tuple[str, str, str], destination: str, detail: str) -> None:
    client = Client().connect()
    client.node.users.permit("guest", "/", *permissions)
    octets = frame("SUBSCRIBE", {"id": "1", "destination": destination, "x-queue-name": "s"})
    assert client.fails(octets) == (
        "access_refused",
        f"ACCESS_REFUSED - {detail} in vhost '/' refused for user 'guest'",
    )
    assert not client.node.vhosts["/"].queues


def test_topic_permissions_count(client: Client) -> None:
    client.node.users.permit_topics("guest", "/", "amq.topic", ".*", "^a")
    assert client.subscribe("/topic/a") == []
    assert client.fails(frame("SUBSCRIBE", {"id": "2", "destination": "/topic/b"}))[0] == "access_refused"


def test_a_queue_of_another_connection_is_locked(client: Client) -> None:
    other = Client(client.node).connect()
    other.subscribe("/topic/t", x_queue_name="theirs", exclusive="true")
    message, detail = client.fails(frame("SUBSCRIBE", {"id": "1", "destination": "/amq/queue/theirs"}))
    assert message == "resource_locked"
    assert detail.startswith("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'theirs' in vhost '/'")


def test_subscriptions_are_bounded() -> None:
    client = Client(limits=StompLimits(subscriptions_max=2)).connect()
    client.subscribe("/queue/q", "1")
    client.subscribe("/queue/q", "2")
    got = client.fails(frame("SUBSCRIBE", {"id": "3", "destination": "/queue/q"}))
    assert got == ("Too many subscriptions", "A connection may have 2\n")


def test_a_subscriber_that_does_not_read_is_sent_no_more() -> None:
    client = Client(limits=StompLimits(output_bytes_max=2000)).connect()
    sender = Client(client.node).connect()
    client.subscribe("/queue/q")
    for _ in range(50):
        sender.feed(send("/queue/q", b"x" * 100))
    assert client.session.output.size_bytes < 3000
    assert depth(client)[0] > 0
    client.session.congested = True
    first = client.take()
    client.session.resume()
    assert client.take() == []
    client.session.congested = False
    total = len(first)
    while depth(client)[0]:
        client.session.resume()
        total += len(client.take())
    assert total + len(client.take()) == 50


# -- their end -----------------------------------------------------------------------------------------------


def test_after_unsubscribing_messages_wait(client: Client) -> None:
    client.subscribe("/queue/q")
    assert client.send(frame("UNSUBSCRIBE", {"id": "1"}), send("/queue/q")) == []
    assert depth(client) == (1, 0)


@pytest.mark.parametrize("destination", ["/topic/t", "/exchange/amq.fanout"])
def test_a_subscriptions_own_queue_goes_with_it(client: Client, destination: str) -> None:
    client.subscribe(destination)
    assert client.send(frame("UNSUBSCRIBE", {"id": "1"})) == []
    assert not client.node.vhosts["/"].queues


UNSUBSCRIBES = {
    "an id nobody has": (
        {"id": "no"},
        "No subscription found",
        "UNSUBSCRIBE must refer to an existing subscription.\nSubscription to \"id='no'\" not found.\n",
    ),
    "a destination nobody has": (
        {"destination": "/queue/no"},
        "No subscription found",
        "UNSUBSCRIBE must refer to an existing subscription.\nSubscription to \"destination='/queue/no'\" not found.\n",
    ),
    "neither": ({}, "Missing destination or id", "UNSUBSCRIBE must include a 'destination' or 'id' header"),
}


@pytest.mark.parametrize("name", UNSUBSCRIBES)
def test_only_what_is_there_can_be_ended(client: Client, name: str) -> None:
    headers, message, detail = UNSUBSCRIBES[name]
    assert client.fails(frame("UNSUBSCRIBE", headers)) == (message, detail)


def test_a_queue_that_goes_ends_its_subscription_and_nothing_else(client: Client) -> None:
    client.subscribe("/queue/q", "a:1")
    client.subscribe("/queue/r", "2")
    vhost = client.node.vhosts["/"]
    vhost.remove_queue(vhost.queues["q"])
    (answer,) = client.take()
    assert answer.command == "ERROR"
    assert answer["message"] == "Server cancelled subscription"
    assert answer["subscription"] == "a:1"
    assert answer.body == (
        b"The server has canceled a subscription.\nNo more messages will be delivered for \"id='a:1'\".\n"
    )
    assert bodies(client.send(send("/queue/r"))) == [b"x"]
    assert client.subscribe("/queue/q", "a:1") == []


def test_what_was_not_settled_goes_back_when_the_connection_ends(client: Client) -> None:
    queued(client, 3)
    answers = client.subscribe("/queue/q", ack="client-individual")
    client.feed(settle("ACK", answers[1]))
    assert depth(client) == (0, 2)
    other = Client(client.node).connect()
    client.session.lost()
    assert depth(client) == (2, 0)
    again = other.subscribe("/queue/q")
    assert [(answer.body, answer["redelivered"]) for answer in again] == [(b"0", "true"), (b"2", "true")]
    other.session.lost()
    assert_empty_after_all(client.node)


# -- settling ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_client_acknowledges_everything_up_to_a_message(version: str) -> None:
    client = Client().connect(version)
    queued(client, 4)
    answers = client.subscribe("/queue/q", ack="client")
    assert client.send(settle("ACK", answers[2], version)) == []
    assert depth(client) == (0, 1)


def test_client_individual_acknowledges_one_message(client: Client) -> None:
    queued(client, 4)
    answers = client.subscribe("/queue/q", ack="client-individual")
    assert client.send(settle("ACK", answers[2])) == []
    assert depth(client) == (0, 3)


ORDERS = {
    "in order": list(range(20)),
    "backwards": list(reversed(range(20))),
    "with gaps": [*range(5), *range(7, 12), 14, 13, 19],
    "mixed": [3, 4, 5, 0, 1, 2, 10, 6, 7],
}


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("order", ORDERS)
def test_acks_in_one_read_count_as_acks_one_by_one(version: str, order: str) -> None:
    left = []
    for at_once in (True, False):
        client = Client().connect(version)
        queued(client, 20)
        answers = client.subscribe("/queue/q", ack="client-individual")
        more = {} if version == "1.2" else {"subscription": "1"}
        acks = [settle("ACK", answers[number], version, **more) + b"\n" for number in ORDERS[order]]
        assert client.send(*([b"".join(acks)] if at_once else acks)) == []
        client.session.lost()
        assert_balanced(client.node)
        left.append(bodies(Client(client.node).connect().subscribe("/queue/q")))
    assert left[0] == left[1] == [b"%d" % number for number in range(20) if number not in ORDERS[order]]


@pytest.mark.parametrize("mode", ["client", "client-individual"])
@pytest.mark.parametrize("wrong", [0, 1, 5, 9])
def test_acks_before_a_wrong_one_count(mode: str, wrong: int) -> None:
    client = Client().connect()
    queued(client, 10)
    answers = client.subscribe("/queue/q", ack=mode)
    acks = [settle("ACK", answer) for answer in answers]
    acks.insert(wrong + 1, acks[wrong])
    expected = ("precondition_failed", f"PRECONDITION_FAILED - unknown delivery tag {wrong + 1}")
    assert client.fails(b"".join(acks)) == expected
    assert depth(client) == (9 - wrong, 0)


def test_cumulative_acks_in_one_read_take_what_lies_between(client: Client) -> None:
    queued(client, 10)
    answers = client.subscribe("/queue/q", ack="client")
    assert client.send(b"".join(settle("ACK", answers[number]) for number in (2, 3, 4, 8))) == []
    assert depth(client) == (0, 1)


def test_acks_with_receipts_in_one_read_are_all_answered(client: Client) -> None:
    queued(client, 5)
    answers = client.subscribe("/queue/q", ack="client-individual")
    octets = b"".join(settle("ACK", answer, receipt=str(at)) for at, answer in enumerate(answers))
    assert [answer["receipt-id"] for answer in client.send(octets)] == list("01234")


def test_what_other_subscriptions_got_is_not_acknowledged_along(client: Client) -> None:
    queued(client, 2, "q")
    queued(client, 2, "r")
    client.subscribe("/queue/q", "1", ack="client")
    answers = client.subscribe("/queue/r", "2", ack="client")
    client.feed(settle("ACK", answers[1]))
    assert (depth(client, "q"), depth(client, "r")) == ((0, 2), (0, 0))


def test_nack_brings_a_message_back_or_drops_it(client: Client) -> None:
    queued(client, 2)
    first, second = client.subscribe("/queue/q", ack="client-individual", prefetch_count="2")
    (again,) = client.send(settle("NACK", first))
    assert (again.body, again["redelivered"]) == (b"0", "true")
    assert client.send(settle("NACK", second, requeue="false"), settle("NACK", again, requeue="False")) == []
    assert depth(client) == (0, 0)


def test_nack_is_cumulative_where_ack_is(client: Client) -> None:
    queued(client, 3)
    answers = client.subscribe("/queue/q", ack="client")
    assert bodies(client.send(settle("NACK", answers[1]))) == [b"0", b"1"]


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize(("version", "name"), [("1.0", "message-id"), ("1.1", "message-id"), ("1.2", "id")])
def test_a_message_has_to_be_named(command: str, version: str, name: str) -> None:
    missing = ("Missing header", f'"{command}" must include the "{name}" header\n')
    assert Client().connect(version).fails(frame(command)) == missing
    client = Client().connect(version)
    for value in ("", "1", "T_1@@1", f"T_1@@{client.session.id}@@x", "@@@@", f"T_1@@x@@{'9' * 5000}"):
        other = Client(client.node).connect(version)
        expected = ("Invalid header", f'"{command}" must include a valid "{name}" header\n')
        assert other.fails(frame(command, {name: value})) == expected


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize("session", ["session-other", None])
def test_a_message_belongs_to_a_subscription_of_this_connection(client: Client, command: str, session: str) -> None:
    client.subscribe("/queue/q", ack="client")
    client.feed(send("/queue/q"))
    client.take()
    id = f"T_1@@{session}@@1" if session else f"T_2@@{client.session.id}@@1"
    expected = ("Subscription not found", f'Message with id "{id[:80]}" has no subscription\n')
    assert client.fails(frame(command, {"id": id})) == expected


@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_a_message_is_settled_once(client: Client, command: str) -> None:
    queued(client, 2)
    first, _ = client.subscribe("/queue/q", ack="client-individual")
    client.feed(settle("ACK", first))
    assert client.fails(settle(command, first)) == (
        "precondition_failed",
        "PRECONDITION_FAILED - unknown delivery tag 1",
    )
    assert depth(client) == (1, 0)


def test_a_message_that_counts_as_settled_cannot_be_settled(client: Client) -> None:
    client.subscribe("/queue/q")
    (answer,) = client.send(send("/queue/q"))
    got = client.fails(frame("ACK", {"id": answer["message-id"]}))
    assert got == ("precondition_failed", "PRECONDITION_FAILED - unknown delivery tag 1")


def test_what_an_ended_subscription_got_can_still_be_settled(client: Client) -> None:
    queued(client, 2)
    answers = client.subscribe("/queue/q", ack="client-individual")
    client.feed(frame("UNSUBSCRIBE", {"id": "1"}))
    queued(client, 1)
    (later,) = client.subscribe("/queue/q", ack="client-individual")
    assert later["message-id"] not in [answer["message-id"] for answer in answers]
    assert client.send(*(settle("ACK", answer) for answer in (*answers, later))) == []
    assert depth(client) == (0, 0)
    assert_balanced(client.node)


def test_numbers_are_not_used_again_by_a_later_subscription(client: Client) -> None:
    client.subscribe("/queue/q", ack="client-individual")
    (first,) = client.send(send("/queue/q"))
    client.feed(settle("ACK", first), frame("UNSUBSCRIBE", {"id": "1"}))
    client.subscribe("/queue/q", ack="client-individual")
    client.feed(send("/queue/q"))
    client.take()
    assert client.fails(settle("ACK", first))[0] == "precondition_failed"
    assert depth(client) == (1, 0)


def test_ids_of_subscriptions_that_end_leave_nothing_behind(client: Client) -> None:
    for number in range(50):
        client.subscribe("/queue/q", str(number), ack="client")
        (answer,) = client.send(send("/queue/q"))
        client.feed(settle("ACK", answer), frame("UNSUBSCRIBE", {"id": str(number)}))
    assert commands(client.take()) == []
    assert not client.session.subscriptions._deliveries
