"""What is on the other side of our output: a terminal or not, its size, and whether it shows colour."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from dettui.errors import BadUsage, NoTerminal

LEAST_COLUMNS, LEAST_ROWS = 20, 5


def has_terminal() -> bool:
    """True where a dashboard can be shown and steered."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def require_terminal() -> None:
    """Raise NoTerminal where no dashboard can be shown."""
    if not has_terminal():
        raise NoTerminal(
            "there is no terminal to show the dashboard on; "
            "`dettui --once` prints one frame, `dettui doctor RUN` a diagnosis"
        )


def wants_colour() -> bool:
    """True where stdout shows colours and nobody asked to be spared them (https://no-color.org)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size().columns


def size(columns: int | None, rows: int | None) -> os.terminal_size:
    """The size that was asked for; the terminal's, else 80 x 24, where none was.  Raises BadUsage where too small."""
    terminal = shutil.get_terminal_size()
    wanted = os.terminal_size((columns or terminal.columns, rows or terminal.lines))
    if wanted.columns < LEAST_COLUMNS or wanted.lines < LEAST_ROWS:
        raise BadUsage(f"a frame needs at least {LEAST_COLUMNS} columns and {LEAST_ROWS} rows")
    return wanted


def add_look(parser: argparse.ArgumentParser) -> None:
    """The options of every command that opens the dashboard."""
    parser.add_argument("--ascii", action="store_true", help="draw without Unicode")
    shade = parser.add_mutually_exclusive_group()
    shade.add_argument("--light", action="store_true", help="colours for a light background")
    shade.add_argument("--dark", action="store_true", help="colours for a dark background (the default)")
