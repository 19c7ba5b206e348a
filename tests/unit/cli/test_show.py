"""Which feed a run is shown from, and when one frame is enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from dettui.cli.show import read_what_is_known
from dettui.domain.run import Liveness, RunState
from dettui.engine import Engine
from dettui.feed.base import Arrival
from dettui.feed.opening import RunRef
from dettui.feed.scripted import ScriptedFeed
from dettui.feed.sources import is_live


def found(state: RunState | None) -> RunRef:
    return RunRef("r", "r", Path(), None if state is None else Liveness(state))


@pytest.mark.parametrize("state", [RunState.STARTING, RunState.RUNNING, RunState.STALLED, RunState.STOPPED])
def test_a_run_that_goes_on_is_followed(state: RunState) -> None:
    assert is_live(found(state))


@pytest.mark.parametrize("state", [None, RunState.FINISHED, RunState.CRASHED, RunState.KILLED, RunState.UNKNOWN])
def test_a_run_that_is_over_or_only_a_recording_is_read_from_its_log(state: RunState | None) -> None:
    assert not is_live(found(state))


def test_a_recording_is_read_to_its_end() -> None:
    feed = ScriptedFeed([Arrival("r", "b", 0, liveness=Liveness(RunState.RUNNING)) for _ in range(20)])
    read_what_is_known(Engine(feed), feed)
    assert feed.exhausted()
