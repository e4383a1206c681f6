"""Runtime parameters: what can be set while the broker runs and is kept as JSON under component and name.

Three components belong to virtual hosts: policies, operator policies (both `policies`) and limits. Others are
registered by whoever acts on them, as a `Component`; what is kept of one that nobody has registered waits for that.
What has neither component nor virtual host is a global parameter: a name and any value, for whoever reads it. Limits of
users are kept with the user.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from menura.core.definitions import Definitions, ParameterDefinition
from menura.core.errors import NotFound, PreconditionFailed
from menura.core.policies import OPERATOR_POLICY, POLICY, kept_policy
from menura.core.policy_rules import Faults, faults, refuse, require
from menura.core.restoring import RANKED
from menura.core.steps import Steps, finish
from menura.core.terms import term

if TYPE_CHECKING:
    from menura.core.node import Node

VHOST_LIMITS = "vhost-limits"
_THE_LIMITS = "limits"


class Component(Protocol):
    """Who checks the parameters of a component, and acts on them."""

    def faults(self, name: str, value: Any, user: str | None) -> Faults:
        """What is wrong with a value; `user` is who sets it, where that is known."""

    def completed(self, value: Any, before: Any) -> Any:
        """What is to be kept of a value in order; `before` is what was kept under the name, or None."""

    def shown(self, value: Any) -> Any:
        """A value without its secrets."""

    def changed(self, vhost: str, name: str, value: Any) -> None:
        """There is a parameter, or another value of it."""

    def cleared(self, vhost: str, name: str) -> None:
        """There is none of that name any more."""


class Parameter(NamedTuple):
    vhost: str
    component: str
    name: str
    value: Any


class Unfit(NamedTuple):
    """A parameter that is kept and has no effect, as it is not valid (any more), and why."""

    vhost: str
    component: str
    name: str
    fault: str

    def __str__(self) -> str:
        where = f" in virtual host '{self.vhost}'" if self.vhost else ""
        what = self.component.replace("_", " ") or "global parameter"
        return f"{what} '{self.name}'{where} is kept, but has no effect: {self.fault}. Set it anew, or delete it."


class Parameters:
    """All parameters of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._components: dict[str, Component] = {}
        self._values: dict[tuple[str, str, str], Any] = {}  # by virtual host, component and name
        self.globals: dict[str, Any] = {}

    # -- components that are registered --------------------------------------------------------------------------

    def register(self, name: str, component: Component) -> None:
        self._components[name] = component

    def kept(self, component: str | None = None, vhost: str | None = None) -> list[Parameter]:
        """All of registered components, and of those that are not known."""
        return [
            Parameter(*key, value)
            for key, value in self._values.items()
            if vhost in (None, key[0]) and component in (None, key[1])
        ]

    def value(self, component: str, name: str, vhost: str) -> Any:
        try:
            return self._values[vhost, component, name]
        except KeyError:
            raise NotFound("Parameter does not exist") from None

    def shown(self, component: str, value: Any) -> Any:
        """A value as it may be shown: without secrets."""
        known = self._components.get(component)
        return value if known is None else known.shown(value)

    def forget_vhost(self, vhost: str) -> None:
        """A virtual host is gone, and with it what was set in it."""
        for _, component, name, _ in self.kept(vhost=vhost):
            self._clear(component, name, vhost)

    def is_known(self, component: str) -> bool:
        """Whether somebody acts on parameters of this component, here or elsewhere."""
        return component in self._components or component in (POLICY, OPERATOR_POLICY, VHOST_LIMITS)

    def checked(self, component: str, name: str, value: Any, vhost: str, user: str | None = None) -> Any:
        """What would be kept of a value of a registered component; refuses what is wrong."""
        known = self._components.get(component)
        if known is None:
            raise PreconditionFailed(f"Validation failed\n\ncomponent {component} not found\n")
        value = known.completed(value, self._values.get((vhost, component, name)))
        refuse(known.faults(name, value, user))
        return value

    def _set(self, component: str, name: str, value: Any, vhost: str, user: str | None) -> None:
        value = self.checked(component, name, value, vhost, user)
        known = self._components[component]
        self._put(ParameterDefinition(vhost, component, name, json.dumps(value)))
        self._values[vhost, component, name] = value
        known.changed(vhost, name, value)

    def _clear(self, component: str, name: str, vhost: str) -> None:
        self._delete(ParameterDefinition(vhost, component, name))
        del self._values[vhost, component, name]
        known = self._components.get(component)
        if known is not None:
            known.cleared(vhost, name)

    # -- setting and clearing --------------------------------------------------------------------------------

    def set(self, component: str, name: str, value: Any, vhost: str, user: str | None = None) -> None:
        """Set a parameter of a virtual host, but for policies, which have a verb of their own."""
        finish(self.set_in_steps(component, name, value, vhost, user))

    def set_in_steps(self, component: str, name: str, value: Any, vhost: str, user: str | None = None) -> Steps:
        """The same: the first step sets it, and with the last one all that lives follows it."""
        if component == POLICY:
            raise PreconditionFailed("policies may not be set using this method")
        where = self._node.vhost(vhost)
        if component == OPERATOR_POLICY:
            yield from where.policies.set_in_steps(name, value, operator=True)
        elif component == VHOST_LIMITS:
            require(name, value, _VHOST_LIMITS, optional=_VHOST_LIMITS)
            self._put(ParameterDefinition(vhost, VHOST_LIMITS, _THE_LIMITS, json.dumps(value)))
            where.limits = dict(value)
        else:
            self._set(component, name, value, vhost, user)

    def clear(self, component: str, name: str, vhost: str) -> None:
        finish(self.clear_in_steps(component, name, vhost))

    def clear_in_steps(self, component: str, name: str, vhost: str) -> Steps:
        if component == POLICY:
            raise PreconditionFailed("policies may not be cleared using this method")
        where = self._node.vhost(vhost)
        if component == OPERATOR_POLICY:
            yield from where.policies.clear_in_steps(name, operator=True)
        elif component == VHOST_LIMITS and where.limits:
            self._delete(ParameterDefinition(vhost, VHOST_LIMITS, _THE_LIMITS))
            where.limits = {}
        else:
            self.value(component, name, vhost)
            self._clear(component, name, vhost)

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

    def restore(self, definitions: Definitions) -> list[Unfit]:
        """Make what a catalog has. What is not in order by now stays there and has no effect: told are its faults."""
        found = []
        for definition in definitions.parameters:
            if fault := self._restore(definition):
                found.append(Unfit(definition.vhost, definition.component, definition.name, fault))
        return found

    def _restore(self, definition: ParameterDefinition) -> str:
        """What is wrong with it, if anything."""
        vhost, component, name, text = definition
        if vhost and vhost not in self._node.vhosts:
            return "there is no such virtual host"
        try:
            value = json.loads(text)
        except ValueError:
            if component not in (POLICY, OPERATOR_POLICY):
                return "what is kept of it is not JSON"
            value = None
        if component in (POLICY, OPERATOR_POLICY):
            operator = component == OPERATOR_POLICY
            policy = kept_policy(name, value, operator=operator)
            self._node.vhost(vhost).policies.add(policy, operator=operator)
            return policy.fault
        if component == VHOST_LIMITS:
            if wrong := faults(name, value, _VHOST_LIMITS, optional=_VHOST_LIMITS):
                return "; ".join(wrong)
            self._node.vhost(vhost).limits = value
        elif not component:
            self.globals[name] = value
        elif component != RANKED:
            self._values[vhost, component, name] = value
        return ""

    def _put(self, definition: ParameterDefinition) -> None:
        value = json.loads(definition.value)
        self._tell("parameter.set", definition, value=self.shown(definition.component, value))
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
