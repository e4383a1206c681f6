"""A plain socket to a broker that may go at any time; octets are cut into packets or frames by whoever has it."""

from __future__ import annotations

import socket

from tests.durability.load import Gone
from tests.net.peer import DEADLINE_SECONDS


class Wire:
    """Raises Gone once the broker is not there any more, and TimeoutError if it says nothing for too long."""

    def __init__(self, port: int) -> None:
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS)
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone from error

    def close(self) -> None:
        self._socket.close()

    def send(self, octets: bytes) -> None:
        try:
            self._socket.sendall(octets)
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone from error

    def read(self) -> bytes:
        try:
            octets = self._socket.recv(1 << 18)
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone from error
        if not octets:
            raise Gone
        return octets
