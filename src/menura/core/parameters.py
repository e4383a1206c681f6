"""Runtime parameters: what can be set while the broker runs and is kept as JSON under component and name.

Three components belong to virtual hosts: policies, operator policies (both `policies`) and limits. What has neither
component nor virtual host is a global parameter: a name and any value, for whoever reads it. Limits of users are kept
with the user.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from menura.core.definitions import Definitions, ParameterDefinition
from menura.core.errors import NotFound, PreconditionFailed
from menura.core.policies import OPERATOR_POLICY, POLICY, policy
from menura.core.policy_rules import Faults, faults, require
from menura.core.terms import term

if TYPE_CHECKING:
    from menura.core.node import Node

VHOST_LIMITS = "vhost-limits"
_THE_LIMITS = "limits"


class Parameters:
    """All parameters of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.globals: dict[str, Any] = {}

    def set(self, component: str, name: str, value: Any, vhost: str) -> None:
        """Set a parameter of a virtual host, but for policies, which have a verb of their own."""
        if component == POLICY:
            raise PreconditionFailed("policies may not be set using this method")
        where = self._node.vhost(vhost)
        if component == OPERATOR_POLICY:
            where.policies.set(name, value, operator=True)
        elif component == VHOST_LIMITS:
            require(name, value, _VHOST_LIMITS, optional=_VHOST_LIMITS)
            self._put(ParameterDefinition(vhost, VHOST_LIMITS, _THE_LIMITS, json.dumps(value)))
            where.limits = dict(value)
        else:
            raise PreconditionFailed(f"Validation failed\n\ncomponent {component} not found\n")

    def clear(self, component: str, name: str, vhost: str) -> None:
        if component == POLICY:
            raise PreconditionFailed("policies may not be cleared using this method")
        where = self._node.vhost(vhost)
        if component == OPERATOR_POLICY:
            where.policies.clear(name, operator=True)
        elif component == VHOST_LIMITS and where.limits:
            self._delete(ParameterDefinition(vhost, VHOST_LIMITS, _THE_LIMITS))
            where.limits = {}
        else:
            raise NotFound("Parameter does not exist")

    def set_global(self, name: str, value: Any) -> None:
        self._put(ParameterDefinition("", "", name, json.dumps(value)))
        self.globals[name] = value

    def clear_global(self, name: str) -> None:
        if name not in self.globals:
            raise NotFound("Parameter does not exist")
        del self.globals[name]
        self._delete(ParameterDefinition("", "", name))

    def set_user_limits(self, name: str, limits: Mapping[str, Any]) -> None:
        """Set those limits of a user that are named, and leave the others."""
        wrong = faults("user-limits", limits, _USER_LIMITS, optional=_USER_LIMITS)
        if wrong:
            raise PreconditionFailed("\n".join(wrong))
        users = self._node.users
        users.limit(name, {**users.get(name).limits, **limits})

    def clear_user_limits(self, name: str, which: str = "all") -> None:
        users = self._node.users
        users.limit(name, {key: limit for key, limit in users.get(name).limits.items() if which not in (key, "all")})

    def restore(self, definitions: Definitions) -> None:
        """Make what a catalog has."""
        for vhost, component, name, value in definitions.parameters:
            if component in (POLICY, OPERATOR_POLICY):
                operator = component == OPERATOR_POLICY
                self._node.vhost(vhost).policies.add(
                    policy(name, json.loads(value), operator=operator), operator=operator
                )
            elif component == VHOST_LIMITS:
                self._node.vhost(vhost).limits = json.loads(value)
            elif not component:
                self.globals[name] = json.loads(value)

    def _put(self, definition: ParameterDefinition) -> None:
        self._tell("parameter.set", definition, value=json.loads(definition.value))
        if self._node.keeper is not None:
            self._node.keeper.catalog.put(definition)

    def _tell(self, event: str, definition: ParameterDefinition, **more: Any) -> None:
        vhost, component, name, *_ = definition
        where = {"vhost": vhost} if vhost else {}
        self._node.events.tell_all(event, {"name": name, "component": component or "global", **where, **more})

    def _delete(self, definition: ParameterDefinition) -> None:
        self._tell("parameter.cleared", definition)
        if self._node.keeper is not None:
            self._node.keeper.catalog.delete(definition)


# -- limits ------------------------------------------------------------------------------------------------------


def _whole(name: str) -> Callable[[Any], Faults]:
    def check(value: Any) -> Faults:
        if isinstance(value, int) and not isinstance(value, bool):
            return []
        return [f"{name} should be a number, actually was {term(value)}"]

    return check


_VHOST_LIMITS = {name: _whole(name) for name in ("max-connections", "max-queues")}
_USER_LIMITS = {name: _whole(name) for name in ("max-connections", "max-channels")}
