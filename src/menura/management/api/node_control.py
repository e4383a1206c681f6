"""Setting a running node: who may come, how much it may take, how much it logs. For administrators, and `menura ctl`.

What is set here holds until the node ends; the configuration says what holds from the start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from menura.config import memory_bytes
from menura.core.node import NAME
from menura.management.bodies import names, one_of, text, truth
from menura.management.http.messages import Answer, PatientWork, Request, bad_request
from menura.management.rights import ADMINISTRATOR
from menura.management.routes import Routes
from menura.management.views.listeners import has_tls, is_open, protocol
from menura.management.views.schemas import BOOLEAN, INTEGER, NOTHING, STRING, STRINGS, array, fixed
from menura.net.listener import ListenError
from menura.version import __version__

routes = Routes("node")
_NUMBER = {"type": "number", "minimum": 0}
_AMOUNT = {"type": "object", "properties": {"bytes": {"type": "integer", "minimum": 0}, "relative": _NUMBER}}
_SET = fixed({"bytes": INTEGER})
_MAYBE_INTEGER = {"type": ["integer", "null"]}
_MAYBE_STRING = {"type": ["string", "null"]}
_LISTENER = fixed({"protocol": STRING, "host": STRING, "port": INTEGER, "url": STRING, "tls": BOOLEAN, "open": BOOLEAN})
_STATE = fixed(
    {
        **dict.fromkeys(("name", "version", "product_version", "log_level"), STRING),
        **dict.fromkeys(
            ("os_pid", "uptime_ms", "memory_used_bytes", "memory_watermark_bytes", "channels_max"), INTEGER
        ),
        **dict.fromkeys(("disk_free_bytes", "disk_free_bytes_min"), _MAYBE_INTEGER),
        **dict.fromkeys(("data_directory", "problem"), _MAYBE_STRING),
        **dict.fromkeys(("listening", "confirms_sync"), BOOLEAN),
        **dict.fromkeys(("alarms", "loopback_users"), STRINGS),
        "state": {"enum": ["running", "stopped"]},
        "listeners": array(_LISTENER),
    }
)
LEVELS = ("debug", "info", "warning", "error", "critical", "none")
# So often it looks whether what takes a while is done.
_LOOK_SECONDS = 0.01
_QUIET = logging.CRITICAL + 10
# Less than a broker takes that holds nothing: below, publishers are blocked whatever is held, as elsewhere.
LEAST_WATERMARK_BYTES = 16 * 1024 * 1024
BYTES_MAX = (1 << 63) - 1
_RESOURCES = ("memory", "disk")
CHANNELS_MAX = 65535


@routes.get("/api/menura/node", ADMINISTRATOR, "What state the node is in, and what is set of it", returns=_STATE)
def node(request: Request) -> Answer:
    backend = request.backend
    storage = backend.storage
    directory = None if storage is None else os.fspath(storage.directory.path)
    return {
        "name": NAME,
        "state": "running" if backend.pause.running else "stopped",
        "listening": backend.pause.listening,
        "os_pid": os.getpid(),
        "version": __version__,
        "product_version": backend.config.product_version,
        "uptime_ms": int(time.time() * 1000) - backend.started_ms,
        "data_directory": directory,
        "confirms_sync": storage is not None and storage.sync,
        "problem": None if storage is None else storage.problem,
        "alarms": sorted(request.node.alarms.short),
        "memory_used_bytes": request.node.memory.used_bytes,
        "memory_watermark_bytes": request.node.memory.watermark_bytes,
        "disk_free_bytes": None if directory is None else shutil.disk_usage(directory).free,
        "disk_free_bytes_min": None if storage is None else storage.disk_free_bytes_min,
        "channels_max": backend.config.channels_max,
        "loopback_users": list(backend.config.loopback_users),
        "log_level": logging.getLevelName(logging.getLogger("menura").getEffectiveLevel()).lower(),
        "listeners": [
            {
                "protocol": protocol(each),
                "host": each.address.host,
                "port": each.port,
                "url": each.url,
                "tls": has_tls(each),
                "open": is_open(each),
            }
            for each in backend.listeners
        ],
    }


# -- who may come ------------------------------------------------------------------------------------------------


def _wait_for(work: Coroutine[Any, Any, None]) -> PatientWork:
    """Wait for something that takes a while, with others served meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        yield _LOOK_SECONDS
    try:
        task.result()
    except ListenError as error:
        raise bad_request(str(error)) from None


@routes.post(
    "/api/menura/node/stop_app", ADMINISTRATOR, "Send clients away, keep what is durable, stay closed", returns=NOTHING
)
def stop_app(request: Request) -> PatientWork:
    request.audit("node.stopped")
    yield from _wait_for(request.backend.pause.stop())


@routes.post("/api/menura/node/start_app", ADMINISTRATOR, "Open to clients again after stop_app", returns=NOTHING)
def start_app(request: Request) -> PatientWork:
    request.audit("node.started")
    yield from _wait_for(request.backend.pause.start())


@routes.post(
    "/api/menura/node/suspend_listeners", ADMINISTRATOR, "Let no more clients come; those here stay", returns=NOTHING
)
def suspend_listeners(request: Request) -> Answer:
    request.audit("node.listeners.suspended")
    request.backend.pause.suspend()


@routes.post("/api/menura/node/resume_listeners", ADMINISTRATOR, "Let clients come again", returns=NOTHING)
def resume_listeners(request: Request) -> PatientWork:
    request.audit("node.listeners.resumed")
    yield from _wait_for(request.backend.pause.resume())


@routes.post("/api/menura/node/shutdown", ADMINISTRATOR, "End the broker, as its signal does", returns=NOTHING)
def shutdown(request: Request) -> Answer:
    request.audit("node.shutdown")
    request.backend.shut_down()


@routes.post(
    "/api/menura/node/reset",
    ADMINISTRATOR,
    "Forget everything: as a new node. Only while it is stopped",
    returns=NOTHING,
)
def reset(request: Request) -> Answer:
    backend = request.backend
    if backend.pause.running:
        raise bad_request("the node is running: stop_app first")
    request.audit("node.reset")
    backend.begin_anew()


# -- how much it may take ----------------------------------------------------------------------------------------


def _amount(request: Request, whole_bytes: int) -> int:
    """Octets: as they are (`bytes`), or a part of a whole (`relative`)."""
    body = request.json()
    amount, relative = body.get("bytes"), body.get("relative")
    if (amount is None) is (relative is None):
        raise bad_request("either bytes or relative is needed")
    if relative is None:
        if not isinstance(amount, int) or isinstance(amount, bool) or not 0 <= amount <= BYTES_MAX:
            raise bad_request(f"bytes must be a whole number, 0 to {BYTES_MAX}")
        return amount
    if not isinstance(relative, (int, float)) or isinstance(relative, bool) or not 0 <= relative < 1000:
        raise bad_request("relative must be a number, 0 or more")
    return int(relative * whole_bytes)


@routes.post(
    "/api/menura/node/memory-watermark",
    ADMINISTRATOR,
    "Set the amount of held messages above which publishers are blocked",
    body=_AMOUNT,
    returns=_SET,
)
def memory_watermark(request: Request) -> Answer:
    amount = _amount(request, memory_bytes())
    request.audit("node.memory_watermark", bytes=amount)
    backend, node = request.backend, request.node
    backend.config = replace(backend.config, memory_bytes_max=max(amount, 1))
    node.memory.set_watermark(max(amount, 1))
    if amount < LEAST_WATERMARK_BYTES:
        node.alarms.force("memory")
    else:
        node.alarms.release("memory", node.memory.blocked)
    return {"bytes": amount}


@routes.post(
    "/api/menura/node/disk-free-limit",
    ADMINISTRATOR,
    "Set the free space on the disk below which publishers are blocked",
    body=_AMOUNT,
    returns=_SET,
)
def disk_free_limit(request: Request) -> Answer:
    amount = _amount(request, memory_bytes())
    request.audit("node.disk_free_limit", bytes=amount)
    backend = request.backend
    backend.config = replace(backend.config, disk_free_bytes_min=amount)
    if backend.storage is not None:
        backend.storage.disk_free_bytes_min = amount
    return {"bytes": amount}


@routes.post(
    "/api/menura/node/alarm",
    ADMINISTRATOR,
    "Have a resource count as short, or as it is measured again",
    body=fixed({"resource": {"enum": list(_RESOURCES)}, "short": BOOLEAN}),
    returns=NOTHING,
)
def alarm(request: Request) -> Answer:
    body = request.json()
    resource, short = one_of(body, "resource", _RESOURCES, ""), truth(body, "short")
    request.audit("node.alarm", resource=resource, short=short)
    alarms = request.node.alarms
    if short:
        alarms.force(resource)
    else:
        # A disk that is short is found to be within half a second.
        alarms.release(resource, resource == "memory" and request.node.memory.blocked)


@routes.post(
    "/api/menura/node/channels-max",
    ADMINISTRATOR,
    "Set how many channels new connections may have",
    body=fixed({"value": INTEGER}),
    returns=NOTHING,
)
def channels_max(request: Request) -> Answer:
    value = request.json().get("value")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= CHANNELS_MAX:
        raise bad_request(f"value must be a whole number, 0 to {CHANNELS_MAX}")
    request.audit("node.channels_max", value=value)
    backend = request.backend
    backend.config = replace(backend.config, channels_max=value)


@routes.post(
    "/api/menura/node/loopback-users",
    ADMINISTRATOR,
    "Set who may log in from this machine only",
    body=fixed({"users": STRINGS}),
    returns=NOTHING,
)
def loopback_users(request: Request) -> Answer:
    users = names(request.json(), "users")
    request.audit("node.loopback_users", users=users)
    backend = request.backend
    backend.config = replace(backend.config, loopback_users=tuple(users))
    request.node.logins.loopback_users = frozenset(users)


# -- the rest ----------------------------------------------------------------------------------------------------


@routes.post(
    "/api/menura/node/log-level",
    ADMINISTRATOR,
    "Set how much is logged",
    body=fixed({"level": {"enum": list(LEVELS)}}),
    returns=NOTHING,
)
def log_level(request: Request) -> Answer:
    level = one_of(request.json(), "level", LEVELS, "")
    request.audit("node.log_level", level=level)
    logging.getLogger("menura").setLevel(_QUIET if level == "none" else level.upper())


@routes.post(
    "/api/menura/authenticate",
    ADMINISTRATOR,
    "Whether a password is a user's",
    body=fixed({"username": STRING, "password": STRING}),
    returns=fixed({"name": STRING, "tags": STRINGS}),
)
def authenticate(request: Request) -> Answer:
    body = request.json()
    user = request.node.users.authenticate(text(body, "username"), text(body, "password"))
    return {"name": user.name, "tags": sorted(user.tags)}
