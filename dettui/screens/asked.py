"""What screens ask the application for: another screen.  Beside them all, so that none is loaded before it is seen."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from dettui.domain.finding import Finding


@dataclass
class RunChosen(Message):
    """A run was opened."""

    run: str


@dataclass
class CompareChosen(Message):
    """Runs are to be laid over each other; their places decide their letters and colours."""

    picked: dict[str, int]


@dataclass
class FindingChosen(Message):
    """A finding was opened."""

    run: str
    finding: Finding


@dataclass
class ChecksAsked(Message):
    """The checks of a run were asked for."""

    run: str


@dataclass
class RanksAsked(Message):
    """The ranks of a run were asked for."""

    run: str


@dataclass
class ImagesAsked(Message):
    """The images of a run were asked for; those first whose targets failed one of the *checks*."""

    run: str
    checks: frozenset[str] = frozenset()
