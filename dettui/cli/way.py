"""How hosts are reached: the options of every command that takes one."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import TYPE_CHECKING

from dettui.errors import BadUsage

if TYPE_CHECKING:
    from dettui.feed.ssh.target import Way


def add_way(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("-J", "--jump", metavar="HOST", default="", help="reach hosts over this one, as ssh -J does")
    parser.add_argument(
        "--ssh",
        metavar="COMMAND",
        help='what to run in place of ssh, with its own options (default: $DETTUI_SSH, else "ssh")',
    )


def way_of(arguments: argparse.Namespace) -> Way:
    """What was asked for.  Raises BadUsage where that is no command."""
    from dettui.feed.ssh.target import Way  # noqa: PLC0415 - `--help` need not wait for it

    try:
        command = shlex.split(arguments.ssh or os.environ.get("DETTUI_SSH") or "ssh")
    except ValueError as error:
        raise BadUsage(f"--ssh: {error}") from error
    return Way(tuple(command) or ("ssh",), arguments.jump)
