"""Virtual hosts: what they are called, their limits, whether they are traced."""

from __future__ import annotations

from typing import Any

from menura.cli.ctl.arguments import FLAG, TEXT, parse_json
from menura.cli.ctl.client import path
from menura.cli.ctl.errors import DATA, CtlError
from menura.cli.ctl.formats import Table, compact
from menura.cli.ctl.terms import Arguments, Tags
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, Call, verb

_GROUP = "Virtual hosts"
_SEEN = (CTL, DIAGNOSTICS)
_KEYS = ("name", "tracing", "cluster_state", "description", "tags", "default_queue_type", "protected_from_deletion")


def _vhost(call: Call, name: str) -> dict[str, Any]:
    found = call.client.find(path("vhosts", name))
    if found is None:
        raise CtlError(DATA, f"Virtual host '{name}' does not exist", bare=True)
    return dict(found)


def _said(call: Call) -> dict[str, Any]:
    """What the options say of a virtual host."""
    options = call.options
    said = {key: options[name] for name, key in _DETAILS.items() if name in options}
    if "tags" in options:
        said["tags"] = "".join(options["tags"].split())
    return said


_DETAILS = {"description": "description", "default-queue-type": "default_queue_type"}
_OPTIONS = {"description": TEXT, "tags": TEXT, "default-queue-type": TEXT, "protected-from-deletion": FLAG}


@verb(
    "add_vhost",
    _GROUP,
    "Creates a virtual host",
    '<vhost> [--description <description> --tags "<tag1>,<tag2>,<...>" --default-queue-type <classic | quorum>]',
    1,
    options=_OPTIONS,
)
def add_vhost(call: Call) -> None:
    name = call.argument(0)
    call.info(f'Adding vhost "{name}" ...')
    call.client.put(path("vhosts", name), _said(call))
    if call.options.get("protected-from-deletion"):
        call.client.post(path("vhosts", name, "deletion", "protection"))


@verb(
    "update_vhost_metadata",
    _GROUP,
    "Updates metadata (tags, description, default queue type) of a virtual host",
    '<vhost> [--description <description>] [--tags "<tag1>,<tag2>,<...>"] [--default-queue-type <type>]',
    1,
    options=_OPTIONS,
)
def update_vhost_metadata(call: Call) -> None:
    name = call.argument(0)
    call.info(f'Updating metadata of vhost "{name}" ...')
    _vhost(call, name)
    call.client.put(path("vhosts", name), _said(call))


@verb("set_vhost_tags", _GROUP, "Sets virtual host tags", "<vhost> <tag> [<tag> ...]", (1, None))
def set_vhost_tags(call: Call) -> None:
    name, *tags = call.arguments
    call.info(f'Setting tags for virtual host "{name}" to [{", ".join(tags)}] ...')
    _vhost(call, name)
    call.client.put(path("vhosts", name), {"tags": ",".join(tags)})


@verb("delete_vhost", _GROUP, "Deletes a virtual host with all that is in it", "<vhost>", 1)
def delete_vhost(call: Call) -> None:
    name = call.argument(0)
    call.info(f'Deleting vhost "{name}" ...')
    _vhost(call, name)
    call.client.delete(path("vhosts", name))


@verb("enable_vhost_deletion_protection", _GROUP, "Protects a virtual host from being deleted", "<vhost>", 1)
def enable_vhost_deletion_protection(call: Call) -> None:
    name = call.argument(0)
    call.info(f'Protecting vhost "{name}" from deletion ...')
    _vhost(call, name)
    call.client.post(path("vhosts", name, "deletion", "protection"))


@verb("disable_vhost_deletion_protection", _GROUP, "Lets a virtual host be deleted again", "<vhost>", 1)
def disable_vhost_deletion_protection(call: Call) -> None:
    name = call.argument(0)
    call.info(f'Removing the protection of vhost "{name}" from deletion ...')
    _vhost(call, name)
    call.client.delete(path("vhosts", name, "deletion", "protection"))


@verb(
    "list_vhosts",
    "Access Control",
    "Lists virtual hosts",
    "[--no-table-headers] [<column> ...] [--timeout <timeout>]",
    (0, None),
    columns=(*_KEYS, "metadata"),
    usual=("name",),
    programs=_SEEN,
)
def list_vhosts(call: Call) -> Table:
    call.info("Listing vhosts ...")
    return call.table([_row(vhost) for vhost in call.client.get("/vhosts")])


def _row(vhost: dict[str, Any]) -> dict[str, Any]:
    metadata = vhost.get("metadata") or {}
    tags = vhost.get("tags", metadata.get("tags", ()))
    row = {key: vhost.get(key, metadata.get(key)) for key in _KEYS}
    type_ = row["default_queue_type"]
    return {
        **row,
        "cluster_state": Arguments(vhost.get("cluster_state") or {}),
        "tags": Tags(tags if isinstance(tags, list) else filter(None, (tags or "").split(","))),
        "default_queue_type": None if type_ == "undefined" else type_,
        "metadata": Arguments(metadata),
    }


@verb("restart_vhost", _GROUP, "Restarts a failed virtual host; here none fails alone", "[--vhost <vhost>]")
def restart_vhost(call: Call) -> str:
    call.info(f"Trying to restart vhost '{call.vhost}' on node '{call.node}' ...")
    _vhost(call, call.vhost)
    return f"Vhost '{call.vhost}' is already running on node '{call.node}'"


@verb("trace_on", _GROUP, "Copies all that clients publish and get to amq.rabbitmq.trace", "[--vhost <vhost>]")
def trace_on(call: Call) -> str:
    call.info(f'Starting tracing for vhost "{call.vhost}" ...')
    _trace(call, True)
    return f"Trace enabled for vhost {call.vhost}"


@verb("trace_off", _GROUP, "Ends what trace_on began", "[--vhost <vhost>]")
def trace_off(call: Call) -> str:
    call.info(f'Stopping tracing for vhost "{call.vhost}" ...')
    _trace(call, False)
    return f"Trace disabled for vhost {call.vhost}"


def _trace(call: Call, on: bool) -> None:
    _vhost(call, call.vhost)
    call.client.put(path("vhosts", call.vhost), {"tracing": on})


# -- limits ------------------------------------------------------------------------------------------------------


@verb("set_vhost_limits", _GROUP, "Sets virtual host limits", "[--vhost <vhost>] <definition>", 1)
def set_vhost_limits(call: Call) -> None:
    definition = call.argument(0)
    call.info(f'Setting vhost limits to "{definition}" for vhost "{call.vhost}" ...')
    limits = dict(parse_json(definition))
    for name in {"max-connections", "max-queues"} - set(limits):
        call.client.delete(path("vhost-limits", call.vhost, name))
    for name, value in limits.items():
        call.client.put(path("vhost-limits", call.vhost, name), {"value": value})


@verb("clear_vhost_limits", _GROUP, "Clears virtual host limits", "[--vhost <vhost>]")
def clear_vhost_limits(call: Call) -> None:
    call.info(f'Clearing vhost "{call.vhost}" limits ...')
    for each in call.client.get(path("vhost-limits", call.vhost)):
        for name in each["value"]:
            call.client.delete(path("vhost-limits", call.vhost, name))


@verb(
    "list_vhost_limits",
    _GROUP,
    "Displays configured virtual host limits",
    "[--vhost <vhost>] [--global] [--no-table-headers]",
    options={"global": FLAG},
    programs=_SEEN,
)
def list_vhost_limits(call: Call) -> Table | str | None:
    if call.options.get("global"):
        call.info("Listing limits for all vhosts ...")
        found = call.client.get("/vhost-limits")
        return Table(("vhost", "limits"), [(each["vhost"], compact(each["value"])) for each in found])
    call.info(f'Listing limits for vhost "{call.vhost}" ...')
    found = call.client.get(path("vhost-limits", call.vhost))
    return compact(found[0]["value"]) if found and found[0]["value"] else None
