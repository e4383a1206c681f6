"""How much the node may take, how much it logs, what its cluster is called: for as long as it runs."""

from __future__ import annotations

import re

from menura.cli.ctl.errors import DATA, UNAVAILABLE, CtlError, UsageError
from menura.cli.ctl.verbs import Call, verb

_GROUP = "Configuration and Environment"
_UNITS = {
    "": 1,
    **dict.fromkeys(("k", "kib", "ki"), 1 << 10),
    **dict.fromkeys(("m", "mib", "mi"), 1 << 20),
    **dict.fromkeys(("g", "gib", "gi"), 1 << 30),
    **dict.fromkeys(("t", "tib", "ti"), 1 << 40),
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_LEVELS = ("debug", "info", "warning", "error", "critical", "none")


def size_bytes(words: str) -> int:
    """A number with a unit: 512MiB, 2GB, 1000000. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,18})\s*([A-Za-z]*)", words)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise UsageError("Bad argument.", DATA)
    return int(found[1]) * unit


def _given(call: Call, keyword: str) -> tuple[bool, str]:
    """Whether a keyword stands before the value, and the value."""
    first, *rest = call.arguments
    if (first == keyword) is not bool(rest):
        raise UsageError("not enough arguments." if first == keyword else "too many arguments.")
    return (True, rest[0]) if rest else (False, first)


def _fraction(words: str) -> float:
    try:
        fraction = float(words)
    except ValueError:
        raise UsageError("Bad argument.", DATA) from None
    if not 0 <= fraction < 1000:
        raise UsageError("Bad argument.", DATA)
    return fraction


@verb(
    "set_vm_memory_high_watermark",
    _GROUP,
    "Sets the amount of held messages above which publishers are blocked",
    "<fraction> | absolute <value>",
    (1, 2),
)
def set_vm_memory_high_watermark(call: Call) -> None:
    absolute, value = _given(call, "absolute")
    amount = {"bytes": size_bytes(value)} if absolute else {"relative": _fraction(value)}
    call.info(f"Setting memory threshold on {call.node} to {value}{' bytes' if absolute else ''} ...")
    call.client.post("/menura/node/memory-watermark", amount)


@verb(
    "set_disk_free_limit",
    _GROUP,
    "Sets the free space on the disk below which publishers are blocked",
    "<disk_limit> | mem_relative <fraction>",
    (1, 2),
)
def set_disk_free_limit(call: Call) -> None:
    relative, value = _given(call, "mem_relative")
    amount = {"relative": _fraction(value)} if relative else {"bytes": size_bytes(value)}
    call.info(f"Setting disk free limit on {call.node} to {value} {'times the total RAM' if relative else 'bytes'} ...")
    call.client.post("/menura/node/disk-free-limit", amount)


@verb("set_log_level", _GROUP, "Sets how much is logged", "<log_level>", (1, 2))
def set_log_level(call: Call) -> None:
    level = call.arguments[-1]
    if level not in _LEVELS:
        raise CtlError(UNAVAILABLE, f"level {level} is not supported. Try one of {', '.join(_LEVELS)}")
    call.info(f'Setting log level to "{level}" ...')
    call.client.post("/menura/node/log-level", {"level": level})


@verb("set_cluster_name", _GROUP, "Sets what the cluster, of one node, is called", "<name>", 1)
def set_cluster_name(call: Call) -> None:
    call.info(f"Setting cluster name to {call.argument(0)} ...")
    call.client.put("/cluster-name", {"name": call.argument(0)})
