"""What the demo shows while it runs."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from menura.demo.figures import Figures
from menura.demo.topology import LETTERS, MAILS, PARCELS, PAYMENTS, SHOP, STOCK


def page_address(host: str) -> str:
    """Where the broker's pages are, unless it was told otherwise."""
    return f"http://{host}:15672"


def shown(figures: Figures, host: str) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(2):
        table.add_column()
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")
    for row in rows(figures):
        table.add_row(*row)
    where = Text.assemble(
        "Look at it: ", (page_address(host), "bold underline"), "   user guest, password guest", style=""
    )
    why = Text(
        f"The queue {MAILS} grows while the mailer is slow, and is drained when it hurries.\n"
        f"What nobody can process is in {LETTERS}.",
        style="dim",
    )
    return Group(Text("A small shop", style="bold"), table, where, why, Text("Ctrl-C closes the shop.", style="dim"))


def rows(figures: Figures) -> list[tuple[str, str, str, str]]:
    """Protocol, who does it, how often, and where."""
    pace = "hurries" if figures.mailer_hurries else "is slow"
    return [
        ("AMQP", "orders placed", f"{figures.orders:,}", f"exchange {SHOP}"),
        ("AMQP", "payments accepted", f"{figures.accepted:,}", f"queue {PAYMENTS}"),
        ("AMQP", "payments declined", f"{figures.declined:,}", ""),
        ("AMQP", "payments failed", f"{figures.failed:,}", f"queue {LETTERS}"),
        ("AMQP", "parcels packed", f"{figures.parcels:,}", f"queue {PARCELS}"),
        ("AMQP", "mails sent", f"{figures.mails:,}", f"{figures.mails_waiting:,} wait in {MAILS}; the mailer {pace}"),
        ("MQTT", "stock readings sent", f"{figures.readings:,}", "topic demo/stock/..."),
        ("AMQP", "stock readings read", f"{figures.readings_seen:,}", f"queue {STOCK}; {figures.low_stock:,} low"),
        ("MQTT", "parcels on the screen", f"{figures.shown_shipped:,}", "topic demo/shipped/..."),
        ("STOMP", "payments on the dashboard", f"{figures.watched:,}", f"/exchange/{SHOP}/payment.#"),
    ]
