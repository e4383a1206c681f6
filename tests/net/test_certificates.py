"""Certificates that change while a broker runs: real files, real handshakes."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.net.peer import Peer, eventually
from tests.protocols.amqp.memory import Queue

from menura import Broker
from menura.net.certificates import CertificateError, Certificates, check_settings, new_context


class Files:
    """A certificate and its key in the files of a listener, replaced as often as one likes."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.renew("first")

    def renew(self, name: str) -> None:
        leaf = self.authority.issue_cert("localhost", common_name=name)
        self.put(leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes())

    def put(self, cert: bytes, key: bytes | None = None) -> None:
        for path, octets in ((self.key, key), (self.cert, cert)):
            if octets is not None:
                path.with_suffix(".new").write_bytes(octets)
                os.replace(path.with_suffix(".new"), path)

    @property
    def settings(self) -> dict[str, str]:
        return {"cert": str(self.cert), "key": str(self.key)}

    def url(self, more: str = "") -> str:
        return f"amqps://127.0.0.1:0?cert={self.cert}&key={self.key}{more}"

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def shown(port: int, context: ssl.SSLContext) -> str:
    """The common name of the certificate that a new connection is shown."""
    with Peer(port, context) as peer:
        assert isinstance(peer.socket, ssl.SSLSocket)
        certificate = peer.socket.getpeercert() or {}
        peer.connect()
        return next(value for ((key, value),) in certificate["subject"] if key == "commonName")


@pytest.fixture
def broker(files: Files) -> Iterator[Broker]:
    with Broker(listen=[files.url()]) as broker:
        yield broker


def port_of(broker: Broker) -> int:
    return broker.listeners[0].port


def test_new_files_are_noticed_and_open_connections_keep_the_old(broker: Broker, files: Files) -> None:
    port, client = port_of(broker), files.client()
    with Peer(port, client) as peer:
        peer.connect()
        assert shown(port, client) == "first"
        files.renew("second")
        eventually(lambda: shown(port, client) == "second", "the new certificate")
        peer.call(Queue.Declare(0, "q"))


def test_files_that_are_no_certificate_are_refused_and_the_old_one_stays(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    certificates = Certificates("amqps://host:5671", files.settings)
    old = certificates.context
    for number, broken in enumerate((b"", b"nonsense", trustme.CA().issue_cert("other").cert_chain_pems[0].bytes()), 1):
        files.put(broken)
        certificates.look()
        certificates.look()
        certificates.look()
        assert certificates.context is old
        said = [
            message for message in caplog.messages if "the new certificate is refused, the old one stays" in message
        ]
        assert len(said) == number, "told once"
    files.renew("second")
    with caplog.at_level(logging.INFO, "menura"):
        certificates.look()
        certificates.look()
    assert certificates.context is not old
    assert caplog.messages[-1] == f"amqps://host:5671: certificate loaded from {files.cert}"


def test_a_change_counts_when_it_has_been_seen_twice(files: Files) -> None:
    certificates = Certificates("amqps://host:5671", files.settings)
    old = certificates.context
    certificates.look()
    assert certificates.context is old
    files.renew("second")
    certificates.look()
    assert certificates.context is old, "the files may still be written"
    certificates.look()
    assert certificates.context is not old


def test_files_that_vanish_change_nothing(files: Files) -> None:
    certificates = Certificates("amqps://host:5671", files.settings)
    old = certificates.context
    files.cert.unlink()
    for _ in range(3):
        certificates.look()
    assert certificates.context is old


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("least", ["1.2", "1.3"])
@pytest.mark.parametrize("how", ["url", "setting"])
def test_the_lowest_version_is_chosen_for_a_listener_or_for_all(
    files: Files, newest: ssl.TLSVersion, least: str, how: str
) -> None:
    client = files.client()
    client.maximum_version = newest
    url, tls_min = (files.url(f"&min={least}"), "1.2") if how == "url" else (files.url(), least)
    with Broker(listen=[url], tls_min=tls_min) as broker:
        if least == "1.3" and newest == ssl.TLSVersion.TLSv1_2:
            with pytest.raises(ssl.SSLError):
                Peer(port_of(broker), client)
        else:
            assert shown(port_of(broker), client) == "first"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"cert": "a", "min": "1.1"}, "min is 1.2 or 1.3"),
        ({"cert": "a", "verify": "perhaps"}, "verify is optional or required"),
        ({"cert": "a", "colour": "blue"}, "unknown setting colour"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(CertificateError, match=complaint):
        check_settings(settings)


def test_a_key_that_is_encrypted_is_refused_instead_of_asked_for(files: Files) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(CertificateError, match="the key is encrypted"):
        new_context(files.settings)


def test_a_client_certificate_that_is_required_needs_an_authority(files: Files) -> None:
    with pytest.raises(CertificateError, match="verify needs a ca"):
        new_context({**files.settings, "verify": "required"})
