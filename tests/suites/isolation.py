"""Runs one suite against one broker where both can have port 5672 to themselves.

On Linux, where allowed, that is a network namespace of its own with nothing but loopback in it, together with a process
namespace: when its first process ends, or the runner does, the kernel ends everything that was started inside, so that
no worker, epmd or broker outlives a run, however it ended. Elsewhere the run happens in place and needs the ports to be
free.

This module is both sides: `run_isolated` starts this file as a program inside the namespace.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from tests.suites import brokers  # noqa: E402
from tests.suites.definition import CACHE, Suite, read_suite  # noqa: E402

SECONDS_TO_FINISH_MAX = 30
UNSHARE = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


@dataclass(frozen=True)
class Facts:
    """What is known of a run beside its results; `problem` says why it did not come to its end, if so."""

    broker: str
    seconds: float = 0.0
    problem: str | None = None


def run_isolated(suite: Suite, broker: str, results: Path) -> Facts:
    """Run the suite; `results` is the JUnit file to write."""
    command = [*namespace(), sys.executable, __file__, suite.name, broker, str(results)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        return Facts(broker, problem=f"the run itself failed: {done.stderr.strip()[-500:]}")
    return Facts(**json.loads(done.stdout.splitlines()[-1]))


@functools.cache
def namespace() -> list[str]:
    """The command that runs another in a namespace, as root or through a user namespace; empty if not allowed."""
    if all(map(shutil.which, ("setpriv", "unshare", "ip"))):
        for prefix in (UNSHARE, [*UNSHARE, "--map-root-user"]):
            probe = subprocess.run([*prefix, "ip", "link", "set", "lo", "up"], capture_output=True)
            if probe.returncode == 0:
                return prefix
    return []


def _run_here(suite: Suite, broker: str, results: Path) -> Facts:
    if os.getpid() == 1:  # the first process of a namespace
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    brokers.require_free_ports()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=CACHE, prefix="run-")))
        for name in suite.services:
            stack.enter_context(brokers.service(name, directory))
        try:
            version = stack.enter_context(brokers.running(broker, directory, suite))
            started = time.monotonic()
            problem = _run_command(suite, results)
        finally:
            logs = b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))
            results.with_suffix(".broker.log").write_bytes(logs)
        return Facts(version, round(time.monotonic() - started, 1), problem)


def _run_command(suite: Suite, results: Path) -> str | None:
    places = {"python": str(suite.python), "results": str(results)}
    command = [part.format(**places) for part in suite.command]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
    path = f"{suite.python.parent}:{inherited['PATH']}"  # as in an activated environment: some suites start programs
    environment = inherited | suite.environment | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    with results.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=suite.tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(suite.minutes_max * 60)
            return None
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # so that the results so far are written
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_FINISH_MAX)
            return f"stopped after {suite.minutes_max} minutes"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    print(json.dumps(asdict(_run_here(read_suite(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))))
