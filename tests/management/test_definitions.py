"""Definitions in RabbitMQ's format: its files load, nothing is lost on the way out again, and a faulty one changes
nothing."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.management.http_client import Client

import menura
from menura.core.errors import Refusal
from menura.core.node import Node
from menura.management import definitions
from menura.management.definitions import Identity, Imported, import_definitions, run, single, whole

FILES = Path(__file__).parent / "files"
IDENTITY = Identity("4.2.0", "Menura", "0", "menura@localhost")
OF_VHOST = ("policies", "parameters", "queues", "exchanges", "bindings")
ALL_OF_IT = ("users", "vhosts", "permissions", "topic_permissions", "global_parameters", *OF_VHOST)


def document(version: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FILES / f"rabbitmq-{version}.json").read_text())
    return loaded


def fresh() -> Node:
    return Node(os.urandom)


def load(node: Node, wanted: dict[str, Any], vhost: str | None = None) -> Imported:
    return run(import_definitions(node, wanted, vhost=vhost))


def export(node: Node) -> dict[str, Any]:
    return run(whole(node, IDENTITY))


def lacks(item: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    """Whether none of these has all that the item has."""
    return not any(all(other.get(key) == value for key, value in item.items()) for other in found)


# -- files of RabbitMQ -------------------------------------------------------------------------------------------


def test_a_file_of_3_8_loads_and_what_is_left_out_is_told() -> None:
    node = fresh()
    imported = load(node, document("3.8"))
    assert {(skipped.what, skipped.name) for skipped in imported.skipped} == {
        ("parameters", "up"),
        ("global_parameters", "internal_cluster_id"),
        ("policies", "ha"),
        ("policies", "mixed"),
        ("queues", "log"),
        ("exchanges", "strange"),
        ("bindings", "orders"),
        ("bindings", "log"),
    }
    assert all(skipped.reason for skipped in imported.skipped)
    shop = node.vhosts["shop"]
    assert set(shop.queues) == {"orders", "safe", "later"}
    assert shop.limits == {"max-connections": 100, "max-queues": 1000}
    assert shop.policies.by_name["policy"]["mixed"].definition == {"max-length": 10}
    assert set(shop.policies.by_name["operator_policy"]) == {"bound"}
    assert node.users.get("ops").tags == {"administrator", "monitoring"}


def test_users_of_a_file_log_in_with_the_passwords_they_had() -> None:
    node = fresh()
    load(node, document("3.8"))
    assert node.users.authenticate("app", "app").name == "app"
    assert node.users.get("app").hashing_algorithm == "rabbit_password_hashing_md5"


def test_a_file_of_4_2_loads_without_loss() -> None:
    node = fresh()
    assert load(node, document("4.2")).skipped == []
    safe = node.vhosts["safe"]
    assert safe.definition.protected
    assert safe.definition.default_queue_type == "quorum"
    out = export(node)
    for kind in ALL_OF_IT:
        expected = document("4.2")[kind]
        if kind == "vhosts":
            expected = [{"name": found["name"], "limits": found["limits"]} for found in expected]
        if kind == "queues":  # the type of the virtual host must not be that of this queue
            expected[1]["arguments"] = {"x-queue-type": "classic"}
        assert [item for item in expected if lacks(item, out[kind])] == [], kind
    assert out["vhosts"][1]["metadata"] == document("4.2")["vhosts"][1]["metadata"]


@pytest.mark.parametrize("version", ["3.8", "4.2"])
def test_what_was_exported_loads_into_another_broker_and_is_exported_alike(version: str) -> None:
    first, second = fresh(), fresh()
    load(first, document(version))
    out = export(first)
    assert load(second, json.loads(json.dumps(out))).skipped == []
    assert export(second) == out


@pytest.mark.parametrize("version", ["3.8", "4.2"])
def test_importing_twice_is_importing_once(version: str) -> None:
    node = fresh()
    once = load(node, document(version))
    out = export(node)
    assert load(node, document(version)).skipped == once.skipped
    assert export(node) == out


def test_the_keys_come_in_the_order_of_rabbitmq() -> None:
    assert list(export(fresh())) == [
        "rabbit_version", "rabbitmq_version", "product_name", "product_version", "rabbitmq_definition_format",
        "original_cluster_name", "explanation", "users", "vhosts", "permissions", "topic_permissions", "parameters",
        "global_parameters", "policies", "queues", "exchanges", "bindings",
    ]  # fmt: skip


def test_what_has_an_owner_or_belongs_to_the_broker_is_left_out() -> None:
    node = fresh()
    vhost = node.vhosts["/"]

    class Somebody:
        def disown(self, queue: Any) -> None: ...

    vhost.declare_queue("mine", exclusive=True, owner=Somebody())
    vhost.declare_queue("amq.gen-1", durable=True, reserved=True)
    vhost.declare_queue("kept", durable=True)
    for name in ("mine", "amq.gen-1", "kept"):
        vhost.bind("amq.fanout", vhost.queues[name], "", {})
    out = export(node)
    assert [queue["name"] for queue in out["queues"]] == ["kept"]
    assert [binding["destination"] for binding in out["bindings"]] == ["kept"]
    assert out["exchanges"] == []


# -- what is there already -----------------------------------------------------------------------------------------


def test_what_is_there_already_stays_as_it_is() -> None:
    node = fresh()
    vhost = node.add_vhost("shop")
    vhost.declare_queue("orders", durable=False)
    imported = load(node, document("3.8"))
    assert not vhost.queues["orders"].durable
    reasons = [skipped.reason for skipped in imported.skipped if (skipped.what, skipped.name) == ("queues", "orders")]
    assert len(reasons) == 1
    assert "inequivalent arg 'durable'" in reasons[0]
    assert vhost.queues["orders"].bindings


def test_a_binding_made_with_numbers_of_another_width_is_the_same(api_broker: menura.Broker) -> None:
    import pika

    with pika.BlockingConnection(pika.URLParameters(api_broker.amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("widths", durable=True)
        channel.queue_bind("widths", "amq.headers", "", {"x-match": "all", "n": 1})
    node = api_broker.node
    before = len(node.vhosts["/"].bindings)
    client = Client(next(found.port for found in api_broker.listeners if found.address.scheme == "http"))
    assert client.post("/definitions", client.get("/definitions").json).status == 204
    assert len(node.vhosts["/"].bindings) == before


# -- faults ------------------------------------------------------------------------------------------------------


def _with(kind: str, **item: Any) -> dict[str, Any]:
    """A file that is good but for the last thing of one kind."""
    faulty = copy.deepcopy(document("4.2"))
    faulty[kind].append(item)
    return faulty


FAULTS = [
    (_with("users", name="eve"), "user 'eve': tags_not_present"),
    (_with("users", name="eve", tags="", password="a", password_hash="b"), "user 'eve': both_password"),
    (_with("users", name="eve", tags="", password_hash="???"), "user 'eve': password hash is not base64"),
    (_with("users", tags=""), "name must be a string, not null"),
    (_with("users", name="", tags=""), "a user needs a name"),
    (_with("users", name="menura-local", password_hash="", tags=""), "'menura-local' is what the broker calls"),
    (_with("vhosts", name=7), "name must be a string, not 7"),
    (_with("vhosts", name="x", limits={"unheard-of": 1}), "vhost 'x': Validation failed"),
    (_with("permissions", user="eve", vhost="safe", configure="", write="", read=""), "permission 'eve'"),
    (_with("permissions", user="ops", vhost="none", configure="", write="", read=""), 'create virtual host "none"'),
    (_with("permissions", user="ops", vhost="safe", configure="(", write="", read=""), "invalid regular expression"),
    (_with("topic_permissions", user="ops", vhost="safe", exchange=1, write="", read=""), "exchange must be a string"),
    (_with("global_parameters", name="x"), "global parameter 'x': [{key_missing,value}]"),
    (_with("policies", vhost="safe", name="bad", pattern="a", definition={"max-length": -1}), "policy 'bad' in"),
    (_with("policies", vhost="safe", name="bad", pattern="a", definition={"unheard-of": 1}), "not recognised policy"),
    (_with("policies", vhost="none", name="bad", pattern="a", definition={"max-length": 1}), "policy 'bad'"),
    (_with("parameters", vhost="safe", component="vhost-limits", name="limits", value={"x": 1}), "parameter 'limits'"),
    (_with("queues", vhost="safe", name="bad", arguments={"x-message-ttl": "soon"}), "queue 'bad' in vhost 'safe'"),
    (_with("queues", vhost="safe", name="x" * 300), "has 300 octets"),
    (_with("queues", vhost="safe", name="bad", durable="perhaps"), "durable must be true or false"),
    (_with("queues", name="bad"), "invalid_definitions_file: queue 'bad' has no virtual host"),
    (_with("exchanges", vhost="safe", name="bad", type="direct", arguments={"alternate-exchange": 1}), "exchange 'b"),
    (_with("bindings", vhost="safe", source="none", destination="a", destination_type="queue"), "no exchange 'none'"),
    (_with("bindings", vhost="safe", source="events", destination="none", destination_type="queue"), "no queue 'none'"),
    (_with("bindings", vhost="safe", source="events", destination="a", destination_type="x"), "destination_type must"),
    ({"queues": 5}, "queues must be an array"),
    ({"queues": [5]}, "queues must have objects in it"),
    ({"vhosts": [{"name": "small", "limits": {"max-queues": 1}}],
      "queues": [{"vhost": "small", "name": "one"}, {"vhost": "small", "name": "two"}]}, "queue limit in vhost"),
]  # fmt: skip


@pytest.mark.parametrize(("faulty", "reason"), FAULTS, ids=[reason for _, reason in FAULTS])
def test_a_fault_is_told_by_name_and_nothing_has_changed(faulty: dict[str, Any], reason: str) -> None:
    node = fresh()
    node.add_user("guest", "guest")
    before = export(node)
    with pytest.raises(Refusal) as refusal:
        load(node, faulty)
    assert reason in str(refusal.value)
    assert export(node) == before


def test_what_is_no_document_is_refused() -> None:
    for text in (b"{", b"[]", b"5", b'{"a":1e999}', b"\xff\xfe{}"):
        with pytest.raises(Refusal):
            definitions.run(definitions.parse(text))
    assert definitions.run(definitions.parse(b"")) == {}
    assert definitions.run(definitions.parse(b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}


def test_much_is_imported_in_many_small_steps() -> None:
    node = fresh()
    many = {"queues": [{"vhost": "/", "name": f"q{number}"} for number in range(3000)]}
    steps = sum(1 for _ in import_definitions(node, many))
    assert len(node.vhosts["/"].queues) == 3000
    assert steps > 200


def test_a_directory_of_files_is_loaded_by_name(tmp_path: Path) -> None:
    (tmp_path / "2.json").write_text(json.dumps({"queues": [{"vhost": "shop", "name": "q"}]}))
    (tmp_path / "1.json").write_text(json.dumps({"vhosts": [{"name": "shop"}]}))
    (tmp_path / "notes.txt").write_text("no definitions")
    node = fresh()
    assert len(definitions.load(node, tmp_path)) == 2
    assert list(node.vhosts["shop"].queues) == ["q"]
    assert definitions.load(node, tmp_path / "1.json")[0].counts["vhosts"] == 1
    with pytest.raises(OSError, match="none"):
        definitions.load(node, tmp_path / "none.json")


# -- one virtual host --------------------------------------------------------------------------------------------


def test_the_definitions_of_one_virtual_host_can_become_another() -> None:
    node = fresh()
    load(node, document("3.8"))
    out = run(single(node, node.vhosts["shop"], IDENTITY))
    assert not any("vhost" in item for kind in OF_VHOST for item in out[kind])
    node.add_vhost("copy")
    assert load(node, json.loads(json.dumps(out)), "copy").skipped == []
    again = run(single(node, node.vhosts["copy"], IDENTITY))
    assert {kind: again[kind] for kind in OF_VHOST} == {kind: out[kind] for kind in OF_VHOST}


# -- over HTTP ---------------------------------------------------------------------------------------------------


def test_a_file_comes_in_as_json_and_out_as_a_download(api: Client) -> None:
    answer = api.ask("POST", "/definitions", document("3.8"))
    assert answer.status == 200
    assert {found["what"] for found in answer.json["skipped"]} >= {"policies", "queues"}
    out = api.get("/definitions?download=backup_1.json")
    assert out.headers["content-disposition"] == "attachment; filename=backup_1.json"
    assert "shop" in {vhost["name"] for vhost in out.json["vhosts"]}
    assert api.get("/all-configuration").json == out.json
    assert api.post("/definitions", out.json).status == 204
    assert api.get("/definitions?download=a%0d%0ab").status == 400


def test_a_form_with_a_file_is_taken_as_a_browser_sends_it(api: Client) -> None:
    text = json.dumps({"vhosts": [{"name": "from-a-form"}]}).encode()
    form = (
        b"--limit\r\nContent-Disposition: form-data; name=\"mode\"\r\n\r\nupload\r\n"
        b'--limit\r\nContent-Disposition: form-data; name="file"; filename="a;b.json"\r\n'
        b"Content-Type: application/json\r\n\r\n" + text + b"\r\n--limit--\r\n"
    )
    kind = {"content-type": "multipart/form-data; boundary=limit"}
    assert api.ask("POST", "/definitions", raw=form, headers=kind).status == 204
    assert api.get("/vhosts/from-a-form").status == 200
    for faulty in (form[:-10], form.replace(b"--limit", b"--other"), form.replace(b'"file"', b'"leaf"'), b""):
        assert api.ask("POST", "/definitions", raw=faulty, headers=kind).status == 400
    assert api.ask("POST", "/definitions", raw=form, headers={"content-type": "multipart/form-data"}).status == 400


def test_a_fault_over_http_has_a_reason_and_changes_nothing(api: Client) -> None:
    before = api.get("/definitions").json
    answer = api.post("/definitions", FAULTS[0][0])
    assert answer.status == 400
    assert answer.json == {"error": "bad_request", "reason": "user 'eve': tags_not_present"}
    assert api.get("/definitions").json == before


def test_a_virtual_host_that_is_not_there_has_no_definitions(api: Client) -> None:
    assert api.get("/definitions/none").status == 400
    assert api.post("/definitions/none", {}).status == 404


def test_what_was_imported_outlives_the_broker(tmp_path: Path) -> None:
    listen = ["http://127.0.0.1:0"]
    with menura.Broker(data=str(tmp_path), listen=listen) as broker:
        client = Client(broker.listeners[0].port)
        assert client.post("/definitions", document("3.8")).status == 200
        before = client.get("/definitions").json
    with menura.Broker(data=str(tmp_path), listen=listen) as broker:
        after = Client(broker.listeners[0].port).get("/definitions").json
    for kind in ALL_OF_IT:
        kept = [item for item in before[kind] if item.get("durable", True)]
        assert [item for item in kept if lacks(item, after[kind])] == [], kind
        assert len(after[kind]) == len(kept), kind


# -- a real RabbitMQ ---------------------------------------------------------------------------------------------


def test_a_virtual_host_goes_from_rabbitmq_to_us_and_back_without_loss(
    api: Client, rabbitmq: Client, unique: str
) -> None:
    there: dict[str, list[dict[str, Any]]] = {
        "queues": [
            {"name": "q ü\t3", "durable": True, "arguments": {"x-max-priority": 5, "x-dead-letter-exchange": "x"}},
            {"name": "quorum", "durable": True, "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 3}},
            {"name": "gone", "durable": False, "auto_delete": True, "arguments": {}},
        ],
        "exchanges": [
            {"name": "x", "type": "topic", "durable": True, "arguments": {"alternate-exchange": "amq.fanout"}},
            {"name": "y", "type": "x-consistent-hash", "durable": True, "internal": True, "arguments": {}},
        ],
        "policies": [
            {"name": "p", "pattern": "^q", "apply-to": "queues", "definition": {"max-length": 5}, "priority": 2}
        ],
        "parameters": [{"component": "vhost-limits", "name": "limits", "value": {"max-queues": 7}}],
        "bindings": [
            {"source": "x", "destination": "q ü\t3", "destination_type": "queue", "routing_key": "a.#"},
            {"source": "x", "destination": "y", "destination_type": "exchange", "routing_key": "#",
             "arguments": {"n": 1, "s": "two", "b": True}},
        ],
    }  # fmt: skip
    for declared in (*there["queues"], *there["exchanges"]):
        declared.setdefault("auto_delete", False)
    for exchange in there["exchanges"]:
        exchange.setdefault("internal", False)
    for binding in there["bindings"]:
        binding.setdefault("arguments", {})
    try:
        for client in (rabbitmq, api):
            assert client.put(f"/vhosts/{unique}").status == 201
        assert rabbitmq.post(f"/definitions/{unique}", there).status == 204
        theirs = rabbitmq.get(f"/definitions/{unique}").json
        assert api.post(f"/definitions/{unique}", theirs).status == 204
        ours = api.get(f"/definitions/{unique}").json
        for kind in OF_VHOST:
            expected = [{key: value for key, value in item.items() if key != "vhost"} for item in theirs[kind]]
            assert [item for item in expected if lacks(item, ours[kind])] == [], kind
            assert len(ours[kind]) == len(expected), kind
        assert rabbitmq.delete(f"/vhosts/{unique}").status == 204
        assert rabbitmq.put(f"/vhosts/{unique}").status == 201
        assert rabbitmq.post(f"/definitions/{unique}", ours).status == 204
        again = rabbitmq.get(f"/definitions/{unique}").json
        for kind in OF_VHOST:
            key = lambda item: json.dumps(item, sort_keys=True)  # noqa: E731
            assert sorted(again[kind], key=key) == sorted(theirs[kind], key=key), kind
    finally:
        rabbitmq.delete(f"/vhosts/{unique}")
