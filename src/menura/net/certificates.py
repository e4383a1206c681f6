"""The certificates of a TLS listener, which may change while it listens.

`Certificates.context` is what the next connection is given. It is loaded anew when the files are others than before,
which is looked at every `LOOK_SECONDS`, and when told to; connections that are open keep what they have. Files are
written one after another, so a change counts once it has been seen twice; ones that do not fit together, or cannot be
read, are refused, and the old certificates stay in use.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping

LOOK_SECONDS = 2.0
TLS_KEYS = frozenset(("cert", "key", "ca", "verify", "min"))
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_FILES = ("cert", "key", "ca")
_log = logging.getLogger("menura")


class CertificateError(Exception):
    """The settings make no TLS; the text says what to do."""


def check_settings(settings: Mapping[str, str]) -> None:
    """Refuse what can be seen to be wrong without looking at files."""
    if unknown := set(settings) - TLS_KEYS:
        raise CertificateError(f"unknown setting {', '.join(sorted(unknown))}")
    if settings.get("verify", "optional") not in ("optional", "required"):
        raise CertificateError("verify is optional or required")
    if settings.get("min", "1.2") not in _VERSIONS:
        raise CertificateError(f"min is {' or '.join(_VERSIONS)}")


class Certificates:
    """Those of one listener, called `name` in the log. Raises CertificateError where they cannot be used at all."""

    def __init__(self, name: str, settings: Mapping[str, str]) -> None:
        self.name = name
        self._settings = dict(settings)
        self._loaded = self._seen = _signature(settings)
        self.context = new_context(settings)

    def renew(self, settings: Mapping[str, str]) -> None:
        """Load these, and go on with them if they are good."""
        self._loaded = self._seen = _signature(settings)
        try:
            self.context = new_context(settings)
        except CertificateError as error:
            _log.error("%s: the new certificate is refused, the old one stays in use: %s", self.name, error)
        else:
            self._settings = dict(settings)
            _log.info("%s: certificate loaded from %s", self.name, self._settings["cert"])

    def look(self) -> None:
        """Load the files again if they have changed."""
        found = _signature(self._settings)
        if found == self._loaded:
            return
        if found == self._seen:
            self.renew(self._settings)
        self._seen = found


def new_context(settings: Mapping[str, str]) -> ssl.SSLContext:
    if not settings.get("cert"):
        raise CertificateError("needs a certificate: add ?cert=FILE&key=FILE, or set tls.cert and tls.key")
    ca = settings.get("ca", "")
    if settings.get("verify") == "required" and not ca:
        raise CertificateError("verify needs a ca to verify with: add &ca=FILE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.get("min", "1.2")]
    try:
        context.load_cert_chain(settings["cert"], settings.get("key") or None, password=_no_password)
        if ca:
            context.load_verify_locations(ca)
            required = settings.get("verify") == "required"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError, ValueError) as error:
        files = ", ".join(settings[key] for key in _FILES if settings.get(key))
        raise CertificateError(f"certificate: {error} ({files})") from None
    return context


def _no_password() -> str:
    """Instead of asking whoever sits at the terminal."""
    raise ValueError("the key is encrypted; a broker needs one that is not")


def _signature(settings: Mapping[str, str]) -> tuple[object, ...]:
    """What changes with the files."""
    found: list[object] = []
    for key in _FILES:
        if path := settings.get(key):
            try:
                state = os.stat(path)
            except OSError:
                found.append(None)
            else:
                found.append((state.st_mtime_ns, state.st_ino, state.st_size))
    return tuple(found)
