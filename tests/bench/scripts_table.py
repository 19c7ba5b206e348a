"""Trainings as their communities write them, under ``python -m dettui_probe``: is each left in peace where it learns,
and are the mistakes found that keep it from learning?

    python tests/bench/scripts_table.py [odd] [detectors] [field] [--faults] [--seeds N] [--only WORD ...]
                                        [--budget SHARE] [--runs DIR] [--no-rows]

    odd               unusual kinds: adversaries, agents, graphs, teachers, losses that are meant to rise (default)
    detectors         of several styles; the rules were tuned on these and on odd
    field             mostly detectors; judged unseen at first, opened since, with two rules mended by what they showed
    --faults          also with the mistakes of cases.py; a mistake counts where the run did not learn with it
    --seeds N         healthy runs of each script (default: 1)
    --budget SHARE    of each step that watching may take; 1 measures them as densely as a training on a GPU would be
                      (default: 0.01, with which steps of a few milliseconds are measured one in a hundred)
    --runs DIR        keep the recordings there, and judge those that are there
    --only WORD ...   trainings with one of these words in their name
    --no-rows         the figures alone: of trainings that must stay unseen

Each trains for five seconds to a minute on a core, one at a time, on one thread.  A healthy row with a warning is a
bug, of the script or of a rule.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.faults.effect import clopper_pearson
from bench.faults.verdict import Seen, Verdict, code_revision, verdicts
from scripted import BENCH, Outcome, Training, outcome, trainings

ROW: Final = "{:<44} {:>6} {:>9} {:<7} {}"
TOP: Final = 3


@dataclass(frozen=True)
class Judged:
    """A training, what became of it, and what is said of it."""

    training: Training
    outcome: Outcome
    verdict: Verdict  # where several models were trained, of the one that most is said of

    @property
    def learnt(self) -> bool:
        """By what it printed last."""
        return self.training.case.learnt(self.outcome.value)

    @property
    def warnings(self) -> list[Seen]:
        """Those of warning or worse, first ones first."""
        return self.verdict.warnings_since(0)

    @property
    def named(self) -> list[str]:
        """Causes, the likeliest first; none where nothing was found."""
        return [cause.id for cause in self.verdict.causes] if self.warnings else []

    def names(self, first: int) -> bool:
        """Whether a right cause is among the *first* that are named."""
        right = self.training.fault.causes if self.training.fault else ()
        return any(cause in right for cause in self.named[:first])


def judged(training: Training, runs: Path, budget: float) -> Judged | None:
    """*training* run and judged; None where nothing was recorded of it."""
    became = outcome(training, runs, budget)
    said = verdicts(became.recordings, runs / "cache", 1).values()
    worst = max(said, key=lambda verdict: (len(verdict.warnings_since(0)), verdict.steps), default=None)
    return None if worst is None else Judged(training, became, worst)


def row(one: Judged) -> str:
    """Of the table."""
    said = "; ".join(f"{seen.kind}@{seen.raised_at}" for seen in one.warnings) or "-"
    named = ", ".join(one.named[:TOP])
    value = "-" if one.outcome.value is None else f"{one.outcome.value:.4g}"
    learnt = "learnt" if one.learnt else "did not"
    return ROW.format(one.training.name, one.verdict.steps, value, learnt, f"{named} <- {said}" if named else said)


def print_figures(every: Sequence[Judged]) -> None:
    """Shares with their exact 95 % intervals."""
    healthy = [one for one in every if one.training.fault is None]
    faults = [one for one in every if one.training.fault is not None]
    _share("healthy that did not learn (left out)", healthy, lambda one: not one.learnt)
    _share("healthy warned of", [one for one in healthy if one.learnt], lambda one: bool(one.warnings))
    _share("mistakes with which it learnt (left out)", faults, lambda one: one.learnt)
    effective = [one for one in faults if not one.learnt]
    _share("found", effective, lambda one: bool(one.warnings))
    _share("right cause first", effective, lambda one: one.names(1))
    _share("right cause among three", effective, lambda one: one.names(TOP))
    _share("certain and right, of certain", [one for one in effective if _is_certain(one)], lambda one: one.names(1))
    delays = [one.warnings[0].raised_at for one in effective if one.warnings]
    if delays:
        print(f"first warning at step, median: {statistics.median(delays):.0f}")


def _is_certain(one: Judged) -> bool:
    return bool(one.warnings and one.verdict.causes and one.verdict.causes[0].certain)


def _share(title: str, of: Sequence[Judged], is_hit: Callable[[Judged], bool]) -> None:
    hits = sum(map(is_hit, of))
    low, high = (100 * bound for bound in clopper_pearson(hits, len(of)))
    print(f"{title:<42}{hits:>4} of {len(of):<4} {100 * hits / max(len(of), 1):5.1f} % [{low:.0f}, {high:.0f}]")


def progress(every: Iterable[Training], runs: Path, options: argparse.Namespace) -> list[Judged]:
    """Each run and judged, a line as soon as it is."""
    found = []
    for training in every:
        one = judged(training, runs, options.budget)
        if one is None:
            print(f"{training.name}: nothing recorded", flush=True)
            continue
        found.append(one)
        print("." if options.no_rows else row(one), end="" if options.no_rows else "\n", flush=True)
    return found


def main() -> None:
    options = parse()
    wanted = [
        training
        for training in trainings(options.folders, options.seeds, options.faults)
        if any(word in training.name for word in options.only)
    ]
    runs = options.runs or Path(tempfile.mkdtemp())
    runs.mkdir(parents=True, exist_ok=True)
    print(f"{len(wanted)} trainings, code {code_revision()}, recordings in {runs}")
    if not options.no_rows:
        print(ROW.format("training", "steps", "came to", "", "causes <- warnings"))
    every = progress(wanted, runs, options)
    print()
    print_figures(every)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=["odd"])
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=0.01)
    parser.add_argument("--only", nargs="+", default=[""])
    parser.add_argument("--no-rows", action="store_true")
    parser.add_argument("--runs", type=Path)
    options = parser.parse_args()
    if unknown := [folder for folder in options.folders if not (BENCH / folder / "cases.py").exists()]:
        parser.error(f"no scripts with a cases.py in {', '.join(unknown)}")
    return options


if __name__ == "__main__":
    main()
