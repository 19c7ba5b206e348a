"""Remove the logs of old runs.  Without --yes it only says what would go.

DETTUI itself never deletes a run.  This command removes a run when nothing was written to it for longer than AGE, or,
oldest first, while all runs together are larger than SIZE.  The newest N stay whatever their age, and a run that goes
on, or may go on where it cannot be seen from here, is never touched.  Registry entries go with their run, and so do
those whose log somebody has deleted.

A log takes some 8 bytes a number: `dettui prune` shows how much each run holds.

examples:
  dettui prune                                  what has lain for 30 days, beyond the 20 newest runs: only listed
  dettui prune --yes                            removed
  dettui prune --older-than 7d --keep 5
  dettui prune --max-size 10G --older-than 365d --yes       for a nightly job
"""

from __future__ import annotations

import argparse
import re
import time

from dettui.cli.listing import ago
from dettui.errors import BadUsage
from dettui.feed.retention import Plan, RetentionPolicy, StoredRun, plan, remove, stored_runs
from dettui.store.text import clean

_UNITS_S = {"h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_UNITS_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--older-than", default="30d", metavar="AGE", help="for example 12h, 30d or 8w (default: 30d)")
    parser.add_argument("--keep", type=int, default=20, metavar="N", help="the newest runs that stay (default: 20)")
    parser.add_argument("--max-size", metavar="SIZE", help="of all runs together: 500M, 10G (default: no limit)")
    parser.add_argument("--yes", action="store_true", help="remove them; otherwise they are only listed")


def run(arguments: argparse.Namespace) -> int:
    """List what goes, and remove it where that was asked for; 0, or 2 where something could not be removed."""
    if arguments.keep < 0:
        raise BadUsage("--keep takes a number of runs, 0 or above")
    size = bytes_of(arguments.max_size) if arguments.max_size else None
    policy = RetentionPolicy(seconds_of(arguments.older_than), arguments.keep, size)
    now = time.time()
    planned = plan(stored_runs(policy, now), policy, now)
    complaints = [_go(stored, why, now, policy if arguments.yes else None) for stored, why in planned.going]
    print(_summary(planned, asked=arguments.yes))
    return 2 if any(complaints) else 0


def seconds_of(text: str) -> float:
    """The age *text*, for example 30d.  Raises BadUsage."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", text)
    if found is None:
        raise BadUsage(f"--older-than takes a number and h, d or w, for example 30d (not {text!r})")
    return float(found[1]) * _UNITS_S[found[2]]


def bytes_of(text: str) -> int:
    """The size *text*, for example 10G.  Raises BadUsage."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", text.upper())
    if found is None:
        raise BadUsage(f"--max-size takes a number and K, M, G or T, for example 10G (not {text!r})")
    return int(float(found[1]) * _UNITS_BYTES[found[2]])


def size_text(size: int) -> str:
    """*size* in the unit that leaves one to four digits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} TiB"


def _go(stored: StoredRun, why: str, now: float, policy: RetentionPolicy | None) -> str:
    """Say that *stored* goes, and remove it where there is a *policy*; what could not be removed."""
    complaint = remove(stored, policy) if policy else ""
    verb = "removed" if policy else "would remove"
    line = f"{verb} {clean(stored.id)}  {size_text(stored.size)}, written {ago(now - stored.written_at)}: {why}"
    print(f"{line}; but {complaint}" if complaint else line)
    return complaint


def _summary(planned: Plan, *, asked: bool) -> str:
    size = sum(stored.size for stored, _ in planned.going)
    going = f"{len(planned.going)} runs, {size_text(size)}"
    kept = f"{planned.kept} stay ({planned.live} may still go on), {size_text(planned.kept_bytes)}"
    if asked:
        return f"removed {going}; {kept}"
    advice = "; --yes removes them" if planned.going else ""
    return f"would remove {going}{advice}; {kept}"
