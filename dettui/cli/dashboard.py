"""A terminal dashboard that watches detector training live and says why it is stuck."""

from __future__ import annotations

import argparse

from dettui import __version__
from dettui.cli import terminal
from dettui.cli.commands import COMMANDS

EXAMPLES = """\
examples:
  dettui                               every run of this host, worst first
  dettui mask-rcnn-3f2a                one of them, by its name
  dettui old/.dettui/mask-rcnn-3f2a    a recorded run
  dettui run python train.py           start a training, watched, with no line of it changed
  dettui --once | less                 one picture, no terminal needed

Press ? in the dashboard for its keys.  Leaving it never touches the training.
`dettui COMMAND --help` says more of each command."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("target", nargs="?", metavar="PATH | RUN", help="a recorded run, or the name of a run")
    parser.add_argument("--once", action="store_true", help="print one frame and leave; needs no terminal")
    parser.add_argument("--width", type=int, help="columns of the frame (default: the terminal's)")
    parser.add_argument("--height", type=int, help="rows of the frame (default: the terminal's)")
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
    from dettui.cli.show import feed_of, open_dashboard, print_once  # noqa: PLC0415 - `--help` need not wait for numpy

    feed, title = feed_of(arguments.target)
    if arguments.once:
        size = terminal.size(arguments.width, arguments.height)
        return print_once(feed, size, ascii_only=arguments.ascii)
    return open_dashboard(feed, title, arguments)
