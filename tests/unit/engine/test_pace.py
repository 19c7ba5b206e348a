"""Runs of many steps a second are spared evaluations; slow ones are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenarios.build import Setting, run_messages
from unit.engine.runs import cut_again, feed_of, swinging

from dettui.engine import replay
from dettui.engine.grid import GRID, EvaluationClock
from dettui_probe import tags

FAST_S = 0.01


def evaluated(step_s: float, steps: int = 2000) -> tuple[int, int]:
    """How often a run is evaluated, exactly and statistically."""
    clock, exact, statistics = EvaluationClock(GRID), 0, 0
    cell = GRID.exact.cell_end(1)
    for step in range(1, steps + 1):
        end = GRID.exact.cell_end(step)
        if end > cell:
            due = clock.due(cell, end)
            exact, statistics, cell = exact + due.exact, statistics + due.statistics, end
        clock.advance(step * step_s, step * step_s)
    return exact, statistics


def test_a_fast_run_is_evaluated_every_other_second() -> None:
    (exact_early, early), (exact_late, late) = evaluated(FAST_S, 2_000), evaluated(FAST_S, 12_000)
    assert exact_early <= 20 / 2 + 20  # 20 s, and some more at first
    assert early <= 20 / 5 + 15
    assert 100 / 2 * 0.8 <= exact_late - exact_early <= 100 / 2 * 1.25  # some of them for the statistics
    assert 100 / 6 * 0.8 <= late - early <= 100 / 5 * 1.1


def test_a_run_of_ten_steps_a_second_is_hardly_spared() -> None:
    exact, statistics = evaluated(0.1, 1_000)
    assert exact >= 1_000 / 16 * 0.9
    assert statistics >= 25


def test_a_run_of_seconds_a_step_is_evaluated_at_every_cell() -> None:
    cells = {GRID.exact.cell_end(step) for step in range(1, 2000)}
    assert evaluated(3.0)[0] == len(cells) - 1  # the last one is still open


@pytest.mark.parametrize("step_s", [0.0, -1.0])
def test_a_clock_that_stands_or_runs_backwards_delays_nothing(step_s: float) -> None:
    assert evaluated(step_s) == evaluated(3.0)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 90), min_size=1, max_size=6))
def test_any_cut_of_a_fast_run_gives_the_same_findings(sizes: list[int]) -> None:
    messages = run_messages(400, setting=Setting(step_s=FAST_S), **swinging(400))
    known = replay(feed_of(messages)).diagnosis
    assert known.findings
    assert replay(feed_of(cut_again(messages, sizes))).diagnosis == known


def test_the_end_of_a_fast_run_is_always_evaluated() -> None:
    loss = np.ones(500)
    loss[-1] = np.nan
    run = replay(feed_of(run_messages(500, setting=Setting(step_s=FAST_S), **{tags.LOSS_TOTAL: loss})))
    assert "non_finite" in {finding.kind for finding in run.diagnosis.findings}


@pytest.mark.parametrize("steps", [230, 250, 270, 290])
def test_what_only_the_end_of_a_fast_run_shows_is_confirmed(steps: int) -> None:
    """A flat loss is judged after 200 points: a run of 2 ms a step that is over soon after had one evaluation left."""
    rng = np.random.default_rng(0)
    flat = {tags.LOSS_TOTAL: 1.386 + 1e-5 * np.arange(steps) + 0.002 * rng.standard_normal(steps), tags.LR + "0": 0.01}

    def kinds(step_s: float) -> set[str]:
        frame = replay(feed_of(run_messages(steps, setting=Setting(step_s=step_s), **flat)))
        return {finding.kind for finding in frame.diagnosis.findings}

    assert kinds(0.002) == kinds(1.0) == {"not_learning"}
