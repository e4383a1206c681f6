"""Virtual hosts, policies and parameters from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.ctl.conftest import Ctl

import menura


def test_a_virtual_host_is_made_described_and_deleted(ctl: Ctl) -> None:
    assert ctl("add_vhost", "v", "--description", "two words", "--tags", "a,b").lines == ['Adding vhost "v" ...']
    assert ctl("list_vhosts", "name", "description", "tags", "tracing", "-s").rows[-1] == [
        "v",
        "two words",
        "[a, b]",
        "false",
    ]
    assert ctl("set_vhost_tags", "v", "c").status == 0
    assert ctl("update_vhost_metadata", "v", "--description", "three", "--default-queue-type", "quorum").status == 0
    assert ctl("list_vhosts", "name", "description", "tags", "default_queue_type", "-s").rows[-1] == [
        "v",
        "three",
        "[c]",
        "quorum",
    ]
    assert ctl("delete_vhost", "v").status == 0
    said = ctl("delete_vhost", "v")
    assert (said.status, said.err) == (65, "Virtual host 'v' does not exist\n")


def test_a_protected_virtual_host_stays(ctl: Ctl) -> None:
    ctl("add_vhost", "v")
    assert ctl("enable_vhost_deletion_protection", "v").status == 0
    assert ctl("delete_vhost", "v").status == 69
    assert ctl("disable_vhost_deletion_protection", "v").status == 0
    assert ctl("delete_vhost", "v").status == 0


def test_limits_of_a_virtual_host_replace_those_before(ctl: Ctl, broker: menura.Broker) -> None:
    assert ctl("set_vhost_limits", '{"max-queues":5,"max-connections":9}').status == 0
    assert ctl("set_vhost_limits", '{"max-queues":6}').status == 0
    assert broker.node.vhosts["/"].limits == {"max-queues": 6}
    assert ctl("list_vhost_limits", "-q").out == '{"max-queues":6}\n'
    assert ctl("list_vhost_limits", "--global", "-s").rows == [["/", '{"max-queues":6}']]
    assert ctl("clear_vhost_limits").status == 0
    assert ctl("list_vhost_limits", "-q").out == ""


def test_tracing_is_switched(ctl: Ctl, broker: menura.Broker) -> None:
    assert ctl("trace_on").lines == ['Starting tracing for vhost "/" ...', "Trace enabled for vhost /"]
    assert broker.node.vhosts["/"].tracer is not None
    assert ctl("trace_off").lines[-1] == "Trace disabled for vhost /"
    assert broker.node.vhosts["/"].tracer is None


@pytest.mark.parametrize("kind", ["policy", "operator_policy"])
def test_policies_are_set_listed_and_cleared(ctl: Ctl, kind: str) -> None:
    many = kind.replace("policy", "policies")
    assert ctl(f"set_{kind}", "p", "^x", '{"max-length":5}', "--priority", "3", "--apply-to", "queues").status == 0
    assert ctl(f"list_{many}", "-q").rows == [
        ["vhost", "name", "pattern", "apply-to", "definition", "priority"],
        ["/", "p", "^x", "queues", '{"max-length":5}', "3"],
    ]
    assert json.loads(ctl(f"list_{many}", "--formatter", "json").out)[0]["definition"] == '{"max-length":5}'
    assert ctl(f"clear_{kind}", "p").status == 0
    said = ctl(f"clear_{kind}", "p")
    assert (said.status, said.err) == (69, "Error:\nParameter does not exist\n")


def test_a_policy_that_makes_no_sense_is_refused(ctl: Ctl) -> None:
    said = ctl("set_policy", "p", "^x", '{"max-lengthx":5}')
    assert said.status == 69
    assert "not recognised policy settings" in said.err


def test_global_parameters_are_set_listed_and_cleared(ctl: Ctl) -> None:
    assert ctl("set_global_parameter", "mine", '{"a":1}').status == 0
    assert ["mine", '{"a":1}'] in ctl("list_global_parameters").rows
    assert ctl("clear_global_parameter", "mine").status == 0
    assert ctl("clear_global_parameter", "mine").status == 69


def test_a_parameter_of_an_unknown_component_is_refused(ctl: Ctl) -> None:
    said = ctl("set_parameter", "nothing", "n", "{}")
    assert said.status == 69
    assert "component nothing not found" in said.err


def test_shovels_are_parameters_with_verbs_of_their_own(ctl: Ctl) -> None:
    definition = json.dumps({"src-uri": "amqp://", "src-queue": "from", "dest-uri": "amqp://", "dest-queue": "to"})
    assert ctl("set_parameter", "shovel", "s", definition).status == 0
    assert ["shovel", "s"] in [row[:2] for row in ctl("list_parameters", "-s").rows]
    assert ctl("shovel_status", "vhost", "name", "-s").rows == [["/", "s"]]
    assert ctl("restart_shovel", "s").status == 0
    assert ctl("delete_shovel", "s").status == 0
    assert ctl("delete_shovel", "s").status == 69


def test_definitions_go_out_and_come_in(ctl: Ctl, tmp_path: Path) -> None:
    ctl("declare", "queue", "name=kept", "durable=true")
    file = tmp_path / "definitions.json"
    assert ctl("export_definitions", str(file)).status == 0
    assert file.stat().st_mode & 0o077 == 0, "there are password hashes in it"
    assert [queue["name"] for queue in json.loads(file.read_text())["queues"]] == ["kept"]
    ctl("delete_queue", "kept")
    assert ctl("import_definitions", str(file)).status == 0
    assert ctl("list_queues", "name", "-s").lines == ["kept"]
    assert json.loads(ctl("export_definitions", "-").out)["queues"][0]["name"] == "kept"


def test_definitions_that_cannot_be_read_are_told(ctl: Ctl, tmp_path: Path) -> None:
    said = ctl("import_definitions", str(tmp_path / "none"))
    assert said.status == 65
    assert "does not exist" in said.err
    (tmp_path / "bad").write_text("{")
    assert ctl("import_definitions", str(tmp_path / "bad")).status == 65
    assert ctl("export_definitions", str(tmp_path / "no" / "where")).status == 65
