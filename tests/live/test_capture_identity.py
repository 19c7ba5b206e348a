"""Promise 1: what is trained is bit for bit the same with and without the probe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live.patience import PATIENCE_S

SCRIPT = """
import hashlib, os, random, sys
import numpy
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def classifier():
    return nn.Sequential(nn.Linear(8, 32), nn.Dropout(0.3), nn.Tanh(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))


def train_classifier(make_optimizer, workers):
    model = classifier()
    optimizer = make_optimizer(model.parameters())
    watch(model, optimizer)
    features = torch.randn(96, 8)
    data = DataLoader(TensorDataset(features, torch.arange(96) % 3), batch_size=8, shuffle=True, num_workers=workers)
    for _ in range(2):
        for x, y in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            model(features)
        model.train()
    return model


def train_detector():
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.rpn import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    body = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
    body.out_channels = 8
    model = FasterRCNN(
        body, num_classes=3, min_size=64, max_size=64, box_detections_per_img=5,
        rpn_pre_nms_top_n_train=50, rpn_post_nms_top_n_train=20,
        rpn_anchor_generator=AnchorGenerator(((16, 32),), ((0.5, 1.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    watch(model, optimizer)
    for _ in range(4):
        images = [torch.rand(3, 64, 64) for _ in range(2)]
        corners = torch.rand(2, 2, 2) * 20
        targets = [
            {"boxes": torch.cat([corner, corner + 25], 1), "labels": torch.tensor([1, 2])} for corner in corners
        ]
        losses = model(images, targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    return model


def digest(model):
    parts = [name.encode() + tensor.numpy().tobytes() for name, tensor in model.state_dict().items()]
    parts += [torch.get_rng_state().numpy().tobytes(), repr(random.getstate()).encode()]
    parts.append(repr(numpy.random.get_state()).encode())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def watch(model, optimizer):
    if os.environ.get("WATCH"):
        import dettui_probe
        dettui_probe.watch(model, optimizer)


if __name__ == "__main__":
    for kind in sys.argv[1:]:
        torch.manual_seed(3)
        random.seed(3)
        numpy.random.seed(3)
        if kind == "sgd":
            model = train_classifier(lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9), workers=2)
        elif kind == "adamw":
            model = train_classifier(lambda params: torch.optim.AdamW(params, lr=0.01), workers=0)
        else:
            model = train_detector()
        print(kind, digest(model))
"""
KINDS = ("sgd", "adamw", "detector")


def digests_of(
    tmp_path: Path, *kinds: str, watched: bool = False, launched: bool = False
) -> tuple[dict[str, str], int]:
    """What the script prints of each, and how many run logs it left."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    runs = tmp_path / f"runs-{watched}-{launched}"
    env = {
        **os.environ,
        "DETTUI_HOME": str(tmp_path / "h"),
        "DETTUI_RUNS": str(runs),
        "WATCH": "1" if watched else "",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, *(["-m", "dettui_probe"] if launched else []), str(script), *kinds]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    told = dict(line.split() for line in done.stdout.splitlines())
    return told, sum(file.stat().st_size > 2000 for file in runs.rglob("*.dlog"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Without the probe: one process for all of them."""
    digests, logs = digests_of(tmp_path_factory.mktemp("plain"), *KINDS)
    assert logs == 0
    return digests


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_random_states_are_the_same_with_and_without_the_probe(
    tmp_path: Path, plain: dict[str, str], kind: str
) -> None:
    watched, watched_logs = digests_of(tmp_path, kind, watched=True)
    launched, launched_logs = digests_of(tmp_path, kind, launched=True)
    assert (watched_logs, launched_logs) == (1, 1)
    assert watched == launched == {kind: plain[kind]}
