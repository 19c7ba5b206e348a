"""What clues are worth by counting: likelihood ratios from recorded faults, shrunk to expert values where few.

The table is data, written by ``tests/bench/faults/count_evidence.py`` from the programs for tuning alone.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from dettui.diagnose.cause import CauseRecord, Clue

COUNTS_FILE: Final = Path(__file__).with_name("counts.json")
EXPERT_CASES: Final = 4.0
"""An expert's word counts as so many cases of the cause, and of other faults."""
USUAL_SHARE: Final = 0.7
"""Of the cases for which an expert thinks that a clue speaks: those in which it shows."""
LEAST_BINS: Final = 0.1
MOST_BINS: Final = 2.0


@dataclass(frozen=True)
class Tally:
    """How often a clue held, of the cases in which it could be asked.

    Runs of one fault in one program are one case together, of which a share may have held: their seeds agree far more
    than chance.
    """

    held: float
    asked: float

    def plus(self, answer: float) -> Tally:
        """With one more case."""
        return Tally(self.held + answer, self.asked + 1)

    def share(self, expected: float) -> float:
        """Of the cases in which it held, where EXPERT_CASES held with the share *expected* (a Beta prior)."""
        return (self.held + EXPERT_CASES * expected) / (self.asked + EXPERT_CASES)


@dataclass(frozen=True)
class Counted:
    """A clue in runs of its cause, and in runs of other faults under which the cause could be named."""

    own: Tally
    others: Tally

    @property
    def is_telling(self) -> bool:
        """Whether the clue ever held: else nothing is known of what it is worth when it does."""
        return bool(self.own.held or self.others.held)

    def bins(self, expert: float) -> float:
        """log10 of the likelihood ratio, begun at what the *expert* said."""
        rare = USUAL_SHARE / 10 ** abs(expert)
        own, others = (USUAL_SHARE, rare) if expert > 0 else (rare, USUAL_SHARE)
        return math.log10(self.own.share(own) / self.others.share(others))

    def as_json(self) -> list[float]:
        """held and asked with the cause, held and asked without."""
        return [self.own.held, self.own.asked, self.others.held, self.others.asked]


def clue_key(cause: str, clue: Clue) -> str:
    """What a clue is called in the table: one that is reworded, or given another limit, is counted anew."""
    condition = zlib.crc32(repr(clue.when).encode())
    return f"{cause}/{clue.group}/{condition:08x}: {clue.text}"


def shrunk_weight(expert: float, counts: Counted) -> float:
    """What the *expert* said of a clue, moved by what was counted; the sign is not turned.

    A clue that speaks for a cause and was counted to speak against it speaks for nothing: it is worth 0.1 bins, so that
    the text is still told.
    """
    if not counts.is_telling:
        return expert
    size = math.copysign(1.0, expert) * counts.bins(expert)
    return math.copysign(min(max(size, LEAST_BINS), MOST_BINS), expert)


@cache
def table() -> Mapping[str, Counted]:
    """The counts by key of the clue."""
    raw: dict[str, list[float]] = json.loads(COUNTS_FILE.read_text(encoding="utf-8"))
    return {key: Counted(Tally(a, b), Tally(c, d)) for key, (a, b, c, d) in raw.items()}


def with_counted_weights(record: CauseRecord, counts: Mapping[str, Counted]) -> CauseRecord:
    """*record* with the weights that *counts* give its clues."""
    clues = tuple(_weighed(clue, counts.get(clue_key(record.id, clue))) for clue in record.clues)
    return replace(record, clues=clues)


def _weighed(clue: Clue, counts: Counted | None) -> Clue:
    return clue if counts is None else replace(clue, weight=round(shrunk_weight(clue.weight, counts), 2))
