"""Check a dataset before it costs a training run.

DATA is a COCO JSON file, a YOLO data.yaml or folder, a folder of Pascal VOC annotations, or module:attribute, which
names a Dataset of Python with len() and [index] -> (image, target).  The exit code is 0 where nothing was found, 1
where there are findings of warning or worse, 2 where the data could not be read.

examples:
  dettui audit annotations/instances_train.json --images train2017
  dettui audit data.yaml --browse                 look at the images, the suspicious ones first
  dettui audit train.json --val val.json          do the two sets fit together, and share no picture?
  dettui audit project.data:train_set
  dettui audit data.yaml --json | jq '.findings[] | {id, count}'
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dettui.audit import DEFAULT_LIMIT
from dettui.cli import terminal
from dettui.errors import BadUsage, NotADataset

if TYPE_CHECKING:
    from dettui.audit.audit import Audit

WIDEST: Final = 100
PROGRESS_EVERY_S: Final = 0.1
CLEAR_LINE: Final = "\r\x1b[2K"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("data", metavar="DATA", help="file, folder, or module:attribute")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="where the images are, if not beside the annotations"
    )
    parser.add_argument("--val", metavar="DATA", help="validation data to compare with")
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_LIMIT,
        metavar="N",
        help=f"image files to open, 0 for all (default: {DEFAULT_LIMIT})",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object instead of text")
    form.add_argument("--browse", action="store_true", help="look at the images with their boxes")
    terminal.add_look(parser)


def run(arguments: argparse.Namespace) -> int:
    """Audit and tell; 0 clean, 1 findings of warning or worse."""
    if arguments.limit < 0:
        raise BadUsage("--limit takes a number of images, 0 for all")
    if arguments.images is not None and not arguments.images.is_dir():
        raise BadUsage(f"--images {arguments.images} is no folder")
    if arguments.browse:
        terminal.require_terminal()
    from dettui.audit.audit import audit  # noqa: PLC0415 - `--help` should not wait for numpy

    try:
        found = audit(
            arguments.data, images=arguments.images, val=arguments.val, limit=arguments.limit, progress=TellProgress()
        )
    except OSError as error:
        raise NotADataset(f"cannot read {str(error.filename)[:200]}: {error.strerror}") from error
    if arguments.browse:
        return browse(found, arguments)
    if arguments.json:
        from dettui.audit.as_json import to_json  # noqa: PLC0415 - as above

        print(json.dumps(to_json(found), allow_nan=False, ensure_ascii=False))
    else:
        print_report(found, arguments.ascii)
    return 0 if found.verdict == "healthy" else 1


def browse(found: Audit, look: argparse.Namespace) -> int:
    """Show the images until the browser is left; the exit code of the audit."""
    from dettui.screens.audit import run_browser  # noqa: PLC0415 - Textual is only for those who look

    run_browser(found, ascii_only=look.ascii, light=look.light)
    return 0 if found.verdict == "healthy" else 1


def print_report(found: Audit, ascii_only: bool) -> None:
    """The report, and on a terminal a word on how to see the images."""
    from dettui.screens.audit_text import report_lines  # noqa: PLC0415 - plotext is only for those who read
    from dettui.screens.printed import line_text  # noqa: PLC0415
    from dettui.widgets.ascii import for_ascii  # noqa: PLC0415

    colour, width = terminal.wants_colour(), min(terminal.width(), WIDEST)
    for line in report_lines(found, width):
        text = line_text(line, colour and not ascii_only).rstrip()
        print(for_ascii(text) if ascii_only else text)
    if sys.stdout.isatty():
        print(f"\nTo look at the images with their boxes: dettui audit {found.source} --browse")


class TellProgress:
    """Says on a terminal's stderr how far the work is, at most ten times a second, and wipes the line at the end."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()
        self._told_at = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Tell, where it is time to."""
        if not self._is_seen:
            return
        now = time.monotonic()
        if done >= total:
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)
        elif now - self._told_at >= PROGRESS_EVERY_S:
            self._told_at = now
            print(f"{CLEAR_LINE}{what}: {done:,} of {total:,}", end="", file=sys.stderr, flush=True)
