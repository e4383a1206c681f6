"""Where the other protocols are, and connections to them: a stream to read and write, and a login."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

READ_BYTES = 64 * 1024
PATIENCE_SECONDS = 10.0


class DemoError(Exception):
    """The shop cannot open, or has to close; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address such as `mqtt://user:password@host:port`."""

    scheme: str
    host: str
    port: int
    user: str = "guest"
    password: str = "guest"

    @classmethod
    def parse(cls, url: str, scheme: str, port: int) -> Self:
        try:
            parts = urlsplit(url)
            given = parts.port or port
        except ValueError as error:
            raise DemoError(f"{scheme} address: {error}") from None
        if parts.scheme != scheme:
            raise DemoError(f"the address must begin with {scheme}://")
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        return cls(scheme, parts.hostname or "127.0.0.1", given, user, password)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@asynccontextmanager
async def stream(place: Place) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a place; a loss of it is a DemoError."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(place.host, place.port)
    except OSError as error:
        raise DemoError(f"nothing answers at {place}: {error.strerror or 'no answer'}") from None
    try:
        yield reader, writer
    except OSError as error:
        raise DemoError(f"{place}: {error.strerror or error}") from None
    finally:
        writer.close()


async def read_some(reader: asyncio.StreamReader, place: Place) -> bytes:
    """What has come. DemoError if the other end has closed the connection."""
    data = await reader.read(READ_BYTES)
    if not data:
        raise DemoError(f"{place}: the broker closed the connection")
    return data
