"""rabbitmq-plugins: what other brokers have as plugins is part of Menura, or is not there. Nothing can be switched."""

from __future__ import annotations

import re

from menura.cli.ctl.arguments import FLAG
from menura.cli.ctl.errors import SOFTWARE, UNAVAILABLE, CtlError
from menura.cli.ctl.formats import Facts
from menura.cli.ctl.verbs import PLUGINS, Call, verb

_GROUP = "Plugin Management"
BUILT_IN = (
    "rabbitmq_auth_mechanism_ssl",
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_delayed_message_exchange",
    "rabbitmq_event_exchange",
    "rabbitmq_management",
    "rabbitmq_management_agent",
    "rabbitmq_mqtt",
    "rabbitmq_prometheus",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_shovel",
    "rabbitmq_shovel_management",
    "rabbitmq_stomp",
    "rabbitmq_web_dispatch",
    "rabbitmq_web_mqtt",
    "rabbitmq_web_stomp",
)
MISSING = (
    "rabbitmq_amqp1_0",
    "rabbitmq_auth_backend_cache",
    "rabbitmq_auth_backend_http",
    "rabbitmq_auth_backend_ldap",
    "rabbitmq_auth_backend_oauth2",
    "rabbitmq_federation",
    "rabbitmq_federation_management",
    "rabbitmq_jms_topic_exchange",
    "rabbitmq_sharding",
    "rabbitmq_stream",
    "rabbitmq_stream_management",
    "rabbitmq_top",
    "rabbitmq_tracing",
    "rabbitmq_trust_store",
)
_LIST_OPTIONS = {
    "verbose": FLAG,
    "minimal": FLAG,
    "enabled": FLAG,
    "implicitly-enabled": FLAG,
}
_LIST_SHORT = {"v": "verbose", "m": "minimal", "e": "enabled", "E": "enabled"}


@verb(
    "list",
    _GROUP,
    "Lists plugins and their state",
    "[pattern] [--verbose] [--minimal] [--enabled] [--implicitly-enabled]",
    (0, 1),
    options=_LIST_OPTIONS,
    short=_LIST_SHORT,
    programs=(PLUGINS,),
)
def list_plugins(call: Call) -> Facts:
    pattern = call.argument(0, ".*")
    call.info(f'Listing plugins with pattern "{pattern}" ...')
    options = call.options
    only = options.get("enabled") or options.get("implicitly-enabled")
    names = [name for name in sorted(BUILT_IN if only else BUILT_IN + MISSING) if _fits(pattern, name)]
    version = str(call.client.get("/overview")["rabbitmq_version"])
    value = {
        "format": "minimal" if options.get("minimal") else "normal",
        "plugins": [
            {
                "name": name,
                "version": version,
                "enabled": "enabled" if name in BUILT_IN else "not_enabled",
                "running": name in BUILT_IN,
                "running_version": version if name in BUILT_IN else None,
            }
            for name in names
        ],
    }
    if options.get("minimal"):
        return Facts("\n".join(names), value)
    width = max(map(len, names), default=0)
    legend = [
        " Configured: E = explicitly enabled; e = implicitly enabled",
        f" | Status: * = running on {call.node}",
        " |/",
    ]
    lines = [f"[{'E*' if name in BUILT_IN else '  '}] {name.ljust(width)} {version}" for name in names]
    return Facts("\n".join(([] if call.options.get("silent") else legend) + lines), value)


def _fits(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise CtlError(SOFTWARE, f"{pattern} is no regular expression: {error}") from None


def _require_built_in(names: list[str]) -> None:
    if unknown := [name for name in names if name not in BUILT_IN + MISSING]:
        raise CtlError(SOFTWARE, f"{{:plugins_not_found, [{', '.join(f':{name}' for name in unknown)}]}}")
    if missing := [name for name in names if name in MISSING]:
        raise CtlError(SOFTWARE, f"Menura has nothing in the place of {', '.join(missing)}")


@verb(
    "enable",
    _GROUP,
    "Passes for what is built in, and fails for all else",
    "<plugin1> [ <plugin2>] | --all [--offline] [--online]",
    (0, None),
    options={"all": FLAG},
    programs=(PLUGINS,),
)
def enable(call: Call) -> str:
    names = list(BUILT_IN) if call.options.get("all") else call.arguments
    call.info(f"Enabling plugins on node {call.node}:")
    for name in names:
        call.info(name)
    _require_built_in(names)
    configured = "\n".join(f"  {name}" for name in sorted(BUILT_IN))
    return (
        f"The following plugins have been configured:\n{configured}\n"
        f"Applying plugin configuration to {call.node}...\nPlugin configuration unchanged."
    )


@verb("set", _GROUP, "Passes for what is built in", "<plugin1> [ <plugin2>]", (0, None), programs=(PLUGINS,))
def set_plugins(call: Call) -> str:
    return enable(call)  # type: ignore[return-value]


@verb(
    "disable",
    _GROUP,
    "Fails for what is built in, which cannot be switched off",
    "<plugin1> [ <plugin2>] | --all",
    (0, None),
    options={"all": FLAG},
    programs=(PLUGINS,),
)
def disable(call: Call) -> str:
    names = list(BUILT_IN) if call.options.get("all") else call.arguments
    call.info(f"Disabling plugins on node {call.node}:")
    for name in names:
        call.info(name)
    if built_in := [name for name in names if name in BUILT_IN]:
        why = "is built into Menura and stays on; open no listener for what is not wanted"
        raise CtlError(SOFTWARE, f"{', '.join(built_in)} {why}")
    return "Plugin configuration unchanged."


@verb(
    "is_enabled",
    "Monitoring, observability and health checks",
    "Fails unless all of these are built in",
    "<plugin1> [ <plugin2>]",
    (1, None),
    programs=(PLUGINS,),
)
def is_enabled(call: Call) -> str:
    names = call.arguments
    plural = "s" if len(names) > 1 else ""
    listed, are = ", ".join(names), "are" if plural else "is"
    call.info(f"Asking node {call.node} if plugin{plural} {listed} {are} enabled...")
    missing = [name for name in names if name not in BUILT_IN]
    if missing:
        raise CtlError(
            UNAVAILABLE,
            f"Plugin{'s' * (len(missing) > 1)} {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} not enabled "
            f"on node {call.node}. Enabled plugins and dependencies: {', '.join(BUILT_IN)}",
        )
    return f"Plugin{plural} {listed} {are} enabled on node {call.node}"


@verb(
    "directories",
    "Monitoring, observability and health checks",
    "There are none: nothing is loaded from elsewhere",
    programs=(PLUGINS,),
)
def directories(call: Call) -> str:
    call.info(f"Listing plugin directories used by node {call.node}")
    places = ("Plugin archives directory", "Plugin expansion directory", "Enabled plugins file")
    return "\n".join(f"{place}: (built in)" for place in places)
