"""`top`: what a broker is busy with, in the terminal, anew every two seconds until q is pressed.

Growth is what a queue's length has changed by since the last look. Where no terminal is, it is printed once.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from menura.cli.ctl.arguments import NUMBER, WHOLE
from menura.cli.ctl.client import path
from menura.cli.ctl.verbs import OWN, Call, verb

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_EVERY_SECONDS = 2.0
_ONCE_SECONDS = 1.0
_ROWS = 15
_NUMBER_WIDTH = 9
_WIDTH_WITHOUT_TERMINAL = 140
_RATES = {"publish": "published", "confirm": "confirmed", "deliver_get": "delivered", "ack": "acknowledged"}
Key = tuple[str, str]


class _Look:
    """What was seen at one time."""

    def __init__(self, call: Call) -> None:
        self.at = time.monotonic()
        self.overview = call.client.get("/overview")
        columns = "name,vhost,messages,messages_ready,messages_unacknowledged,consumers"
        where = path("queues", call.vhost) if "vhost" in call.options else "/queues"
        self.queues = {(each["vhost"], each["name"]): each for each in call.client.get(where, columns=columns)}
        self.connections = call.client.get(
            "/connections", columns="name,user,vhost,protocol,state,send_oct,recv_oct,channels"
        )


@verb(
    "top",
    "Monitoring, observability and health checks",
    "Rates, growing queues and busy connections, live; q ends it",
    "[--every <seconds>] [--rows <n>]",
    options={"every": NUMBER, "rows": WHOLE},
    programs=(OWN,),
)
def top(call: Call) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    rows = call.options.get("rows", _ROWS)
    if not (console.is_terminal and sys.stdin.isatty()):
        before = _Look(call)
        time.sleep(_ONCE_SECONDS)
        console.print(_screen(before, _Look(call), rows))
        return
    _live(call, console, rows)


def _live(call: Call, console: Any, rows: int) -> None:
    from rich.live import Live

    every = max(call.options.get("every", _EVERY_SECONDS), 0.2)
    before = now = _Look(call)
    with _keys() as pressed, Live(_screen(before, now, rows), console=console, screen=True, auto_refresh=False) as live:
        while not pressed(every):
            before, now = now, _Look(call)
            live.update(_screen(before, now, rows), refresh=True)


@contextmanager
def _keys() -> Iterator[Any]:
    """Single keys, without waiting for a line: whether q came within so many seconds."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([descriptor], [], [], left)[0] and sys.stdin.read(1) in ("q", "Q", "\x1b"):
                return True
        return False

    tty.setcbreak(descriptor)
    try:
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


# -- what is shown -----------------------------------------------------------------------------------------------


def _screen(before: _Look, now: _Look, rows: int) -> RenderableType:
    from rich.console import Group

    return Group(_head(now), "", _queues(before, now, rows), "", _connections(before, now, rows))


def _head(now: _Look) -> str:
    overview = now.overview
    stats = overview.get("message_stats") or {}
    rates = [f"{_count(_rate(stats, name))}/s {word}" for name, word in _RATES.items()]
    totals = overview.get("queue_totals") or {}
    objects = overview.get("object_totals") or {}
    return (
        f"[bold]{overview.get('product_name', 'Broker')} {overview.get('product_version', '')}[/] {overview['node']}   "
        f"{objects.get('connections', 0)} connections, {objects.get('queues', 0)} queues, "
        f"{objects.get('consumers', 0)} consumers\n"
        f"{_count(totals.get('messages', 0))} messages: {_count(totals.get('messages_ready', 0))} ready, "
        f"{_count(totals.get('messages_unacknowledged', 0))} unacknowledged   {'   '.join(rates)}"
    )


def _rate(stats: Mapping[str, Any], name: str) -> float:
    return float((stats.get(f"{name}_details") or {}).get("rate") or 0.0)


def _growth(before: _Look, now: _Look, key: Key) -> float:
    if key not in before.queues or now.at <= before.at:
        return 0.0
    change = (now.queues[key].get("messages") or 0) - (before.queues[key].get("messages") or 0)
    return float(change / (now.at - before.at))


def _queues(before: _Look, now: _Look, rows: int) -> Table:
    table = _table("Queues", "vhost", "name", "messages", "ready", "unacked", "consumers", "growth /s")
    growth = {key: _growth(before, now, key) for key in now.queues}
    busiest = sorted(now.queues, key=lambda key: (-growth[key], -(now.queues[key].get("messages") or 0), key))
    for key in busiest[:rows]:
        queue = now.queues[key]
        counts = [_count(queue.get(name) or 0) for name in ("messages", "messages_ready", "messages_unacknowledged")]
        colour = "red" if growth[key] > 0.5 else "green" if growth[key] < -0.5 else "dim"
        table.add_row(*map(_plain, key), *counts, str(queue.get("consumers") or 0), f"[{colour}]{growth[key]:+.0f}[/]")
    return table


def _connections(before: _Look, now: _Look, rows: int) -> Table:
    table = _table("Connections", "name", "user", "protocol", "state", "in B/s", "out B/s", "channels")
    known = {each["name"]: each for each in before.connections}
    seconds = max(now.at - before.at, 1e-9)

    def speed(each: Mapping[str, Any], name: str) -> float:
        old = known.get(each["name"])
        return 0.0 if old is None else float(((each.get(name) or 0) - (old.get(name) or 0)) / seconds)

    busiest = sorted(now.connections, key=lambda each: -(speed(each, "recv_oct") + speed(each, "send_oct")))
    for each in busiest[:rows]:
        said = [_plain(str(each.get(name) or "")) for name in ("name", "user", "protocol", "state")]
        table.add_row(
            *said, _count(speed(each, "recv_oct")), _count(speed(each, "send_oct")), str(each.get("channels") or 0)
        )
    return table


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in columns:
        text = name in ("vhost", "name", "user", "protocol", "state")
        width = None if text else _NUMBER_WIDTH
        table.add_column(name, justify="left" if text else "right", overflow="ellipsis", no_wrap=True, min_width=width)
    return table


def _plain(name: str) -> str:
    """A name that somebody chose, without what a terminal or rich would take for commands."""
    return "".join(sign if sign.isprintable() else "·" for sign in name).replace("[", "\\[")


def _count(number: float) -> str:
    return f"{number:,.0f}"
