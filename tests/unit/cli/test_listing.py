"""What `dettui ls` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from dettui.cli.listing import ago, table
from dettui.domain.run import Liveness, RunState
from dettui.feed.summaries import RunSummary


def summary(name: str, step: int | None) -> RunSummary:
    return RunSummary(name, name, "host", Liveness(RunState.RUNNING), step, 0.0, None, 1, Path())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_an_age_is_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_columns_stand_under_each_other() -> None:
    head, first, second = table([summary("a", 7), summary("a-longer-name", None)], now=60.0).splitlines()
    assert head.index("STATE") == first.index("running") == second.index("running")
    assert "-" in second.split()
