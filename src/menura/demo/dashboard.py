"""The shop's dashboard, over STOMP 1.2: it watches all payments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from menura.bench.stomp import error_of, frame
from menura.demo.figures import Figures
from menura.demo.places import PATIENCE_SECONDS, DemoError, Place, read_some, stream
from menura.demo.topology import SHOP

NUL = b"\0"


async def dashboard(place: Place, vhost: str, figures: Figures, ready: Callable[[], None]) -> None:
    async with stream(place) as (reader, writer):
        login = {"login": place.user, "passcode": place.password, "heart-beat": "0,0"}
        writer.write(frame("CONNECT", {"accept-version": "1.2", "host": vhost, **login}))
        where = {"id": "payments", "destination": f"/exchange/{SHOP}/payment.#", "ack": "auto"}
        writer.write(frame("SUBSCRIBE", {**where, "receipt": "watching"}))
        unread = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b"RECEIPT\n" not in unread:
                _check(unread, place)
                unread += await read_some(reader, place)
        ready()
        try:
            while True:
                *frames, unread = (unread + await read_some(reader, place)).split(NUL)
                for each in frames:
                    _check(each, place)
                    figures.watched += each.lstrip(b"\n").startswith(b"MESSAGE\n")
        except asyncio.CancelledError:
            writer.write(frame("DISCONNECT", {}))
            raise


def _check(data: bytes, place: Place) -> None:
    if reason := error_of(data):
        raise DemoError(f"{place}: {reason}")
