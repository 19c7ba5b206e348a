"""What the application does around its screens: one reading thread, replaceable frames, an honest end."""

from __future__ import annotations

import asyncio

from screens.frames import frame, run_frame, sick_run
from screens.stage import on_stage

from dettui.app import DettuiApp, FrameMade, Opening, pump
from dettui.domain.frame import Frame
from dettui.errors import AgentUnavailable


class Endless:
    """A source that is exhausted: it returns at once and never has anything."""

    def __init__(self) -> None:
        self.pumped = 0

    def pump(self, wait_s: float = 0.0) -> bool:
        """Nothing, at once."""
        self.pumped += 1
        return False

    def frame(self) -> Frame:
        """No run."""
        return frame()


def test_a_newer_frame_replaces_one_that_is_still_queued() -> None:
    assert FrameMade(frame()).can_replace(FrameMade(frame()))


def test_the_first_frame_is_posted_at_once_and_an_exhausted_source_is_not_asked_in_a_tight_loop() -> None:
    source, posted = Endless(), list[Frame]()
    pump(source, posted.append, lambda: source.pumped >= 3)
    assert len(posted) == 1


async def test_the_source_is_closed_by_the_thread_that_read_it() -> None:
    closed = list[bool]()
    app = DettuiApp(Endless, close=lambda: closed.append(True))
    async with app.run_test() as pilot:
        while app.newest is None:
            await pilot.pause(0.01)
        await pilot.press("q")
    await asyncio.get_running_loop().shutdown_default_executor()  # as asyncio.run does: waits for the thread
    assert closed == [True]


async def test_a_feed_that_cannot_be_opened_ends_the_application_with_its_reason() -> None:
    def fails() -> Endless:
        raise AgentUnavailable("the agent did not start")

    app = DettuiApp(fails)
    async with app.run_test() as pilot:
        while app.failure is None:
            await pilot.pause(0.01)
    assert str(app.failure) == "the agent did not start"


async def test_pause_holds_for_every_screen() -> None:
    async with on_stage(frame(sick_run())) as stage:
        await stage.press("p", "escape")
        assert "PAUSED" in stage.text


def test_the_opening_is_over_with_the_reader_first_key_or_after_two_seconds() -> None:
    one = frame(run_frame(), made_at=100.0)
    assert Opening().run_to_open(one) == "r1"
    assert Opening(is_over=True).run_to_open(one) is None
    late = Opening(first_seen_at=90.0)
    assert late.run_to_open(one) is None
    assert late.is_over
