"""A stage for screens: the real application in a headless terminal, fed with scripted frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import RenderableType
from rich.segment import Segment
from screens.frames import Script
from textual._compositor import ChopsUpdate
from textual.pilot import Pilot
from textual.screen import Screen

from dettui.app import DettuiApp
from dettui.domain.frame import Frame
from dettui.feed.ssh.desk import Hosts

SIZES = ((80, 24), (140, 45), (200, 50))

SAME_TEXTS, BETWEEN_TEXTS_S = 4, 0.005
"""Together longer than the sixtieth of a second after which Textual draws what has changed."""


@dataclass
class Stage:
    """The application, and what a reader in front of it can do and see."""

    app: DettuiApp
    pilot: Pilot[int]
    script: Script

    async def press(self, *keys: str) -> None:
        """Press *keys* and wait until the screen has settled."""
        await self.pilot.press(*keys)
        await self.settle()

    async def show(self, frame: Frame) -> None:
        """Have the application's thread read another frame, and wait until it has arrived."""
        self.script.give(frame)
        await self.shows(frame)

    async def shows(self, frame: Frame) -> None:
        """Wait until *frame* has come through the reading thread."""
        while self.app.newest is not frame:
            await self.pilot.pause(0.01)
        await self.settle()

    async def settle(self) -> None:
        """Wait until messages, layout and what follows a layout are done: the screen says the same for a while."""
        same, before = 0, ""
        await self.pilot.pause()
        while same < SAME_TEXTS:
            await asyncio.sleep(BETWEEN_TEXTS_S)
            now = self.text
            same, before = (same + 1 if now == before else 0), now

    @property
    def text(self) -> str:
        """What stands on the terminal."""
        return screen_text(self.app)

    def strips(self) -> list[list[Segment]]:
        """What stands on the terminal, with its styles."""
        return [list(strip) for strip in self.app.screen._compositor.render_strips()]

    def count_repaints(self) -> Callable[[], int]:
        """A function that says how many cells were sent to the terminal since now."""
        sent: list[int] = []
        display = self.app._display

        def counting(screen: Screen[object], renderable: RenderableType | None) -> None:
            if isinstance(renderable, ChopsUpdate):
                sent.append(sum(end - first for _, first, end in renderable.spans))
            elif renderable is not None:
                sent.append(self.app.size.area)
            display(screen, renderable)

        self.app._display = counting  # type: ignore[method-assign]
        return lambda: sum(sent)


def screen_text(app: DettuiApp) -> str:
    """The characters on the terminal, row by row."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


@asynccontextmanager
async def on_stage(
    first: Frame,
    size: tuple[int, int] = (140, 45),
    *,
    ascii_only: bool = False,
    light: bool = False,
    hosts: Hosts | None = None,
) -> AsyncIterator[Stage]:
    """The application at *size*, showing *first*."""
    script = Script(first)
    app = DettuiApp(lambda: script, ascii_only=ascii_only, light=light, hosts=hosts)
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, pilot, script)
        await stage.shows(first)
        yield stage
