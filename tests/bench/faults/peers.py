"""The recordings of the fault bench through the diagnosis tools on PyPI, default rules:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install trainspotter trainproof training-doctor trainscope
    python tests/bench/faults/peers.py --python /tmp/peers/bin/python        (--out, --workers as score.py)

Each recording is exported to what these tools read: a table of step, loss, lr, grad_norm, eval_loss.  A run counts as
warned of where a tool says "warning" or worse (trainproof: WARN or FAIL; trainscope: an alarm of its default
changepoint detector on the loss).  Our own line is beside theirs, on the same runs.

traceml-ai is not among them: it times the phases of a step by its own hooks while the training runs, and reads no log.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.faults import injections
from bench.faults.effect import clopper_pearson
from bench.faults.score import Scored, load
from bench.faults.split import Side

COLUMNS: Final = {
    "loss/total": "loss",
    "lr/pg0": "lr",
    "grad/norm": "grad_norm",
    "eval/loss": "eval_loss",
    "time/step": "step_time",
}
TOOLS: Final = (
    "trainspotter",
    "trainproof",
    "trainproof FAIL",
    "training-doctor",
    "training-doctor >= .7",
    "trainscope",
)
RULES: Final = Path(__file__).with_name("peers_rules.py")


def export(job: tuple[str, str]) -> None:
    """Write the recording at the first path as a table to the second."""
    from dettui.engine import replay
    from dettui.feed.opening import open_recording

    source, target = job
    series = replay(open_recording(source)).series
    rows: dict[int, dict[str, float]] = {}
    for tag, column in COLUMNS.items():
        if tag in series:
            for step, value in zip(series[tag].steps.tolist(), series[tag].values.tolist(), strict=True):
                rows.setdefault(step, {})[column] = value
    with Path(target).open("w", newline="") as out:
        writer = csv.DictWriter(out, ["step", *COLUMNS.values()])
        writer.writeheader()
        writer.writerows({"step": step, **rows[step]} for step in sorted(rows))


def judged_by_peers(tables: Sequence[Path], python: str) -> dict[str, dict[str, bool]]:
    """By the name of the table: which tools warn of it."""
    done = subprocess.run([python, str(RULES), *map(str, tables)], capture_output=True, text=True, check=True)
    answer: dict[str, dict[str, bool]] = json.loads(done.stdout.splitlines()[-1])
    return answer


def print_table(
    sides: Mapping[Side, tuple[Sequence[Scored], Sequence[Scored]]], said: dict[str, dict[str, bool]]
) -> None:
    """One line a tool: healthy runs and effective faults that it warned of, by side."""
    print(f"{'':<24}" + "".join(f"{side + ': healthy warned':>34}{'effective faults':>20}" for side in sides))
    for tool in (*TOOLS, "dettui"):
        cells = []
        for healthy, faults in sides.values():
            calm = _warned(healthy, tool, said)
            low, high = clopper_pearson(calm, len(healthy))
            cells.append(f"{f'{calm} of {len(healthy)} [{100 * low:.1f}, {100 * high:.1f}] %':>34}")
            cells.append(f"{f'{_warned(faults, tool, said)} of {len(faults)}':>20}")
        print(f"{tool:<24}" + "".join(cells))


def _warned(runs: Iterable[Scored], tool: str, said: dict[str, dict[str, bool]]) -> int:
    if tool == "dettui":
        return sum(bool(one.verdict.warnings_since(0)) for one in runs)
    return sum(said[_key(one)].get(tool, False) for one in runs)


def _key(one: Scored) -> str:
    return str(one.row["run"])


def main() -> int:
    """Print the table."""
    arguments = parse()
    loaded = {side: load(arguments.out / side, arguments.workers) for side in arguments.sides}
    sides = {side: (scored.healthy, scored.faults) for side, scored in loaded.items()}
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        jobs = [
            (str(arguments.out / side / "runs" / one.row["run"]), f"{scratch}/{_key(one)}.csv")
            for side, pair in sides.items()
            for runs in pair
            for one in runs
        ]
        with ProcessPoolExecutor(arguments.workers) as pool:
            list(pool.map(export, jobs, chunksize=8))
        said = judged_by_peers([Path(target) for _, target in jobs], arguments.python)
    print_table(sides, said)
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="of an environment with the other tools")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("DETTUI_FAULTS", ".faults")))
    parser.add_argument("--sides", nargs="+", choices=get_args(Side), default=list(get_args(Side)))
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    assert injections.__all__  # fills the register
    sys.exit(main())
