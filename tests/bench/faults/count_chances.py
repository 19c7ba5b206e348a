"""Count how often healthy and faulty runs are warned of: ``python tests/bench/faults/count_chances.py DIR [--write]``

DIR holds the recordings of the programs for tuning with their manifest.jsonl.  Each run is replayed, or its verdict is
taken from the cache beside DIR, and runs are counted by the kind of the first warning that statistics raised: all
healthy ones, and those with an effective fault that nothing proved.

Prints the table with the e-value of each kind.  With --write it also writes dettui/diagnose/chances.json, by which the
list of runs tells which warnings chance may bring among so many (dettui/diagnose/across_runs.py).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.faults.score import Scored, SideScore, load

from dettui.diagnose.across_runs import CHANCES_FILE, Chances


def count(side: SideScore) -> Chances:
    """The runs of *side* by their first warning."""
    return Chances(
        len(side.healthy),
        _by_first_warning(side.healthy),
        _by_first_warning(one for one in side.faults if not one.verdict.is_proved),
    )


def _by_first_warning(runs: Iterable[Scored]) -> dict[str, int]:
    return dict(Counter(one.verdict.first_warning for one in runs if one.verdict.first_warning))


def _proved(runs: Iterable[Scored]) -> int:
    return sum(one.verdict.is_proved for one in runs)


def told(side: SideScore, table: Chances) -> Iterator[str]:
    """The table in lines."""
    warned, found = sum(table.healthy.values()), sum(table.faults.values())
    yield f"healthy runs: {table.healthy_runs}, warned of {warned}, proved faulty {_proved(side.healthy)}"
    yield f"effective faults: {len(side.faults)}, proved {_proved(side.faults)}, of the others warned of {found}"
    yield f"e-value of any warning {table.of_any:.0f}"
    for kind in sorted({*table.healthy, *table.faults}, key=table.e_value, reverse=True):
        healthy, faults = table.healthy.get(kind, 0), table.faults.get(kind, 0)
        yield f"  {kind:<24} healthy {healthy:>3}  faults {faults:>3}  e-value {table.e_value(kind):>6.1f}"


def main() -> None:
    """Counts, prints, and writes where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    side = load(arguments.folder, arguments.workers)
    table = count(side)
    print("\n".join(told(side, table)))
    if arguments.write:
        CHANCES_FILE.write_text(json.dumps(table.as_json(), indent=1) + "\n", encoding="utf-8")
        print(f"wrote {CHANCES_FILE}")


if __name__ == "__main__":
    main()
