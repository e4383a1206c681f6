"""The results as Markdown: the tables with the targets, of messages in memory, of messages on disk with the disk's own
rate, and of MQTT and STOMP with mosquitto beside it, the queue table with redis-server beside it, and who was busy.
"""

from collections.abc import Sequence

from benchmarks.chart import Bar
from benchmarks.summary import Cores, Row
from benchmarks.targets import Kind, Target
from menura.bench import SCENARIOS, Metric
from menura.bench.screen import figure

ABSENT = "-"
_DURABLE_NOTE = (
    "Durable queues, persistent messages, publisher confirms; both brokers keep them on the same disk. A figure in x "
    "is one of the broker's own over another one of its own, or over the disk's."
)
_VOICES_NOTE = (
    "Messages of QoS 1: Menura's are synced to the disk before they are acknowledged, RabbitMQ's are kept on the same "
    "disk, mosquitto's in memory."
)
_VOICES = ("mqtt-", "stomp-")
_BACKLOG = "enqueue-dequeue-"
_DURABLE = ("durable-", "delayed-")
_QUIET = {"p50", "p99.9", "slowest"}  # in the JSON file; the table shows them for the latency scenarios only
HEADER = ("scenario", "figure", "Menura", "RabbitMQ", "ratio", "target", "met")
VOICES_HEADER = (*HEADER, "mosquitto", "ratio", "target", "met")


def shown(row: Row) -> bool:
    """Whether a row is in one of the tables with targets."""
    if row.scenario.startswith((_BACKLOG, "redis-", "disk-")):
        return False
    if row.scenario.startswith(("latency-", "durable-latency-")):
        return row.metric != "rate"
    return row.metric not in _QUIET


def value(row: Row, peer: str) -> str:
    amount = row.values.get(peer)
    return ABSENT if amount is None else figure(Metric(row.metric, amount, row.unit))


def cells(row: Row) -> tuple[str, ...]:
    """scenario, metric, Menura, RabbitMQ, ratio, target, met"""
    return (
        row.scenario,
        row.metric,
        value(row, "menura"),
        value(row, "rabbitmq"),
        _times(row.ratio),
        *_verdict(row.target, row.met, row.unit),
    )


def voices_cells(row: Row) -> tuple[str, ...]:
    """The same, then mosquitto, its ratio, target, met"""
    beside = _verdict(row.target_beside_mosquitto, row.met_beside_mosquitto, row.unit)
    return (*cells(row), value(row, "mosquitto"), _times(row.ratio_to_mosquitto), *beside)


def _times(ratio: float | None) -> str:
    return ABSENT if ratio is None else f"{ratio:.2f}x"


def _verdict(target: Target | None, met: bool | None, unit: str) -> tuple[str, str]:
    """target, met"""
    return ("", "") if target is None else (target.text(unit), {True: "yes", False: "**no**", None: "?"}[met])


def table(header: Sequence[str], lines: Sequence[Sequence[str]], *, text_columns: int) -> str:
    """A Markdown table; the first columns left-aligned, the others right-aligned."""
    rule = ["---" if number < text_columns else "--:" for number in range(len(header))]
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, rule, *lines))


def backlog_table(rows: Sequence[Row]) -> str:
    """Enqueueing and dequeueing by body size, Menura and RabbitMQ beside redis-server."""
    by_key = {(row.scenario, row.metric): row for row in rows}
    lines = []
    for row in rows:
        if not row.scenario.startswith(_BACKLOG):
            continue
        size = row.scenario.removeprefix(_BACKLOG)
        others = [by_key.get((f"redis-{way}-{size}", row.metric)) for way in ("pipelined", "single")]
        redis = [ABSENT if other is None else value(other, "redis") for other in others]
        lines.append([size, row.metric, value(row, "menura"), value(row, "rabbitmq"), _times(row.ratio), *redis])
    header = [
        "body",
        "",
        "Menura",
        "RabbitMQ",
        "ratio",
        "redis-server, pipelined",
        "redis-server, one by one",
    ]
    return table(header, lines, text_columns=2) if lines else ""


def target_table(rows: Sequence[Row], *, durable: bool) -> str:
    lines = [
        cells(row)
        for row in rows
        if shown(row) and not row.scenario.startswith(_VOICES) and row.scenario.startswith(_DURABLE) is durable
    ]
    return table(HEADER, lines, text_columns=2) if lines else ""


def voices_table(rows: Sequence[Row]) -> str:
    lines = [voices_cells(row) for row in rows if shown(row) and row.scenario.startswith(_VOICES)]
    return table(VOICES_HEADER, lines, text_columns=2) if lines else ""


def disk_line(rows: Sequence[Row]) -> str:
    """What the disk does by itself, in one sentence; empty if it was not measured."""
    figures = {row.metric: value(row, "disk") for row in rows if row.scenario == "disk-sync"}
    if not figures:
        return ""
    octets = SCENARIOS["disk-sync"].settings().body_bytes
    return (
        f"The disk by itself, appends of {octets} B and fdatasync after each: {figures['rate']}, "
        f"p50 {figures['p50']}, p99 {figures['p99']}."
    )


def cores_table(used: Sequence[Cores]) -> str:
    lines = [[entry.scenario, entry.peer, f"{entry.load:.2f}", f"{entry.broker:.2f}"] for entry in used]
    return table(["scenario", "measured", "load", "broker"], lines, text_columns=2)


def markdown(
    heading: str, about: Sequence[str], rows: Sequence[Row], used: Sequence[Cores], failures: Sequence[str]
) -> str:
    scenarios = [[name, SCENARIOS[name].about] for name in dict.fromkeys(row.scenario for row in rows)]
    sections = [
        f"# {heading}",
        "\n".join(f"- {line}" for line in about),
        "![How many times better than RabbitMQ](latest.svg)",
        "Medians of the rounds; the ratio is Menura's median over RabbitMQ's.",
        target_table(rows, durable=False),
    ]
    if durable := target_table(rows, durable=True):
        sections += ["## Messages on disk", _DURABLE_NOTE, durable]
    sections.append(disk_line(rows))
    if voices := voices_table(rows):
        sections += ["## MQTT and STOMP", _VOICES_NOTE, voices]
    if backlog := backlog_table(rows):
        sections += ["## A queue filled, then emptied", backlog]
    if failures:
        sections += ["## Not measured", "\n".join(f"- {failure}" for failure in failures)]
    sections += [
        "## Who was busy",
        "Processor seconds per second. A figure is the broker's while the load is well below one core.",
        cores_table(used),
        "## The scenarios",
        table(["scenario", "what it does"], scenarios, text_columns=2),
    ]
    return "\n\n".join(section.rstrip("\n") for section in sections if section) + "\n"


def bars(rows: Sequence[Row]) -> list[Bar]:
    """How many times better than RabbitMQ, for throughput and for what has a ratio to reach."""
    result = []
    for row in rows:
        if not _compared(row) or row.times_better is None or row.times_better <= 0:
            continue
        label = row.scenario if row.metric == "rate" else f"{row.scenario}, {row.metric}"
        target = None
        if row.target is not None:
            target = row.target.limit if row.target.kind is Kind.RATIO_MIN else 1 / row.target.limit
        result.append(Bar(label, row.times_better, target))
    return result


def _compared(row: Row) -> bool:
    if row.target is not None:
        return not row.target.kind.of_a_value
    return row.scenario.startswith(_BACKLOG) or (row.metric == "rate" and not row.scenario.startswith("latency-"))
