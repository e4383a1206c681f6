"""Verbs of rabbitmqctl that mean nothing here: they say so, instead of seeming to work."""

from __future__ import annotations

from collections.abc import Callable

from menura.cli.ctl.errors import CtlError, not_on_one_node, not_supported
from menura.cli.ctl.formats import Result
from menura.cli.ctl.verbs import CTL, DIAGNOSTICS, QUEUES, REGISTRY, Call, Verb

_OF_CLUSTERS = (
    "change_cluster_node_type",
    "force_boot",
    "forget_cluster_node",
    "join_cluster",
    "rename_cluster_node",
    "update_cluster_nodes",
    "discover_peers",
    "cancel_sync_queue",
    "sync_queue",
)
_OF_MEMBERS = (
    "add_member",
    "delete_member",
    "grow",
    "shrink",
    "rebalance",
    "transfer_leadership",
    "reclaim_quorum_memory",
)
_ERLANG = "there is no Erlang here"
_SECRETS = "secrets are not kept in the configuration in an encrypted form"
_NOT_SUPPORTED = {
    "decode": _SECRETS,
    "encode": _SECRETS,
    "encrypt_conf_value": _SECRETS,
    "decrypt_conf_value": _SECRETS,
    "list_ciphers": _SECRETS,
    "list_hashes": _SECRETS,
    "eval_file": _ERLANG,
    "exec": _ERLANG,
    "hipe_compile": _ERLANG,
    "schema_info": _ERLANG,
    "decommission_mqtt_node": "sessions of MQTT are in the data directory",
    "activate_free_disk_space_monitoring": "free space is always watched",
    "deactivate_free_disk_space_monitoring": "free space is always watched",
    "reconcile_vhosts": "a virtual host runs as soon as it is there",
    "remove_classic_queue_mirroring_from_policies": "there is no mirroring to remove",
    "command_line_arguments": _ERLANG,
    "federation_status": "there is no federation",
    "restart_federation_link": "there is no federation",
    "list_network_interfaces": "`ip address` shows them",
    "os_env": "settings come from the configuration, which `menura config show` shows",
    "observer": _ERLANG,
    "remote_shell": _ERLANG,
    "maybe_stuck": _ERLANG,
    "runtime_thread_stats": _ERLANG,
    "log_tail": "logs go to standard error of the broker",
    "log_tail_stream": "logs go to standard error of the broker",
    "consume_event_stream": "bind a queue to the exchange amq.rabbitmq.event",
}


def _refusing(error: Callable[[str], CtlError], name: str) -> Callable[[Call], Result]:
    def refuse(call: Call) -> Result:
        raise error(name)

    return refuse


def _declare() -> None:
    group = "Not supported"
    for name in _OF_CLUSTERS:
        REGISTRY.add(Verb(name, group, "", "Of clusters", _refusing(not_on_one_node, name), 0, None))
    for name in _OF_MEMBERS:
        run = _refusing(not_on_one_node, name)
        REGISTRY.add(Verb(name, group, "", "Of clusters", run, 0, None, programs=(QUEUES,)))
    for name, why in _NOT_SUPPORTED.items():
        run = _refusing(lambda verb, why=why: not_supported(verb, why), name)  # type: ignore[misc]
        REGISTRY.add(Verb(name, group, "", f"Not here: {why}", run, 0, None, programs=(CTL, DIAGNOSTICS)))


_declare()
