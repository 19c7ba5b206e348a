"""From a run to a picture or a diagnosis: what the commands share that need the engine."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from dettui.cli import terminal
from dettui.cli.loading import kept_for_good
from dettui.domain.frame import Frame, RunFrame
from dettui.engine import Engine, replay
from dettui.errors import BadUsage, HostUnreachable, NotARun, RunNotFound
from dettui.feed.base import Feed
from dettui.feed.opening import open_desk, open_recording, resolve_run
from dettui.feed.sources import Opened, once_feed, sources_of
from dettui.feed.ssh.target import Way
from dettui_probe import tags

if TYPE_CHECKING:
    from dettui.feed.ssh.desk import Desk, Hosts

CURVE_ROWS: Final = 12
FIRST_S: Final = 1.5  # an agent that has just started looks for runs first
PAUSE_S: Final = 0.3  # an agent that has had nothing to say for so long has said all it knew
LONGEST_S: Final = 5.0


def watch(words: Sequence[str], way: Way, look: argparse.Namespace) -> int:
    """Show the dashboard on what *words* mean until it is left; the exit code."""
    sources = sources_of(words, way)
    desk = open_desk() if sources.hosts else None
    opened = Opened(sources, way, desk)
    try:
        return open_dashboard(opened.feed, sources.title, look, _hosts(desk, opened) if desk else None)
    finally:
        if desk is not None:
            desk.close()


def _hosts(desk: Desk, opened: Opened) -> Hosts:
    from dettui.feed.ssh.desk import Hosts  # noqa: PLC0415 - a recording needs no ssh

    return Hosts(desk, opened.log_in)


def open_dashboard(feed: Feed, title: str, look: argparse.Namespace, hosts: Hosts | None = None) -> int:
    """Show the dashboard on *feed* until it is left; the exit code."""
    terminal.require_terminal()
    with kept_for_good():
        from dettui.app import run_app  # noqa: PLC0415 - Textual is only for those who look

    return run_app(feed, title=title, ascii_only=look.ascii, light=look.light, hosts=hosts)


def once(words: Sequence[str], way: Way, size: os.terminal_size, *, ascii_only: bool = False) -> int:
    """Print one frame of what *words* mean, as of when everything known has come; exit code 0."""
    opened = Opened(sources_of(words, way), way)
    return print_once(opened.feed, size, lambda: opened.is_pending, ascii_only=ascii_only)


def print_once(
    feed: Feed, size: os.terminal_size, is_pending: Callable[[], bool] = lambda: False, *, ascii_only: bool = False
) -> int:
    """Print one frame of *feed*, as of when it has said all it knows now; exit code 0.

    Raises HostUnreachable where nothing came because a host could not be reached.
    """
    from dettui.app import render_once  # noqa: PLC0415 - as above

    engine = Engine(feed)
    read_what_is_known(engine, feed, is_pending)
    frame = engine.frame()
    feed.close()
    down = [link for link in frame.links if link.state.is_down]
    if down and not frame.runs:
        raise HostUnreachable("; ".join(link.text for link in down))
    print(render_once(frame, size.columns, size.lines, terminal.wants_colour(), ascii_only))
    return 0


def read_what_is_known(engine: Engine, feed: Feed, is_pending: Callable[[], bool] = lambda: False) -> None:
    """Take in what *feed* has, until it is exhausted or pauses; at most LONGEST_S of a run that never pauses.

    While *is_pending*, a host has not told everything yet: it is waited for.
    """
    while is_pending() and not feed.exhausted():
        engine.pump(PAUSE_S)
    began = time.monotonic()
    has_come = False
    while not feed.exhausted() and time.monotonic() - began < (LONGEST_S if has_come else FIRST_S):
        arrived = engine.pump(PAUSE_S)
        if has_come and not arrived:
            return
        has_come = has_come or arrived


def frame_of_host(feed: Feed) -> Frame:
    """What a host knows of its runs now, once *feed* has brought all of it.  Raises HostUnreachable."""
    engine = Engine(feed)
    while not feed.exhausted():
        engine.pump(PAUSE_S)
    return engine.frame()


def print_diagnosis(run: str, way: Way | None = None, *, at_step: int | None = None, as_json: bool = False) -> int:
    """Print what is known of *run*, at the end or at *at_step*; the exit code of ``dettui doctor``."""
    if at_step is not None and at_step < 0:
        raise BadUsage("--at takes a step, 0 or above")
    from dettui.diagnose.report import exit_code, to_json, to_text  # noqa: PLC0415 - the dashboard needs no report

    frame = replayed(run, way or Way(), at_step)
    if as_json:
        print(json.dumps(to_json(frame), allow_nan=False, ensure_ascii=False))
    else:
        width = min(terminal.width(), 100)
        print(to_text(frame, width, terminal.wants_colour(), loss_curve(frame, width)), end="")
    return exit_code(frame.diagnosis)


def replayed(word: str, way: Way, at_step: int | None) -> RunFrame:
    """The run that *word* means, of this host or, as HOST:RUN, of another, as it was known at the end or *at_step*."""
    sources = sources_of([word], way)
    if not sources.hosts:
        found = sources.runs[0] if sources.runs else resolve_run(word)
        return replay(open_recording(found.path), at_step=at_step)
    (host,) = sources.hosts
    feed = once_feed(sources, way, is_exact=True)
    try:
        return replay(feed, at_step=at_step)
    except NotARun:
        raise RunNotFound(f"no run {host.run or 'at all'} there: `dettui ls {host.target.text}` shows them") from None
    finally:
        feed.close()


def loss_curve(frame: RunFrame, width: int) -> str | None:
    """A drawing of the loss for people; None for a pipe, and where no loss was recorded."""
    loss = frame.series.get(tags.LOSS_TOTAL)
    if loss is None or len(loss) < 2 or not sys.stdout.isatty():
        return None
    from dettui.charts.printed import curve  # noqa: PLC0415 - plotext is only for those who look

    return curve(loss, width, CURVE_ROWS)
