"""What only this broker has: the journal, the loop, confirms, memory, sessions, shovels. `menura_...`."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Generator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING

from menura.core.histogram import Histogram
from menura.management.metrics.exposition import COUNTER, GAUGE, HISTOGRAM, Column, Page, labels, sample
from menura.management.metrics.groups import Group, Scope, gauge, sums
from menura.management.metrics.of_queues import queues
from menura.management.views.protocols import label
from menura.version import __version__

if TYPE_CHECKING:
    from menura.management.backend import Backend

PREFIX = "menura_"
BUILD = Column("build_info", GAUGE, "1, with the versions of the broker and of Python")
SYNC = Column("sync_enabled", GAUGE, "1 if confirms wait until messages are on the disk")
SYNC_TIMES = Column("journal_sync_seconds", HISTOGRAM, "How long syncs of the journal take")
JOURNAL = (
    Column("journal_appended_bytes_total", COUNTER, "Octets of messages that the journal was given"),
    Column("journal_written_bytes_total", COUNTER, "Octets written to the journal, headers and copies too"),
    Column("journal_compacted_bytes_total", COUNTER, "Octets written again, so that older segments may go"),
    Column("journal_size_bytes", GAUGE, "Length of all segments of the journal"),
    Column("journal_live_bytes", GAUGE, "How much of that is still needed, about"),
    Column("journal_segments", GAUGE, "Segments of the journal"),
    Column("journal_behind_bytes", GAUGE, "What the journal was given and is not on the disk yet"),
)
LAG = Column("loop_lag_seconds", HISTOGRAM, "How late the loop comes to what was to be done at a certain time")
CONFIRMS = Column(
    "confirm_latency_seconds", HISTOGRAM, "From reading a publish to its confirm; a sample of them"
)
MEMORY = (
    Column("memory_held_bytes", GAUGE, "Memory that messages take, with what belongs to them"),
    Column("memory_watermark_bytes", GAUGE, "How much of it there may be before publishers are blocked"),
    Column("statistics_bytes", GAUGE, "Memory that histories take, as of the last minute"),
)
RETAINED = Column("retained_messages", GAUGE, "Retained messages")
CONNECTIONS = Column("connections", GAUGE, "Connections, by protocol")
SESSIONS = Column("sessions", GAUGE, "Sessions kept under a client's name, by whether it is connected or away")
SHOVELS = Column("shovels", GAUGE, "Shovels, by state")
LOGIN_FAILURES = Column("login_failures_total", COUNTER, "Logins that were refused, by protocol")
RELOADS = Column("config_reloads_total", COUNTER, "Reloads of the configuration, by whether they were done or refused")


PAGED = Group(
    (
        gauge("paged_messages", "Waiting messages that are in the journal alone", attrgetter("paged_count")),
        gauge("paged_bytes", "Octets of messages that are in the journal alone", attrgetter("paged_bytes")),
    ),
    queues,
    lambda queue: "",
)
ALL = (
    BUILD, SYNC, SYNC_TIMES, *JOURNAL, LAG, CONFIRMS, *MEMORY, *PAGED.columns, RETAINED, CONNECTIONS, SESSIONS,
    SHOVELS, LOGIN_FAILURES, RELOADS,
)  # fmt: skip


def add_own(page: Page, scope: Scope) -> Generator[None, None, None]:
    backend = scope.backend
    page.value(PREFIX, BUILD, 1, labels(version=__version__, python=platform.python_version()))
    _add_journal(page, backend)
    page.histogram(PREFIX, LAG, backend.lag.times)
    page.histogram(PREFIX, CONFIRMS, scope.node.confirm_times)
    memory = scope.node.memory
    size_bytes = backend.statistics.sampler.size_bytes
    for column, value in zip(MEMORY, (memory.used_bytes, memory.watermark_bytes, size_bytes), strict=True):
        page.value(PREFIX, column, value)
    yield
    yield from sums(page, scope, PAGED, PREFIX)
    page.value(PREFIX, RETAINED, sum(vhost.retained.count for vhost in scope.vhosts))
    yield from _add_clients(page, scope)
    states = Counter(worker.state for worker in backend.shovels.all())
    _add_counts(page, SHOVELS, "state", {"running": 0, "starting": 0, "terminated": 0, **states})
    logins = scope.node.login_counts.by_protocol
    _add_counts(page, LOGIN_FAILURES, "protocol", {name: count.failed for name, count in logins.items()})
    _add_counts(page, RELOADS, "result", {"done": backend.reloads, "refused": backend.reloads_refused})


def _add_journal(page: Page, backend: Backend) -> None:
    storage = backend.storage
    page.value(PREFIX, SYNC, int(storage is not None and storage.sync))
    if storage is None:
        page.histogram(PREFIX, SYNC_TIMES, Histogram())
        values: tuple[int, ...] = (0,) * len(JOURNAL)
    else:
        journal = storage.journal
        page.histogram(PREFIX, SYNC_TIMES, journal.use.sync_times)
        values = (
            journal.message_bytes, journal.written_bytes, journal.use.copied_bytes, journal.size_bytes,
            journal.live_bytes, journal.segment_count, max(0, journal.appended - journal.durable),
        )  # fmt: skip
    for column, value in zip(JOURNAL, values, strict=True):
        page.value(PREFIX, column, value)


def _add_clients(page: Page, scope: Scope) -> Generator[None, None, None]:
    presence = scope.node.presence
    protocols: Counter[str] = Counter()
    for protocol, churn in presence.by_protocol.items():
        protocols[label(protocol)] += churn.connection_created - churn.connection_closed
    _add_counts(page, CONNECTIONS, "protocol", protocols)
    sessions = {"connected": 0, "away": 0}
    for number, session in enumerate(list(presence.sessions)):
        sessions["connected" if session.connected() else "away"] += 1
        if not number % 50:
            yield
    _add_counts(page, SESSIONS, "state", sessions)


def _add_counts(page: Page, column: Column, by: str, counts: Mapping[str, int]) -> None:
    name = PREFIX + column.name
    page.family(name, column, [sample(name, labels(**{by: key}), count) for key, count in sorted(counts.items())])
