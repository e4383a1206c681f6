"""What is in a data directory, as rows and numbers to be shown: `survey` counts, `verify` looks for damage.

Both go through the whole journal. A queue that the journal knows and the catalog does not has been deleted, or its
definition is lost; the next start drops its messages, so they do not count as living.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from menura.core.definitions import Definitions, QueueDefinition
from menura.store.offline import OfflineDirectory, catalog_damages, load_catalog
from menura.store.offline_journal import OfflineJournal
from menura.store.places import Places
from menura.store.recovery import Damage, Progress
from menura.store.segments import HEADER_BYTES, UNSYNCED


class SegmentRow(NamedTuple):
    file: str
    size_bytes: int
    records: int
    live_messages: int
    live_bytes: int
    unsynced: bool


class QueueRow(NamedTuple):
    """`first` and `last` are positions, None in an empty queue; `delivered` of the messages were delivered before.

    `counted` is for how many it is noted how often.
    """

    vhost: str
    name: str
    id: int
    messages: int
    size_bytes: int
    first: int | None
    last: int | None
    delivered: int
    counted: int


class DeletedQueueRow(NamedTuple):
    """A queue that has messages and no definition."""

    id: int
    messages: int
    size_bytes: int


class DamageRow(NamedTuple):
    """`unfinished`: perhaps never written to the end, and then no damage."""

    file: str
    offset: int
    size_bytes: int
    unfinished: bool
    meaning: str


class Survey(NamedTuple):
    directory: str
    format: int
    created_by: str
    schema: int
    definitions: dict[str, int]
    checkpoint: str
    segments: list[SegmentRow]
    queues: list[QueueRow]
    deleted_queues: list[DeletedQueueRow]
    damages: list[DamageRow]

    def as_json(self) -> dict[str, Any]:
        """Rows as objects."""
        return {
            name: [row._asdict() for row in value] if isinstance(value, list) else value
            for name, value in self._asdict().items()
        }


def survey(directory: OfflineDirectory, progress: Progress | None = None) -> Survey:
    """Raises StoreError where the catalog or the journal cannot be read; damage in the journal is told in the rows."""
    catalog = load_catalog(directory.catalog)
    journal = OfflineJournal(directory.journal)
    journal.read(progress)
    deleted = _forget_deleted(journal, catalog.definitions)
    return Survey(
        str(directory.path),
        directory.format,
        directory.created_by,
        catalog.version,
        {name: len(records) for name, records in catalog.definitions._asdict().items()},
        journal.checkpoint_state,
        _segment_rows(journal),
        [_queue_row(queue, journal.queues.get(queue.id)) for queue in catalog.definitions.queues],
        deleted,
        [_damage_row(damage) for damage in journal.damages],
    )


def _segment_rows(journal: OfflineJournal) -> list[SegmentRow]:
    return [
        SegmentRow(
            segment.name, segment.size_bytes, count, segment.live, segment.live_bytes, bool(segment.flags & UNSYNCED)
        )
        for segment, count in zip(journal.segments, journal.record_counts, strict=True)
    ]


def _queue_row(queue: QueueDefinition, places: Places | None) -> QueueRow:
    count = size_bytes = delivered = 0
    first = last = None
    if places is not None:
        for entry in places.live():
            count += entry.number
            size_bytes += entry.content_bytes
            delivered += min(max(places.delivered - entry.first, 0), entry.number)
            first = entry.first if first is None else first
            last = entry.first + entry.number - 1
    counted = 0 if places is None else len(places.counts)
    return QueueRow(queue.vhost, queue.name, queue.id, count, size_bytes, first, last, delivered, counted)


def _forget_deleted(journal: OfflineJournal, definitions: Definitions) -> list[DeletedQueueRow]:
    rows = []
    for queue in sorted(journal.queues.keys() - {queue.id for queue in definitions.queues}):
        row = _queue_row(QueueDefinition("", "", queue), journal.queues[queue])
        journal.forget(queue)
        if row.messages:
            rows.append(DeletedQueueRow(queue, row.messages, row.size_bytes))
    return rows


def _damage_row(damage: Damage) -> DamageRow:
    return DamageRow(Path(damage.path).name, damage.offset, damage.size_bytes, damage.unfinished, str(damage))


# -- verify ------------------------------------------------------------------------------------------------------


class Finding(NamedTuple):
    """`harmless` is what a start puts right without a loss."""

    harmless: bool
    sentence: str


class Verdict(NamedTuple):
    segments: int
    records: int
    size_bytes: int
    findings: list[Finding]

    @property
    def sound(self) -> bool:
        return all(finding.harmless for finding in self.findings)


def verify(directory: OfflineDirectory, progress: Progress | None = None) -> Verdict:
    """Read everything. Raises StoreError for what is not ours to read, such as a newer format."""
    journal = OfflineJournal(directory.journal)
    definitions, findings = _verify_catalog(directory.catalog, needed=journal.has_segments)
    findings += _verify_rim(journal)
    journal.read(progress)
    lost = _lost(journal, definitions)
    findings += [Finding(damage.unfinished, str(damage) + lost.get(damage, "")) for damage in journal.damages]
    size_bytes = sum(segment.size_bytes for segment in journal.segments)
    return Verdict(len(journal.segments), sum(journal.record_counts), size_bytes, findings)


def _verify_catalog(path: Path, needed: bool) -> tuple[Definitions, list[Finding]]:
    if not path.exists():
        sentence = f"{path} is missing: nothing says which queues the messages in the journal are in. "
        return Definitions(), [Finding(False, sentence + "Put it back from a backup.")] if needed else []
    advice = f"Put it back from a backup, or save what can be saved with 'sqlite3 {path} .recover'."
    damages = catalog_damages(path)
    if damages:
        return Definitions(), [Finding(False, f"{path} is damaged: {damage}. {advice}") for damage in damages]
    return load_catalog(path).definitions, []


def _verify_rim(journal: OfflineJournal) -> Iterator[Finding]:
    """What damage does not touch messages."""
    for segment in journal.damaged_headers():
        yield Finding(
            False,
            f"{journal.folder}/{segment.name}: of the {HEADER_BYTES} octets from offset 0 on, the header, some are "
            "damaged. It stands there twice, and the other copy is sound: nothing is lost. Look at the state of the "
            "disk.",
        )
    if journal.checkpoint_state == "cannot be used":
        yield Finding(
            False,
            f"{journal.folder}/checkpoint is damaged, or of another version, machine or journal. Nothing is lost: the "
            "next start reads the whole journal instead.",
        )


def _lost(journal: OfflineJournal, definitions: Definitions) -> dict[Damage, str]:
    """Which messages each damage has hit. Only a checkpoint can tell."""
    damages = sorted(journal.damages, key=lambda damage: damage.position)
    if not damages or not journal.from_checkpoint:
        return {}
    names = {queue.id: f"queue '{queue.name}' in '{queue.vhost}'" for queue in definitions.queues}
    begins = [damage.position for damage in damages]
    counts: dict[Damage, Counter[str]] = {damage: Counter() for damage in damages}
    for queue in journal.queues.keys() & names.keys():
        for entry in journal.queues[queue].live():
            damage = damages[max(bisect_right(begins, entry.place) - 1, 0)]
            if damage.position <= entry.place < damage.position + damage.size_bytes:
                counts[damage][names[queue]] += entry.number
    return {
        damage: f" Messages in them: {', '.join(f'{number:,} of {name}' for name, number in hit.items())}."
        if hit
        else " There were no messages in them that were still in a queue."
        for damage, hit in counts.items()
    }
