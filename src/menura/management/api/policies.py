"""Policies and operator policies. Who makes policies needs permissions where they hold; administrators need none."""

from __future__ import annotations

from typing import Any

from menura.core.policies import OPERATOR_POLICY, POLICY, Policy
from menura.core.vhost import VHost
from menura.management import bodies, lists
from menura.management.http.messages import Answer, Request, Work, created, not_found
from menura.management.rights import (
    ADMINISTRATOR,
    MANAGEMENT,
    POLICYMAKER,
    Right,
    governed_vhost,
    own_vhosts,
    seen_vhost,
)
from menura.management.routes import Routes
from menura.management.views import schemas
from menura.management.views.policy import POLICY_SCHEMA, policy_view

routes = Routes("policies")
_BODY = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "description": "a regular expression; names are searched with it"},
        "definition": {"type": "object", "description": "what holds: settings by name"},
        "priority": {"type": "integer", "default": 0, "description": "of several that match, the highest counts"},
        "apply-to": {
            "type": "string",
            "enum": ["queues", "classic_queues", "quorum_queues", "streams", "exchanges", "all"],
            "default": "all",
        },
    },
    "required": ["pattern", "definition"],
}


def _enter(path: str, component: str, what: str, setting: Right) -> None:
    """The routes of one component, which differ in nothing else."""

    @routes.get(path, MANAGEMENT, f"All {what}", query=lists.QUERY, returns=lists.schema(POLICY_SCHEMA))
    def every(request: Request) -> Answer:
        return _listed(request, own_vhosts(request), component)

    @routes.get(
        f"{path}/{{vhost}}",
        MANAGEMENT,
        f"The {what} of a virtual host",
        query=lists.QUERY,
        returns=lists.schema(POLICY_SCHEMA),
    )
    def of_vhost(request: Request, vhost: str) -> Answer:
        return _listed(request, [seen_vhost(request, vhost)], component)

    @routes.get(f"{path}/{{vhost}}/{{name}}", setting, f"One of the {what}", returns=POLICY_SCHEMA)
    def one(request: Request, vhost: str, name: str) -> Answer:
        where = governed_vhost(request, vhost)
        found = where.policies.by_name[component].get(name)
        if found is None:
            raise not_found()
        return policy_view(where, found)

    @routes.put(
        f"{path}/{{vhost}}/{{name}}",
        setting,
        f"Make one of the {what}, or another of it",
        body=_BODY,
        returns=schemas.NOTHING,
    )
    def put(request: Request, vhost: str, name: str) -> Work:
        where = governed_vhost(request, vhost)
        bodies.require_name("a policy", name)
        body = request.json()
        bodies.require(body, "pattern", "definition")
        value = {
            "pattern": body["pattern"],
            "definition": body["definition"],
            "priority": _or(body.get("priority"), 0),
            "apply-to": _or(body.get("apply-to"), "all"),
        }
        is_new = name not in where.policies.by_name[component]
        yield from where.policies.set_in_steps(name, value, operator=component == OPERATOR_POLICY)
        request.audit(f"{component}.set", name=name, vhost=vhost)
        return created() if is_new else None

    @routes.delete(f"{path}/{{vhost}}/{{name}}", setting, f"Delete one of the {what}", returns=schemas.NOTHING)
    def delete(request: Request, vhost: str, name: str) -> Work:
        where = governed_vhost(request, vhost)
        if name not in where.policies.by_name[component]:
            raise not_found()
        yield from where.policies.clear_in_steps(name, operator=component == OPERATOR_POLICY)
        request.audit(f"{component}.cleared", name=name, vhost=vhost)


def _listed(request: Request, vhosts: list[VHost], component: str) -> Answer:
    rows = [(vhost, found) for vhost in vhosts for found in vhost.policies.by_name[component].values()]

    def view(row: tuple[VHost, Policy]) -> dict[str, Any]:
        return policy_view(*row)

    return lists.listed(request, rows, view)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


_enter("/api/policies", POLICY, "policies", POLICYMAKER)
_enter("/api/operator-policies", OPERATOR_POLICY, "operator policies", ADMINISTRATOR)
