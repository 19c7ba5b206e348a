"""``python -m dettui_probe [options] train.py ARGS...``: watch a training script without changing a line of it.

The script runs as under ``python train.py``: the same ``sys.argv``, ``sys.path``, ``__main__``, tracebacks and exit
code.  torch is not imported before the script imports it.
"""

from __future__ import annotations

import argparse
import io
import os
import runpy
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Final, NamedTuple

from dettui_probe import event, finish
from dettui_probe.after_import import after_import
from dettui_probe.contract import NAMED, contract_named
from dettui_probe.heard import listen
from dettui_probe.overheard import listen_for_scores
from dettui_probe.start import current_run, start_run

_TEACH: Final = """\
examples:
  python -m dettui_probe train.py --epochs 3         watch train.py; everything after it is train.py's own
  python -m dettui_probe -m package.train --lr 0.1   the same for a module
  torchrun --nproc_per_node 2 -m dettui_probe train.py

Then, in another terminal:  dettui
"""


class Command(NamedTuple):
    """What is to be run, and how."""

    options: argparse.Namespace
    module: str | None
    script: str | None
    arguments: Sequence[str]


def parse(arguments: Sequence[str]) -> Command:
    """Split our options from the script and its arguments.  Exits with 2, as argparse does, where there is neither."""
    parser = argparse.ArgumentParser(
        prog="python -m dettui_probe",
        usage="python -m dettui_probe [options] (train.py | -m package.module) [ARGS ...]",
        description="Runs a training script and streams what its training does, with no line of it changed.",
        epilog=_TEACH,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", help="how the run is called in the dashboard (default: after the script)")
    parser.add_argument(
        "--budget", type=float, default=0.01, help="share of each step that watching may take (default: 0.01)"
    )
    parser.add_argument("--total-steps", type=int, help="optimizer steps that the run will take, for the time left")
    parser.add_argument(
        "--contract", choices=list(NAMED), help="what the model asks of its targets, where it is not recognised"
    )
    parser.add_argument("--connect", metavar="ADDRESS", help="also stream to the `dettui listen` that printed this")
    ours, theirs = _split(arguments)
    options = parser.parse_args(ours)
    if not theirs:
        parser.error("which script? Give train.py, or -m package.module")
    if theirs[0] != "-m":
        return Command(options, None, theirs[0], theirs[1:])
    if len(theirs) < 2:
        parser.error("-m needs the name of a module")
    return Command(options, theirs[1], None, theirs[2:])


_WITH_VALUE: Final = ("--name", "--budget", "--total-steps", "--contract", "--connect")


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our options end where the script's name, or -m, stands."""
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        if argument == "-m" or not argument.startswith("-"):
            break
        position += 2 if argument in _WITH_VALUE else 1
    return list(arguments[:position]), list(arguments[position:])


class AsPythonDoes:
    """Around the script: ends with what Python makes of its exception, without the frames of this file."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or not isinstance(error, Exception):  # SystemExit and Ctrl-C need no help
            return
        error.__traceback__ = _without_own_frames(trace)
        sys.excepthook(type(error), error, error.__traceback__)
        raise SystemExit(1) from None


def _without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def run_script(path: str, arguments: Sequence[str]) -> None:
    """Run the file *path* as ``__main__``.  Exits with 2 where it cannot be read, as Python does."""
    file_name = str(Path(path).absolute())
    try:
        with io.open_code(file_name) as file:
            source = file.read()
    except OSError as error:
        print(
            f"python -m dettui_probe: can't open file {path!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr
        )
        raise SystemExit(2) from None
    sys.argv[:] = [path, *arguments]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = str(Path(path).resolve().parent)
    main = _fresh_main()
    main.__file__ = file_name
    main.__dict__["__builtins__"] = __builtins__
    with AsPythonDoes():
        exec(compile(source, file_name, "exec", dont_inherit=True), main.__dict__)


def run_module(name: str, arguments: Sequence[str]) -> None:
    """Run the module *name* as ``__main__``."""
    sys.argv[:] = [name, *arguments]
    _fresh_main()
    with AsPythonDoes():
        runpy._run_module_as_main(name)  # type: ignore[attr-defined]  # what ``python -m`` itself calls


def _fresh_main() -> ModuleType:
    """An empty ``__main__``.  This module goes on living under its full name."""
    sys.modules[f"{__package__}.__main__"] = sys.modules["__main__"]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    return main


def search_when_torch_is_there(options: argparse.Namespace) -> None:
    """Look for the model that trains, as soon as the script has imported torch."""

    def search() -> None:
        listen().follow_workers()
        from dettui_probe.capture.global_hooks import Search, Wanted  # noqa: PLC0415 - imports torch

        Search(Wanted(options.name, options.budget, options.total_steps, contract_named(options.contract)))

    after_import("torch", search)
    listen_for_scores()


def tell_that_nothing_trained(options: argparse.Namespace) -> None:
    """Leave a trace of a script that ended without a training step: a run with nothing but that event."""
    if current_run() is None:
        start_run(options.name, total_steps=options.total_steps)
        event("no_backward", "the script ended without a forward pass in training mode")
        finish()


def main() -> None:
    """The command line."""
    command = parse(sys.argv[1:])
    if command.options.connect:
        os.environ["DETTUI_CONNECT"] = command.options.connect  # a public key: no secret
    listen()  # before the script makes its workers
    search_when_torch_is_there(command.options)
    if command.module is not None:
        run_module(command.module, command.arguments)
    elif command.script is not None:
        run_script(command.script, command.arguments)
    tell_that_nothing_trained(command.options)


if __name__ == "__main__":
    main()
