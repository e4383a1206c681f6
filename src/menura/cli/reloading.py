"""What SIGHUP does to `menura serve`: the settings are read again, and what can be changed is changed.

Whatever is wrong with them, nothing changes then. In a terminal the signal has another meaning: the terminal has been
closed, and takes along what runs in it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from menura.broker import Broker
from menura.cli.service_manager import ServiceManager
from menura.configuration.layers import Effective
from menura.configuration.problems import ConfigurationError
from menura.configuration.settings import SETTINGS
from menura.logs.output import LogOutput, LogSettings

_STDIN = 0
_log = logging.getLogger("menura")


class Reload:
    """To be called on the signal. `again` reads the settings; `stop` ends the broker."""

    def __init__(
        self,
        broker: Broker,
        effective: Effective,
        again: Callable[[], Effective],
        log: LogOutput,
        manager: ServiceManager,
        stop: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._now = effective
        self._again = again
        self._log = log
        self._manager = manager
        self._stop = stop
        self._on_terminal = os.isatty(_STDIN)

    def __call__(self) -> None:
        if self._on_terminal and not os.isatty(_STDIN):
            self._stop()
            return
        self._manager.reloading()
        try:
            self._reload()
        except ConfigurationError as error:
            self._broker.reloads_refused += 1
            for remark in error.remarks:
                _log.error("settings: %s", remark)
            _log.error("settings: not reloaded; everything stays as it was")
        finally:
            self._manager.ready(status(self._broker))

    def _reload(self) -> None:
        new = self._again()
        tell_remarks(new)
        changed = [key for key in SETTINGS if new[key] != self._now[key]]
        self._log.change(log_settings(new))
        self._broker.reconfigure(new.config())
        live = {key: SETTINGS[key].kind.show(new[key]) for key in changed if SETTINGS[key].live}
        late = [key for key in changed if not SETTINGS[key].live]
        _log.info("settings: reloaded; changed: %s", _said(live) or "nothing", extra={"event": "settings"})
        if late:
            _log.warning("settings: changes of %s take a restart", ", ".join(late))
        self._now = new


def _said(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value!r}" for key, value in values.items())


def status(broker: Broker) -> str:
    """In a few words, for a supervisor."""
    return "serving " + " ".join(listener.url for listener in broker.listeners)


def log_settings(effective: Effective) -> LogSettings:
    return LogSettings(*(effective[f"log.{name}"] for name in LogSettings._fields))


def tell_remarks(effective: Effective) -> None:
    """Say in the log what is not used of the settings."""
    for remark in effective.remarks:
        _log.warning("settings: %s", remark)
