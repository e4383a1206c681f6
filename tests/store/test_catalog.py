"""The catalog: what is put is there after reopening, changes keep their order, a failed commit is the last."""

from __future__ import annotations

import random
import sqlite3
import threading
from pathlib import Path

import pytest
from tests.seeds import first_seed
from tests.store.workers import HeldWorker, Worker, at_once, open_at_once

from menura.core import fields
from menura.core.definitions import (
    BindingDefinition,
    Definition,
    Definitions,
    ExchangeDefinition,
    ParameterDefinition,
    PermissionDefinition,
    QueueDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    VHostDefinition,
)
from menura.store.catalog import Catalog
from menura.store.schema import TABLES

ARGUMENTS = {"x-max-length": fields.encode_value(10), "x-overflow": fields.encode_value("drop-head")}

ONE_OF_EACH = Definitions(
    vhosts=(VHostDefinition("/", "the first", frozenset(("a", "b, c")), "quorum", True),),
    users=(UserDefinition("ann", "c2FsdGhhc2g=", frozenset(("administrator", "a, b")), {"max-channels": 3}),),
    permissions=(PermissionDefinition("ann", "/", "^a", ".*", ""),),
    topic_permissions=(TopicPermissionDefinition("ann", "/", "amq.topic", "^{username}", ".*"),),
    exchanges=(ExchangeDefinition("/", "logs", "topic", True, False, ARGUMENTS),),
    queues=(QueueDefinition("/", "jobs \0 é", 7, True, ARGUMENTS),),
    bindings=(BindingDefinition("/", "logs", "queue", "jobs \0 é", "a.#", ARGUMENTS),),
    parameters=(ParameterDefinition("/", "policy", "ttl", '{"pattern": ".*"}'),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite3"


def reopened(path: Path) -> Definitions:
    catalog = Catalog(path, run_in_worker=at_once, call_back=at_once, sync=False)
    definitions = catalog.open()
    catalog.close()
    return definitions


def put_all(catalog: Catalog, *definitions: Definition) -> None:
    for definition in definitions:
        catalog.put(definition)
    catalog.flush()


def put_one_of_each(catalog: Catalog) -> None:
    put_all(catalog, *(definition for kind in ONE_OF_EACH for definition in kind))


# -- keeping ---------------------------------------------------------------------------------------------------


def test_a_new_catalog_is_empty(path: Path) -> None:
    assert reopened(path) == Definitions()


def test_every_kind_of_definition_comes_back_as_it_was_put(path: Path) -> None:
    catalog = open_at_once(path)
    put_one_of_each(catalog)
    catalog.close()
    assert reopened(path) == ONE_OF_EACH
    assert type(reopened(path).exchanges[0].auto_delete) is bool


OTHERS: list[Definition] = [
    VHostDefinition("other"),
    UserDefinition("other"),
    PermissionDefinition("ann", "other"),
    TopicPermissionDefinition("ann", "/", "other"),
    ExchangeDefinition("/", "other"),
    QueueDefinition("other", "jobs \0 é", 8),
    BindingDefinition("/", "logs", "queue", "jobs \0 é", "other", ARGUMENTS),
    ParameterDefinition("/", "policy", "other"),
]


@pytest.mark.parametrize("other", OTHERS, ids=Definitions._fields)
def test_a_deleted_definition_is_gone_and_others_of_its_kind_stay(path: Path, other: Definition) -> None:
    kind = OTHERS.index(other)
    (definition,) = ONE_OF_EACH[kind]
    catalog = open_at_once(path)
    put_all(catalog, definition, other)
    catalog.delete(definition)
    catalog.close()
    assert reopened(path)[kind] == (other,)


def test_a_definition_put_again_replaces_the_first_and_keeps_what_depends_on_it(path: Path) -> None:
    catalog = open_at_once(path)
    put_one_of_each(catalog)
    put_all(
        catalog,
        VHostDefinition("/"),
        UserDefinition("ann", "new"),
        ExchangeDefinition("/", "logs", "direct"),
        QueueDefinition("/", "jobs \0 é", 9),
    )
    catalog.close()
    found = reopened(path)
    assert found.users == (UserDefinition("ann", "new"),)
    assert found.exchanges == (ExchangeDefinition("/", "logs", "direct"),)
    assert found.queues == (QueueDefinition("/", "jobs \0 é", 9),)
    assert found.bindings == ONE_OF_EACH.bindings
    assert found.permissions == ONE_OF_EACH.permissions
    assert found.topic_permissions == ONE_OF_EACH.topic_permissions


def test_bindings_that_differ_in_arguments_only_are_two_and_the_order_of_arguments_means_nothing(path: Path) -> None:
    catalog = open_at_once(path)
    (binding,) = ONE_OF_EACH.bindings
    turned = binding._replace(arguments=dict(reversed(ARGUMENTS.items())))
    put_all(catalog, binding, binding._replace(arguments={}), turned)
    catalog.close()
    assert len(reopened(path).bindings) == 2
    catalog = open_at_once(path)
    catalog.delete(turned)
    catalog.close()
    assert reopened(path).bindings == (binding._replace(arguments={}),)


def test_a_vhost_takes_everything_in_it_along(path: Path) -> None:
    catalog = open_at_once(path)
    put_one_of_each(catalog)
    elsewhere = ExchangeDefinition("other", "logs")
    catalog.put(elsewhere)
    catalog.delete(VHostDefinition("/"))
    catalog.close()
    assert reopened(path) == Definitions(users=ONE_OF_EACH.users, exchanges=(elsewhere,))


def test_a_user_takes_the_permissions_along(path: Path) -> None:
    catalog = open_at_once(path)
    put_one_of_each(catalog)
    catalog.delete(UserDefinition("ann"))
    catalog.close()
    assert reopened(path) == ONE_OF_EACH._replace(users=(), permissions=(), topic_permissions=())


@pytest.mark.parametrize("end", ["source", "queue", "exchange"])
def test_each_end_takes_its_bindings_along_and_no_others(path: Path, end: str) -> None:
    source, both = ExchangeDefinition("/", "source"), ExchangeDefinition("/", "both")
    queue = QueueDefinition("/", "both", 1)
    to_queue = BindingDefinition("/", "source", "queue", "both")
    to_exchange = BindingDefinition("/", "source", "exchange", "both")
    elsewhere = [to_queue._replace(vhost="b"), to_exchange._replace(vhost="b")]
    catalog = open_at_once(path)
    put_all(catalog, source, both, queue, to_queue, to_exchange, *elsewhere)
    ends: dict[str, Definition] = {"source": source, "queue": queue, "exchange": both}
    catalog.delete(ends[end])
    catalog.close()
    left: dict[str, list[BindingDefinition]] = {"source": [], "queue": [to_exchange], "exchange": [to_queue]}
    assert set(map(repr, reopened(path).bindings)) == set(map(repr, [*left[end], *elsewhere]))


def test_any_sequence_of_changes_leaves_what_a_dictionary_would_hold(path: Path) -> None:
    seed = first_seed()
    print(f"seed {seed}")
    chance = random.Random(seed)
    catalog = open_at_once(path)
    model: dict[tuple[str, str], QueueDefinition] = {}
    for _ in range(500):
        queue = QueueDefinition(chance.choice("ab"), str(chance.randrange(20)), catalog.new_queue_id())
        if chance.random() < 0.4:
            catalog.delete(queue)
            model.pop(queue[:2], None)
        else:
            catalog.put(queue)
            model[queue[:2]] = queue
        if chance.random() < 0.1:
            catalog.flush()
        if chance.random() < 0.02:
            catalog.close()
            assert reopened(path).queues == tuple(model[key] for key in sorted(model)), f"seed {seed}"
            catalog = open_at_once(path)
    catalog.close()


def test_text_without_a_utf_8_form_is_refused_and_breaks_nothing(path: Path) -> None:
    catalog = open_at_once(path)
    with pytest.raises(ValueError, match="surrogates"):
        catalog.put(VHostDefinition("\ud800"))
    catalog.put(VHostDefinition("v"))
    catalog.close()
    assert catalog.failure is None
    assert reopened(path).vhosts == (VHostDefinition("v"),)


# -- queue ids -------------------------------------------------------------------------------------------------


def test_a_queue_id_never_comes_twice_not_after_deletes_nor_restarts_nor_for_queues_that_were_never_kept(
    path: Path,
) -> None:
    ids: list[int] = []
    for _ in range(5):
        catalog = open_at_once(path)
        ids += [catalog.new_queue_id() for _ in range(3)]
        catalog.put(QueueDefinition("/", "q", ids[-2]))
        catalog.delete(QueueDefinition("/", "q", ids[-2]))
        catalog.close()
    assert len(set(ids)) == len(ids)
    assert max(ids) < 1 << 63


# -- group commit ----------------------------------------------------------------------------------------------


def test_changes_made_during_a_commit_make_one_next_transaction(path: Path) -> None:
    worker = HeldWorker()
    catalog = Catalog(path, run_in_worker=worker.run_in_worker, call_back=at_once, sync=False)
    catalog.open()
    reported: list[int] = []
    catalog.on_committed = reported.append
    assert catalog.put(VHostDefinition("first")) == 1
    catalog.flush()
    for number in range(100):
        assert catalog.put(VHostDefinition(str(number))) == number + 2
        catalog.flush()
    assert len(worker.tasks) == 1
    assert catalog.committed == 0
    worker.work()
    assert reported == [1]
    assert len(worker.tasks) == 1, "the next transaction starts by itself"
    worker.work()
    assert reported == [1, 101]
    assert worker.tasks == []
    catalog.close()


def test_nothing_is_committed_before_flush(path: Path) -> None:
    catalog = open_at_once(path)
    catalog.put(VHostDefinition("v"))
    assert catalog.committed == 0
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM vhosts").fetchone() == (0,)
    other.close()
    catalog.flush()
    assert catalog.committed == 1
    catalog.close()


def test_a_number_is_reported_in_the_brokers_thread_and_only_when_other_programs_can_read_the_change(
    path: Path,
) -> None:
    with Worker() as worker:
        catalog = Catalog(path, run_in_worker=worker.run_in_worker, call_back=worker.call_back)
        catalog.open()
        reader = sqlite3.connect(path)
        seen: list[tuple[int, int]] = []

        def committed(number: int) -> None:
            assert threading.current_thread() is threading.main_thread()
            seen.append((number, reader.execute("SELECT count(*) FROM vhosts").fetchone()[0]))

        catalog.on_committed = committed
        for number in range(50):
            catalog.put(VHostDefinition(str(number)))
            catalog.flush()
        worker.run_until(lambda: catalog.committed == 50)
        assert seen[-1] == (50, 50)
        assert [number for number, _ in seen] == sorted({number for number, _ in seen})
        assert all(count >= number for number, count in seen)
        reader.close()
        catalog.close()


def test_close_waits_for_the_commit_under_way_and_commits_the_rest(path: Path) -> None:
    with Worker() as worker:
        catalog = Catalog(path, run_in_worker=worker.run_in_worker, call_back=worker.call_back)
        catalog.open()
        reported: list[int] = []
        catalog.on_committed = reported.append
        put_all(catalog, *(VHostDefinition(str(number)) for number in range(1000)))
        catalog.put(VHostDefinition("last"))
        catalog.close()
        catalog.close()
        assert reported == [1001]
        worker.call_back(lambda: reported.append(0))
        worker.run_until(lambda: reported[-1] == 0)
        assert reported == [1001, 0], "the first commit's report comes late and says nothing new"
    assert len(reopened(path).vhosts) == 1001


@pytest.mark.parametrize(("sync", "level"), [(True, 2), (False, 0)])
def test_commits_are_synced_unless_told_otherwise(path: Path, sync: bool, level: int) -> None:
    catalog = Catalog(path, run_in_worker=at_once, call_back=at_once, sync=sync)
    catalog.open()
    connection = catalog._database._connection
    assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    catalog.close()


# -- failing ---------------------------------------------------------------------------------------------------


def test_after_a_failed_commit_nothing_is_reported_committed_and_the_failure_is_told_once(path: Path) -> None:
    catalog = open_at_once(path)
    reported: list[int] = []
    reasons: list[str] = []
    catalog.on_committed, catalog.on_failure = reported.append, reasons.append
    put_all(catalog, VHostDefinition("before"))
    # SQLite's own limit, so that its own "full" comes; a commit of this size needs more pages than there are.
    catalog._database._connection.execute("PRAGMA max_page_count = 1")
    put_all(catalog, VHostDefinition("small"), *(VHostDefinition(f"{n:01000}") for n in range(200)))
    catalog._database._connection.execute("PRAGMA max_page_count = 1000000")
    put_all(catalog, VHostDefinition("after"))
    catalog.put(VHostDefinition("at the end"))
    catalog.close()
    assert reported == [1]
    assert catalog.committed == 1
    (reason,) = reasons
    assert "The disk is full" in reason
    assert str(path) in reason
    assert catalog.failure == reason
    assert reopened(path).vhosts == (VHostDefinition("before"),)


# -- the tables ------------------------------------------------------------------------------------------------


def test_every_kind_of_definition_has_a_table_of_its_fields(path: Path) -> None:
    open_at_once(path).close()
    connection = sqlite3.connect(path)
    for record, table in TABLES.items():
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")]
        assert columns == list(record._fields)
    connection.close()
    assert [table.name for table in TABLES.values()] == list(Definitions._fields)
