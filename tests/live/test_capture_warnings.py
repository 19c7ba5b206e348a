"""Warnings of workers reach the log, and the user's terminal as before."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from live.patience import PATIENCE_S

from dettui.engine import replay
from dettui.feed.opening import open_recording

pytest.importorskip("torch")
pytest.importorskip("albumentations")

SCRIPT = """
import warnings
import albumentations
import numpy
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)


class Data(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        if not hasattr(self, "transform"):
            self.transform = albumentations.GaussNoise(var_limit=(10, 50))
        image = self.transform(image=numpy.zeros((4, 4, 3), numpy.float32))["image"]
        return torch.as_tensor(image).reshape(-1).float(), index % 3


if __name__ == "__main__":
    warnings.warn("before the run", UserWarning)
    model = nn.Linear(48, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    WATCH
    loader = DataLoader(Data(), batch_size=2, num_workers=2, multiprocessing_context="CONTEXT")
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wa-") as home:
        yield Path(home)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(
    ("context", "launched"),
    [
        ("fork", True),
        ("fork", False),
        pytest.param("spawn", True, marks=pytest.mark.long),
        ("spawn", False),
        pytest.param("forkserver", False, marks=pytest.mark.long),
    ],
)
def test_an_argument_that_a_worker_ignores_is_a_finding(home: Path, context: str, launched: bool) -> None:
    watch = "pass" if launched else "import dettui_probe; dettui_probe.watch(model, optimizer)"
    (home / "train.py").write_text(SCRIPT.replace("WATCH", watch).replace("CONTEXT", context))
    env = {**os.environ, "DETTUI_HOME": str(home / "h"), "DETTUI_RUNS": str(home / "r"), "PYTHONWARNINGS": "default"}
    command = [sys.executable, *(["-m", "dettui_probe"] if launched else []), "train.py"]
    done = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert done.stderr.count("not valid for transform GaussNoise") == 2  # once from each worker, as without us
    assert "before the run" in done.stderr
    (log,) = (home / "r").iterdir()
    frame = replay(open_recording(log))
    (finding,) = [found for found in frame.diagnosis.findings if found.kind == "bad_augmentation"]
    assert (finding.severity, finding.causes[0].id, finding.causes[0].certain) == (
        "warning", "augmentation_arguments_ignored", True,
    )  # fmt: skip
    assert "var_limit" in finding.evidence[0].text
