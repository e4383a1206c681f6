"""A virtual host and a user of a test's own, with rights that it chooses."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.conformance.administration import Administration


@dataclass(frozen=True)
class Estate:
    """The virtual host, the user, and where to log in: as the user, or as whoever the broker's address names."""

    vhost: str
    user: str
    url: str
    owners_url: str

    def undo(self, text: str) -> str:
        """The text with v and u in place of the names."""
        return text.replace(self.vhost, "v").replace(self.user, "u")


def new_estate(amqp_url: str, administration: Administration, configure: str, write: str, read: str) -> Estate:
    suffix = uuid.uuid4().hex[:8]
    vhost, user = f"vhost-{suffix}", f"user-{suffix}"
    parts = urlsplit(amqp_url)
    place = f"{parts.hostname}:{parts.port}/{vhost}"
    administration.add_vhost(vhost)
    administration.add_user(user, "secret")
    administration.permit(user, vhost, configure, write, read)
    return Estate(vhost, user, f"amqp://{user}:secret@{place}", f"amqp://{parts.username}:{parts.password}@{place}")
