"""The catalog's tables: how definitions lie in SQLite, and how older files become newer ones.

There is a table for each kind of record; its columns are the record's fields under the same names. Most go in as
they are; `_CONVERTED` lists the columns that do not.

A table of one row, `meta`, holds the schema's version (how many steps of MIGRATIONS the file has been through) and
the number of times the file has been opened. A new file starts at version 0, with `meta` alone, and goes through
all steps like any other.

Changing the format:
1. append a step to MIGRATIONS, never edit one that has been released;
2. change the record in `definitions` to match, and `_CONVERTED` if the new column is no plain text or number;
3. keep a catalog written by the version before as a fixture, and test what becomes of it.

What depends on something goes with it by trigger, so that no row can outlive its virtual host, its user, or an end
of its binding, and a deletion is one statement whatever hangs on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from menura.core import fields
from menura.core.definitions import (
    BindingDefinition,
    Definition,
    ExchangeDefinition,
    ParameterDefinition,
    PermissionDefinition,
    QueueDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    VHostDefinition,
)

VERSION_ZERO = (
    "CREATE TABLE meta (version INTEGER NOT NULL, starts INTEGER NOT NULL)",
    "INSERT INTO meta VALUES (0, 0)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE vhosts (name TEXT PRIMARY KEY) WITHOUT ROWID",
        """CREATE TABLE users (
            name TEXT PRIMARY KEY, password_hash TEXT NOT NULL, tags TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE permissions (
            user TEXT, vhost TEXT, configure TEXT NOT NULL, write TEXT NOT NULL, read TEXT NOT NULL,
            PRIMARY KEY (user, vhost)
        ) WITHOUT ROWID""",
        """CREATE TABLE topic_permissions (
            user TEXT, vhost TEXT, exchange TEXT, write TEXT NOT NULL, read TEXT NOT NULL,
            PRIMARY KEY (user, vhost, exchange)
        ) WITHOUT ROWID""",
        """CREATE TABLE exchanges (
            vhost TEXT, name TEXT, kind TEXT NOT NULL, auto_delete INTEGER NOT NULL, internal INTEGER NOT NULL,
            arguments BLOB NOT NULL, PRIMARY KEY (vhost, name)
        ) WITHOUT ROWID""",
        """CREATE TABLE queues (
            vhost TEXT, name TEXT, id INTEGER NOT NULL UNIQUE, auto_delete INTEGER NOT NULL, arguments BLOB NOT NULL,
            PRIMARY KEY (vhost, name)
        ) WITHOUT ROWID""",
        """CREATE TABLE bindings (
            vhost TEXT, source TEXT, what TEXT CHECK (what IN ('queue', 'exchange')), destination TEXT, key TEXT,
            arguments BLOB, PRIMARY KEY (vhost, source, what, destination, key, arguments)
        ) WITHOUT ROWID""",
        "CREATE INDEX bindings_by_destination ON bindings (vhost, what, destination)",
        """CREATE TABLE parameters (
            vhost TEXT, component TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (vhost, component, name)
        ) WITHOUT ROWID""",
        """CREATE TRIGGER vhost_gone AFTER DELETE ON vhosts BEGIN
            DELETE FROM bindings WHERE vhost = OLD.name;
            DELETE FROM queues WHERE vhost = OLD.name;
            DELETE FROM exchanges WHERE vhost = OLD.name;
            DELETE FROM parameters WHERE vhost = OLD.name;
            DELETE FROM permissions WHERE vhost = OLD.name;
            DELETE FROM topic_permissions WHERE vhost = OLD.name;
        END""",
        """CREATE TRIGGER user_gone AFTER DELETE ON users BEGIN
            DELETE FROM permissions WHERE user = OLD.name;
            DELETE FROM topic_permissions WHERE user = OLD.name;
        END""",
        """CREATE TRIGGER queue_gone AFTER DELETE ON queues BEGIN
            DELETE FROM bindings WHERE vhost = OLD.vhost AND what = 'queue' AND destination = OLD.name;
        END""",
        """CREATE TRIGGER exchange_gone AFTER DELETE ON exchanges BEGIN
            DELETE FROM bindings WHERE vhost = OLD.vhost AND source = OLD.name;
            DELETE FROM bindings WHERE vhost = OLD.vhost AND what = 'exchange' AND destination = OLD.name;
        END""",
    ),
    (
        "ALTER TABLE vhosts ADD COLUMN description TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE vhosts ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE vhosts ADD COLUMN default_queue_type TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE vhosts ADD COLUMN protected INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE users ADD COLUMN limits TEXT NOT NULL DEFAULT '{}'",
    ),
)


def _pack_tags(tags: Iterable[str]) -> str:
    return json.dumps(sorted(tags))


def _unpack_tags(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))


def _pack_limits(limits: Mapping[str, int]) -> str:
    return json.dumps(limits, sort_keys=True)


def _pack_arguments(arguments: Mapping[str, bytes]) -> bytes:
    # Sorted, since they are part of a binding's key and their order means nothing.
    return fields.pack_raw_table(dict(sorted(arguments.items())))


_CONVERTED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "arguments": (_pack_arguments, fields.raw_table),
    "tags": (_pack_tags, _unpack_tags),
    "limits": (_pack_limits, json.loads),
    "auto_delete": (int, bool),
    "internal": (int, bool),
    "protected": (int, bool),
}


class Change(NamedTuple):
    """A statement and its values, ready to be executed."""

    statement: str
    values: tuple[str | bytes | int, ...]


class Table:
    """One kind of record: its statements, and the way there and back. `key_length` fields, the first ones, are the
    key."""

    def __init__(self, name: str, record: type[Definition], key_length: int) -> None:
        columns = record._fields
        key, rest = columns[:key_length], columns[key_length:]
        self.name = name
        self._record = record
        self._key_length = key_length
        self._pack = [_CONVERTED.get(column, (None, None))[0] for column in columns]
        self._unpack = [_CONVERTED.get(column, (None, None))[1] for column in columns]
        changes = ", ".join(f"{column} = excluded.{column}" for column in rest)
        self._put = (
            f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT ({', '.join(key)}) DO {f'UPDATE SET {changes}' if rest else 'NOTHING'}"
        )
        self._delete = f"DELETE FROM {name} WHERE {' AND '.join(f'{column} = ?' for column in key)}"
        self.select = f"SELECT {', '.join(columns)} FROM {name} ORDER BY {', '.join(key)}"

    def put(self, definition: Definition) -> Change:
        return Change(self._put, self._row(definition))

    def delete(self, definition: Definition) -> Change:
        return Change(self._delete, self._row(definition)[: self._key_length])

    def _row(self, definition: Definition) -> tuple[Any, ...]:
        row = [value if pack is None else pack(value) for value, pack in zip(definition, self._pack, strict=True)]
        for value in row:
            # Refused here and not in the middle of a transaction: text that has no UTF-8 form.
            if isinstance(value, str):
                value.encode()
        return tuple(row)

    def definition(self, row: tuple[Any, ...]) -> Any:
        pairs = zip(row, self._unpack, strict=True)
        return self._record._make([value if unpack is None else unpack(value) for value, unpack in pairs])


TABLES: dict[type[Definition], Table] = {
    VHostDefinition: Table("vhosts", VHostDefinition, 1),
    UserDefinition: Table("users", UserDefinition, 1),
    PermissionDefinition: Table("permissions", PermissionDefinition, 2),
    TopicPermissionDefinition: Table("topic_permissions", TopicPermissionDefinition, 3),
    ExchangeDefinition: Table("exchanges", ExchangeDefinition, 2),
    QueueDefinition: Table("queues", QueueDefinition, 2),
    BindingDefinition: Table("bindings", BindingDefinition, 6),
    ParameterDefinition: Table("parameters", ParameterDefinition, 3),
}
