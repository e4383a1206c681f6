"""Checks, and what the programs of the shim say of plugins and queues."""

from __future__ import annotations

import json

import pytest
from tests.cli.ctl.conftest import Ctl

import menura
from menura.cli.ctl.topics.plugins import BUILT_IN, MISSING
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, PLUGINS, QUEUES
from menura.core.exchanges import KINDS


@pytest.mark.parametrize(
    "words",
    [
        ("check_running",),
        ("is_running",),
        ("check_alarms",),
        ("check_local_alarms",),
        ("check_virtual_hosts",),
        ("check_port_connectivity",),
        ("check_protocol_listener", "amqp091"),
        ("check_protocol_listener", "management"),
        ("check_certificate_expiration", "--within", "3"),
        ("check_if_node_is_quorum_critical",),
        ("check_if_node_is_mirror_sync_critical",),
        ("node_health_check",),
        ("ping",),
        ("alarms",),
        ("listeners",),
        ("server_version",),
        ("memory_breakdown", "--unit", "mb"),
        ("list_node_auth_attempt_stats",),
        ("list_node_auth_attempt_stats", "--by-source"),
        ("tls_versions",),
        ("resolve_hostname", "localhost"),
        ("environment",),
        ("autocomplete", "check_"),
    ],
)
def test_all_is_well_with_a_broker_that_runs(ctl: Ctl, words: tuple[str, ...]) -> None:
    said = ctl(*words, program=DIAGNOSTICS)
    assert (said.status, said.err) == (0, "")
    assert said.out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("check_port_listener", "1"), "No listener for port 1 is active on node menura@localhost"),
        (("check_protocol_listener", "stomp"), "No listener for protocol stomp is active"),
        (("check_protocol_listener", "nonsense"), "Found listeners for the following protocols: amqp, http"),
    ],
)
def test_what_is_not_there_is_told_with_69(ctl: Ctl, words: tuple[str, ...], text: str) -> None:
    said = ctl(*words, program=DIAGNOSTICS)
    assert said.status == 69
    assert text in said.err


def test_alarms_are_told(broker: menura.Broker, ctl: Ctl) -> None:
    broker._call(lambda: broker.node.alarms.force("memory"))
    assert ctl("alarms", "-q").out == "Memory alarm on node menura@localhost\n"
    assert json.loads(ctl("alarms", "--formatter", "json").out)["alarms"] == ["memory"]
    assert [ctl(verb).status for verb in ("check_alarms", "check_local_alarms", "node_health_check")] == [69, 69, 69]


def test_policies_that_match_a_name(ctl: Ctl) -> None:
    ctl("set_policy", "low", "^a", '{"max-length":1}', "--priority", "1")
    ctl("set_policy", "high", "^ab", '{"max-length":1}', "--priority", "2", "--apply-to", "queues")
    ctl("set_policy", "others", "^ab", '{"alternate-exchange":"x"}', "--apply-to", "exchanges")
    assert ctl("list_policies_that_match", "abc", "-q").lines == ["high", "low"]
    assert ctl("list_policies_that_match", "x", "-q").lines == ["(none)"]


# -- rabbitmq-plugins --------------------------------------------------------------------------------------------------


def plugins(ctl: Ctl, *words: str) -> tuple[int, list[str], str]:
    said = ctl(*words, program=PLUGINS)
    return said.status, said.lines, said.err


def test_what_is_built_in_is_listed_as_enabled(ctl: Ctl) -> None:
    status, lines, _ = plugins(ctl, "list", "-e", "-m", "-q")
    assert (status, lines) == (0, sorted(BUILT_IN))
    assert plugins(ctl, "list", "-m", "-s", "mqtt")[1] == ["rabbitmq_mqtt", "rabbitmq_web_mqtt"]
    marks = {line[1:3] for line in plugins(ctl, "list", "-s")[1]}
    assert marks == {"E*", "  "}


def test_exchanges_that_are_plugins_elsewhere_are_built_in() -> None:
    kinds = {"x-consistent-hash", "x-delayed-message", "x-random", "x-recent-history"}
    assert kinds <= set(KINDS)
    assert {"rabbitmq_consistent_hash_exchange", "rabbitmq_delayed_message_exchange"} <= set(BUILT_IN)
    assert not set(BUILT_IN) & set(MISSING)


def test_enabling_passes_for_what_is_built_in_only(ctl: Ctl) -> None:
    status, lines, _ = plugins(ctl, "enable", "rabbitmq_management", "rabbitmq_mqtt")
    assert (status, lines[-1]) == (0, "Plugin configuration unchanged.")
    status, _, err = plugins(ctl, "enable", "rabbitmq_federation")
    assert (status, err) == (70, "Error:\nMenura has nothing in the place of rabbitmq_federation\n")
    status, _, err = plugins(ctl, "enable", "nonsense")
    assert (status, err) == (70, "Error:\n{:plugins_not_found, [:nonsense]}\n")


def test_nothing_can_be_disabled(ctl: Ctl) -> None:
    assert plugins(ctl, "disable", "rabbitmq_management")[0] == 70
    assert plugins(ctl, "disable", "rabbitmq_federation")[0] == 0


def test_whether_plugins_are_enabled(ctl: Ctl) -> None:
    assert plugins(ctl, "is_enabled", "rabbitmq_management", "rabbitmq_shovel")[0] == 0
    assert plugins(ctl, "is_enabled", "rabbitmq_management", "rabbitmq_federation")[0] == 69


def test_a_program_knows_its_own_verbs_only(ctl: Ctl) -> None:
    assert ctl("list_queues", program=PLUGINS).status == 64
    assert ctl("check_running", program=CTL).status == 64
    assert ctl("list", program=CTL).status == 64


# -- rabbitmq-queues ---------------------------------------------------------------------------------------------------


def test_a_quorum_queue_has_one_replica(ctl: Ctl) -> None:
    ctl("declare", "queue", "name=q", "queue_type=quorum")
    said = ctl("quorum_status", "q", program=QUEUES)
    assert (said.status, said.err) == (0, "")
    assert "menura@localhost" in said.out
    assert ctl("grow", "menura@localhost", "all", program=QUEUES).status == 64
