"""What keeps a flood of events from becoming a flood of lines.

Events of one kind about one host may take `repeats_max` lines a second; with more, the rest are counted, and every
`SUMMARY_SECONDS` one line says how many there were. That clients come and go is counted for all hosts together, in one
line: it tells how much of it there is. Lines of the worst level, and those of the audit, are never left out.

Whoever owns the limiter calls `summarise` once in a while; the clock is `time.monotonic` unless told otherwise. Records
come from any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from menura.core.attempts import host_of, place_of
from menura.logs.formats import escaped, event_of, fields_of

SUMMARY_SECONDS = 10.0
KEYS_MAX = 1000
_HOSTS_MAX = 1000
CHURN = {
    "connection.opened": "opened",
    "connection.closed": "closed",
    "connection.lost": "lost",
}
Key = tuple[str, str]


@dataclass(slots=True)
class _Flood:
    """One kind of events about one host. `room` is for how many lines there is room now."""

    room: float
    at: float
    left_out: int = 0
    since: float = 0.0
    level: int = logging.INFO
    sample: str = ""
    hosts: set[str] = field(default_factory=set)


class Limiter(logging.Filter):
    def __init__(self, repeats_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.repeats_max = repeats_max
        self._clock = clock
        self._lock = threading.Lock()
        self._floods: dict[Key, _Flood] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it may be written."""
        if not self.repeats_max or record.levelno >= logging.CRITICAL or record.name == "menura.audit":
            return True
        # Records without a kind are told apart by their texts, as they were before anything was put in.
        event = event_of(record) if hasattr(record, "event") else str(record.msg)
        host = host_of(str(fields_of(record).get("connection", "")))
        with self._lock:
            return self._admit(self._flood(event, host), record, host)

    def _flood(self, event: str, host: str) -> _Flood:
        key = event, "" if event in CHURN else place_of(host)
        if key not in self._floods and len(self._floods) >= KEYS_MAX:
            key = event, ""
        flood = self._floods.get(key)
        if flood is None:
            flood = self._floods[key] = _Flood(float(self.repeats_max), self._clock())
        return flood

    def _admit(self, flood: _Flood, record: logging.LogRecord, host: str) -> bool:
        now = self._clock()
        most = float(self.repeats_max)
        flood.room = min(most, flood.room + (now - flood.at) * most)
        flood.at = now
        if flood.room >= 1 and not flood.left_out:
            flood.room -= 1
            return True
        if not flood.left_out:
            flood.since = now
        flood.left_out += 1
        flood.level = max(flood.level, record.levelno)
        flood.sample = record.getMessage()
        if len(flood.hosts) < _HOSTS_MAX:
            flood.hosts.add(host)
        return False

    def summarise(self, everything: bool = False) -> Iterator[logging.LogRecord]:
        """A line for each flood that has lasted long enough, or for all; and forget those that are over."""
        with self._lock:
            now = self._clock()
            due = {
                key: flood
                for key, flood in self._floods.items()
                if flood.left_out and (everything or now - flood.since >= SUMMARY_SECONDS)
            }
            churn = {key[0]: flood for key, flood in due.items() if key[0] in CHURN}
            records = [_summary(key, flood, now) for key, flood in due.items() if key[0] not in CHURN]
            if churn:
                records.append(_churn(churn, now))
            for flood in due.values():
                flood.left_out = 0
                flood.hosts.clear()
            over = [key for key, flood in self._floods.items() if not flood.left_out and now - flood.at > 1]
            for key in over:
                del self._floods[key]
        yield from records


def _summary(key: Key, flood: _Flood, now: float) -> logging.LogRecord:
    event, host = key
    about = f"{host}: " if host else ""
    count, seconds = _more(flood.left_out), _seconds(flood, now)
    text = f'{about}… and {count} {event} in {seconds}, the last: "{escaped(flood.sample)}"'
    return _record(flood.level, text, event, left_out=flood.left_out, **({"host": host} if host else {}))


def _churn(floods: dict[str, _Flood], now: float) -> logging.LogRecord:
    counts = {CHURN[event]: flood.left_out for event, flood in floods.items()}
    hosts = set().union(*(flood.hosts for flood in floods.values()))
    longest = min(floods.values(), key=lambda flood: flood.since)
    said = ", ".join(f"{_more(count)} {what}" for what, count in counts.items())
    places = f"{len(hosts):,}{'+' if len(hosts) >= _HOSTS_MAX else ''} address{'' if len(hosts) == 1 else 'es'}"
    level = max(flood.level for flood in floods.values())
    text = f"connections: … and {said} in {_seconds(longest, now)}, from {places}"
    return _record(level, text, "connection.churn", addresses=len(hosts), **counts)


def _more(count: int) -> str:
    return f"{count:,} more"


def _seconds(flood: _Flood, now: float) -> str:
    return f"{max(1, round(now - flood.since))} s"


def _record(level: int, text: str, event: str, **fields: object) -> logging.LogRecord:
    made = {"name": "menura", "levelno": level, "levelname": logging.getLevelName(level), "msg": "%s", "args": (text,)}
    return logging.makeLogRecord({**made, "event": event, "fields": fields})
