"""Programs that tests run and no Python package brings: installed by apt, where that is possible without a question.

`make test` calls `install_missing`. As root on a system with apt-get it installs the packages of the programs that are
missing; otherwise it does nothing, and the tests that need them say so and are skipped. An environment with `CI` set
is expected to have them all: there the same tests fail.

Standard library only, and Python 3.8 and newer, as scripts/environments.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess

# program: the Debian package that has it
PACKAGES = {
    "chromium": "chromium",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "node": "nodejs",
    "npm": "npm",
}


def install_missing() -> None:
    """Install what is missing, if we may. A failure is reported, and left to the tests to judge."""
    packages = sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})
    if not packages or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print(f"installing {' '.join(packages)} (once; a minute or so) ...", flush=True)
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        if not _apt(arguments):
            return


def _apt(arguments: list[str]) -> bool:
    # Somebody else's apt may run at the moment, on a machine that has just started.
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(f"failed with status {done.returncode}: {' '.join(command)}\n{done.stdout}", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    install_missing()
