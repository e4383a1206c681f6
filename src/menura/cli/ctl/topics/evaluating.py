"""`eval`: no Erlang runs here, but the few expressions that other projects' tests need are understood.

They force an alarm and end it, set how many channels a connection may have, and ask for a setting. What makes
RabbitMQ's statistics appear sooner is accepted. Everything else is refused, instead of being taken for done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from menura.cli.ctl.errors import CtlError, UsageError
from menura.cli.ctl.state import node_state
from menura.cli.ctl.verbs import Call, verb

_GROUP = "Operations"


def _force(call: Call, resource: str) -> str:
    call.client.post("/menura/node/alarm", {"resource": resource, "short": True})
    return "ok"


def _release(call: Call, resource: str) -> str:
    call.client.post("/menura/node/alarm", {"resource": resource, "short": False})
    return "ok"


def _set_channels(call: Call, value: str) -> str:
    call.client.post("/menura/node/channels-max", {"value": int(value)})
    return "ok"


def _channels(call: Call) -> str:
    return f"{{ok,{node_state(call)['channels_max']}}}"


def _loopback_users(call: Call) -> str:
    return f"{{ok,{_loopback_list(call)}}}"


def _loopback_list(call: Call) -> str:
    return "[" + ",".join(f"<<{json.dumps(name)}>>" for name in node_state(call)["loopback_users"]) + "]"


def _set_loopback_users(call: Call, listed: str) -> str:
    call.client.post("/menura/node/loopback-users", {"users": re.findall(r'<<"([^"]*)">>', listed)})
    return "ok"


def _version(call: Call) -> str:
    return json.dumps(node_state(call)["product_version"])


def _node(call: Call) -> str:
    return f"'{call.node}'"


def _nothing(call: Call, *_: str) -> str:
    return "ok"


def _not_set(call: Call, *_: str) -> str:
    return "undefined"


def _sum(call: Call, left: str, right: str) -> str:
    return str(int(left) + int(right))


_MEMORY_OR_DISK = r"(memory|disk)"
# Expressions without their blanks, and what they do with the parts in parentheses.
_KNOWN: list[tuple[str, Callable[..., str]]] = [
    (rf"rabbit_alarm:set_alarm\({{{{resource_limit,{_MEMORY_OR_DISK},node\(\)}},\[\]}}\)", _force),
    (rf"rabbit_alarm:clear_alarm\({{resource_limit,{_MEMORY_OR_DISK},node\(\)}}\)", _release),
    (r"application:set_env\(rabbit,channel_max,(\d{1,5})\)", _set_channels),
    (r"application:get_env\(rabbit,channel_max\)", _channels),
    (r"application:get_env\(rabbit,loopback_users\)", _loopback_users),
    (r"{ok,V}=application:get_env\(rabbit,loopback_users\),V", _loopback_list),
    (r'application:set_env\(rabbit,loopback_users,(\[(?:<<"[^"\\]*">>,?)*\])\)', _set_loopback_users),
    (r"application:get_env\(rabbit,(\w+)\)", _not_set),
    (r"rabbit_misc:version\(\)", _version),
    (r"node\(\)", _node),
    (r"(\d{1,15})\+(\d{1,15})", _sum),
    # How long statistics are kept, and how often they are taken.
    (
        r"supervisor2:terminate_child\((rabbit_mgmt_sup_sup|rabbit_mgmt_agent_sup_sup),.*sample_retention_policies"
        r".*start_child\(\)",
        _nothing,
    ),
    (
        r"application:set_env\((rabbitmq_management|rabbitmq_management_agent|rabbit),"
        r"(sample_retention_policies|rates_mode|collect_statistics|collect_statistics_interval),.*\)",
        _nothing,
    ),
]


@verb("eval", _GROUP, "Understands a few expressions of Erlang that other projects' tests need", "<expression>", (0, 1))
def evaluate(call: Call) -> str:
    expression = call.argument(0)
    if not expression:
        raise UsageError("Expression is blank")
    bare = re.sub(r"\s+", "", expression).removesuffix(".")
    for pattern, answer in _KNOWN:
        if found := re.fullmatch(pattern, bare):
            return answer(call, *found.groups())
    raise CtlError(64, f"eval is not supported but for a few known expressions: there is no Erlang here.\n{expression}")
