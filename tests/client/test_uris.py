"""Addresses of brokers, and that their passwords are never said."""

from __future__ import annotations

import pytest

from menura.client.uris import BrokerAddress, UriError, address_of, masked, unmasked


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("amqp://", ("", 5672, None, None, "/")),
        ("amqp:///orders", ("", 5672, None, None, "orders")),
        ("amqp://ann@/orders", ("", 5672, "ann", None, "orders")),
        ("amqp://lyre", ("lyre", 5672, None, None, "/")),
        ("amqp://lyre/", ("lyre", 5672, None, None, "/")),
        ("amqps://lyre", ("lyre", 5671, None, None, "/")),
        ("amqp://ann:se%40cret@lyre:99/a%2Fb", ("lyre", 99, "ann", "se@cret", "a/b")),
        ("amqp://ann:@[::1]:99/%2F", ("::1", 99, "ann", "", "/")),
    ],
)
def test_the_parts_of_an_address(uri: str, parts: tuple[object, ...]) -> None:
    address = BrokerAddress.parse(uri)
    assert (address.host, address.port, address.user, address.password, address.vhost) == parts
    assert address.local is (not address.host)


def test_settings_stand_behind_the_question_mark() -> None:
    address = BrokerAddress.parse("amqps://lyre?heartbeat=7&verify=verify_none&unknown=x")
    assert address.number("heartbeat") == 7
    assert address.number("frame_max") is None
    assert address.settings["verify"] == "verify_none"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("nonsense", '{{unable_to_parse_uri,no_scheme},"nonsense"}'),
        ("http://x", '{{unexpected_uri_scheme,"http"},"http://x"}'),
        ("amqp://h/a/b", '{{invalid_vhost,"a/b"},"amqp://h/a/b"}'),
        ("amqp://u:pw@h:bad", '{{unable_to_parse_uri,malformed_uri},"amqp://u:***@h:bad"}'),
        (
            "amqp://h?heartbeat=x",
            '{{invalid_amqp_params_parameter,heartbeat,"x",{not_an_integer,"x"}},"amqp://h?heartbeat=x"}',
        ),
    ],
)
def test_an_address_that_is_none(uri: str, why: str) -> None:
    with pytest.raises(UriError) as caught:
        BrokerAddress.parse(uri)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("amqp://", "amqp://"),
        ("amqp://ann:pw@lyre/orders?password=x", "amqp://lyre/orders"),
        ("amqps://ann:pw@lyre:5671", "amqps://lyre"),
        ("amqps://ann:pw@[::1]:99/%2F", "amqps://[::1]:99/%2F"),
    ],
)
def test_what_is_shown_of_an_address_has_neither_user_nor_password(uri: str, shown: str) -> None:
    assert BrokerAddress.parse(uri).shown == shown


@pytest.mark.parametrize(
    ("uri", "seen"),
    [
        ("amqp://ann:pw@lyre/x", "amqp://ann:***@lyre/x"),
        ("amqp://ann:p:w@lyre/x", "amqp://ann:***@lyre/x"),
        ("amqp://ann:p@w@lyre", "amqp://ann:***@lyre"),
        ("amqp://ann:p/w@lyre", "amqp://ann:***@lyre"),
        ("amqps://lyre?password=key&verify=verify_peer", "amqps://lyre?password=***&verify=verify_peer"),
        ("amqp://ann@lyre", "amqp://ann@lyre"),
        ("amqp://lyre:5672/x", "amqp://lyre:5672/x"),
        ("amqp://lyre:5672/x@y", "amqp://lyre:5672/x@y"),
        ("amqp://", "amqp://"),
    ],
)
def test_stars_stand_for_passwords(uri: str, seen: str) -> None:
    assert masked(uri) == seen


def test_stars_stand_for_the_password_there_was_if_all_else_is_the_same() -> None:
    before = "amqp://ann:pw@lyre/x"
    assert unmasked("amqp://ann:***@lyre/x", before) == before
    assert unmasked("amqp://ann:***@elsewhere/x", before) == "amqp://ann:***@elsewhere/x"
    assert unmasked("amqp://ann:new@lyre/x", before) == "amqp://ann:new@lyre/x"


def test_a_password_is_in_no_representation() -> None:
    assert "secret" not in repr(BrokerAddress.parse("amqp://ann:secret@lyre?password=secret"))


def test_an_address_from_its_parts_reads_as_the_same() -> None:
    address = BrokerAddress.parse(address_of("amqp", "lyre", 99, "a/n", "p@:w", "/"))
    assert (address.host, address.port, address.user, address.password, address.vhost) == (
        "lyre",
        99,
        "a/n",
        "p@:w",
        "/",
    )
