"""What the value of a shovel may be, and what is said of one that may not. The sentences are RabbitMQ's."""

from __future__ import annotations

from typing import Any

import pytest

from menura.shovels.definition import Definition, completed, faults, shown

GOOD = {"src-uri": "amqp://", "dest-uri": "amqp://ann:pw@lyre", "src-queue": "a", "dest-queue": "b"}


def wrong(value: Any) -> str:
    return "\n".join(faults("s", value, lambda vhost: None if vhost == "/" else f"no {vhost}"))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (
            {},
            "Must specify 'src-exchange' or 'src-queue'\n"
            'Key "dest-uri" not found in s\nKey "src-uri" not found in s',
        ),
        ([1], "Unrecognised terms [1] in s"),
        (5, "s not a list 5"),
        ({**GOOD, "src-uri": 5}, "src-uri should be list, actually was 5"),
        ({**GOOD, "src-uri": ["amqp://", 3]}, "src-uri should be list, actually was 3"),
        ({**GOOD, "src-uri": []}, "src-uri should be a list of at least one URI"),
        (
            {**GOOD, "src-uri": "http://ann:pw@x"},
            '"http://ann:***@x" not a valid URI: {{unexpected_uri_scheme,"http"},"http://ann:***@x"}',
        ),
        ({**GOOD, "src-uri": "amqp:///nope"}, "no nope"),
        ({**GOOD, "src-exchange": "x"}, "Cannot specify 'src-exchange' and 'src-queue'"),
        ({**GOOD, "dest-exchange": "x"}, "Cannot specify 'dest-exchange' and 'dest-queue'"),
        (
            {**GOOD, "ack-mode": "foo"},
            'ack-mode should be one of [<<"no-ack">>,<<"on-publish">>,<<"on-confirm">>], actually was <<"foo">>',
        ),
        (
            {**GOOD, "ack-mode": "no-ack", "src-delete-after": 5},
            "Cannot specify 'no-ack' and numerical 'delete-after'",
        ),
        (
            {**GOOD, "src-delete-after": -1},
            'src-delete-after should be a number greater than or equal to 0, "never" or "queue-length", '
            "actually was -1",
        ),
        ({**GOOD, "src-prefetch-count": "x"}, 'src-prefetch-count should be a number, actually was <<"x">>'),
        ({**GOOD, "reconnect-delay": True}, "reconnect-delay should be a number, actually was true"),
        ({**GOOD, "add-forward-headers": 1}, "add-forward-headers should be boolean, actually was 1"),
        ({**GOOD, "publish-properties": {"foo": 1}}, 'Unrecognised terms [{<<"foo">>,1}] in publish-properties'),
        ({**GOOD, "publish-properties": {"content_type": 1}}, "content_type should be binary, actually was 1"),
        (
            {**GOOD, "dest-publish-properties": {"delivery_mode": "2"}},
            'delivery_mode should be a number, actually was <<"2">>',
        ),
        ({**GOOD, "bogus": 1}, 'Unrecognised terms [{<<"bogus">>,1}] in s'),
        ({**GOOD, "src-queue": 7}, "src-queue should be binary, actually was 7"),
        ({**GOOD, "src-queue": "q" * 256}, "src-queue should be less than 256 bytes, actually was 256"),
        (
            {**GOOD, "publish-properties": {"app_id": "a" * 256}},
            "app_id should be less than 256 bytes, actually was 256",
        ),
        ({**GOOD, "src-prefetch-count": 65536}, "src-prefetch-count should be a number from 0 to 65535, not 65536"),
        (
            {**GOOD, "src-protocol": "amqp10"},
            'src-protocol should be one of [<<"amqp091">>,<<"local">>], actually was <<"amqp10">>',
        ),
        ({**GOOD, "src-consumer-args": 7}, "src-consumer-args should be a map, actually was 7"),
    ],
)
def test_a_value_that_is_refused(value: Any, why: str) -> None:
    assert wrong(value) == why


@pytest.mark.parametrize(
    "more",
    [
        {"src-delete-after": "queue-length"},
        {"src-delete-after": 5, "ack-mode": "on-publish"},
        {"ack-mode": "no-ack", "delete-after": "never"},
        {"src-consumer-args": {"x-priority": 3}, "dest-queue-args": {"x-queue-type": "quorum"}},
        {"src-protocol": "local", "dest-protocol": "amqp091"},
        {"dest-publish-properties": {"delivery_mode": 2, "user_id": "ann"}, "reconnect-delay": 0.5},
        {"src-uri": ["amqp://one", "amqps://two?verify=verify_none&foo=1"]},
    ],
)
def test_a_value_in_order(more: dict[str, Any]) -> None:
    assert wrong({**GOOD, **more}) == ""


def test_what_is_not_said_has_the_defaults_of_rabbitmq() -> None:
    wanted = Definition.of(GOOD)
    assert (wanted.prefetch, wanted.ack_mode, wanted.delete_after, wanted.reconnect_seconds) == (
        1000, "on-confirm", "never", 5
    )  # fmt: skip
    assert not wanted.forward_headers
    assert not wanted.timestamp_header
    assert wanted.source_uris == ("amqp://",)


def test_older_names_mean_the_same_and_newer_ones_win() -> None:
    older = {
        "prefetch-count": 7, "delete-after": 8, "add-forward-headers": True, "publish-properties": {"priority": 1}
    }  # fmt: skip
    wanted = Definition.of({**GOOD, **older})
    assert (wanted.prefetch, wanted.delete_after, wanted.forward_headers) == (7, 8, True)
    assert wanted.publish_properties == {"priority": 1}
    newer = {"src-prefetch-count": 9, "src-delete-after": "never", "dest-add-forward-headers": False}
    wanted = Definition.of({**GOOD, **older, **newer})
    assert (wanted.prefetch, wanted.delete_after, wanted.forward_headers) == (9, "never", False)


def test_passwords_are_shown_as_stars_and_kept_when_stars_come_back() -> None:
    value = {**GOOD, "src-uri": ["amqp://ann:one@a", "amqp://ann:two@b"]}
    seen = shown(value)
    assert seen["dest-uri"] == "amqp://ann:***@lyre"
    assert seen["src-uri"] == ["amqp://ann:***@a", "amqp://ann:***@b"]
    assert completed(seen, value) == value
    assert completed({**seen, "src-queue": "c"}, value) == {**value, "src-queue": "c"}
    assert completed(seen, None) == seen
    assert shown("nonsense") == completed("nonsense", value) == "nonsense"
