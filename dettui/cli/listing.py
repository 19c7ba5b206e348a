"""List the runs of this host, newest first.

examples:
  dettui ls
  dettui ls --json | jq '.[] | select(.state == "running") | .id'
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

from dettui.feed.summaries import RunSummary, list_runs

HEADS = ("RUN", "STATE", "STEP", "STARTED", "HOST")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a JSON list")
    form.add_argument("--names", action="store_true", help="the names alone, one a line")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    runs = list_runs()
    if arguments.json:
        print(json.dumps([as_dict(run) for run in runs], indent=1))
    elif arguments.names:
        print("".join(f"{run.id}\n" for run in runs), end="")
    else:
        print(table(runs, time.time()) if runs else "no runs yet; start one with `dettui run python train.py`")
    return 0


def as_dict(run: RunSummary) -> dict[str, object]:
    """*run* as JSON holds it; times in seconds since the epoch."""
    return {
        "id": run.id,
        "name": run.name,
        "host": run.host,
        "state": run.liveness.state.value,
        "reason": run.liveness.reason,
        "step": run.step,
        "started": run.started,
        "updated": run.updated,
        "ranks": run.ranks,
        "path": str(run.path),
    }


def table(runs: Sequence[RunSummary], now: float) -> str:
    """*runs* in columns as wide as their contents."""
    rows = [HEADS, *(_cells(run, now) for run in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _cells(run: RunSummary, now: float) -> tuple[str, ...]:
    step = "-" if run.step is None else str(run.step)
    return run.id, run.liveness.state.value, step, ago(now - run.started), run.host


def ago(seconds: float) -> str:
    """How long ago, in the largest unit that fits."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"
