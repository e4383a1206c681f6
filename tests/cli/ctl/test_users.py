"""Users, permissions and limits from the command line."""

from __future__ import annotations

import io
import json

import pytest
from tests.cli.ctl.conftest import Ctl

import menura
from menura.core.passwords import matches


def test_a_user_is_made_tagged_listed_and_deleted(ctl: Ctl) -> None:
    said = ctl("add_user", "ann", "pw")
    assert said.lines[0] == 'Adding user "ann" ...'
    assert said.lines[1].startswith("Done.")
    assert ctl("set_user_tags", "ann", "management", "monitoring").lines == [
        'Setting tags for user "ann" to [management, monitoring] ...'
    ]
    assert ["ann", "[management, monitoring]"] in ctl("list_users").rows
    assert ctl("delete_user", "ann").status == 0
    assert "ann" not in ctl("list_users").out


def test_a_user_who_is_there_already_is_told_with_70(ctl: Ctl) -> None:
    assert ctl("add_user", "ann", "pw").status == 0
    said = ctl("add_user", "ann", "other")
    assert (said.status, said.err) == (70, 'Error:\nUser "ann" already exists\n')
    assert ctl("authenticate_user", "ann", "pw").status == 0


@pytest.mark.parametrize(
    "words", [["delete_user"], ["change_password", "pw"], ["set_user_tags", "x"], ["clear_password"]]
)
def test_a_user_who_is_not_there_is_told_with_67(ctl: Ctl, words: list[str]) -> None:
    verb, *rest = words
    said = ctl(verb, "nobody", *rest)
    assert (said.status, said.err) == (67, 'Error:\nUser "nobody" does not exist\n')


def test_a_password_is_changed_checked_and_cleared_and_tags_stay(ctl: Ctl) -> None:
    ctl("add_user", "ann", "first")
    ctl("set_user_tags", "ann", "monitoring")
    assert ctl("change_password", "ann", "second").status == 0
    assert ctl("authenticate_user", "ann", "second").lines == ['Authenticating user "ann" ...', "Success"]
    refused = ctl("authenticate_user", "ann", "first")
    assert refused.status == 65
    assert refused.err.splitlines()[1:] == [
        'Error: failed to authenticate user "ann"',
        "user 'ann' - invalid credentials",
    ]
    assert ctl("clear_password", "ann").status == 0
    assert ctl("authenticate_user", "ann", "second").status == 65
    assert ["ann", "[monitoring]"] in ctl("list_users").rows


def test_a_password_is_read_from_standard_input_where_it_is_not_given(
    ctl: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from outside\n"))
    assert ctl("add_user", "ann").status == 0
    assert ctl("authenticate_user", "ann", "from outside").status == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    said = ctl("add_user", "bob")
    assert (said.status, said.err) == (65, "Error:\nPassword is not provided via argument or stdin\n")


def test_a_user_may_come_with_a_hash(ctl: Ctl) -> None:
    hashed = ctl("hash_password", "secret", "-q").lines[-1]
    assert matches("secret", hashed)
    assert ctl("add_user", "ann", hashed, "--pre-hashed-password").status == 0
    assert ctl("authenticate_user", "ann", "secret").status == 0


def test_permissions_are_set_listed_and_cleared(ctl: Ctl) -> None:
    ctl("add_user", "ann", "pw")
    ctl("add_vhost", "v")
    assert ctl("set_permissions", "-p", "v", "ann", "^a", "^b", "").lines == [
        'Setting permissions for user "ann" in vhost "v" ...'
    ]
    assert ctl("list_permissions", "-p", "v").rows[1] == ["user", "configure", "write", "read"]
    assert ["ann", "^a", "^b", ""] in ctl("list_permissions", "-p", "v").rows
    assert ctl("list_user_permissions", "ann", "-q").rows == [
        ["vhost", "configure", "write", "read"],
        ["v", "^a", "^b", ""],
    ]
    assert ctl("clear_permissions", "-p", "v", "ann").status == 0
    assert "ann" not in ctl("list_permissions", "-p", "v").out


def test_permissions_for_all_virtual_hosts(ctl: Ctl) -> None:
    ctl("add_user", "ann", "pw")
    ctl("add_vhost", "v")
    assert ctl("set_permissions_globally", "ann", ".*", ".*", ".*").status == 0
    assert {row[0] for row in ctl("list_user_permissions", "ann", "-s").rows} == {"/", "v"}


def test_permissions_of_what_there_is_not(ctl: Ctl) -> None:
    said = ctl("set_permissions", "-p", "nowhere", "guest", ".*", ".*", ".*")
    assert (said.status, said.err) == (69, "Error:\nVirtual host nowhere does not exist\n")
    said = ctl("set_permissions", "nobody", ".*", ".*", ".*")
    assert (said.status, said.err) == (67, "Error:\nUser nobody does not exist\n")
    said = ctl("list_permissions", "-p", "nowhere")
    assert (said.status, said.err) == (65, "Virtual host 'nowhere' does not exist\n")
    assert ctl("set_permissions", "guest", "(", ".*", ".*").status == 69


def test_topic_permissions_are_set_listed_and_cleared(ctl: Ctl) -> None:
    assert ctl("set_topic_permissions", "guest", "amq.topic", "^w", "^r").status == 0
    assert ctl("list_topic_permissions", "-q").rows == [
        ["user", "exchange", "write", "read"],
        ["guest", "amq.topic", "^w", "^r"],
    ]
    assert ctl("list_user_topic_permissions", "guest", "-q").rows == [["/", "amq.topic", "^w", "^r"]]
    assert ctl("clear_topic_permissions", "guest", "amq.topic").status == 0
    assert ctl("list_topic_permissions", "-q").out == ""


def test_limits_of_a_user_are_set_listed_and_cleared(ctl: Ctl, broker: menura.Broker) -> None:
    assert ctl("set_user_limits", "guest", '{"max-connections":5,"max-channels":7}').status == 0
    assert json.loads(ctl("list_user_limits", "--user", "guest", "-q").out) == {"max-connections": 5, "max-channels": 7}
    assert ctl("list_user_limits", "--global", "-s").rows[0][0] == "guest"
    assert ctl("clear_user_limits", "guest", "max-channels").status == 0
    assert broker.node.users.get("guest").limits == {"max-connections": 5}
    assert ctl("clear_user_limits", "guest", "all").status == 0
    assert ctl("list_user_limits", "-q").out == "{}\n"


def test_json_that_is_none_is_told_with_69(ctl: Ctl) -> None:
    said = ctl("set_user_limits", "guest", "nonsense")
    assert (said.status, said.err) == (69, "Error:\nJSON decoding error. Reason: badarg\n")
