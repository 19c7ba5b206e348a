"""Which runs of a list may be warned of by chance, from frame to frame."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screens.frames import BAD_TARGETS, IMBALANCE, OSCILLATION, run_frame
from unit.engine.runs import arrival, engine_of, some_run, swinging

from dettui.diagnose.across_runs import Chances, e_value_of
from dettui.domain.finding import Diagnosis
from dettui.domain.frame import RunFrame
from dettui.engine import chance
from dettui.engine.chance import ChanceBook

TABLE = Chances(healthy_runs=299, healthy={}, faults={})
"""Any warning has an e-value of 150: it stands alone among 15 runs."""


def warned(*ids: str) -> list[RunFrame]:
    return [run_frame(id, findings=(OSCILLATION,), step=20) for id in ids]


def calm(count: int) -> list[RunFrame]:
    return [run_frame(f"calm {place}", step=20) for place in range(count)]


def test_a_warning_stands_among_few_runs_and_may_be_chance_among_many() -> None:
    assert ChanceBook(TABLE).among([*warned("a"), *calm(14)]) == frozenset()
    assert ChanceBook(TABLE).among([*warned("a"), *calm(15)]) == {"a"}


def test_more_warnings_than_chance_brings_stand_together() -> None:
    assert ChanceBook(TABLE).among([*warned("a", "b"), *calm(28)]) == frozenset()


def test_proved_runs_are_not_marked_and_help_no_other() -> None:
    proved = [run_frame(f"proved {place}", findings=(BAD_TARGETS,), step=20) for place in range(10)]
    assert ChanceBook(TABLE).among([*warned("a"), *proved, *calm(15)]) == {"a"}


def test_a_run_that_was_not_looked_at_is_not_counted() -> None:
    early = [replace(run, diagnosis=Diagnosis(0)) for run in calm(40)]
    assert ChanceBook(TABLE).among([*warned("a"), *early]) == frozenset()


def test_only_a_warning_that_is_active_is_marked() -> None:
    over = run_frame("a", findings=(replace(OSCILLATION, state="resolved"), IMBALANCE), step=20)
    assert ChanceBook(TABLE).among([over, *calm(40)]) == frozenset()


def test_the_mark_goes_with_the_runs_that_are_listed() -> None:
    book = ChanceBook(TABLE)
    many = [*warned("a"), *calm(40)]
    assert book.among(many) == {"a"}
    assert book.among(many[:10]) == frozenset()
    assert book.among(many) == {"a"}


def test_a_run_is_read_again_only_when_its_diagnosis_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Diagnosis] = []

    def counting(diagnosis: Diagnosis, table: Chances) -> float | None:
        read.append(diagnosis)
        return e_value_of(diagnosis, table)

    monkeypatch.setattr(chance, "e_value_of", counting)
    book, runs = ChanceBook(TABLE), [*warned("a"), *calm(3)]
    for _ in range(3):
        book.among([replace(run, vitals=replace(run.vitals, step=21)) for run in runs])
    assert len(read) == len(runs)
    book.among([replace(runs[0], diagnosis=replace(runs[0].diagnosis, step=30)), *runs[1:]])
    assert len(read) == len(runs) + 1


def test_what_is_found_in_a_run_does_not_depend_on_what_else_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chance, "chances", lambda: Chances(0, {}, {}))  # everything may be chance
    sick = arrival(some_run(series=swinging(), run="sick"), "sick")
    others = [arrival(some_run(run=f"other {place}"), f"other {place}") for place in range(3)]
    alone, beside = engine_of(sick).frame(), engine_of(sick, *others).frame()
    assert beside.by_chance == {"sick"}
    assert next(run for run in beside.runs if run.info.id == "sick").diagnosis == alone.runs[0].diagnosis


def test_what_may_be_chance_comes_behind_what_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChanceBook, "among", lambda book, runs: frozenset("a"))
    sick = [arrival(some_run(series=swinging(), run=id, name=id), id) for id in "abc"]
    frame = engine_of(*sick, arrival(some_run(run="calm"), "calm")).frame()
    assert frame.by_chance == {"a"}
    assert [run.info.id for run in frame.runs] == ["b", "c", "a", "calm"]
