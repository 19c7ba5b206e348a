"""`dettui run` without a terminal: the command's own output and exit code, then what doctor says."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from live.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.live.cli.conftest import Place

TRAINING = """
import sys
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for step in range(60):
    x = torch.randn(16, 8)
    loss = nn.functional.cross_entropy(model(x), x[:, :3].argmax(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("trained", *sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def needs_torch() -> None:
    pytest.importorskip("torch")


def test_an_unchanged_script_is_watched_and_its_output_passed_through(place: Place) -> None:
    place.script("train.py", TRAINING)
    done = place.dettui("run", "--name", "mine", sys.executable, "train.py", "--epochs", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("trained --epochs 3\n")
    assert "mine" in done.stdout and "step 60" in done.stdout
    assert "loss/total" in place.dettui("export", "mine").stdout


def test_a_name_that_is_taken_gets_a_suffix(place: Place) -> None:
    place.script("train.py", TRAINING)
    for _ in range(2):
        assert place.dettui("run", "--name", "mine", "--", sys.executable, "train.py").returncode == 0
    names = place.dettui("ls", "--names").stdout.split()
    assert len(names) == 2 and "mine" in names and all(name.startswith("mine") for name in names)


def test_a_script_that_raises_keeps_its_traceback_and_exit_code(place: Place) -> None:
    place.script("train.py", TRAINING + "raise RuntimeError('out of luck')\n")
    done = place.dettui("run", "--name", "unlucky", sys.executable, "train.py")
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1 and "RuntimeError: out of luck" in done.stderr
    assert "crashed" in done.stdout and "out of luck" in done.stdout


def test_an_exit_code_of_the_script_is_ours(place: Place) -> None:
    place.script("train.py", TRAINING + "sys.exit(7)\n")
    assert place.dettui("run", sys.executable, "train.py").returncode == 7


def test_a_script_that_never_calls_backward_cannot_be_judged(place: Place) -> None:
    place.script("evaluate.py", "import torch\nmodel = torch.nn.Linear(2, 2)\nprint(model(torch.ones(1, 2)).shape)\n")
    done = place.dettui("run", "--name", "evaluation", sys.executable, "evaluate.py")
    assert done.returncode == 0
    assert "torch.Size([1, 2])" in done.stdout
    assert "Traceback" not in done.stderr
    assert place.dettui("doctor", "evaluation").returncode == 2


def test_a_script_that_does_not_exist_is_said_by_its_interpreter(place: Place) -> None:
    done = place.dettui("run", sys.executable, "missing.py")
    assert done.returncode == 2
    assert "missing.py" in done.stderr and "Traceback" not in done.stderr


def test_what_is_no_python_runs_unwatched(place: Place) -> None:
    done = place.dettui("run", "--", "sh", "-c", "echo hello; exit 3")
    assert done.returncode == 3
    assert done.stdout.startswith("hello\n")
    assert "cannot put the probe" in done.stderr and "Traceback" not in done.stderr


def test_an_unwritable_run_directory_costs_the_training_nothing(place: Place) -> None:
    place.script("train.py", TRAINING)
    (place.cwd / "runs").write_text("a file where the directory should be")
    done = place.dettui("run", "--name", "homeless", sys.executable, "train.py")
    assert done.returncode == 0, done.stderr
    assert "trained" in done.stdout and "Traceback" not in done.stderr
    assert "step 60" in done.stdout  # the log lies in the runtime directory instead


def test_ctrl_c_is_for_the_training_and_the_diagnosis_still_follows(place: Place) -> None:
    place.script("train.py", TRAINING + "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n")
    with place.start("run", "--name", "stopped", sys.executable, "train.py") as dettui:
        assert dettui.stdout is not None
        while "waiting" not in dettui.stdout.readline():
            assert dettui.poll() is None
        os.killpg(dettui.pid, signal.SIGINT)
        out, err = dettui.communicate(timeout=PATIENCE_S)
    assert dettui.returncode == 130
    assert "step 60" in out
    assert err.count("Traceback") == 1 and "dettui/cli" not in err  # the script's own
