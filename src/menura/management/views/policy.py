"""A policy in JSON."""

from __future__ import annotations

from typing import Any

from menura.core.policies import Policy
from menura.core.vhost import VHost
from menura.management.views.schemas import OBJECT, STRING, fixed

POLICY_SCHEMA = fixed(
    {
        "vhost": STRING,
        "name": STRING,
        "pattern": STRING,
        "apply-to": STRING,
        "definition": OBJECT,
        "priority": {"type": "number"},
    }
)


def policy_view(vhost: VHost, policy: Policy) -> dict[str, Any]:
    return {
        "vhost": vhost.name,
        "name": policy.name,
        "pattern": policy.pattern.source,
        "apply-to": policy.apply_to,
        "definition": dict(policy.definition),
        "priority": policy.priority,
    }
