"""Until when certificates are valid.

Of a certificate (X.509, in DER) only the two times are read: the standard library shows those of a peer, but not those
of a file. A certificate is a sequence, of which the first element holds, behind an optional version, serial number,
algorithm, issuer and then the validity: a sequence of two times.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from typing import NamedTuple

_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _TIME = 0x30, 0xA0, 0x17, 0x18
_BEFORE_VALIDITY = 3
# Of a year with two digits, this one and the later ones are of the last century (RFC 5280, 4.1.2.5.1).
_CENTURY_TURNS = 50


class Validity(NamedTuple):
    since: datetime
    until: datetime


def validities(pem: str) -> list[Validity]:
    """Of each certificate in a file. Raises ValueError for what is no certificate."""
    found = [validity(ssl.PEM_cert_to_DER_cert(text)) for text in _PEM.findall(pem)]
    if not found:
        raise ValueError("there is no certificate in it")
    return found


def validity(der: bytes) -> Validity:
    try:
        _, outer, _ = _element(der, 0, _SEQUENCE)
        _, body, _ = _element(outer, 0, _SEQUENCE)
        kind, _, at = _element(body, 0)
        for _ in range(_BEFORE_VALIDITY if kind == _VERSION else _BEFORE_VALIDITY - 1):
            _, _, at = _element(body, at)
        _, times, _ = _element(body, at, _SEQUENCE)
        kind, since, at = _element(times, 0)
        later, until, _ = _element(times, at)
        return Validity(_time(kind, since), _time(later, until))
    except IndexError:
        raise ValueError("a certificate is cut off") from None


def _element(data: bytes, at: int, expected: int | None = None) -> tuple[int, bytes, int]:
    """Tag and content of the element there, and where the next one begins."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        start += octets
        length = int.from_bytes(data[at + 2 : start], "big")
    if len(data) < start + length:
        raise IndexError
    if expected not in (None, tag):
        raise ValueError("it is no certificate")
    return tag, data[start : start + length], start + length


def _time(kind: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if kind == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _CENTURY_TURNS else "20") + text
    elif kind != _TIME:
        raise ValueError("a certificate without times")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
