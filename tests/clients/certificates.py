"""Certificates made for a run: who signs the server's, and whose client certificates the server trusts."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authorities:
    server: trustme.CA = field(default_factory=trustme.CA)
    clients: trustme.CA = field(default_factory=trustme.CA)

    def query(self, folder: Path) -> str:
        """The part of a listener's address that names its files, which it writes."""
        certificate = self.server.issue_cert("localhost", "127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
        certificate.private_key_pem.write_to_path(folder / "server.key")
        self.clients.cert_pem.write_to_path(folder / "clients.pem")
        self.server.cert_pem.write_to_path(folder / "authority.pem")
        return f"cert={folder}/server.pem&key={folder}/server.key&ca={folder}/clients.pem"

    def context(self, user: str | None = None, signed_by: trustme.CA | None = None) -> ssl.SSLContext:
        """A client's side: trusts the server's authority; given a user, shows a certificate in that name."""
        context = ssl.create_default_context()
        self.server.configure_trust(context)
        if user:
            self._issue(user, signed_by).configure_cert(context)
        return context

    def files(self, folder: Path, user: str, signed_by: trustme.CA | None = None) -> tuple[str, str]:
        """A client's certificate in the name of a user, and its key, as files."""
        certificate = self._issue(user, signed_by)
        certificate.cert_chain_pems[0].write_to_path(folder / f"{user}.pem")
        certificate.private_key_pem.write_to_path(folder / f"{user}.key")
        return f"{folder}/{user}.pem", f"{folder}/{user}.key"

    def _issue(self, user: str, signed_by: trustme.CA | None) -> trustme.LeafCert:
        return (signed_by or self.clients).issue_cert(f"{user}@example.org", common_name=user)
