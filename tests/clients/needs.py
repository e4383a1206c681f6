"""Programs that are not Python packages: scripts/debian.py installs them where it may."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(program: str) -> str:
    """Where the program is. Without it the test is skipped, or fails where `CI` is set."""
    path = shutil.which(program)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{program} is not installed; `make test` as root installs it on Debian")
    if path is None:
        pytest.skip(f"{program} is not installed; `make test` as root installs it on Debian")
    return path
