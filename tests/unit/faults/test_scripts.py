"""The scripts of the bench, and the mistakes they are trained with."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from dettui.diagnose.catalogue import CATALOGUE

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))

from scripted import Case, Fault, Training, cases, newest, trainings  # noqa: E402

FOLDERS = sorted(path.parent.name for path in BENCH.glob("*/cases.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_mistake_changes_one_place_of_its_script_and_has_causes_that_exist(folder: str) -> None:
    for training in trainings([folder], seeds=2, with_faults=True):
        ast.parse(training.text())
        for id in training.fault.causes if training.fault else ():
            assert id in CATALOGUE, training.name


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_of_scripts_and_of_their_mistakes_are_told_apart(folder: str) -> None:
    names = [training.name for training in trainings([folder], seeds=1, with_faults=True)]
    assert len(set(names)) == len(names)
    assert all(fault.causes for case in cases(folder) for fault in case.faults)


def test_a_mistake_whose_place_is_gone_is_refused() -> None:
    with pytest.raises(ValueError, match="0 times in the script: 'no such line'"):
        Training("odd", Case("vae", "test loss", "<", 125), 0, Fault("lost", "no such line", "", "unknown")).text()


@pytest.mark.parametrize(
    ("printed", "value"),
    [("loss 2.5\nloss 1e-3\n", 1e-3), ("loss: nan", None), ("loss -4.0, lr 2", -4.0), ("nothing", None)],
)
def test_what_was_printed_last_counts(printed: str, value: float | None) -> None:
    assert newest(printed, "loss") == value


def test_a_run_that_came_to_no_number_did_not_learn() -> None:
    case = Case("x", "loss", "<", 1.0)
    assert [case.learnt(value) for value in (0.5, 1.5, float("nan"), None)] == [True, False, False, False]
