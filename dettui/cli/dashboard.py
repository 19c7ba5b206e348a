"""A terminal dashboard that watches detector training live and says why it is stuck."""

from __future__ import annotations

import argparse

from dettui import __version__
from dettui.cli import terminal, way
from dettui.cli.commands import COMMANDS
from dettui.cli.loading import kept_for_good

EXAMPLES = """\
examples:
  dettui                               every run of this host, worst first
  dettui mask-rcnn-3f2a                one of them, by its name
  dettui old/.dettui/mask-rcnn-3f2a    a recorded run
  dettui gpu01 me@gpu02                the runs of two hosts, over ssh; nothing needs to be installed there
  dettui local gpu01:mask-rcnn         the runs of this host, and one of another
  dettui slurm:4711@login              the runs of a Slurm job, over its login node
  dettui run python train.py           start a training, watched, with no line of it changed
  dettui --once | less                 one picture, no terminal needed

Press ? in the dashboard for its keys.  Leaving it never touches the training.
`dettui COMMAND --help` says more of each command."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="HOST | RUN | PATH",
        help="what ssh can reach (HOST, user@HOST, HOST:RUN, slurm:JOBID[@LOGIN]), the name of a run of this host, "
        "a recorded run, or `local` for every run of this host",
    )
    way.add_way(parser)
    parser.add_argument("--once", action="store_true", help="print one frame and leave; needs no terminal")
    parser.add_argument("--width", type=int, help="columns of the frame of --once (default: the terminal's)")
    parser.add_argument(
        "--height",
        type=int,
        help="rows by which --once sizes the chart, half of them (default: the terminal's); words are printed whole",
    )
    terminal.add_look(parser)
    parser.add_argument("--version", action="version", version=f"dettui {__version__}")
    parser.epilog = f"commands:\n{command_table()}\n\n{EXAMPLES}"


def command_table() -> str:
    """One line for each command."""
    return "\n".join(f"  {command.usage:<38} {command.summary}" for command in COMMANDS.values())


def run(arguments: argparse.Namespace) -> int:
    """Show the dashboard, or print one frame."""
    if not arguments.once:
        terminal.require_terminal()
    with kept_for_good():
        from dettui.cli import show  # noqa: PLC0415 - `--help` need not wait for numpy

    if arguments.once:
        size = terminal.size(arguments.width, arguments.height)
        return show.once(arguments.targets, way.way_of(arguments), size, ascii_only=arguments.ascii)
    return show.watch(arguments.targets, way.way_of(arguments), arguments)
