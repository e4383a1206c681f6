"""Feature flags and deprecated features, as the API lists them: those RabbitMQ 4.2 has, all enabled."""

from __future__ import annotations

from menura.cli.ctl.client import HttpFailure, path
from menura.cli.ctl.errors import USAGE, CtlError
from menura.cli.ctl.formats import Table
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, Call, verb

_GROUP = "Feature flags"
_COLUMNS = ("name", "state", "stability", "provided_by", "desc", "doc_url")
_DEPRECATED = ("name", "deprecation_phase", "state", "provided_by", "desc", "doc_url")


@verb(
    "list_feature_flags",
    _GROUP,
    "Lists feature flags",
    "[<column> ...] [--timeout <timeout>]",
    (0, None),
    columns=_COLUMNS,
    usual=("name", "state"),
    programs=(CTL, DIAGNOSTICS),
)
def list_feature_flags(call: Call) -> Table:
    call.info("Listing feature flags ...")
    return call.table({name: flag.get(name) for name in _COLUMNS} for flag in call.client.get("/feature-flags"))


@verb(
    "enable_feature_flag",
    _GROUP,
    "Enables a feature flag, or all of them; they are enabled already",
    "[--opt-in] <feature_flag | all>",
    1,
    options={"opt-in": bool, "experimental": bool},
)
def enable_feature_flag(call: Call) -> None:
    name = call.argument(0)
    call.info("Enabling all feature flags ..." if name == "all" else f'Enabling feature flag "{name}" ...')
    if name == "all":
        call.client.get("/feature-flags")
        return
    try:
        call.client.put(path("feature-flags", name, "enable"), {"name": name})
    except HttpFailure as failure:
        if failure.http_status not in (400, 404):
            raise
        raise CtlError(USAGE, f"This feature flag is not supported by node {call.node}") from None


@verb(
    "list_deprecated_features",
    _GROUP,
    "Lists deprecated features",
    "[--used] [<column> ...]",
    (0, None),
    options={"used": bool},
    columns=_DEPRECATED,
    usual=("name", "deprecation_phase"),
    programs=(CTL, DIAGNOSTICS),
)
def list_deprecated_features(call: Call) -> Table:
    call.info("Listing deprecated features ...")
    which = "/deprecated-features/used" if call.options.get("used") else "/deprecated-features"
    return call.table({name: feature.get(name) for name in _DEPRECATED} for feature in call.client.get(which))
