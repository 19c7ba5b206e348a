"""Print the numbers of a run, one value a line, in the order in which they were recorded.

examples:
  dettui export mask-rcnn-3f2a > run.csv                     step,time,tag,value
  dettui export mask-rcnn-3f2a --jsonl | grep eval/mAP
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dettui.feed.base import Feed
from dettui.feed.opening import open_recording, resolve_run
from dettui.store.text import clean
from dettui_probe import wire


class Point(NamedTuple):
    """One value of one tag."""

    step: int
    time: float  # seconds since the epoch
    tag: str
    value: float


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run", metavar="RUN", help="name or path of a run")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="comma-separated, with a head (the default)")
    form.add_argument("--jsonl", action="store_true", help="one JSON object a line; what is not finite is a string")


def run(arguments: argparse.Namespace) -> int:
    """Print every point."""
    points = points_of(open_recording(resolve_run(arguments.run).path))
    if arguments.jsonl:
        sys.stdout.writelines(map(json_line, points))
    else:
        lines = csv.writer(sys.stdout, lineterminator="\n")
        lines.writerow(Point._fields)
        lines.writerows(points)
    return 0


def json_line(point: Point) -> str:
    """*point* as strict JSON, which has no NaN."""
    value = point.value if math.isfinite(point.value) else str(point.value)
    return json.dumps({**point._asdict(), "value": value}) + "\n"


def points_of(feed: Feed) -> Iterator[Point]:
    """Every point that *feed* brings; holds no more than one piece of it in memory."""
    names: dict[tuple[str, int], dict[int, str]] = {}
    while not feed.exhausted():
        for arrival in feed.poll(0.0):
            known = names.setdefault((arrival.boot, arrival.rank), {})
            for message in arrival.messages:
                if isinstance(message, wire.Tags):
                    known.update(enumerate(map(clean, message.names), message.first))
                elif isinstance(message, wire.Batch):
                    for block in message.blocks:
                        yield from block_points(block, known)


def block_points(block: wire.Block, names: dict[int, str]) -> Iterable[Point]:
    """The points of *block*, row by row; nothing where its sizes contradict each other."""
    columns = [names.get(column, f"unnamed/{column}") for column in block.columns]
    rows = len(block.steps) // 8
    if len(block.times) != 8 * rows or len(block.values) != 8 * rows * len(columns):
        return
    steps = struct.unpack(f"<{rows}q", block.steps[: 8 * rows])
    times = struct.unpack(f"<{rows}d", block.times)
    values = iter(struct.unpack(f"<{rows * len(columns)}d", block.values))
    for step, time in zip(steps, times, strict=True):
        for tag in columns:
            yield Point(step, time, tag, next(values))
