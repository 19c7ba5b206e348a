"""One frame on paper: the same words as on screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screens.frames import OSCILLATION, frame, run_frame, sick_run

from dettui.app import render_once
from dettui.domain.finding import Diagnosis
from dettui.domain.run import RunState

RUNNING, FINISHED = RunState.RUNNING, RunState.FINISHED


def test_one_run_is_printed_with_its_curve_and_its_findings() -> None:
    text = render_once(frame(sick_run()), 100, 40, colour=False)
    assert "■ Boxes are not in the format that the model expects" in text
    assert "certain  boxes wrong format" in text
    assert "\x1b" not in text
    assert any("⠀" < character <= "⣿" for character in text)


def test_one_run_is_printed_without_unicode_where_asked_for() -> None:
    text = render_once(frame(sick_run()), 100, 40, colour=False, ascii_only=True)
    assert text.isascii()
    assert "Boxes are not in the format" in text
    assert max(map(len, text.splitlines())) <= 100


def test_several_runs_are_printed_as_a_list() -> None:
    text = render_once(frame(run_frame("a", "alpha"), run_frame("b", "beta")), 100, 40, colour=False)
    assert "alpha" in text
    assert "beta" in text


def test_a_warning_that_may_be_chance_is_printed_as_such() -> None:
    runs = [run_frame(id, f"run {id}", findings=(OSCILLATION,)) for id in "ab"]
    text = render_once(replace(frame(*runs), by_chance=frozenset("b")), 160, 40, colour=False)
    told = {row[: row.index("Loss swings")][-20:].strip() for row in text.splitlines() if "Loss swings" in row}
    assert len(told) == 2
    assert any(lead.endswith("△ may be chance:") for lead in told)
    assert any(lead.endswith("▲") for lead in told)


def test_no_run_prints_how_to_attach_one() -> None:
    assert "probe.watch(" in render_once(frame(), 80, 24, colour=False)


@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 24), (200, 50)])
def test_what_is_printed_fits_the_width_and_keeps_every_word(width: int, height: int) -> None:
    text = render_once(frame(sick_run()), width, height, colour=False)
    rows = text.splitlines()
    assert all(finding.title.split()[0] in text for finding in sick_run().diagnosis.findings)
    assert "because" in text and "measured" in text
    assert max(map(len, rows)) <= width


def test_a_short_run_that_is_over_says_what_a_verdict_lacked() -> None:
    early = Diagnosis(12, lacks=("12 of 200 steps", "no loss recorded"))
    runs = [replace(run_frame("a", state=state, step=12), diagnosis=early) for state in (RUNNING, FINISHED)]
    running, over = (render_once(frame(run), 100, 40, colour=False) for run in runs)
    assert "too early to say" in running and "Too early to say" in running
    assert "ended without a verdict: 12 of 200 steps, no loss recorded" in over
    assert "It ended before anything could be said: 12 of 200 steps, no loss recorded." in over
    assert "arly to say" not in over
    assert "ended without a verdict" in render_once(frame(*runs), 140, 40, colour=False)


def test_the_height_sizes_the_chart_and_cuts_no_word() -> None:
    low, high = (render_once(frame(sick_run()), 100, height, colour=False).splitlines() for height in (24, 60))
    assert len(high) - len(low) == 18  # half of the rows more
    assert [row for row in low if row.isascii()] == [row for row in high if row.isascii()]


def test_the_memory_that_a_run_takes_is_told_where_there_is_room() -> None:
    run = run_frame()
    held = replace(run, vitals=replace(run.vitals, points=1_200_000, held_bytes=6_120_000))
    assert "1.2M points, 5.1 B each" in render_once(frame(held), 140, 40, colour=False)
    assert "points" not in render_once(frame(run), 140, 40, colour=False)  # of which none are held
    assert "points" not in render_once(frame(held), 40, 40, colour=False)


def test_colour_is_only_added_where_asked_for() -> None:
    assert "\x1b[" in render_once(frame(sick_run()), 80, 24, colour=True)
