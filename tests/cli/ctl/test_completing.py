"""What a shell offers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from menura.cli.ctl.completing import candidates


@pytest.mark.parametrize(
    ("words", "incomplete", "offered"),
    [
        ([], "list_qu", ["list_queues"]),
        (["-q", "-p", "v"], "set_vm", ["set_vm_memory_high_watermark"]),
        (["list_queues", "name"], "messages_un", ["messages_unacknowledged", "messages_unacknowledged_ram"]),
        (["list_queues"], "--form", ["--formatter"]),
        (["list_queues", "--formatter"], "pr", ["pretty_table"]),
        (["set_policy"], "--pri", ["--priority"]),
        (["declare"], "exch", ["exchange"]),
        (["declare", "queue"], "", []),
        (["help"], "stop_", ["stop_app"]),
        (["nonsense"], "", []),
    ],
)
def test_what_may_come_next(words: list[str], incomplete: str, offered: list[str]) -> None:
    assert candidates(words, incomplete) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish", "bash"])
def test_there_is_a_script_for_each_shell(shell: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "menura", "completion", shell]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert "_MENURA_COMPLETE" in said.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_script_asks_for_what_may_come_next() -> None:
    """As bash does it: the words so far, and which of them is being typed."""
    words = ["menura", "ctl", "list_ch"]
    environment = {"COMP_WORDS": " ".join(words), "COMP_CWORD": "2", "_MENURA_COMPLETE": "bash_complete"}
    code = "from menura.cli import main; main(prog_name='menura')"
    command = [sys.executable, "-W", "error", "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    assert said.stdout.split() == ["plain,list_channels"]
