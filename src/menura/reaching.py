"""How shovels reach brokers: others by a socket, this one without going through a listener.

A connection of the broker to itself is a pair of sockets with a session at either end, the same as those of clients. It
needs no password: whoever may set shovels has said who it is, and an address without a user stands for the broker
itself, which may do everything.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from menura.core.node import NAME
from menura.core.peers import Peer
from menura.net.port import Session
from menura.net.transport import Connection, Tick

if TYPE_CHECKING:
    from menura.client.connection import Client
    from menura.client.uris import BrokerAddress

_numbers = itertools.count(1)
MakeSession = Callable[[Peer, Connection], Session]


async def reach(tick: Tick, make: MakeSession, address: BrokerAddress, name: str) -> Client:
    """A connection to the broker of that address; `make` builds the session of one of our own."""
    # Loaded when the first shovel works: most brokers have none.
    from menura.client.connection import connect, connect_socket, login_of

    if not address.local:
        return await connect(tick, address, name)
    ours, theirs = socket.socketpair()
    login = login_of(address, name)
    peer = Peer(address=f"<{NAME}.{next(_numbers)}>", internal=True, subject=address.user)
    if address.password is None:
        login = replace(login, mechanism="EXTERNAL")
    loop = asyncio.get_running_loop()
    accepting = loop.create_task(loop.connect_accepted_socket(lambda: Connection(tick, partial(make, peer)), theirs))
    try:
        await asyncio.shield(accepting)
    except BaseException:
        # It takes no time, and the loop would close half a connection without a word.
        await asyncio.wait([accepting])
        ours.close()
        raise
    return await connect_socket(tick, ours, login)
