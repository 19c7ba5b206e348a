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
EXPERT_RUNS: Final = 6.0
"""An expert's value weighs as so many runs of the cause: with as many counted, both count alike."""
MOST_BINS: Final = 2.0


@dataclass(frozen=True)
class Tally:
    """How often a clue held, of the runs in which it could be asked."""

    held: float
    asked: float

    def plus(self, answer: bool) -> Tally:
        """With one more run."""
        return Tally(self.held + answer, self.asked + 1)

    @property
    def share(self) -> float:
        """With one run of either outcome added (Laplace): never 0, never 1."""
        return (self.held + 1.0) / (self.asked + 2.0)


@dataclass(frozen=True)
class Counted:
    """A clue in runs of its cause, and in runs of other faults under which the cause could be named."""

    own: Tally
    others: Tally

    @property
    def bins(self) -> float:
        """log10 of the likelihood ratio."""
        bins = math.log10(self.own.share / self.others.share)
        return min(max(bins, -MOST_BINS), MOST_BINS)

    def as_json(self) -> list[float]:
        """held and asked with the cause, held and asked without."""
        return [self.own.held, self.own.asked, self.others.held, self.others.asked]


def clue_key(cause: str, clue: Clue) -> str:
    """What a clue is called in the table: one that is reworded, or given another limit, is counted anew."""
    condition = zlib.crc32(repr(clue.when).encode())
    return f"{cause}/{clue.group}/{condition:08x}: {clue.text}"


def shrunk_weight(expert: float, counts: Counted) -> float:
    """Between the expert's value and the counted one, by how many runs were counted; a sign is not turned.

    A clue that speaks for a cause and was counted to speak against it speaks for nothing: it is worth 0.1 bins, so that
    the text is still told.
    """
    runs = min(counts.own.asked, counts.others.asked)
    weight = (EXPERT_RUNS * expert + runs * counts.bins) / (EXPERT_RUNS + runs)
    least = 0.1 if expert > 0 else -0.1
    return max(weight, least) if expert > 0 else min(weight, least)


@cache
def table() -> Mapping[str, Counted]:
    """The counts by key of the clue."""
    raw: dict[str, list[float]] = json.loads(COUNTS_FILE.read_text(encoding="utf-8"))
    return {key: Counted(Tally(a, b), Tally(c, d)) for key, (a, b, c, d) in raw.items()}


def with_counted_weights(record: CauseRecord) -> CauseRecord:
    """*record* with the weights that counting gives its clues."""
    clues = tuple(_weighed(record.id, clue) for clue in record.clues)
    return replace(record, clues=clues)


def _weighed(cause: str, clue: Clue) -> Clue:
    counts = table().get(clue_key(cause, clue))
    return clue if counts is None else replace(clue, weight=round(shrunk_weight(clue.weight, counts), 2))
