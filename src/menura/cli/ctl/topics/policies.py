"""Policies, operator policies, runtime parameters and global ones."""

from __future__ import annotations

from menura.cli.ctl.arguments import TEXT, WHOLE, parse_json
from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import UNAVAILABLE, CtlError
from menura.cli.ctl.formats import Table, compact
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, Call, verb

_POLICIES = "Policies"
_PARAMETERS = "Parameters"
_SEEN = (CTL, DIAGNOSTICS)
_OPTIONS = {"priority": WHOLE, "apply-to": TEXT}
_SET_USAGE = "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>"
_COLUMNS = ("vhost", "name", "pattern", "apply-to", "definition", "priority")


def _set(call: Call, what: str, kind: str) -> None:
    name, pattern, definition = call.arguments
    priority = call.options.get("priority", 0)
    call.info(
        f'Setting {what} "{name}" for pattern "{pattern}" to "{definition}" with priority "{priority}" '
        f'for vhost "{call.vhost}" ...'
    )
    apply_to = call.options.get("apply-to", "queues" if kind == "operator-policies" else "all")
    value = {"pattern": pattern, "definition": parse_json(definition), "priority": priority, "apply-to": apply_to}
    call.client.put(path(kind, call.vhost, name), value)


def _clear(call: Call, where: str) -> None:
    try:
        call.client.delete(where)
    except HttpFailure as failure:
        if failure.http_status != 404:
            raise
        raise CtlError(UNAVAILABLE, "Parameter does not exist") from None


def _list(call: Call, kind: str) -> Table:
    found = call.client.get(path(kind, call.vhost))
    rows = [[compact(each[name]) if name == "definition" else each[name] for name in _COLUMNS] for each in found]
    return Table(_COLUMNS, rows)


@verb("set_policy", _POLICIES, "Sets or updates a policy", _SET_USAGE, 3, options=_OPTIONS)
def set_policy(call: Call) -> None:
    _set(call, "policy", "policies")


@verb("clear_policy", _POLICIES, "Clears (removes) a policy", "[--vhost <vhost>] <name>", 1)
def clear_policy(call: Call) -> None:
    call.info(f'Clearing policy "{call.argument(0)}" on vhost "{call.vhost}" ...')
    _clear(call, path("policies", call.vhost, call.argument(0)))


_LIST_USAGE = "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]"


@verb("list_policies", _POLICIES, "Lists all policies in a virtual host", _LIST_USAGE, programs=_SEEN)
def list_policies(call: Call) -> Table:
    call.info(f'Listing policies for vhost "{call.vhost}" ...')
    return _list(call, "policies")


@verb(
    "set_operator_policy",
    _POLICIES,
    "Sets an operator policy that overrides a subset of arguments in user policies",
    _SET_USAGE,
    3,
    options=_OPTIONS,
)
def set_operator_policy(call: Call) -> None:
    _set(call, "operator policy override", "operator-policies")


@verb("clear_operator_policy", _POLICIES, "Clears an operator policy", "[--vhost <vhost>] <name>", 1)
def clear_operator_policy(call: Call) -> None:
    call.info(f'Clearing operator policy "{call.argument(0)}" on vhost "{call.vhost}" ...')
    _clear(call, path("operator-policies", call.vhost, call.argument(0)))


@verb(
    "list_operator_policies",
    _POLICIES,
    "Lists operator policy overrides for a virtual host",
    _LIST_USAGE,
    programs=_SEEN,
)
def list_operator_policies(call: Call) -> Table:
    call.info(f'Listing operator policy overrides for vhost "{call.vhost}" ...')
    return _list(call, "operator-policies")


# -- parameters --------------------------------------------------------------------------------------------------


@verb(
    "set_parameter",
    _PARAMETERS,
    "Sets a runtime parameter",
    "[--vhost <vhost>] <component_name> <name> <value>",
    3,
)
def set_parameter(call: Call) -> None:
    component, name, value = call.arguments
    call.info(
        f'Setting runtime parameter "{name}" for component "{component}" to "{value}" in vhost "{call.vhost}" ...'
    )
    body = {"component": component, "vhost": call.vhost, "name": name, "value": parse_json(value)}
    call.client.put(path("parameters", component, call.vhost, name), body)


@verb(
    "clear_parameter",
    _PARAMETERS,
    "Clears a runtime parameter",
    "[--vhost <vhost>] <component_name> <name>",
    2,
)
def clear_parameter(call: Call) -> None:
    component, name = call.arguments
    call.info(f'Clearing runtime parameter "{name}" for component "{component}" on vhost "{call.vhost}" ...')
    _clear(call, path("parameters", component, call.vhost, name))


@verb(
    "list_parameters",
    _PARAMETERS,
    "Lists runtime parameters for a virtual host",
    _LIST_USAGE,
    programs=_SEEN,
)
def list_parameters(call: Call) -> Table:
    call.info(f'Listing runtime parameters for vhost "{call.vhost}" ...')
    found = [each for each in call.client.get("/parameters") if each["vhost"] == call.vhost]
    rows = [(each["component"], each["name"], compact(each["value"])) for each in found]
    return Table(("component", "name", "value"), rows)


@verb("set_global_parameter", _PARAMETERS, "Sets a global runtime parameter", "<name> <value>", 2)
def set_global_parameter(call: Call) -> None:
    name, value = call.arguments
    call.info(f'Setting global runtime parameter "{name}" to "{value}" ...')
    call.client.put(path("global-parameters", name), {"name": name, "value": parse_json(value)})


@verb("clear_global_parameter", _PARAMETERS, "Clears a global runtime parameter", "<name>", 1)
def clear_global_parameter(call: Call) -> None:
    call.info(f'Clearing global runtime parameter "{call.argument(0)}" ...')
    _clear(call, path("global-parameters", call.argument(0)))


@verb("list_global_parameters", _PARAMETERS, "Lists global runtime parameters", "[--no-table-headers]", programs=_SEEN)
def list_global_parameters(call: Call) -> Table:
    call.info("Listing global runtime parameters ...")
    rows = [(each["name"], compact(each["value"])) for each in call.client.get("/global-parameters")]
    return Table(("name", "value"), rows)
