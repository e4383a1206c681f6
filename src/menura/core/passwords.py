"""What is kept of a password: base64 of a 4-octet salt followed by a digest of salt and password.

This is RabbitMQ's form, so that hashes can be carried from one broker to the other. The digest is SHA-256 for
passwords set here; hashes that come from elsewhere may be SHA-512 or MD5. Which one it is follows from the length, so
it is not kept beside the hash. The empty hash is that of a user who cannot log in with a password.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Any, NamedTuple

from menura.core.errors import PreconditionFailed

SALT_BYTES = 4


class Algorithm(NamedTuple):
    name: str
    digest: Callable[[bytes], Any]
    digest_bytes: int


_ALGORITHMS = (
    Algorithm("rabbit_password_hashing_sha256", hashlib.sha256, 32),
    Algorithm("rabbit_password_hashing_sha512", hashlib.sha512, 64),
    # Known by its age only: such hashes were made long ago, and their users want to log in.
    Algorithm("rabbit_password_hashing_md5", lambda data: hashlib.md5(data, usedforsecurity=False), 16),
)
ALGORITHMS = {algorithm.name: algorithm for algorithm in _ALGORITHMS}
DEFAULT_ALGORITHM = _ALGORITHMS[0]
_BY_LENGTH = {SALT_BYTES + algorithm.digest_bytes: algorithm for algorithm in _ALGORITHMS}


def hash_password(password: str, salt: bytes, algorithm: Algorithm = DEFAULT_ALGORITHM) -> str:
    return base64.b64encode(salt + algorithm.digest(salt + password.encode()).digest()).decode()


def matches(password: str, password_hash: str) -> bool:
    """Whether it is this password. An empty one never is."""
    if not password or not password_hash:
        return False
    raw = base64.b64decode(password_hash)
    algorithm = _BY_LENGTH.get(len(raw))
    return algorithm is not None and hmac.compare_digest(
        raw, raw[:SALT_BYTES] + algorithm.digest(raw[:SALT_BYTES] + password.encode()).digest()
    )


def algorithm_name(password_hash: str) -> str:
    """By which algorithm a hash was made; the default's name for the empty one."""
    if not password_hash:
        return DEFAULT_ALGORITHM.name
    return _BY_LENGTH.get(len(base64.b64decode(password_hash)), DEFAULT_ALGORITHM).name


def checked_hash(password_hash: str, algorithm: str = "") -> str:
    """A hash that was made elsewhere, as it is kept; refuses what is none. No `algorithm` stands for any."""
    if not password_hash:
        return ""
    if algorithm and algorithm not in ALGORITHMS:
        raise PreconditionFailed(f"unknown password hashing algorithm '{algorithm}'")
    try:
        raw = base64.b64decode(password_hash, validate=True)
    except (binascii.Error, ValueError):
        raise PreconditionFailed("password hash is not base64") from None
    found = _BY_LENGTH.get(len(raw))
    if found is None or algorithm not in ("", found.name):
        lengths = [SALT_BYTES + ALGORITHMS[algorithm].digest_bytes] if algorithm else sorted(_BY_LENGTH)
        raise PreconditionFailed(
            f"password hash has {len(raw)} octets instead of {' or '.join(map(str, lengths))}: a salt of "
            f"{SALT_BYTES} and a digest"
        )
    return base64.b64encode(raw).decode()
