"""What a shovel is to do: the value of its parameter, checked and read.

The keys, and the sentences about wrong ones, are RabbitMQ's. A value has been checked (`faults`) before it is read
(`Definition.of`). Older names of keys mean the same as the newer ones, which win.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from menura.client.uris import BrokerAddress, UriError, masked, unmasked
from menura.core.arguments import KEY_BYTES_MAX
from menura.core.policy_rules import Faults
from menura.core.policy_rules import faults as faults_of
from menura.core.properties import OCTET, PROPERTIES, TEXT, TIME
from menura.core.terms import term

PREFETCH = 1000
RECONNECT_SECONDS = 5
ACK_MODES = ("no-ack", "on-publish", "on-confirm")
PROTOCOLS = ("amqp091", "local")
URIS = ("src-uri", "dest-uri")
_OCTETS_MAX = {OCTET: 0xFF, TIME: 0xFFFF_FFFF_FFFF_FFFF}


@dataclass(frozen=True, slots=True)
class Definition:
    """`delete_after` is "never", "queue-length" or a number of messages; None is what was not given."""

    source_uris: tuple[str, ...]
    destination_uris: tuple[str, ...]
    source_queue: str | None
    source_exchange: str | None
    source_key: str
    source_arguments: Mapping[str, Any]
    source_predeclared: bool
    consumer_arguments: Mapping[str, Any]
    destination_queue: str | None
    destination_exchange: str | None
    destination_key: str | None
    destination_arguments: Mapping[str, Any]
    destination_predeclared: bool
    prefetch: int
    ack_mode: str
    delete_after: str | int
    reconnect_seconds: float
    forward_headers: bool
    timestamp_header: bool
    publish_properties: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        def given(*names: str, otherwise: Any = None) -> Any:
            return next((value[name] for name in names if name in value), otherwise)

        return cls(
            source_uris=_texts(value["src-uri"]),
            destination_uris=_texts(value["dest-uri"]),
            source_queue=given("src-queue"),
            source_exchange=given("src-exchange"),
            source_key=given("src-exchange-key", otherwise=""),
            source_arguments=given("src-queue-args", otherwise={}) or {},
            source_predeclared=given("src-predeclared", otherwise=False),
            consumer_arguments=given("src-consumer-args", otherwise={}) or {},
            destination_queue=given("dest-queue"),
            destination_exchange=given("dest-exchange"),
            destination_key=given("dest-exchange-key"),
            destination_arguments=given("dest-queue-args", otherwise={}) or {},
            destination_predeclared=given("dest-predeclared", otherwise=False),
            prefetch=int(given("src-prefetch-count", "prefetch-count", otherwise=PREFETCH)),
            ack_mode=given("ack-mode", otherwise="on-confirm"),
            delete_after=given("src-delete-after", "delete-after", otherwise="never"),
            reconnect_seconds=given("reconnect-delay", otherwise=RECONNECT_SECONDS),
            forward_headers=given("dest-add-forward-headers", "add-forward-headers", otherwise=False),
            timestamp_header=given("dest-add-timestamp-header", "add-timestamp-header", otherwise=False),
            publish_properties=given("dest-publish-properties", "publish-properties", otherwise={}) or {},
        )

    def ends(self, separator: str) -> dict[str, str]:
        """Where messages come from and go to, by RabbitMQ's names: `src_queue` with the separator `_`."""
        if self.source_queue is not None:
            found = {"src-queue": self.source_queue}
        else:
            found = {"src-exchange": self.source_exchange or "", "src-exchange-key": self.source_key}
        given = {
            "dest-exchange": self.destination_exchange,
            "dest-exchange-key": self.destination_key,
            "dest-queue": self.destination_queue,
        }
        found |= {name: value for name, value in given.items() if value is not None}
        return {name.replace("-", separator): value for name, value in found.items()}


def _texts(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


# -- secrets -----------------------------------------------------------------------------------------------------


def shown(value: Any) -> Any:
    """The value with stars for passwords."""
    return _with_uris(value, lambda uri, at, name: masked(uri))


def completed(value: Any, before: Any) -> Any:
    """The value with the passwords it had before, where it has stars for them."""

    def complete(uri: str, at: int, name: str) -> str:
        had = before.get(name) if isinstance(before, Mapping) else None
        known = _texts(had) if isinstance(had, (str, list)) else ()
        return unmasked(uri, known[at]) if at < len(known) else uri

    return _with_uris(value, complete)


def _with_uris(value: Any, change: Callable[[str, int, str], str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    changed = dict(value)
    for name in URIS:
        uris = value.get(name)
        if isinstance(uris, str):
            changed[name] = change(uris, 0, name)
        elif isinstance(uris, list):
            changed[name] = [change(uri, at, name) if isinstance(uri, str) else uri for at, uri in enumerate(uris)]
    return changed


# -- checks ------------------------------------------------------------------------------------------------------


def faults(name: str, value: Any, may_enter: Callable[[str], str | None]) -> Faults:
    """What is wrong with the value of a shovel.

    `may_enter` says why nobody may use a virtual host of this broker, or None.
    """
    if not isinstance(value, Mapping):
        return faults_of(name, value, {})
    found = _faults_of_source(value) + _faults_of_destination(value)
    found += faults_of(name, value, _checks(may_enter), optional=OPTIONAL)
    return found


def _faults_of_source(value: Mapping[str, Any]) -> Faults:
    found = []
    if "src-exchange" not in value and "src-queue" not in value:
        found.append("Must specify 'src-exchange' or 'src-queue'")
    if "src-exchange" in value and "src-queue" in value:
        found.append("Cannot specify 'src-exchange' and 'src-queue'")
    after = value.get("src-delete-after", value.get("delete-after"))
    if isinstance(after, int) and value.get("ack-mode") == "no-ack":
        found.append("Cannot specify 'no-ack' and numerical 'delete-after'")
    return found


def _faults_of_destination(value: Mapping[str, Any]) -> Faults:
    if "dest-exchange" in value and "dest-queue" in value:
        return ["Cannot specify 'dest-exchange' and 'dest-queue'"]
    return []


Check = Callable[[Any], Faults]


def _text(name: str) -> Check:
    return lambda value: [] if isinstance(value, str) else [f"{name} should be binary, actually was {term(value)}"]


def _short_text(name: str) -> Check:
    """A name, or a key, that fits where it is to be sent."""

    def check(value: Any) -> Faults:
        found = _text(name)(value)
        if not found and len(value.encode(errors="replace")) > KEY_BYTES_MAX:
            found = [f"{name} should be less than {KEY_BYTES_MAX + 1} bytes, actually was {len(value.encode())}"]
        return found

    return check


def _number(name: str, highest: int | None = None, *, whole: bool = True) -> Check:
    def check(value: Any) -> Faults:
        kinds = (int,) if whole else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool):
            return [f"{name} should be a number, actually was {term(value)}"]
        if value < 0 or (highest is not None and value > highest):
            return [f"{name} should be a number from 0" + (f" to {highest}" if highest else "") + f", not {value}"]
        return []

    return check


def _boolean(name: str) -> Check:
    return lambda value: [] if isinstance(value, bool) else [f"{name} should be boolean, actually was {term(value)}"]


def _one_of(name: str, allowed: tuple[str, ...]) -> Check:
    return lambda value: (
        [] if value in allowed else [f"{name} should be one of {term(list(allowed))}, actually was {term(value)}"]
    )


def _delete_after(name: str) -> Check:
    def check(value: Any) -> Faults:
        number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if number or value in ("never", "queue-length"):
            return []
        return [
            f'{name} should be a number greater than or equal to 0, "never" or "queue-length", '
            f"actually was {term(value)}"
        ]

    return check


def _arguments(name: str) -> Check:
    return lambda value: (
        [] if isinstance(value, Mapping) or value == [] else [f"{name} should be a map, actually was {term(value)}"]
    )


def _properties(name: str) -> Check:
    checks: dict[str, Check] = {
        key: _short_text(key) if kind == TEXT else _number(key, _OCTETS_MAX[kind])
        for key, kind in PROPERTIES.items()
        if key != "headers"
    }
    return lambda value: [] if value == [] else faults_of(name, value, checks, optional=checks)


def _uris(name: str, may_enter: Callable[[str], str | None]) -> Check:
    def check(value: Any) -> Faults:
        if isinstance(value, str):
            return _faults_of_uri(value, may_enter)
        if not isinstance(value, list):
            return [f"{name} should be list, actually was {term(value)}"]
        if not value:
            return [f"{name} should be a list of at least one URI"]
        return next((found for uri in value if (found := _faults_in_list(uri))), [])

    def _faults_in_list(uri: Any) -> Faults:
        if not isinstance(uri, str):
            return [f"{name} should be list, actually was {term(uri)}"]
        return _faults_of_uri(uri, may_enter)

    return check


def _faults_of_uri(uri: str, may_enter: Callable[[str], str | None]) -> Faults:
    try:
        address = BrokerAddress.parse(uri)
    except UriError as error:
        return [f'"{masked(uri)}" not a valid URI: {error}']
    refusal = may_enter(address.vhost) if address.local else None
    return [] if refusal is None else [refusal]


def _checks(may_enter: Callable[[str], str | None]) -> dict[str, Check]:
    """By key, in the order in which RabbitMQ looks at them."""
    return {
        "reconnect-delay": _number("reconnect-delay", whole=False),
        "ack-mode": _one_of("ack-mode", ACK_MODES),
        "src-protocol": _one_of("src-protocol", PROTOCOLS),
        "dest-protocol": _one_of("dest-protocol", PROTOCOLS),
        "src-uri": _uris("src-uri", may_enter),
        **{name: _short_text(name) for name in ("src-exchange", "src-exchange-key", "src-queue")},
        "src-queue-args": _arguments("src-queue-args"),
        "src-consumer-args": _arguments("src-consumer-args"),
        "prefetch-count": _number("prefetch-count", 0xFFFF),
        "src-prefetch-count": _number("src-prefetch-count", 0xFFFF),
        "delete-after": _delete_after("delete-after"),
        "src-delete-after": _delete_after("src-delete-after"),
        "src-predeclared": _boolean("src-predeclared"),
        "dest-uri": _uris("dest-uri", may_enter),
        **{name: _short_text(name) for name in ("dest-exchange", "dest-exchange-key", "dest-queue")},
        "dest-queue-args": _arguments("dest-queue-args"),
        "add-forward-headers": _boolean("add-forward-headers"),
        "add-timestamp-header": _boolean("add-timestamp-header"),
        "dest-add-forward-headers": _boolean("dest-add-forward-headers"),
        "dest-add-timestamp-header": _boolean("dest-add-timestamp-header"),
        "publish-properties": _properties("publish-properties"),
        "dest-publish-properties": _properties("dest-publish-properties"),
        "dest-predeclared": _boolean("dest-predeclared"),
    }


OPTIONAL = frozenset(_checks(lambda vhost: None)) - {*URIS}
