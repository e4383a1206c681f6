"""What a socket knows of its two ends."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}
"""Names of attributes in RFC 4514, section 3."""
_SPECIAL = frozenset(',+"\\<>;=')


def peer_address(transport: asyncio.BaseTransport) -> tuple[str, int]:
    """Host and port of the other end; empty and 0 if it has gone already."""
    peername = transport.get_extra_info("peername")
    return (peername[0], peername[1]) if isinstance(peername, tuple) else ("", 0)


def server_address(transport: asyncio.BaseTransport) -> str:
    """Our end; empty if the other one has gone already, or has no address."""
    sockname = transport.get_extra_info("sockname")
    return f"{sockname[0]}:{sockname[1]}" if isinstance(sockname, tuple) else ""


def is_loopback(host: str) -> bool:
    """Whether a peer's address says that it is on this machine."""
    return host.startswith("127.") or host in ("::1", "::ffff:127.0.0.1")


def peer_subject(certificate: Any) -> str | None:
    """The common name of a verified client certificate."""
    for name in (certificate or {}).get("subject", ()):
        for key, value in name:
            if key == "commonName":
                return str(value)
    return None


def tls_state(transport: asyncio.BaseTransport) -> tuple[str, str, int, str, str, str] | None:
    """Version, cipher suite and its bits that the two ends have agreed on, if they talk in TLS; subject, issuer and
    validity of the peer's certificate, empty if there is none that was verified."""
    found = transport.get_extra_info("ssl_object")
    if not isinstance(found, (ssl.SSLObject, ssl.SSLSocket)):
        return None
    cipher, _, bits = found.cipher() or ("", "", 0)
    certificate: Any = found.getpeercert() or {}
    validity = ""
    if "notBefore" in certificate and "notAfter" in certificate:
        validity = f"{_moment(certificate['notBefore'])} - {_moment(certificate['notAfter'])}"
    subject, issuer = (_distinguished(certificate.get(name, ())) for name in ("subject", "issuer"))
    return found.version() or "", cipher, bits, subject, issuer, validity


def _distinguished(names: Any) -> str:
    """A distinguished name as RFC 4514 writes it: the last part comes first."""
    return ",".join(
        "+".join(f"{_SHORT.get(key, key)}={_escaped(value)}" for key, value in part) for part in reversed(names)
    )


def _escaped(text: str) -> str:
    """Section 2.4."""
    escaped = "".join("\\" + character if character in _SPECIAL else character for character in text)
    if escaped[:1] in ("#", " "):
        escaped = "\\" + escaped
    return escaped[:-1] + "\\ " if len(escaped) > 1 and escaped.endswith(" ") else escaped


def _moment(text: str) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ssl.cert_time_to_seconds(text)))
