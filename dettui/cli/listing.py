"""List the runs of this host, newest first, or those of another, over ssh.

examples:
  dettui ls
  dettui ls gpu01
  dettui ls --json | jq '.[] | select(.state == "running") | .id'
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dettui.cli import way
from dettui.errors import BadUsage
from dettui.feed.summaries import RunSummary, list_runs

if TYPE_CHECKING:
    from dettui.domain.frame import Frame
    from dettui.feed.ssh.target import Way

HEADS = ("RUN", "STATE", "STEP", "STARTED", "HOST")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("host", nargs="?", metavar="HOST", help="another host, or HOST:RUN; all that ssh can reach")
    way.add_way(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a JSON list")
    form.add_argument("--names", action="store_true", help="the names alone, one a line")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    runs = runs_of(arguments.host, way.way_of(arguments)) if arguments.host else list_runs()
    if arguments.json:
        print(json.dumps([as_dict(run) for run in runs], indent=1))
    elif arguments.names:
        print("".join(f"{run.id}\n" for run in runs), end="")
    else:
        print(table(runs, time.time()) if runs else "no runs yet; start one with `dettui run python train.py`")
    return 0


def runs_of(word: str, how: Way) -> tuple[RunSummary, ...]:
    """The runs of the host that *word* means.  Raises BadUsage where it is none, HostUnreachable."""
    frame = _frame_of(word, how)
    runs = [
        RunSummary(
            id=run.info.id,
            name=run.info.name,
            host=run.info.host,
            liveness=run.liveness,
            step=run.vitals.step or None,
            started=run.info.started,
            updated=None if run.vitals.data_age_s is None else frame.made_at - run.vitals.data_age_s,
            ranks=run.info.world,
            path=Path(),
        )
        for run in frame.runs
    ]
    return tuple(sorted(runs, key=lambda run: run.started, reverse=True))


def _frame_of(word: str, how: Way) -> Frame:
    """The engine is loaded once the host has answered: that it does not, or is none, is told at once."""
    from dettui.feed.sources import once_feed, sources_of  # noqa: PLC0415 - the list of this host needs no other

    sources = sources_of([word], how)
    if not sources.hosts:
        raise BadUsage(f"{word} is no host; `dettui ls` lists the runs of this one")
    feed = once_feed(sources, how)
    try:
        feed.reach()
        from dettui.cli.show import frame_of_host  # noqa: PLC0415 - it brings numpy

        return frame_of_host(feed)
    finally:
        feed.close()


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
