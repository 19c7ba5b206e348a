"""Score the rules on the recordings of the fault bench: ``python tests/bench/faults/score.py``

    --out DIR             recordings and manifests (default: $DETTUI_FAULTS, else ./.faults)
    --sides tune [test]   whose numbers to print (default both, side by side)
    --wrong tune          also every run of that side that was missed, misnamed or falsely warned of
    --confusion tune      also the causes that are confused, the worst cells first
    --json FILE           everything as one object
    --workers N           processes (default 2)

What counts: a fault counts where it did harm (effect.py), whatever the rules say; others are benign injections, told
apart.  A fault is found by a finding of warning or worse that was raised at its onset or later.  A cause is right
where it is the true one or an accepted alternate, and first where doctor names it first; "unknown" first is an
abstention, right for the faults that no stream can tell.  Means over faults are macro: each injection counts once.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.faults import injections
from bench.faults.effect import Row, clopper_pearson, effective, unhealthy_reason, usual_scores
from bench.faults.injection import REGISTER
from bench.faults.record import job_of, read_manifest
from bench.faults.split import Side
from bench.faults.verdict import Verdict, all_findings, code_revision, verdicts

WORST_CELLS: Final = 5
TOP: Final = 3
MOST_LOST: Final = 0.1  # of the rows of a recording
SHORTEST: Final = 40  # steps of which rows may be missed
LEAST_KEPT: Final = 0.5  # of its losses, where the probe did not choose to measure fewer
SIDES_ASKED: Final[tuple[Side, ...]] = ("tune", "test")


@dataclass(frozen=True)
class Scored:
    """One recording with its truth and what the engine said."""

    row: Row
    verdict: Verdict

    @property
    def name(self) -> str:
        """kind/program/what/severity/seed."""
        return str(self.row["name"])

    @property
    def what(self) -> str:
        """The injection or the variant."""
        return str(self.row["what"])

    @property
    def family(self) -> str:
        """The module of the injection."""
        return REGISTER[self.what].family

    @property
    def right(self) -> frozenset[str]:
        """Causes that are right."""
        injected = REGISTER[self.what]
        return frozenset((injected.cause, *injected.accepted))

    @property
    def is_torn(self) -> bool:
        """True where the machine was too busy to record it: no test of a rule, and to be recorded anew."""
        steps = int(self.row["outcome"]["steps"])
        if steps < SHORTEST or self.what == "no_step":  # broke off at once; or nothing is recorded, for nothing steps
            return False
        return (
            self.verdict.dropped > MOST_LOST * steps or self.verdict.losses * self.verdict.thinned < LEAST_KEPT * steps
        )

    @property
    def onset(self) -> int:
        """The step at which the fault begins; 0 where it comes with a restart, behind which steps are counted anew."""
        restarts = self.row["kind"] == "fault" and job_of(self.row).plan().restart_at
        return 0 if restarts else int(self.row["onset"])

    @property
    def found_at(self) -> int | None:
        """Step of the first warning since the onset."""
        warnings = self.verdict.warnings_since(self.onset)
        return warnings[0].raised_at if warnings else None

    @property
    def delay(self) -> int | None:
        """Steps from the onset to the first warning."""
        return None if self.found_at is None else max(self.found_at - max(self.onset, 1), 0)

    @property
    def first(self) -> str:
        """The cause that is named first; "missed" where nothing was found, "unknown" where it abstains."""
        if self.found_at is None:
            return "missed"
        return self.verdict.causes[0].id if self.verdict.causes else "unknown"

    @property
    def is_first_right(self) -> bool:
        """True where the first cause is right."""
        return self.first in self.right

    @property
    def is_among_first(self) -> bool:
        """True where a right cause is among the first three that are named."""
        named = [cause.id for cause in self.verdict.causes if cause.id != "unknown"][:TOP]
        return self.found_at is not None and (self.is_first_right or bool(self.right.intersection(named)))


@dataclass(frozen=True)
class SideScore:
    """All recordings of one side, sorted out."""

    healthy: tuple[Scored, ...]
    left_out: tuple[tuple[Scored, str], ...]  # torn recordings, and variants that did not train; with the reason
    faults: tuple[Scored, ...]  # effective ones
    benign: tuple[Scored, ...]


def load(folder: Path, workers: int) -> SideScore:
    """Replay what *folder* holds."""
    rows = [row for row in read_manifest(folder).values() if (folder / "runs" / row["run"]).exists()]
    rows = [row for row in rows if row["kind"] == "healthy" or row["what"] in REGISTER]
    found = verdicts([folder / "runs" / row["run"] for row in rows], folder.parent / "cache", workers)
    harmful, usual = effective(rows), usual_scores(rows)
    every = [Scored(row, found[folder / "runs" / row["run"]]) for row in rows]
    scored = [one for one in every if not one.is_torn]
    torn = [(one, f"{one.verdict.dropped} rows lost") for one in every if one.is_torn]
    calm = [(one, unhealthy_reason(one.row, usual)) for one in scored if one.row["kind"] == "healthy"]
    faults = [one for one in scored if one.row["kind"] == "fault"]
    return SideScore(
        tuple(one for one, reason in calm if not reason),
        (*torn, *((one, reason) for one, reason in calm if reason)),
        tuple(one for one in faults if harmful[one.name]),
        tuple(one for one in faults if not harmful[one.name]),
    )


# --- numbers ------------------------------------------------------------------------------------------------------


def summary(side: SideScore) -> dict[str, Any]:
    """The numbers of one side."""
    warned = [one for one in side.healthy if one.verdict.warnings_since(0)]
    low, high = clopper_pearson(len(warned), len(side.healthy))
    found = [one for one in side.faults if one.found_at is not None]
    named = [one for one in found if one.first != "unknown"]
    delays = {family: _delays(o for o in found if o.family == family) for family in sorted({o.family for o in found})}
    return {
        "healthy runs": len(side.healthy),
        "healthy runs warned of": len(warned),
        "false warnings per 100": 100 * len(warned) / max(len(side.healthy), 1),
        "false warnings 95 % interval": [100 * low, 100 * high],
        "healthy by variant": _by_variant(side.healthy),
        "left out": len(side.left_out),
        "fault runs": len(side.faults) + len(side.benign),
        "effective fault runs": len(side.faults),
        "effective injections": len({one.what for one in side.faults}),
        "true causes": len({REGISTER[one.what].cause for one in side.faults}),
        "recall": _macro(side.faults, lambda one: one.found_at is not None),
        "recall of runs": len(found) / max(len(side.faults), 1),
        "top-1": _macro(side.faults, lambda one: one.is_first_right),
        "top-3": _macro(side.faults, lambda one: one.is_among_first),
        "top-1 where found": _macro(found, lambda one: one.is_first_right),
        "top-3 where found": _macro(found, lambda one: one.is_among_first),
        "top-1 where a cause is named": _macro(named, lambda one: one.is_first_right),
        "abstention where found": sum(one.first == "unknown" for one in found) / max(len(found), 1),
        "delay": _delays(found),
        "delay by family": delays,
        "recall by family": _by_family(side.faults, lambda one: one.found_at is not None),
        "top-1 by family": _by_family(side.faults, lambda one: one.is_first_right),
        "calibration": _calibration(found),
        "benign runs": len(side.benign),
        "benign runs warned of": sum(one.found_at is not None for one in side.benign),
        "benign runs whose fault is named first": sum(one.is_first_right for one in side.benign),
    }


def _macro(runs: Iterable[Scored], is_right: Any) -> float:
    """Mean over injections of the share of their runs."""
    by_fault: dict[str, list[bool]] = defaultdict(list)
    for one in runs:
        by_fault[one.what].append(bool(is_right(one)))
    return statistics.fmean(statistics.fmean(values) for values in by_fault.values()) if by_fault else math.nan


def _by_family(runs: Sequence[Scored], is_right: Any) -> dict[str, float]:
    families = sorted({one.family for one in runs})
    return {family: _macro((one for one in runs if one.family == family), is_right) for family in families}


def _delays(runs: Iterable[Scored]) -> dict[str, float]:
    steps = sorted(one.delay for one in runs if one.delay is not None)
    if not steps:
        return {"median": math.nan, "p90": math.nan}
    return {"median": statistics.median(steps), "p90": steps[min(int(0.9 * len(steps)), len(steps) - 1)]}


def _by_variant(runs: Sequence[Scored]) -> dict[str, list[int]]:
    """Runs warned of and runs, by variant."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in runs:
        counts[one.what][0] += bool(one.verdict.warnings_since(0))
        counts[one.what][1] += 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1][0], item[0])))


def _calibration(found: Sequence[Scored]) -> dict[str, Any]:
    """Of the score of the first cause: expected calibration error over ten bins, and how often each bin is right."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for one in found:
        if one.verdict.causes and one.first != "unknown":
            score = one.verdict.causes[0].score
            bins[min(int(10 * score), 9)].append((score, one.is_first_right))
    count = sum(map(len, bins.values()))
    table = {
        f"{low / 10:.1f}": [len(rows), statistics.fmean(s for s, _ in rows), statistics.fmean(r for _, r in rows)]
        for low, rows in sorted(bins.items())
    }
    error = sum(n / count * abs(score - right) for n, score, right in table.values()) if count else math.nan
    certain = [one.is_first_right for one in found if one.verdict.causes and one.verdict.causes[0].certain]
    return {
        "error": error,
        "bins": table,
        "certain": len(certain),
        "certain and right": sum(certain),
    }


def confusion(runs: Sequence[Scored]) -> list[tuple[str, str, int, int, str]]:
    """Wrong cells: true cause, what was said, how many runs, of how many of that cause, an example; most runs first."""
    total = Counter(REGISTER[one.what].cause for one in runs)
    wrong: dict[tuple[str, str], list[Scored]] = defaultdict(list)
    for one in runs:
        if not one.is_first_right:
            wrong[REGISTER[one.what].cause, one.first].append(one)
    cells = [(true, said, len(ones), total[true], ones[0].name) for (true, said), ones in wrong.items()]
    return sorted(cells, key=lambda cell: (-cell[2], cell[0]))


# --- printing -----------------------------------------------------------------------------------------------------


def print_table(numbers: dict[Side, dict[str, Any]]) -> None:
    """Side by side."""
    print(f"{'':<38}" + "".join(f"{side:>22}" for side in numbers))

    def line(title: str, cells: Iterable[str]) -> None:
        print(f"{title:<38}" + "".join(f"{cell:>22}" for cell in cells))

    each = list(numbers.values())
    line("healthy runs (left out)", (f"{n['healthy runs']} ({n['left out']})" for n in each))
    line("false warnings per 100 [95 %]", (_interval(n) for n in each))
    line("effective / all fault runs", (f"{n['effective fault runs']} / {n['fault runs']}" for n in each))
    line("effective injections (true causes)", (f"{n['effective injections']} ({n['true causes']})" for n in each))
    for key in (
        "recall", "recall of runs", "top-1", "top-3", "top-1 where found", "top-3 where found",
        "top-1 where a cause is named", "abstention where found",
    ):  # fmt: skip
        line(key, (f"{100 * n[key]:.1f} %" for n in each))
    line("delay in steps, median / p90", (_delay_text(n["delay"]) for n in each))
    line("calibration error of scores", (f"{n['calibration']['error']:.3f}" for n in each))
    line(
        "certain: right / named",
        (f"{n['calibration']['certain and right']} / {n['calibration']['certain']}" for n in each),
    )
    line("benign injections warned of", (f"{n['benign runs warned of']} / {n['benign runs']}" for n in each))
    line("  their fault named first", (f"{n['benign runs whose fault is named first']}" for n in each))
    for family in sorted({family for n in each for family in n["recall by family"]}):
        line(f"  {family}: recall, top-1, delay", (_family_text(n, family) for n in each))
    for variant in sorted({variant for n in each for variant, (hits, _) in n["healthy by variant"].items() if hits}):
        line(
            f"  healthy {variant}: warned",
            ("{} / {}".format(*n["healthy by variant"].get(variant, (0, 0))) for n in each),
        )


def _interval(n: dict[str, Any]) -> str:
    low, high = n["false warnings 95 % interval"]
    return f"{n['false warnings per 100']:.1f} [{low:.1f}, {high:.1f}]"


def _certain_text(calibration: dict[str, Any]) -> str:
    return f"{calibration['certain and right']} / {calibration['certain']}"


def _delay_text(delay: dict[str, float]) -> str:
    return f"{delay['median']:.0f} / {delay['p90']:.0f}"


def _family_text(n: dict[str, Any], family: str) -> str:
    if family not in n["recall by family"]:
        return "-"
    delay = _delay_text(n["delay by family"].get(family, {"median": math.nan, "p90": math.nan}))
    return f"{100 * n['recall by family'][family]:.0f} %, {100 * n['top-1 by family'][family]:.0f} %, {delay}"


def print_wrong(side: SideScore) -> None:
    """Every run that was judged wrongly."""
    print("\nfalse warnings on healthy runs")
    for one in side.healthy:
        if one.verdict.warnings_since(0):
            print(f"  {one.name}: {'; '.join(all_findings(one.verdict))}")
    print("\neffective faults missed or misnamed")
    for one in sorted(side.faults, key=lambda one: one.name.split("/")[2:]):
        if not one.is_first_right:
            named = ", ".join(f"{cause.id} {cause.score:.2f}" for cause in one.verdict.causes[:TOP])
            said = "; ".join(all_findings(one.verdict))
            print(f"  {one.name} is {REGISTER[one.what].cause}: {one.first} [{named}] {said}")
    print("\nleft out")
    for one, reason in side.left_out:
        print(f"  {one.name}: {reason}")


def print_confusion(runs: Sequence[Scored]) -> None:
    """The wrong cells, and the worst of them apart."""
    cells = confusion(runs)
    print(f"\nconfused causes, worst {WORST_CELLS} first (true, said, runs of all runs of that cause, an example)")
    for number, (true, said, count, total, example) in enumerate(cells):
        mark = "*" if number < WORST_CELLS else " "
        print(f"{mark} {true:<26} {said:<26} {count:>3} of {total:<3} {example}")


def main() -> int:
    """Print the table."""
    arguments = parse()
    sides = {side: load(arguments.out / side, arguments.workers) for side in arguments.sides}
    numbers = {side: summary(scored) for side, scored in sides.items()}
    print(f"code {code_revision()}")
    print_table(numbers)
    for side in arguments.wrong:
        print_wrong(sides[side])
    for side in arguments.confusion:
        print_confusion(sides[side].faults)
    if arguments.json:
        cells = {side: confusion(scored.faults) for side, scored in sides.items()}
        arguments.json.write_text(json.dumps({"code": code_revision(), "sides": numbers, "confusion": cells}, indent=1))
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("DETTUI_FAULTS", ".faults")))
    parser.add_argument("--sides", nargs="+", choices=SIDES_ASKED, default=list(SIDES_ASKED))
    parser.add_argument("--wrong", nargs="+", choices=SIDES_ASKED, default=[])
    parser.add_argument("--confusion", nargs="+", choices=SIDES_ASKED, default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    assert injections.__all__  # fills the register
    sys.exit(main())
