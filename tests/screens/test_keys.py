"""One key table: it is what the screens obey and what the help says."""

from __future__ import annotations

from typing import Any

import pytest
from screens.frames import frame, sick_run
from screens.stage import on_stage
from textual.screen import Screen

from dettui.app import DettuiApp
from dettui.screens.ask import AskScreen
from dettui.screens.base import DashboardScreen
from dettui.screens.checks import ChecksScreen
from dettui.screens.compare import CompareScreen
from dettui.screens.finding import FindingScreen
from dettui.screens.help import HelpScreen, help_lines
from dettui.screens.images import ImagesScreen
from dettui.screens.keys import KEYS, Key, Where, keys_of
from dettui.screens.ranks import RanksScreen
from dettui.screens.run import RunScreen
from dettui.screens.runs import RunsScreen
from dettui.widgets.text import text_of

SCREENS: dict[Where, type[Screen[Any]]] = {
    "runs": RunsScreen,
    "compare": CompareScreen,
    "run": RunScreen,
    "finding": FindingScreen,
    "checks": ChecksScreen,
    "images": ImagesScreen,
    "ranks": RanksScreen,
    "question": AskScreen,
    "help": HelpScreen,
}
DASHBOARDS = [screen for screen in SCREENS.values() if issubclass(screen, DashboardScreen)]


def bound(screen: type[Screen[Any]]) -> dict[str, str]:
    """Action of each key that *screen* binds."""
    return {binding.key: binding.action for binding in screen.BINDINGS}  # type: ignore[union-attr]


def test_the_help_says_what_a_hollow_warning_means() -> None:
    said = [text_of(line) for line in help_lines(80)]
    assert any(line.lstrip().startswith("△") and "may be chance among so many runs" in line for line in said)


def test_every_key_in_the_table_is_bound_and_in_the_help() -> None:
    said = "\n".join(text_of(line) for line in help_lines(200))
    for key in KEYS:
        assert key.description in said
        assert key.shown in said
        for screen in [SCREENS[key.where]] if key.where != "everywhere" else DASHBOARDS:
            assert {bound(screen)[name] for name in key.keys.split(",")} == {key.action}


@pytest.mark.parametrize("where", SCREENS)
def test_no_key_means_two_things_on_one_screen(where: Where) -> None:
    names = [name for key in (*keys_of(where), *keys_of("everywhere")) for name in key.keys.split(",")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.where}-{key.keys}")
def test_every_action_of_the_table_exists(key: Key) -> None:
    name = key.action.partition("(")[0]
    owner: type = DettuiApp if name.startswith("app.") else SCREENS[key.where]
    assert callable(getattr(owner, f"action_{name.removeprefix('app.')}"))


async def test_question_mark_opens_the_help_and_escape_closes_it() -> None:
    async with on_stage(frame(sick_run()), size=(80, 24)) as stage:
        await stage.press("question_mark")
        assert "quit; training goes on untouched" in stage.text
        await stage.press("escape")
        assert isinstance(stage.app.screen, RunScreen)


async def test_the_foot_names_help_and_quit_even_on_a_narrow_terminal() -> None:
    async with on_stage(frame(sick_run()), size=(60, 16)) as stage:
        foot = stage.text.splitlines()[-1]
        assert "? help" in foot
        assert "q quit" in foot
