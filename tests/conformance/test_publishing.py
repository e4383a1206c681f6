"""basic.publish: what comes back, what is refused, and what arrives unchanged."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pamqp.commands import Basic
from tests.conformance.answers import EMPTY, channel_error, connection_error, delivered, got, returned
from tests.conformance.conftest import Connect
from tests.conformance.frames import content
from tests.conformance.wire import Client

TEN_YEARS_MS = 315_360_000_000


def test_the_default_exchange_routes_to_the_queue_named_by_the_key(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Basic.Get(queue=q), got(1))


def test_a_message_nobody_wants_is_dropped_without_a_word(c: Client, q: str) -> None:
    c.publish(q)
    c.expect_nothing()


def test_a_mandatory_message_nobody_wants_is_returned(c: Client, q: str) -> None:
    c.publish(q, b"body", mandatory=True, content_type="text/plain", headers={"a": 1})
    c.expect(returned(b"body", content_type="text/plain", headers={"a": 1}))


def test_a_mandatory_message_that_a_queue_takes_is_not_returned(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q, mandatory=True)
    c.expect_nothing(q)


def test_an_empty_message_is_returned_without_a_body_frame(c: Client, q: str) -> None:
    c.publish(q, b"", mandatory=True)
    c.expect(returned(b""))


def test_immediate_is_not_implemented(c: Client, q: str) -> None:
    c.queue(q)
    c.send(Basic.Publish(routing_key=q, immediate=True), content(b"m"))
    c.expect(connection_error(540, "immediate=true", Basic.Publish))


def test_every_property_arrives_as_it_was_sent(c: Client, q: str) -> None:
    properties = {
        "content_type": "text/plain",
        "content_encoding": "identity",
        "headers": {"h": 1, "nested": {"list": [1, "two", None, True, 2.5]}},
        "delivery_mode": 2,
        "priority": 9,
        "correlation_id": "correlation",
        "reply_to": "somewhere",
        "expiration": "60000",
        "message_id": "id",
        "timestamp": datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC),
        "message_type": "type",
        "user_id": c.user,
        "app_id": "application",
    }
    c.queue(q)
    c.publish(q, **properties)
    c.ask(Basic.Get(queue=q), got(1, **properties))


def test_a_message_without_properties_arrives_without_properties(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Basic.Get(queue=q), got(1))


@pytest.mark.parametrize("size", [0, 1, 4088, 4089, 8176, 8177, 100_000])
def test_a_message_arrives_whole_whatever_its_frames(connect: Connect, q: str, size: int) -> None:
    small = connect().login(frame_max=4096).open_channel()
    large = connect().login().open_channel()
    payload = bytes(number % 251 for number in range(size))
    small.queue(q)
    for frame_max in (4096, 1000):
        small.send(Basic.Publish(routing_key=q), content(payload, frame_max=frame_max))
    small.consume(q, no_ack=True)
    small.expect(delivered(1, payload), delivered(2, payload))
    large.publish(q, payload)
    small.expect(delivered(3, payload))


def test_a_message_too_long_for_one_frame_is_cut_to_the_negotiated_size(connect: Connect, q: str) -> None:
    small = connect().login(frame_max=4096).open_channel()
    large = connect().login().open_channel()
    small.queue(q)
    large.publish(q, b"x" * 10_000)
    large.expect_nothing()
    small.send(Basic.Get(queue=q))
    frames = [small.frame() for _ in range(5)]
    assert [len(frame[1].value) for frame in frames[2:] if frame] == [4088, 4088, 1824]


def test_a_user_may_sign_a_message_with_the_own_name_only(c: Client, q: str) -> None:
    c.publish(q, user_id="other")
    text = f"user_id property set to 'other' but authenticated user was '{c.user}'"
    c.expect(channel_error(406, text, Basic.Publish))


BAD_EXPIRATIONS = [
    ("abc", "no_integer"),
    (" 1", "no_integer"),
    ("-1", "{value_negative,-1}"),
    ("1.5", '{leftover_string,".5"}'),
    ("1x", '{leftover_string,"x"}'),
    (str(TEN_YEARS_MS + 1), f"{{value_too_large,{TEN_YEARS_MS + 1}}}"),
]


@pytest.mark.parametrize(("expiration", "why"), BAD_EXPIRATIONS)
def test_an_expiration_is_a_number_of_milliseconds(c: Client, q: str, expiration: str, why: str) -> None:
    c.publish(q, expiration=expiration)
    c.expect(channel_error(406, f"invalid expiration '{expiration}': {why}", Basic.Publish))


def test_an_expiration_may_be_ten_years(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q, expiration=str(TEN_YEARS_MS))
    c.ask(Basic.Get(queue=q), got(1, expiration=str(TEN_YEARS_MS)))


def test_a_message_that_expires_at_once_still_reaches_a_waiting_consumer(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q)
    c.publish(q, expiration="0")
    c.expect(delivered(1, expiration="0"))


def test_a_delivery_mode_is_1_or_2(c: Client, q: str) -> None:
    c.publish(q, delivery_mode=7)
    c.expect(channel_error(406, "invalid message: {delivery_mode_unknown,7}", Basic.Publish))


# -- CC and BCC --------------------------------------------------------------------------------------------


def test_cc_adds_routing_keys(c: Client, q: str, q2: str, name: str) -> None:
    c.queue(q)
    c.queue(q2)
    c.publish(q, headers={"CC": [q2]})
    c.ask(Basic.Get(queue=q), got(1, headers={"CC": ["q2"]}))
    c.ask(Basic.Get(queue=q2), got(2, headers={"CC": ["q2"]}))


def test_bcc_adds_routing_keys_and_is_taken_out(c: Client, q: str) -> None:
    c.queue(q)
    c.publish("unknown", headers={"BCC": [q], "a": 1})
    c.ask(Basic.Get(queue=q), got(1, key="unknown", headers={"a": 1}))


def test_an_empty_header_table_is_left_when_bcc_was_alone(c: Client, q: str) -> None:
    c.queue(q)
    c.publish("unknown", headers={"BCC": [q]})
    c.ask(Basic.Get(queue=q), got(1, key="unknown", headers={}))


def test_a_queue_gets_one_copy_however_many_keys_lead_to_it(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q, headers={"CC": [q, q], "BCC": [q]})
    c.ask(Basic.Get(queue=q), got(1, headers={"CC": ["q", "q"]}))
    c.ask(Basic.Get(queue=q), EMPTY)


def test_cc_is_an_array_of_which_strings_count(c: Client, q: str) -> None:
    c.queue(q)
    c.publish("unknown", headers={"CC": [1, q]})
    c.ask(Basic.Get(queue=q), got(1, key="unknown", headers={"CC": [1, "q"]}))


@pytest.mark.parametrize("header", ["CC", "BCC"])
@pytest.mark.parametrize(("value", "kind"), [("a", "longstr"), (1, "byte"), ({}, "table")])
def test_cc_and_bcc_are_arrays(c: Client, q: str, header: str, value: object, kind: str) -> None:
    c.publish(q, headers={header: value})
    text = f'invalid message: {{unacceptable_type_in_header,"{header}",{kind}}}'
    c.expect(channel_error(406, text, Basic.Publish))


def test_headers_are_named_in_capitals_to_count(c: Client, q: str) -> None:
    c.queue(q)
    c.publish("unknown", headers={"cc": [q], "bcc": [q]})
    c.ask(Basic.Get(queue=q), EMPTY)


def test_a_returned_message_has_lost_its_bcc(c: Client, q: str) -> None:
    c.publish(q, mandatory=True, headers={"BCC": [q], "CC": ["unknown"]})
    c.expect(returned(headers={"CC": ["unknown"]}))


def test_cc_keys_are_matched_by_a_topic_exchange(c: Client, q: str, x: str) -> None:
    c.exchange(x, "topic")
    c.queue(q)
    c.bind(q, x, "copy.#")
    c.publish("original", exchange=x, headers={"CC": ["copy.of.it"]})
    c.ask(Basic.Get(queue=q), got(1, key="original", exchange="x", headers={"CC": ["copy.of.it"]}))
