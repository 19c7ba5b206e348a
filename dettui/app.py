"""The Textual application: runs the engine in a thread, hands its frames to the screens.

Screens that nobody has asked for yet are loaded when somebody does: the first picture need not wait for them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from textual import events, work
from textual.app import App
from textual.driver import Driver
from textual.filter import LineFilter
from textual.message import Message
from textual.worker import get_current_worker

from dettui.charts.view import Glyphs
from dettui.domain.frame import Frame
from dettui.engine import Engine
from dettui.errors import DettuiError
from dettui.feed.base import Feed
from dettui.screens.ask import AskScreen
from dettui.screens.asked import (
    ChecksAsked,
    CompareChosen,
    FindingChosen,
    ImagesAsked,
    RanksAsked,
    RunChosen,
)
from dettui.screens.base import DashboardScreen, Showing
from dettui.screens.driver import driver_for_this_terminal
from dettui.screens.finding import FindingScreen
from dettui.screens.help import HelpScreen
from dettui.screens.keys import bindings_of
from dettui.screens.pause import behind
from dettui.screens.printed import printed
from dettui.screens.run import RunScreen
from dettui.screens.runs import RunsScreen
from dettui.screens.themes import DARK, LIGHT
from dettui.screens.view_state import WITHOUT_COLOUR, ViewState
from dettui.widgets import refresh
from dettui.widgets.ascii import AsciiOnly, for_ascii
from dettui.widgets.curve import CurveChart

if TYPE_CHECKING:
    from dettui.feed.ssh.desk import Hosts

FRAME_EVERY_S: Final = 0.1
"""Ten frames a second while data comes: 10 % of a core and 2 KB a frame for 16 charts; more is not seen."""
IDLE_FRAME_EVERY_S: Final = 1.0
"""While nothing comes, only ages change."""
FIRST_PICTURE_S: Final = 2.0
"""What reading waits for the first picture at most."""
LOOKS, LOOK_S = 40, 0.05
"""Two seconds: more than any screen needs before its charts are drawn."""
SETTLING_S: Final = 2.0
"""Runs that turn up this soon after the first one were there all along; the opening screen still adapts to them."""


class FrameSource(Protocol):
    """What the application needs of the engine.  Used by one thread."""

    def pump(self, wait_s: float = 0.0) -> bool:
        """Take in what came; True where anything did."""
        ...

    def frame(self) -> Frame:
        """The picture as of now."""
        ...


@dataclass
class FrameMade(Message):
    """A new frame.  One that is still queued when the next arrives is dropped: a slow terminal skips frames."""

    frame: Frame

    def can_replace(self, message: Message) -> bool:
        """A newer frame makes this one worthless."""
        return isinstance(message, FrameMade)


class QuestionsChanged(Message):
    """A host asks something, or no longer does."""


class DettuiApp(App[int]):
    """The dashboard.  *source*, and *close* at the end, are called in the thread that uses what *source* returns."""

    TITLE = "dettui"
    CSS_PATH = "theme.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = bindings_of("everywhere")

    def __init__(
        self,
        source: Callable[[], FrameSource],
        *,
        close: Callable[[], None] = lambda: None,
        title: str = "",
        ascii_only: bool = False,
        light: bool = False,
        hosts: Hosts | None = None,
    ) -> None:
        refresh.install()
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._source = source
        self._close = close
        self._hosts = hosts
        self._heading = title
        self._ascii_only = ascii_only
        self._first_theme = LIGHT if light else DARK
        self._opening = Opening()
        self.failure: DettuiError | None = None
        self.newest: Frame | None = None
        self.paused_at: Frame | None = None
        self._has_drawn = threading.Event()  # a run

    def get_driver_class(self) -> type[Driver]:
        """Textual's, but on stdout where stderr is no terminal."""
        return driver_for_this_terminal(super().get_driver_class())

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's filters, then ours for terminals without Unicode."""
        filters = super().get_line_filters()
        return [*filters, AsciiOnly()] if self._ascii_only else filters

    def on_mount(self) -> None:
        """Open on the list, and begin to read."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = self._first_theme.name
        self.push_screen(RunsScreen())
        if self._hosts is not None:
            self._hosts.desk.on_change = lambda: self.post_message(QuestionsChanged())
            self.on_questions_changed()
        self.read()

    @work(thread=True, exclusive=True)
    def read(self) -> None:
        """Pump the engine and post its frames until the application ends."""
        worker = get_current_worker()
        try:
            pump(self._source(), self.post_frame, lambda: worker.is_cancelled, self._wait_for_first_picture)
        except DettuiError as error:
            self.failure = error
            self.call_from_thread(self.exit)
        finally:
            self._close()

    def _look_for_picture(self, looks: int) -> None:
        """Note that a run has been drawn: after the layouts that its charts need to have their sizes."""
        if not self.screen_stack:  # the user has left
            self._has_drawn.set()
            return
        charts = [chart for chart in self.screen.query(CurveChart) if chart.display]
        is_opening = not charts and not self._opening.is_over and self.newest is not None and len(self.newest.runs) == 1
        if looks == 0 or (not is_opening and all(chart.is_drawn for chart in charts)):
            self._has_drawn.set()
        else:
            self.set_timer(LOOK_S, lambda: self._look_for_picture(looks - 1))

    def _wait_for_first_picture(self) -> None:
        self._has_drawn.wait(FIRST_PICTURE_S)

    def post_frame(self, frame: Frame) -> None:
        """Hand *frame* to the application's own thread."""
        self.post_message(FrameMade(frame))

    def on_frame_made(self, event: FrameMade) -> None:
        """Show the frame, or remember it while the display is frozen."""
        if not self.is_running:
            return  # on the way out: the screens may be gone already
        self.newest = event.frame
        self._open_on_the_right_thing(event.frame)
        self._show()
        if event.frame.runs and not self._has_drawn.is_set():
            self._look_for_picture(LOOKS)

    async def on_event(self, event: events.Event) -> None:
        """From the first key on, the reader decides which screen to see; an answer to a host is no such key.

        Keys with a binding never reach on_key.
        """
        if isinstance(event, events.Key) and not isinstance(self.screen, AskScreen):
            self._opening.is_over = True
        await super().on_event(event)

    def on_run_chosen(self, event: RunChosen) -> None:
        """Open a run."""
        self._open(event.run)

    def on_compare_chosen(self, event: CompareChosen) -> None:
        """Lay runs over each other."""
        from dettui.screens.compare import CompareScreen  # noqa: PLC0415 - see the top

        glyphs: Glyphs = "ascii" if self._ascii_only else "braille"
        self.push_screen(CompareScreen(event.picked, glyphs, has_colour=not self.no_color))
        self._show()

    def on_finding_chosen(self, event: FindingChosen) -> None:
        """Open a finding."""
        self.push_screen(FindingScreen(event.run, event.finding))
        self._show()

    def on_checks_asked(self, event: ChecksAsked) -> None:
        """Open the checks of a run."""
        from dettui.screens.checks import ChecksScreen  # noqa: PLC0415 - see the top

        self.push_screen(ChecksScreen(event.run))
        self._show()

    def on_ranks_asked(self, event: RanksAsked) -> None:
        """Open the ranks of a run."""
        from dettui.screens.ranks import RanksScreen  # noqa: PLC0415 - see the top

        self.push_screen(RanksScreen(event.run))
        self._show()

    def on_images_asked(self, event: ImagesAsked) -> None:
        """Open the images of a run."""
        from dettui.screens.images import ImagesScreen  # noqa: PLC0415 - see the top

        self.push_screen(ImagesScreen(event.run, event.checks))
        self._show()

    def on_questions_changed(self) -> None:
        """Ask what the hosts ask, one question after the other; take back what they no longer ask."""
        if self._hosts is None:
            return
        desk = self._hosts.desk
        waiting = desk.questions
        shown = next((screen for screen in self.screen_stack if isinstance(screen, AskScreen)), None)
        if shown is not None:
            if shown.question not in waiting and shown.is_current:
                shown.dismiss(None)
        elif waiting:
            question = waiting[0]
            self.push_screen(AskScreen(question), lambda answer: desk.answer(question.id, answer))

    def action_log_in(self) -> None:
        """Call the hosts again that are down."""
        if self._hosts is not None:
            self._hosts.log_in()

    def action_help(self) -> None:
        """Open the help, or close it."""
        if isinstance(self.screen, HelpScreen):
            self.pop_screen()
        else:
            self.push_screen(HelpScreen())
            self._show()

    def action_pause(self) -> None:
        """Freeze the display, or show the present again."""
        self.paused_at = self.newest if self.paused_at is None else None
        self._show()

    def action_toggle_light(self) -> None:
        """Change between light and dark."""
        self.theme = DARK.name if self.theme == LIGHT.name else LIGHT.name

    def _open_on_the_right_thing(self, frame: Frame) -> None:
        wanted = self._opening.run_to_open(frame)
        if isinstance(self.screen, AskScreen):
            return
        is_on_a_run = len(self.screen_stack) > BASE_SCREENS
        if wanted is not None and not is_on_a_run:
            self._open(wanted)
        elif wanted is None and is_on_a_run and not self._opening.is_over:
            self.pop_screen()

    def _open(self, run: str) -> None:
        glyphs: Glyphs = "ascii" if self._ascii_only else "braille"
        self.push_screen(RunScreen(run, glyphs, WITHOUT_COLOUR if self.no_color else ViewState()))
        self._show()

    def _show(self) -> None:
        """Give every screen what is to be shown; only the one in front draws."""
        paused = behind(self.paused_at, self.newest) if self.paused_at and self.newest else ""
        showing = Showing(self.paused_at or self.newest, paused, self._heading)
        for screen in self.screen_stack:
            if isinstance(screen, DashboardScreen):
                screen.receive(showing)


BASE_SCREENS: Final = 2
"""Textual's own empty screen and the list of runs."""


@dataclass
class Opening:
    """Decides which screen to open on: a single run's own, else the list.  Over with the first key, or soon."""

    is_over: bool = False
    first_seen_at: float | None = None

    def run_to_open(self, frame: Frame) -> str | None:
        """The id of the only run; None for the list, and once the opening is over."""
        if self.is_over or not frame.runs:
            return None
        if self.first_seen_at is None:
            self.first_seen_at = frame.made_at
        self.is_over = frame.made_at - self.first_seen_at > SETTLING_S
        return frame.runs[0].info.id if len(frame.runs) == 1 and not self.is_over else None


def pump(
    engine: FrameSource,
    post: Callable[[Frame], None],
    is_cancelled: Callable[[], bool],
    wait_for_picture: Callable[[], None] = lambda: None,
) -> None:
    """Read until cancelled; post frames at most every FRAME_EVERY_S, and rarely while nothing comes.

    After the first frame that has a run, *wait_for_picture*: drawing it need not share the processor with judging.
    """
    has_run = False
    posted_at = time.monotonic() - IDLE_FRAME_EVERY_S
    is_dirty = False
    while not is_cancelled():
        began = time.monotonic()
        due = posted_at + (FRAME_EVERY_S if is_dirty else IDLE_FRAME_EVERY_S)
        beat = posted_at + FRAME_EVERY_S
        wait_s = beat - began if beat > began else min(max(0.0, due - began), FRAME_EVERY_S)
        arrived = engine.pump(wait_s)
        if arrived and not is_dirty:
            is_dirty, due = True, posted_at + FRAME_EVERY_S
        if not arrived:
            # A feed that is exhausted returns at once.
            time.sleep(max(0.0, began + wait_s - time.monotonic()))
        if time.monotonic() >= due:
            frame = engine.frame()
            post(frame)
            if frame.runs and not has_run:
                has_run = True
                wait_for_picture()
            # Kept to its beat: what making a frame took does not put off the next one.
            posted_at, is_dirty = max(due, time.monotonic() - FRAME_EVERY_S / 2), False


def run_app(
    feed: Feed, *, title: str = "", ascii_only: bool = False, light: bool = False, hosts: Hosts | None = None
) -> int:
    """Show the dashboard on *feed* until the user quits; the exit code.  Closes *feed*.  Raises DettuiError where the
    feed fails in a way that the user can mend."""
    app = DettuiApp(
        lambda: Engine(feed, judges_later=True),
        close=feed.close,
        title=title,
        ascii_only=ascii_only,
        light=light,
        hosts=hosts,
    )
    app.run()
    if app.failure is not None:
        raise app.failure
    return app.return_code or 0


def render_once(frame: Frame, width: int, height: int, colour: bool, ascii_only: bool = False) -> str:
    """One frame as text: *width* columns at most, its chart for *height* rows, ANSI colours where *colour*."""
    text = printed(frame, width, height, colour, "ascii" if ascii_only else "braille")
    return "\n".join(map(for_ascii, text.split("\n"))) if ascii_only else text
