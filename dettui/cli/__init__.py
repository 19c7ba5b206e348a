"""The command line: one module for each command, imported only when it is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from dettui.cli.commands import COMMANDS, DASHBOARD
from dettui.errors import DettuiError

__all__ = ["main"]

INTERRUPTED = 130
BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``dettui``; the exit code.  An error that the user can mend is one line on stderr."""
    try:
        code = dispatch(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except DettuiError as error:
        print(f"dettui: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def dispatch(argv: Sequence[str]) -> int:
    """Run the command that *argv* names; the dashboard where it names none."""
    if argv and argv[0] in COMMANDS:
        return COMMANDS[argv[0]].call(argv[1:])
    return DASHBOARD.call(argv)


def _silence_stdout() -> None:
    """Keep the interpreter from complaining, while it exits, that nobody reads its output any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
