"""Groups about the node: what comes and goes, what the process uses, logins."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from menura.management.metrics.exposition import COUNTER, GAUGE, Column, labels
from menura.management.metrics.groups import Scope, group_of_one, group_of_rows
from menura.management.statistics.process import gauges, open_files_max


def _counters(*pairs: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, COUNTER, said) for name, said in pairs)


def _gauges(*pairs: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, GAUGE, said) for name, said in pairs)


def _churn(scope: Scope) -> Sequence[float]:
    churn = scope.node.churn
    return (
        churn.connection_created, churn.connection_closed, churn.channel_created, churn.channel_closed,
        churn.queue_declared, churn.queue_created, churn.queue_deleted,
    )  # fmt: skip


CHURN = group_of_one(
    _counters(
        ("connections_opened_total", "Connections of clients that were opened"),
        ("connections_closed_total", "Connections of clients that have ended"),
        ("channels_opened_total", "Channels that were opened"),
        ("channels_closed_total", "Channels that have ended"),
        ("queues_declared_total", "Declarations of queues, of those that were there too"),
        ("queues_created_total", "Queues that were made"),
        ("queues_deleted_total", "Queues that were deleted"),
    ),
    _churn,
)


def _used(scope: Scope) -> Sequence[float]:
    memory, files, sockets, _, disk, *_ = gauges(scope.node, scope.backend.storage)
    return files, sockets, memory, disk


USED = group_of_one(
    _gauges(
        ("process_open_fds", "Files and sockets that the process has open"),
        ("process_open_tcp_sockets", "Sockets of clients"),
        ("process_resident_memory_bytes", "Memory of the process"),
        ("disk_space_available_bytes", "Room on the disk of the data directory"),
    ),
    _used,
)


def _limits(scope: Scope) -> Sequence[float]:
    files = open_files_max()
    uptime = time.time() - scope.backend.started_ms / 1000
    limit = scope.node.memory.watermark_bytes
    return files, files, limit, scope.backend.config.disk_free_bytes_min, round(uptime, 3)


LIMITS = group_of_one(
    _gauges(
        ("process_max_fds", "Files and sockets that the process may open"),
        ("process_max_tcp_sockets", "Sockets that the process may open, as far as its files go"),
        ("resident_memory_limit_bytes", "Held messages above which publishers are blocked"),
        ("disk_space_available_limit_bytes", "Room on the disk below which publishers are blocked"),
        ("erlang_uptime_seconds", "Time since the start; under this name for boards that show it"),
    ),
    _limits,
)


def _disk(scope: Scope) -> Sequence[float]:
    storage = scope.backend.storage
    if storage is None:
        return (0,) * 8
    use = storage.journal.use
    return (
        use.reads, use.read_bytes, use.writes, storage.journal.written_bytes, use.syncs,
        use.read_seconds, use.write_seconds, use.sync_times.sum,
    )  # fmt: skip


DISK = group_of_one(
    _counters(
        ("io_read_ops_total", "Reads of the journal"),
        ("io_read_bytes_total", "Octets read back from the journal"),
        ("io_write_ops_total", "Writes of the journal, each of everything that had gathered"),
        ("io_write_bytes_total", "Octets written to the journal"),
        ("io_sync_ops_total", "Syncs of the journal"),
        ("io_read_time_seconds_total", "Time of these reads"),
        ("io_write_time_seconds_total", "Time of these writes"),
        ("io_sync_time_seconds_total", "Time of these syncs"),
    ),
    _disk,
)


def _logins(scope: Scope) -> Iterator[tuple[str, Sequence[float]]]:
    for protocol, count in sorted(scope.node.login_counts.by_protocol.items()):
        yield labels(protocol=protocol), (count.total, count.succeeded, count.failed)


def _sources(scope: Scope) -> Iterator[tuple[str, Sequence[float]]]:
    for (protocol, host, user), count in list(scope.node.login_counts.by_source.items()) if scope.near else ():
        marks = labels(remote_address=host, username=user, protocol=protocol)
        yield marks, (count.total, count.succeeded, count.failed)


LOGINS = group_of_rows(
    _counters(
        ("auth_attempts_total", "Logins that were tried"),
        ("auth_attempts_succeeded_total", "Logins that were let in"),
        ("auth_attempts_failed_total", "Logins that were refused"),
    ),
    _logins,
    labelled=True,
)
LOGIN_SOURCES = group_of_rows(
    _counters(
        ("auth_attempts_detailed_total", "Logins that were tried, by where they came from and as whom"),
        ("auth_attempts_detailed_succeeded_total", "Logins that were let in, likewise"),
        ("auth_attempts_detailed_failed_total", "Logins that were refused, likewise"),
    ),
    _sources,
    labelled=True,
)
