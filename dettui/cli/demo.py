"""Train a small, real detector that has a known fault, and watch it being found.

A Faster R-CNN of torchvision over a tiny backbone learns shapes that are drawn on the fly; it takes two minutes on one
core and needs `pip install 'dettui[demos]'`.  Without a terminal the training runs to its end and what `dettui doctor`
says is printed.

examples:
  dettui demo                      labels that start at 0 where the head keeps 0 for background
  dettui demo lr_too_high
  dettui demo healthy --steps 600
  dettui demo --list               every fault; each is a short file to read
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import sys
from pathlib import Path
from typing import Final

from dettui.cli import child, terminal
from dettui.errors import BadUsage, DettuiError

DEFAULT: Final = "labels_shifted"
NEEDED: Final = ("torch", "torchvision", "albumentations")
SHARED: Final = "shapes"  # the module that the demos share is no demo


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("fault", nargs="?", default=DEFAULT, metavar="FAULT", help=", ".join(faults()))
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="optimizer steps (default: as many as it takes to learn)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of weights and pictures (default: 0)")
    parser.add_argument("--list", action="store_true", help="print the faults and leave")
    terminal.add_look(parser)


def positive(text: str) -> int:
    """The whole number above 0 that *text* is.  Raises ValueError where it is none, as argparse expects."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def run(arguments: argparse.Namespace) -> int:
    """Start the demo and watch it; the exit code of what was watched."""
    if arguments.list:
        print(listed())
        return 0
    require_demo(arguments.fault)
    command = [sys.executable, str(folder() / f"{arguments.fault}.py"), *options(arguments)]
    run_id = child.fresh_run_id(None, arguments.fault)
    from dettui.cli import watching  # noqa: PLC0415 - `--help` and `--list` should not wait for numpy

    if terminal.has_terminal():
        return watching.watch_behind_dashboard(child.start_behind_dashboard(command, run_id), arguments)
    print(f"dettui: {run_id} trains on one core; a line every hundred steps", file=sys.stderr, flush=True)
    return watching.watch_in_front(child.start_in_front(command, run_id, stdout=sys.stderr))


def options(arguments: argparse.Namespace) -> list[str]:
    """The options of the demo that were given to us."""
    given = {"--steps": arguments.steps, "--seed": arguments.seed}
    return [word for option, value in given.items() if value is not None for word in (option, str(value))]


def folder() -> Path:
    """Where the demos are: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_demos"
    return installed if installed.is_dir() else package.parent / "demos"


def faults() -> tuple[str, ...]:
    """Names of all demos, the healthy one first."""
    names = sorted(path.stem for path in folder().glob("*.py") if path.stem != SHARED)
    return tuple(sorted(names, key=lambda name: name != "healthy"))


def listed() -> str:
    """One line for each demo, from the first line of its file."""
    width = max(map(len, faults()), default=0)
    return "\n".join(f"{name:<{width}}  {_title(folder() / f'{name}.py')}" for name in faults())


def _title(demo: Path) -> str:
    return (ast.get_docstring(ast.parse(demo.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def require_demo(fault: str) -> None:
    """Raise BadUsage where there is no such demo, DettuiError where what it trains with is not installed."""
    if fault not in faults():
        raise BadUsage(f"no demo called {fault!r}; there are {', '.join(faults())}")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise DettuiError(f"the demos train with {', '.join(missing)}: pip install 'dettui[demos]'")
