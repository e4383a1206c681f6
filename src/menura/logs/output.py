"""Where the log of `menura serve` goes, and in which form; all of it may change while it is written."""

from __future__ import annotations

import logging
import sys
from typing import NamedTuple

from menura.logs.formats import FORMATS
from menura.logs.limiting import Limiter

_log = logging.getLogger("menura")


class LogSettings(NamedTuple):
    level: str = "info"
    format: str = "text"
    file: str = ""
    """Empty for standard error."""
    repeats_max: int = 20


class LogOutput:
    """The one handler of the process. Raises OSError if the file cannot be opened."""

    def __init__(self, settings: LogSettings) -> None:
        self._limiter = Limiter(settings.repeats_max)
        self._handler = self._new_handler(settings)
        self._take(settings)
        logging.getLogger().addHandler(self._handler)

    def _new_handler(self, settings: LogSettings) -> logging.Handler:
        if settings.file:
            handler: logging.Handler = logging.FileHandler(settings.file, encoding="utf-8", errors="backslashreplace")
        else:
            handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(FORMATS[settings.format]())
        handler.addFilter(self._limiter)
        return handler

    def _take(self, settings: LogSettings) -> None:
        self._limiter.repeats_max = settings.repeats_max
        logging.getLogger().setLevel(settings.level.upper())
        _log.setLevel(logging.NOTSET)  # which somebody may have changed at run time

    def change(self, settings: LogSettings) -> None:
        """Go on like this; a file is opened anew, as it may have been moved away. If it cannot be, nothing changes."""
        try:
            handler = self._new_handler(settings)
        except OSError as error:
            _log.error("log: %s cannot be opened (%s); the log stays where it is", settings.file, error.strerror)
            return
        self.summarise(everything=True)
        root = logging.getLogger()
        root.addHandler(handler)
        root.removeHandler(self._handler)
        self._handler.close()
        self._handler = handler
        self._take(settings)

    def summarise(self, everything: bool = False) -> None:
        """Write how much was left out. To be called every second."""
        for record in self._limiter.summarise(everything):
            self._handler.acquire()
            try:
                self._handler.emit(record)
            finally:
                self._handler.release()

    def close(self) -> None:
        self.summarise(everything=True)
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()
