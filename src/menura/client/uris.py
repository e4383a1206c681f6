"""Addresses of brokers: `amqp://user:password@host:port/vhost?setting=value`, and `amqps` for TLS.

The grammar is RabbitMQ's: whatever stands for something special is percent-encoded, a path that is missing or empty is
the virtual host `/`, and no host at all means the broker that reads the address. Settings that are known:

    heartbeat, channel_max, frame_max    numbers to ask for in the handshake
    connection_timeout                   milliseconds for connecting and the handshake
    auth_mechanism                       plain or external
    cacertfile, certfile, keyfile, password, verify, server_name_indication    of TLS

Others are ignored. Nothing here ever says a password: `shown` leaves user and password out, `masked` puts stars for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

PORTS = {"amqp": 5672, "amqps": 5671}
NUMBERS = ("heartbeat", "channel_max", "frame_max", "connection_timeout")
MASK = "***"
# Behind the user: in an address in order, up to the last @ of the authority. In any other that could be meant for an
# address with a password, up to the last @ at all.
_PASSWORD = re.compile(r"(//[^/?#@:]*:)(?:[^/?#]*(?=@)|(?!\d*[/?#]).*(?=@))")


class UriError(ValueError):
    """Not an address of a broker. The text is that of RabbitMQ, with any password masked."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """`host` is empty for this broker itself; user and password are None where they are not given."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    vhost: str = "/"
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    path: str = ""

    @classmethod
    def parse(cls, uri: str) -> Self:
        said = masked(uri)
        scheme, colon, _ = uri.partition(":")
        if not colon or not scheme.isalnum():
            raise UriError(f'{{{{unable_to_parse_uri,no_scheme}},"{said}"}}')
        if scheme not in PORTS:
            raise UriError(f'{{{{unexpected_uri_scheme,"{scheme}"}},"{said}"}}')
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError:
            raise UriError(f'{{{{unable_to_parse_uri,malformed_uri}},"{said}"}}') from None
        path = parts.path
        if "/" in path[1:]:
            raise UriError(f'{{{{invalid_vhost,"{path[1:]}"}},"{said}"}}')
        settings = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name in NUMBERS:
            if name in settings and not settings[name].isdecimal():
                wrong = f'"{settings[name]}"'
                raise UriError(
                    f'{{{{invalid_amqp_params_parameter,{name},{wrong},{{not_an_integer,{wrong}}}}},"{said}"}}'
                )
        return cls(
            scheme,
            parts.hostname or "",
            PORTS[scheme] if port is None else port,
            None if parts.username is None else unquote(parts.username),
            None if parts.password is None else unquote(parts.password),
            unquote(path[1:]) or "/",
            settings,
            path,
        )

    @property
    def local(self) -> bool:
        """Whether it names the broker that reads it."""
        return not self.host

    def number(self, name: str) -> int | None:
        """A setting that is a number."""
        value = self.settings.get(name)
        return None if value is None else int(value)

    @property
    def shown(self) -> str:
        """The address without user, password and settings."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.host and self.port != PORTS[self.scheme] else ""
        return f"{self.scheme}://{host}{port}{self.path}"


def masked(uri: str) -> str:
    """An address, in order or not, with stars for its password and for that of its key."""
    uri = _PASSWORD.sub(rf"\1{MASK}", uri, count=1)
    return re.sub(r"([?&]password=)[^&]*", rf"\1{MASK}", uri)


def unmasked(uri: str, before: str) -> str:
    """An address with the password it had `before`, where it has stars for it and is the same otherwise."""
    return before if MASK in uri and uri == masked(before) else uri


def address_of(scheme: str, host: str, port: int, user: str, password: str, vhost: str = "/") -> str:
    """The address as a text."""
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@"
    return f"{scheme}://{login}{host}:{port}/{quote(vhost, safe='')}"
