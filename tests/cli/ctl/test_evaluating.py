"""The expressions of Erlang that other projects' tests evaluate."""

from __future__ import annotations

import pytest
from tests.cli.ctl.conftest import Ctl, channel, eventually

import menura


@pytest.mark.parametrize("resource", ["memory", "disk"])
def test_an_alarm_is_forced_and_ended(broker: menura.Broker, ctl: Ctl, resource: str) -> None:
    force = f"rabbit_alarm:set_alarm({{{{resource_limit, {resource}, node()}}, []}})."
    release = f"rabbit_alarm:clear_alarm({{resource_limit, {resource}, node()}})."
    with channel(broker) as ch:
        blocked: list[str] = []
        ch.connection.add_on_connection_blocked_callback(lambda _, method: blocked.append(method.method.reason))
        ch.queue_declare("q")
        assert ctl("eval", force).out == "ok\n"
        try:
            assert broker.node.alarms.short == {resource: None}
            ch.basic_publish("", "q", b"waits")
            eventually(lambda: ch.connection.process_data_events(0.05) or blocked)
            assert blocked == [f"low on {resource}"]
            assert ctl("list_queues", "-s").lines == ["q\t0"]
        finally:
            assert ctl("eval", release).out == "ok\n"
        eventually(lambda: ctl("list_queues", "-s").lines == ["q\t1"])


def test_a_forced_alarm_stays_whatever_is_measured(broker: menura.Broker, ctl: Ctl) -> None:
    ctl("eval", "rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []}).")
    broker._call(lambda: broker.node.alarms.set("disk", False))
    assert broker.node.alarms.blocked


def test_channels_of_new_connections_are_limited(broker: menura.Broker, ctl: Ctl) -> None:
    assert ctl("eval", "application:set_env(rabbit, channel_max, 7).").out == "ok\n"
    assert ctl("eval", "application:get_env(rabbit, channel_max).").out == "{ok,7}\n"
    with channel(broker) as ch:
        assert ch.connection._impl.params.channel_max == 7


def test_who_may_come_from_this_machine_only_is_set(broker: menura.Broker, ctl: Ctl) -> None:
    ask = "{ok, V} = application:get_env(rabbit, loopback_users), V."
    for users, names in (('[<<"ann">>,<<"bob">>]', {"ann", "bob"}), ("[]", set()), ('[<<"guest">>]', {"guest"})):
        assert ctl("eval", f"application:set_env(rabbit, loopback_users, {users}).").out == "ok\n"
        assert broker.node.logins.loopback_users == names
        assert ctl("eval", ask).out == users + "\n"


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("application:get_env(rabbit, loopback_users).", '{ok,[<<"guest">>]}'),
        ("1 + 1.", "2"),
        ("node().", "'menura@localhost'"),
        ("rabbit_misc:version().", '"4.2.0"'),
        ("application:get_env(rabbit, nothing_here).", "undefined"),
        (
            "supervisor2:terminate_child(rabbit_mgmt_sup_sup, rabbit_mgmt_sup), "
            "application:set_env(rabbitmq_management,       sample_retention_policies, [{global, [{605, 1}]}]), "
            "rabbit_mgmt_sup_sup:start_child().",
            "ok",
        ),
    ],
)
def test_what_is_known_is_answered(ctl: Ctl, expression: str, answer: str) -> None:
    assert ctl("eval", expression).out == answer + "\n"


def test_what_is_not_known_is_refused(ctl: Ctl) -> None:
    said = ctl("eval", 'os:cmd("touch /tmp/x").')
    assert (said.status, said.out) == (64, "")
    assert "there is no Erlang here" in said.err
