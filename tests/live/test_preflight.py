"""A pre-flight in a real script: what it prints, streams and raises, and that nobody mistakes it for training."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from live.patience import PATIENCE_S

from dettui_probe import framing, wire

Launch = Callable[..., subprocess.CompletedProcess[str]]

SETUP = """
import sys
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign
import dettui_probe as probe

torch.set_num_threads(1)
torch.manual_seed(0)
FIRST_CLASS = 0 if "background" in sys.argv else 1


class Noise(Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        corner = 30 * torch.rand(2, 2)
        labels = torch.arange(2) + FIRST_CLASS
        return torch.rand(3, 64, 64), {"boxes": torch.cat([corner, corner + 25], 1), "labels": labels}


def collate(rows):
    return [row[0] for row in rows], [row[1] for row in rows]


body = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
body.out_channels = 8
model = FasterRCNN(
    body, num_classes=3, min_size=64, max_size=64, box_detections_per_img=5,
    rpn_pre_nms_top_n_train=50, rpn_post_nms_top_n_train=20,
    rpn_anchor_generator=AnchorGenerator(((16, 32),), ((0.5, 1.0),)), box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
loader = DataLoader(Noise(), 4, collate_fn=collate)


def train():
    for images, targets in loader:
        optimizer.zero_grad()
        sum(model(images, targets).values()).backward()
        optimizer.step()
"""


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    def run(script: str, *arguments: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        (tmp_path / "train.py").write_text(SETUP + script)
        env = {**os.environ, "DETTUI_HOME": str(tmp_path / "h"), "DETTUI_RUNS": str(tmp_path / "runs")}
        command = [sys.executable, *launcher, "train.py", *arguments]
        return subprocess.run(
            command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    return run


def messages(tmp_path: Path) -> list[wire.AnyMessage]:
    found = []
    for log in (tmp_path / "runs").rglob("*.dlog"):
        frames = [item for item in framing.Scanner().feed(log.read_bytes()) if isinstance(item, framing.Frame)]
        found += [message for frame in frames if (message := wire.decode(frame.payload)) is not None]
    return found


def streamed(tmp_path: Path) -> dict[str, wire.Event]:
    events = [m for m in messages(tmp_path) if isinstance(m, wire.Event) and m.kind == "preflight"]
    return {str(event.data["check"]): event for event in events}


def test_checks_made_before_the_run_is_watched_are_streamed_once_it_is(launch: Launch, tmp_path: Path) -> None:
    done = launch("report = probe.preflight(model, loader, optimizer)\nprobe.watch(model, optimizer)\ntrain()")
    assert done.returncode == 0, done.stderr
    assert "preflight: 0 failed" in done.stderr and "\r" not in done.stderr
    labels = streamed(tmp_path)["labels"].data
    assert {"check", "verdict", "severity", "cause", "evidence", "remedy", "seconds"} == set(labels)
    assert labels["verdict"] == "passed"


def test_checks_made_during_a_run_are_streamed_at_once(launch: Launch, tmp_path: Path) -> None:
    done = launch("probe.init('x')\nprobe.preflight(model, loader, out=None)")
    assert done.returncode == 0 and done.stderr == ""
    assert streamed(tmp_path)["optimizer"].data["verdict"] == "abstained"


def test_a_certain_fault_stops_a_script_that_asked_for_it(launch: Launch) -> None:
    done = launch("probe.preflight(model, loader, optimizer, raise_on='certain', out=None)\ntrain()", "background")
    assert done.returncode == 1
    assert "PreflightFailed" in done.stderr and "background_label_used" not in done.stderr
    assert "which torchvision.FasterRCNN keeps for background" in " ".join(done.stderr.split())


def test_without_being_asked_it_stops_nothing(launch: Launch) -> None:
    done = launch("assert not probe.preflight(model, loader, optimizer).ok\ntrain()", "background")
    assert done.returncode == 0 and "STOP labels" in done.stderr


def test_the_launcher_does_not_take_a_copy_for_the_model_that_is_trained(launch: Launch, tmp_path: Path) -> None:
    script = "probe.preflight(model, loader, optimizer, overfit=True, out=None)\ntrain()"
    done = launch(script, launcher=("-m", "dettui_probe"))
    assert done.returncode == 0, done.stderr
    models = [message for message in messages(tmp_path) if isinstance(message, wire.Model)]
    assert models and models[-1].family == "torchvision.FasterRCNN"
    assert models[-1].strangers == 0 and not models[-1].missing
    rows = [message for message in messages(tmp_path) if isinstance(message, wire.Batch)]
    assert sum(len(block.steps) // 8 for row in rows for block in row.blocks) <= 8  # the four steps, and no copy's
