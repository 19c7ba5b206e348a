"""Tab completion completes commands, faults and ids; each script is one that its shell accepts."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from dettui.cli import completion
from dettui.cli.commands import COMMANDS
from dettui.cli.demo import faults


def completed(line: str) -> set[str]:
    """What bash offers for the last word of *line*; a stand-in for ``dettui`` names two runs."""
    stand_in = 'dettui() { [ "$1" = ls ] && printf "%s\\n" alpha-run beta-run; return 0; }'
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _dettui; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    script = f"{stand_in}\n{completion.bash()}\n{ask}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_first_word_may_be_a_command_or_a_run() -> None:
    assert set(COMMANDS) | {"alpha-run", "beta-run"} <= completed("dettui ")


def test_a_beginning_is_completed() -> None:
    assert completed("dettui doc") == {"doctor"}


def test_doctor_and_export_complete_runs() -> None:
    assert completed("dettui doctor al") == {"alpha-run"}
    assert completed("dettui export be") == {"beta-run"}


def test_demo_completes_every_fault() -> None:
    assert set(faults()) <= completed("dettui demo ")


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_shell_accepts_its_script(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = {"bash": completion.bash, "zsh": completion.zsh, "fish": completion.fish}[shell]()
    check = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_completed_in_every_shell(command: str) -> None:
    assert command in completion.WORDS
    assert f"__fish_seen_subcommand_from {command}" in completion.fish()
