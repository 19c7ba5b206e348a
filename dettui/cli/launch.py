"""Start a training command, with the probe in it, and watch it.

The script needs no change.  On a terminal the dashboard opens at once; leave it with q and the training goes on.
Without a terminal the output is passed through, and what `dettui doctor` says follows it.  The exit code is the
command's own.

examples:
  dettui run python train.py --epochs 20
  dettui run --name bigger-lr -- python -m project.train
  dettui run -- torchrun --nproc_per_node 4 train.py
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from dettui.cli import child, inject, terminal
from dettui.errors import BadUsage


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--name", help="what the run is to be called (default: after the script)")
    terminal.add_look(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND ...", help="as you would type it")


def run(arguments: argparse.Namespace) -> int:
    """Start the command and watch it; its exit code."""
    command = [*arguments.command]
    if command[:1] == ["--"]:
        del command[0]
    if not command:
        raise BadUsage("what is to be run?  For example: dettui run python train.py")
    require_program(command[0])
    watched = inject.with_probe(command) or unwatched(command)
    run_id = child.fresh_run_id(arguments.name, inject.script_of(command))
    from dettui.cli import watching  # noqa: PLC0415 - `--help` should not wait for numpy

    if terminal.has_terminal():
        return watching.watch_behind_dashboard(child.start_behind_dashboard(watched, run_id), arguments)
    return watching.watch_in_front(child.start_in_front(watched, run_id))


def require_program(program: str) -> None:
    """Raise BadUsage where there is no such *program* or script."""
    if shutil.which(program) is None and not Path(program).is_file():
        raise BadUsage(f"there is no program called {program!r} on the PATH")


def unwatched(command: Sequence[str]) -> Sequence[str]:
    """*command* as it is, with a word on what will be missing."""
    print(
        f"dettui: cannot put the probe into {command[0]!r}; what the script logs with dettui_probe will be seen",
        file=sys.stderr,
    )
    return command
