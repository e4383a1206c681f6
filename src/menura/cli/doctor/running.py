"""Of a broker that runs: whether it answers, and where; of one that does not: whether its ports are free."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from menura.cli.ctl.client import Client
from menura.cli.ctl.errors import CtlError
from menura.cli.ctl.finding import broker_url
from menura.cli.doctor.findings import Findings, beware, well, wrong
from menura.cli.doctor.settings import Place
from menura.config import IN_MEMORY, Config
from menura.net.listener import UNIX, Address

_ANSWER_SECONDS = 5.0


def state_of(config: Config, url: str | None) -> Mapping[str, Any] | None:
    """What the broker of these settings says of itself; None if none answers."""
    try:
        where = broker_url(url, None if url or config.data == IN_MEMORY else config.data, {})
        with closing(Client(where, _ANSWER_SECONDS)) as client:
            found = client.get("/menura/node")
    except CtlError:
        return None
    return found if isinstance(found, dict) else None


def as_it_runs(config: Config, state: Mapping[str, Any]) -> Config:
    """The settings with what was set otherwise when it was started, or since."""
    return replace(
        config,
        data=state["data_directory"] or IN_MEMORY,
        memory_bytes_max=state["memory_watermark_bytes"],
        disk_free_bytes_min=state["disk_free_bytes_min"] or 0,
        loopback_users=tuple(state["loopback_users"]),
    )


def places(state: Mapping[str, Any]) -> list[Place]:
    """Where it listens."""
    return [Place(each["url"], each["host"], each["tls"]) for each in state["listeners"]]


def broker(state: Mapping[str, Any]) -> Findings:
    yield well(
        "broker", f"runs as process {state['os_pid']} for {state['uptime_ms'] // 1000:,} s, Menura {state['version']}"
    )
    if state["state"] != "running":
        yield wrong("broker", "is closed to clients (stop_app)", "Open it: menura ctl start_app")
    elif not state["listening"]:
        yield beware("broker", "lets no new clients come (suspend_listeners)", "Let them: menura ctl resume_listeners")
    for resource in state["alarms"]:
        yield wrong("broker", f"publishers are blocked: low on {resource}", _ALARMS.get(resource, "See the log."))
    if state["problem"]:
        yield wrong("broker", state["problem"], "Look at the disk (iostat -x, dmesg).")
    for listener in state["listeners"]:
        yield from _answers(listener)


_ALARMS = {
    "memory": "Let consumers catch up, purge what is not needed, or raise the watermark: menura ctl top shows where.",
    "disk": "Make room on the disk of the data directory.",
}


def _answers(listener: Mapping[str, Any]) -> Findings:
    if not listener["open"] or not listener["port"]:
        return
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener["host"], listener["host"])
    try:
        socket.create_connection((host, listener["port"]), _ANSWER_SECONDS).close()
    except OSError as error:
        yield wrong(
            "ports",
            f"{listener['url']} does not answer: {error.strerror or error}",
            "Look for a firewall, or a broker that is too busy: menura ctl top",
        )
        return
    yield well("ports", f"{listener['url']} answers")


def ports(addresses: list[Address]) -> Findings:
    """Whether a broker could listen there."""
    for address in addresses:
        if address.scheme == UNIX or not address.port:
            continue
        why = _taken(address)
        if why is None:
            yield well("ports", f"{address.scheme}://{address.host}:{address.port} is free")
        else:
            yield wrong(
                "ports",
                f"{address.scheme}://{address.host}:{address.port}: {why}",
                "Stop what listens there (ss -ltnp shows it), or choose another port with --listen.",
            )


def _taken(address: Address) -> str | None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen(1)
        except OSError as error:
            return error.strerror or str(error)
    return None
