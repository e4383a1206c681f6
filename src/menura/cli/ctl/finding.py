"""Which broker is meant: the address of its HTTP API, or the socket in its data directory.

The first of these that is given or there: `--url`, `--data`, MENURA_URL, MENURA_DATA; the sockets `./menura-data`
and `/run/menura` have; guest on this machine's port 15672. A file `~/.menura` is read where nothing is given: one line,
a URL, for those who talk to the same broker from everywhere, with mode 0600 as it holds a password.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from menura.cli.ctl.client import SOCKET_SCHEME
from menura.cli.ctl.errors import NO_HOST, CtlError

SOCKET_NAME = "menura.sock"
DEFAULT_URL = "http://guest:guest@127.0.0.1:15672"
_PLACES = ("menura-data", "/run/menura")
_FILE = ".menura"


def broker_url(url: str | None, data: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The address to use. Raises CtlError if a directory that is named has no socket."""
    if url:
        return url
    if data:
        return _socket_in(data)
    if environment.get("MENURA_URL"):
        return environment["MENURA_URL"]
    if environment.get("MENURA_DATA"):
        return _socket_in(environment["MENURA_DATA"])
    return _from_file(environment) or _from_place() or DEFAULT_URL


def _socket_in(directory: str) -> str:
    place = Path(directory) / SOCKET_NAME
    if not place.is_socket():
        raise CtlError(
            NO_HOST,
            f"Error: there is no socket {place}: no broker runs on that data directory, or it keeps nothing.\n"
            f"Start one with `menura serve --data {directory}`, or name its HTTP API with --url.",
            bare=True,
        )
    return _url_of(place)


def _url_of(place: Path) -> str:
    return f"{SOCKET_SCHEME}://{quote(str(place.resolve()))}"


def _from_place() -> str | None:
    for place in (Path(directory) / SOCKET_NAME for directory in _PLACES):
        if _answers(place):
            return _url_of(place)
    return None


def _answers(place: Path) -> bool:
    """Whether somebody listens: a broker that was killed leaves its socket behind."""
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect(str(place))
        except OSError:
            return False
    return True


def _from_file(environment: Mapping[str, str]) -> str | None:
    file = Path(environment.get("HOME", "")) / _FILE
    try:
        if not file.is_file():
            return None
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise CtlError(NO_HOST, f"Error: {file} may be read by others: `chmod 600 {file}`", bare=True)
        return file.read_text().strip() or None
    except OSError as error:
        raise CtlError(NO_HOST, f"Error: {file}: {error.strerror}", bare=True) from None
