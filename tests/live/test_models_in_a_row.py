"""A script under the launcher that trains one model after the other leaves a run of each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live.patience import PATIENCE_S

from dettui.engine import replay
from dettui.feed.opening import open_recording

TRAINS = """
import torch
from torch import nn

torch.manual_seed(0)

def fresh():
    model = nn.Linear(4, 3)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)

def train(model, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 3).backward()
        optimizer.step()
"""
FOLDS = "for fold in range(3):\n    train(*fresh(), 120)\n"
IN_TURN = "one, other = fresh(), fresh()\nfor _ in range(4):\n    train(*one, 60)\n    train(*other, 60)\n"
WRONG_OPTIMIZER = (
    "teacher, student = fresh(), fresh()\ntrain(*teacher, 120)\n"
    "train(student[0], torch.optim.SGD(teacher[0].parameters(), lr=0.1), 60)\n"
)
TEACHER_ONCE_MORE = (
    "teacher, student = fresh(), fresh()\ntrain(*teacher, 120)\ntrain(*student, 60)\ntrain(*teacher, 60)\n"
)
BARELY = "train(*fresh(), 120)\ntrain(*fresh(), 6)\n"


def steps_of_runs(folder: Path, script: str, **env: str) -> list[tuple[str, int]]:
    """Name and steps of the runs that *script* leaves, in the order in which they began."""
    (folder / "train.py").write_text(TRAINS + script)
    home = {"DETTUI_HOME": str(folder / "h"), "DETTUI_RUNS": str(folder / "runs")}
    command = [sys.executable, "-m", "dettui_probe", "--name", "folds", "--budget", "1", "train.py"]
    subprocess.run(command, env={**os.environ, **home, **env}, cwd=folder, timeout=PATIENCE_S, check=True)
    frames = [replay(open_recording(path)) for path in (folder / "runs").iterdir()]
    frames.sort(key=lambda frame: frame.info.started)
    assert all(frame.liveness.state.value == "finished" for frame in frames)
    return [(frame.info.name, frame.vitals.step) for frame in frames]


@pytest.mark.parametrize(
    ("script", "names", "least"),
    [
        (FOLDS, ["folds", "folds 2", "folds 3"], [120, 105, 105]),  # of the later ones, the first steps are missed
        (WRONG_OPTIMIZER, ["folds", "folds 2"], [120, 45]),
        (TEACHER_ONCE_MORE, ["folds", "folds 2"], [120, 45]),
        (IN_TURN, ["folds"], [240]),
        (BARELY, ["folds"], [120]),
    ],
    ids=["folds", "the optimizer of another", "once more", "in turn", "a few steps"],
)
def test_a_model_that_is_trained_after_another_is_a_run_of_its_own(
    tmp_path: Path, script: str, names: list[str], least: list[int]
) -> None:
    found = steps_of_runs(tmp_path, script)
    assert [name for name, _ in found] == names
    assert all(steps >= few for (_, steps), few in zip(found, least, strict=True)), found


def test_a_run_whose_id_is_given_stays_the_only_one(tmp_path: Path) -> None:
    assert steps_of_runs(tmp_path, FOLDS, DETTUI_RUN="given") == [("folds", 120)]


IN_EVALUATION_MODE = "one = fresh()\none[0].eval()\ntrain(*one, 40)\n"


def test_a_model_that_is_trained_in_evaluation_mode_is_found_by_the_steps_of_an_optimizer(tmp_path: Path) -> None:
    ((name, steps),) = steps_of_runs(tmp_path, IN_EVALUATION_MODE)
    assert (name, steps >= 36) == ("folds", True)


MAKES_A_PICTURE = """
judge, picture = nn.Linear(4, 3).eval(), torch.zeros(8, 4, requires_grad=True)
optimizer = torch.optim.Adam([picture], lr=0.1)
for _ in range(40):
    optimizer.zero_grad()
    judge(picture).square().sum().backward()
    optimizer.step()
"""


def test_a_network_that_is_asked_while_a_picture_is_made_is_not_trained(tmp_path: Path) -> None:
    ((_, steps),) = steps_of_runs(tmp_path, MAKES_A_PICTURE)
    assert steps == 0
