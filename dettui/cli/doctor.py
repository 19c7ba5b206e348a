"""Say what is wrong with a run, why, and what to change.

The answer is the one that the dashboard gives: the same rules over the same record.  The exit code is 0 where the run
is healthy, 1 where there are findings of warning or worse, 2 where it cannot be told.

examples:
  dettui doctor mask-rcnn-3f2a
  dettui doctor old/.dettui/mask-rcnn-3f2a --at 500     what was known at step 500
  dettui doctor mask-rcnn-3f2a --json | jq .causes
  dettui doctor gpu01:mask-rcnn-3f2a                    of another host, over ssh, where it can log in by itself
"""

from __future__ import annotations

import argparse

from dettui.cli import way


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run", metavar="[HOST:]RUN", help="name or path of a run; of another host, its name there")
    way.add_way(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument("--at", type=int, metavar="STEP", help="what was known at that step")


def run(arguments: argparse.Namespace) -> int:
    """Print the diagnosis; its exit code."""
    from dettui.cli.show import print_diagnosis  # noqa: PLC0415 - `--help` should not wait for numpy

    return print_diagnosis(arguments.run, way.way_of(arguments), at_step=arguments.at, as_json=arguments.json)
