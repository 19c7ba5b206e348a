"""Putting the probe into a training command without changing a line of the script."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

PROBE = ("-m", "dettui_probe")

_PYTHON = re.compile(r"(python|pypy)[\d.]*$")
_PYTHON_VALUED = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_TORCHRUN_FLAGS = frozenset({"--standalone", "--no-python", "--no_python", "--run-path", "--run_path"})
"""Options of torchrun that take no value (torch.distributed.run, torch 2.14); all others take one."""


def with_probe(command: Sequence[str]) -> tuple[str, ...] | None:
    """*command* with the probe in it; None where it is no command that we know how to put it into.

    ``python x.py`` becomes ``python -m dettui_probe x.py``, and ``torchrun ... x.py`` becomes
    ``torchrun ... -m dettui_probe x.py``; a bare ``x.py`` runs under our own interpreter.
    """
    program = Path(command[0]).name
    if program.endswith(".py"):
        return (sys.executable, *PROBE, *command)
    if _PYTHON.match(program):
        return _inserted(command, _end_of_options(command, frozenset(), _PYTHON_VALUED))
    if program == "torchrun":
        return _inserted(command, _end_of_options(command, _TORCHRUN_FLAGS, None))
    return None


def script_of(command: Sequence[str]) -> str:
    """What a run of *command* is called after: the script or module where there is one, else the program."""
    for word, following in zip(command, [*command[1:], ""], strict=True):
        if word.endswith(".py"):
            return word
        if word in ("-m", "--module") and following not in ("", "dettui_probe"):
            return following.removesuffix(".__main__").rpartition(".")[2]
    return command[0]


def _inserted(command: Sequence[str], place: int) -> tuple[str, ...] | None:
    """*command* with the probe at *place*, where the script or ``-m`` stands; None where neither does."""
    if place >= len(command) or command[place] in ("-c", "-"):
        return None
    if "dettui_probe" in command[place : place + 2]:
        return tuple(command)
    return (*command[:place], *PROBE, *command[place:])


def _end_of_options(command: Sequence[str], flags: frozenset[str], valued: frozenset[str] | None) -> int:
    """Where the script, ``-m`` or ``-c`` stands.  Of the options before it, those of *valued* take the next word;
    where *valued* is None, all do that are not *flags* and hold no ``=``."""
    place = 1
    while place < len(command):
        word = command[place]
        if word in ("-m", "-c", "-", "--module") or not word.startswith("-"):
            return place
        takes_next = word in valued if valued is not None else word not in flags and "=" not in word
        place += 2 if takes_next else 1
    return place
