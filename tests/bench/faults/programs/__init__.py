"""The programs by name; each is imported only when it is asked for."""

from __future__ import annotations

from importlib import import_module

from bench.faults.plan import Program


def program_named(name: str) -> Program:
    """The program in the module of that *name*."""
    program: Program = import_module(f"bench.faults.programs.{name}").PROGRAM
    return program
