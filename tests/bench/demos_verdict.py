"""What doctor says of every demo: a table of demo, seed, first cause, the step at which it was raised, and mAP.

    python tests/bench/demos_verdict.py                       all demos, seeds 0, 1 and 2, at their full length
    python tests/bench/demos_verdict.py --seeds 0 --demos healthy lr_too_high
    python tests/bench/demos_verdict.py --runs /tmp/verdicts  keep the recordings there, and judge those that are there

Each demo trains in a process of its own, one at a time, on one thread.  The verdict comes from `dettui doctor --json`
over the recording.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEMOS = Path(__file__).resolve().parents[2] / "demos"
EXPECTED = {
    "healthy": "-",
    "lr_too_high": "lr_too_high",
    "lr_too_low": "lr_too_low",
    "class_imbalance": "class_imbalance",
    "boxes_not_transformed": "boxes_not_transformed",
    "boxes_wrong_format": "boxes_wrong_format",
    "labels_shifted": "background_label_used",
    "optimizer_before_head": "params_not_in_optimizer",
}
"""The cause that each demo was written to have."""

ROW = "{:<22} {:>4}  {:<24} {:<8} {:>6}  {:>6}  {:>5}  {}"


@dataclass(frozen=True)
class Verdict:
    """What became of one demo, and what doctor says of it."""

    demo: str
    seed: int
    first_cause: str  # "-" where there is no finding of warning or worse
    certain: bool
    raised_at: int | None
    final_map: float | None
    others: tuple[str, ...]  # findings of warning or worse that the first cause does not explain

    @property
    def is_right(self) -> bool:
        """True where the first cause is the one that the demo was written to have."""
        return self.first_cause == EXPECTED[self.demo]

    def row(self) -> str:
        """One line of the table."""
        final = "-" if self.final_map is None else f"{self.final_map:.3f}"
        raised = "-" if self.raised_at is None else str(self.raised_at)
        right = "yes" if self.is_right else "NO"
        certain = "yes" if self.certain else "-"
        return ROW.format(self.demo, self.seed, self.first_cause, certain, raised, final, right, ", ".join(self.others))


def main() -> int:
    """Print the table; 0 where every verdict is right."""
    arguments = parse()
    with tempfile.TemporaryDirectory(prefix="dv-") as scratch:
        os.environ["DETTUI_HOME"] = scratch
        os.environ["DETTUI_RUNS"] = str(arguments.runs.absolute() if arguments.runs else Path(scratch) / "runs")
        print(ROW.format("demo", "seed", "first cause", "certain", "raised", "mAP50", "right", "other warnings"))
        verdicts = []
        for demo in arguments.demos:
            for seed in arguments.seeds:
                verdicts.append(verdict_of(demo, seed, arguments.steps))
                print(verdicts[-1].row(), flush=True)
    print(f"{sum(verdict.is_right for verdict in verdicts)} of {len(verdicts)} right")
    return 0 if all(verdict.is_right for verdict in verdicts) else 1


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demos", nargs="+", choices=EXPECTED, default=list(EXPECTED))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="instead of each demo's own length")
    parser.add_argument("--runs", type=Path, help="directory of recordings to reuse and to add to")
    return parser.parse_args()


def verdict_of(demo: str, seed: int, steps: int | None) -> Verdict:
    """Train *demo* where no recording of it is there yet, and ask doctor."""
    run = f"{demo}-seed{seed}"
    if not (Path(os.environ["DETTUI_RUNS"]) / run).exists():
        train(demo, seed, steps, run)
    report = json.loads(dettui("doctor", run, "--json"))
    warnings = [finding for finding in report["findings"] if finding["severity"] != "info"]
    first = report["causes"][0] if warnings and report["causes"] else None
    explained = [report["findings"][index] for index in first["findings"]] if first else []
    return Verdict(
        demo,
        seed,
        first["id"] if first else "-",
        bool(first and first["certain"]),
        min((finding["raised_at_step"] for finding in explained), default=None),
        final_map(run),
        tuple(described(finding) for finding in warnings if finding not in explained),
    )


def described(finding: dict[str, Any]) -> str:
    """A finding in a few words."""
    cause = finding["causes"][0]["id"] if finding["causes"] else "?"
    return f"{finding['kind']}@{finding['raised_at_step']} ({finding['state']}, {cause})"


def train(demo: str, seed: int, steps: int | None, run: str) -> None:
    """Run *demo* to its end."""
    length = [] if steps is None else ["--steps", str(steps)]
    command: Sequence[str] = [sys.executable, str(DEMOS / f"{demo}.py"), "--seed", str(seed), *length]
    environment = {**os.environ, "DETTUI_RUN": run, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def final_map(run: str) -> float | None:
    """The last mAP that was logged."""
    return next((float(row[3]) for row in reversed(list(exported(run))) if row[2] == "eval/mAP50"), None)


def exported(run: str) -> Iterator[list[str]]:
    """Rows of `dettui export`."""
    return (line.split(",") for line in dettui("export", run).splitlines()[1:])


def dettui(*arguments: str) -> str:
    """What the command prints; the verdict in its exit code is in the output too."""
    command = [sys.executable, "-c", "import sys; from dettui.cli import main; sys.exit(main())", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
