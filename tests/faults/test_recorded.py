"""Recorded runs of the fault bench through the engine of today: no accuracy and no silence may be lost.

A change that makes the rules better raises the floors: ``python tests/bench/faults/subset.py`` writes them anew.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dettui.domain.finding import Diagnosis
from dettui.engine import replay
from dettui.feed.opening import open_recording

RECORDED = Path(__file__).parents[1] / "bench" / "faults" / "recorded"
INDEX: Mapping[str, Any] = json.loads((RECORDED / "index.json").read_text())
RUNS: Mapping[str, Any] = INDEX["runs"]
FLOORS: Mapping[str, int] = INDEX["floors"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Diagnosis]:
    """What the engine says of every recording."""
    scratch = tmp_path_factory.mktemp("recorded")
    return {name: replay(open_recording(unpacked(RECORDED / name, scratch / name))).diagnosis for name in RUNS}


def unpacked(source: Path, target: Path) -> Path:
    target.mkdir()
    for packed in source.glob("*.xz"):
        (target / packed.stem).write_bytes(lzma.decompress(packed.read_bytes()))
    return target


def warned(diagnosis: Diagnosis, since: int = 0) -> bool:
    return any(finding.severity != "info" and finding.raised_at_step >= since for finding in diagnosis.findings)


def named(diagnosis: Diagnosis) -> list[str]:
    return [cause.id for cause in diagnosis.causes]


def found(told: Mapping[str, Diagnosis]) -> dict[str, Diagnosis]:
    """Faults of which a warning was raised at their onset or later."""
    return {name: d for name, d in told.items() if RUNS[name] and warned(d, RUNS[name]["onset"])}


def test_healthy_runs_stay_as_silent(told: dict[str, Diagnosis]) -> None:
    loud = [name for name, diagnosis in told.items() if not RUNS[name] and warned(diagnosis)]
    assert len(loud) <= FLOORS["healthy warned"], loud


def test_as_many_faults_are_found(told: dict[str, Diagnosis]) -> None:
    missed = sorted(name for name in RUNS if RUNS[name] and name not in found(told))
    assert len(found(told)) >= FLOORS["found"], missed


def test_the_right_cause_is_first_as_often(told: dict[str, Diagnosis]) -> None:
    firsts = {name: (named(diagnosis) or ["unknown"])[0] for name, diagnosis in found(told).items()}
    wrong = {name: first for name, first in firsts.items() if first not in RUNS[name]["right"]}
    assert len(firsts) - len(wrong) >= FLOORS["first"], wrong


def test_the_right_cause_is_among_three_as_often(told: dict[str, Diagnosis]) -> None:
    right = [
        name
        for name, diagnosis in found(told).items()
        if set(RUNS[name]["right"]) & {*named(diagnosis)[:1], *[id for id in named(diagnosis) if id != "unknown"][:3]}
    ]
    assert len(right) >= FLOORS["among three"], sorted(set(found(told)) - set(right))
