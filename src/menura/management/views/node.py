"""The node in JSON: what it is, what it can, and how much of everything it uses."""

from __future__ import annotations

import logging
import os
import platform
import ssl
import time
from typing import TYPE_CHECKING, Any

from menura.core.exchanges import KINDS
from menura.core.node import NAME
from menura.management.plugins import PLUGINS
from menura.management.statistics.process import open_files_max, processors
from menura.management.views.listeners import context_view, is_management, is_open
from menura.management.views.schemas import BOOLEAN, INTEGER, STRING, array, fixed
from menura.version import __version__

if TYPE_CHECKING:
    from menura.management.backend import Backend
    from menura.management.statistics import Window

NODE_SCHEMA = fixed(
    {
        "name": STRING,
        "running": BOOLEAN,
        "type": STRING,
        "uptime": INTEGER,
        "mem_used": INTEGER,
        "mem_limit": INTEGER,
        "mem_alarm": BOOLEAN,
        "disk_free": INTEGER,
        "disk_free_limit": INTEGER,
        "disk_free_alarm": BOOLEAN,
        "fd_used": INTEGER,
        "fd_total": INTEGER,
        "sockets_used": INTEGER,
        "sockets_total": INTEGER,
        "rabbitmq_version": STRING,
        "exchange_types": array({"type": "object"}),
        "enabled_plugins": array(STRING),
    }
)
_EXCHANGE_TYPES = {
    "direct": "By the routing key",
    "fanout": "To all that is bound",
    "headers": "By the headers of a message",
    "topic": "By words of the routing key",
    "x-consistent-hash": "To one of the queues by a hash, and few change when queues do",
    "x-delayed-message": "Later",
    "x-local-random": "To a queue of this node at random",
    "x-modulus-hash": "To one of the queues by a hash",
    "x-random": "To a queue at random",
    "x-recent-history": "To all that is bound, and the latest messages to what is bound later",
}
_MECHANISMS = {
    "PLAIN": "A name and a password",
    "AMQPLAIN": "The same in a table",
    "EXTERNAL": "The name in the certificate of the client",
    "ANONYMOUS": "Nothing",
}


def exchange_types() -> list[dict[str, Any]]:
    return [{"name": name, "description": _EXCHANGE_TYPES.get(name, ""), "enabled": True} for name in sorted(KINDS)]


def runtime() -> str:
    """What the broker runs on, where others name the version of theirs."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def runtime_and_system() -> str:
    return f"{runtime()} on {platform.platform()}"


def crypto_version() -> str:
    return ssl.OPENSSL_VERSION


def node_view(backend: Backend, window: Window | None) -> dict[str, Any]:
    node, config = backend.node, backend.config
    alarms = node.alarms.short
    return {
        "partitions": [],
        "os_pid": str(os.getpid()),
        "fd_total": open_files_max(),
        "sockets_total": open_files_max(),
        "mem_limit": node.memory.watermark_bytes,
        "mem_calculation_strategy": "rss",
        "disk_free_limit": 0 if backend.storage is None else backend.storage.disk_free_bytes_min,
        "processors": processors(),
        "mem_alarm": "memory" in alarms,
        "disk_free_alarm": "disk" in alarms,
        "proc_total": os.sysconf("SC_CHILD_MAX"),
        "rates_mode": rates_mode(backend),
        "uptime": max(0, int(time.time() * 1000) - backend.started_ms),
        "exchange_types": exchange_types(),
        "auth_mechanisms": [
            {"name": name, "description": text, "enabled": name != "ANONYMOUS" or config.allow_anonymous}
            for name, text in _MECHANISMS.items()
        ],
        "applications": [{"name": "menura", "description": "Menura", "version": __version__}],
        "contexts": [context_view(found) for found in backend.listeners if is_management(found) and is_open(found)],
        "log_files": _log_files(),
        "db_dir": "" if backend.storage is None else os.fspath(backend.storage.directory.path),
        "config_files": [],
        "enabled_plugins": list(PLUGINS),
        "rabbitmq_version": config.product_version,
        "erlang_version": runtime(),
        "erlang_full_version": runtime_and_system(),
        "crypto_lib_version": crypto_version(),
        "name": NAME,
        "running": backend.pause.running,
        "being_drained": not backend.pause.listening,
        "type": "disc" if backend.storage is not None else "ram",
        "cluster_links": [],
        **backend.statistics.node_stats(window),
        **backend.statistics.churn(window),
    }


def rates_mode(backend: Backend) -> str:
    return "basic" if backend.config.statistics else "none"


def _log_files() -> list[str]:
    """Where the log goes to."""
    names = []
    for handler in [*logging.getLogger("menura").handlers, *logging.getLogger().handlers]:
        path = getattr(handler, "baseFilename", None)
        stream = getattr(handler, "stream", None)
        names.append(path or str(getattr(stream, "name", "") or ""))
    return list(dict.fromkeys(filter(None, names)))
