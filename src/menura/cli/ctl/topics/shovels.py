"""Shovels: what they do, and their end. They are set with `set_parameter shovel NAME DEFINITION`."""

from __future__ import annotations

from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import UNAVAILABLE, CtlError
from menura.cli.ctl.formats import Table
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, Call, verb

_GROUP = "Shovels"
_COLUMNS = (
    *("vhost", "name", "type", "state", "reason", "src_uri", "src_queue", "src_exchange", "dest_uri", "dest_queue"),
    *("dest_exchange", "forwarded", "pending", "remaining", "timestamp"),
)


@verb(
    "shovel_status",
    _GROUP,
    "Displays what the shovels do",
    "[--vhost <vhost>] [<column> ...]",
    (0, None),
    columns=_COLUMNS,
    usual=("vhost", "name", "state", "src_uri", "dest_uri", "reason"),
    programs=(CTL, DIAGNOSTICS),
)
def shovel_status(call: Call) -> Table:
    call.info(f"Shovel status on node {call.node}")
    where = path("shovels", call.vhost) if "vhost" in call.options else "/shovels"
    return call.table({name: shovel.get(name) for name in _COLUMNS} for shovel in call.client.get(where))


def _change(call: Call, method: str, *more: str) -> None:
    name = call.argument(0)
    try:
        call.client.call(method, path("shovels", "vhost", call.vhost, name, *more))
    except HttpFailure as failure:
        if failure.http_status != 404:
            raise
        raise CtlError(UNAVAILABLE, f"Shovel with the given name was not found in vhost {call.vhost}") from None


@verb("delete_shovel", _GROUP, "Deletes a shovel", "[--vhost <vhost>] <name>", 1)
def delete_shovel(call: Call) -> None:
    call.info(f"Deleting shovel {call.argument(0)} in vhost {call.vhost}")
    _change(call, "DELETE")


@verb("restart_shovel", _GROUP, "Begins a shovel anew, without waiting for its delay", "[--vhost <vhost>] <name>", 1)
def restart_shovel(call: Call) -> None:
    call.info(f"Restarting shovel {call.argument(0)} in vhost {call.vhost}")
    _change(call, "DELETE", "restart")
