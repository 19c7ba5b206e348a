"""Does counting help on programs that it has not seen?  ``python tests/bench/faults/leave_out.py DIR``

DIR holds the recordings of the programs for tuning.  For each of these programs the clues are counted on the other
ones alone, and its effective faults are diagnosed with the weights that follow.  Printed beside are the weights of the
experts, and those counted on all programs, the judged one among them: what the two last columns differ by is what
counting would pretend to.  Shares are macro: each injection counts once.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.faults.count_evidence import Case, case_of, count, faulty_rows
from bench.faults.effect import Row, effective
from bench.faults.injection import REGISTER
from bench.faults.record import read_manifest
from bench.faults.split import TUNE

from dettui.diagnose import weigh
from dettui.diagnose.catalogue import catalogue_of
from dettui.diagnose.counted import Counted
from dettui.domain.finding import Diagnosis
from dettui.engine import replay
from dettui.feed.opening import open_recording

TOP = 3


def use(counts: Mapping[str, Counted]) -> None:
    """Have the diagnosis take its weights from *counts*."""
    weigh.CATALOGUE = catalogue_of(counts)  # type: ignore[misc]


def judged(folder: Path, rows: Sequence[Row]) -> dict[str, list[tuple[bool, bool]]]:
    """By injection, whether a right cause came first, and among three, of each run in which anything was found."""
    told: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for row in rows:
        known = replay(open_recording(folder / "runs" / row["run"])).diagnosis
        if any(finding.severity != "info" for finding in known.findings):
            told[row["what"]].append(_standing(known, row))
    return told


def _standing(known: Diagnosis, row: Row) -> tuple[bool, bool]:
    injected = REGISTER[row["what"]]
    right = {injected.cause, *injected.accepted}
    first = known.causes[0].id if known.causes else "unknown"
    among = [cause.id for cause in known.causes if cause.id != "unknown"][:TOP]
    return first in right, first in right or bool(right.intersection(among))


def macro(told: Mapping[str, Sequence[tuple[bool, bool]]], which: int) -> float:
    """Mean over injections, in per cent."""
    return 100 * statistics.fmean(statistics.fmean(one[which] for one in runs) for runs in told.values())


def merged(parts: Iterable[Mapping[str, list[tuple[bool, bool]]]]) -> dict[str, list[tuple[bool, bool]]]:
    """The answers of all programs."""
    whole: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for part in parts:
        for what, answers in part.items():
            whole[what].extend(answers)
    return whole


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    harmful = effective(list(read_manifest(folder).values()))
    rows = list(faulty_rows(folder))
    cases: dict[str, list[Case]] = {program: [] for program in TUNE}
    for row in rows:
        case = case_of(folder / "runs" / row["run"], row)
        if case is not None:
            cases[row["program"]].append(case)
    everything = [case for program in TUNE for case in cases[program]]
    ways: dict[str, list[dict[str, list[tuple[bool, bool]]]]] = defaultdict(list)
    for program in TUNE:
        mine = [row for row in rows if row["program"] == program and harmful[row["name"]]]
        others = [case for other in TUNE if other != program for case in cases[other]]
        for way, counts in (("experts", {}), ("counted on others", count(others)), ("on all", count(everything))):
            use(counts)
            ways[way].append(judged(folder, mine))
        print(f"{program}: {len(mine)} effective faults", file=sys.stderr, flush=True)
    print(f"{'where found':<20}" + "".join(f"{way:>20}" for way in ways))
    for which, name in ((0, "top-1"), (1, "top-3")):
        print(f"{name:<20}" + "".join(f"{macro(merged(parts), which):>18.1f} %" for parts in ways.values()))


if __name__ == "__main__":
    main()
