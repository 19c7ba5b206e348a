"""From a run to a picture or a diagnosis: what the commands share that need the engine."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Final

from dettui.cli import terminal
from dettui.diagnose.report import exit_code, to_json, to_text
from dettui.domain.frame import RunFrame
from dettui.domain.run import RunState
from dettui.engine import Engine, replay
from dettui.errors import BadUsage
from dettui.feed.base import Feed
from dettui.feed.opening import RunRef, open_local, open_recording, resolve_run
from dettui_probe import tags

LOCAL_TITLE: Final = "local runs"
CURVE_ROWS: Final = 12
FIRST_S: Final = 1.5  # an agent that has just started looks for runs first
PAUSE_S: Final = 0.3  # an agent that has had nothing to say for so long has said all it knew
LONGEST_S: Final = 5.0


def feed_of(target: str | None) -> tuple[Feed, str]:
    """The feed of *target* and its title: all local runs for None; a run live while it goes on, else recorded."""
    if target is None:
        return open_local(), LOCAL_TITLE
    found = resolve_run(target)
    return open_local([found.id]) if is_live(found) else open_recording(found.path), found.name


def is_live(found: RunRef) -> bool:
    """True where more of the run may come.  Of a recording without an end, UNKNOWN, nothing more will."""
    state = found.liveness.state if found.liveness else RunState.UNKNOWN
    return not state.is_over and state is not RunState.UNKNOWN


def open_dashboard(feed: Feed, title: str, look: argparse.Namespace) -> int:
    """Show the dashboard on *feed* until it is left; the exit code."""
    terminal.require_terminal()
    from dettui.app import run_app  # noqa: PLC0415 - Textual is only for those who look

    return run_app(feed, title=title, ascii_only=look.ascii, light=look.light)


def print_once(feed: Feed, size: os.terminal_size, *, ascii_only: bool = False) -> int:
    """Print one frame of *feed*, as of when it has said all it knows now; exit code 0."""
    from dettui.app import render_once  # noqa: PLC0415 - as above

    engine = Engine(feed)
    read_what_is_known(engine, feed)
    print(render_once(engine.frame(), size.columns, size.lines, terminal.wants_colour(), ascii_only))
    feed.close()
    return 0


def read_what_is_known(engine: Engine, feed: Feed) -> None:
    """Take in what *feed* has, until it is exhausted or pauses; at most LONGEST_S of a run that never pauses."""
    began = time.monotonic()
    has_come = False
    while not feed.exhausted() and time.monotonic() - began < (LONGEST_S if has_come else FIRST_S):
        arrived = engine.pump(PAUSE_S)
        if has_come and not arrived:
            return
        has_come = has_come or arrived


def print_diagnosis(run: str, *, at_step: int | None = None, as_json: bool = False) -> int:
    """Print what is known of *run*, at the end or at *at_step*; the exit code of ``dettui doctor``."""
    if at_step is not None and at_step < 0:
        raise BadUsage("--at takes a step, 0 or above")
    frame = replay(open_recording(resolve_run(run).path), at_step=at_step)
    if as_json:
        print(json.dumps(to_json(frame), allow_nan=False, ensure_ascii=False))
    else:
        width = min(terminal.width(), 100)
        print(to_text(frame, width, terminal.wants_colour(), loss_curve(frame, width)), end="")
    return exit_code(frame.diagnosis)


def loss_curve(frame: RunFrame, width: int) -> str | None:
    """A drawing of the loss for people; None for a pipe, and where no loss was recorded."""
    loss = frame.series.get(tags.LOSS_TOTAL)
    if loss is None or len(loss) < 2 or not sys.stdout.isatty():
        return None
    from dettui.charts.printed import curve  # noqa: PLC0415 - plotext is only for those who look

    return curve(loss, width, CURVE_ROWS)
