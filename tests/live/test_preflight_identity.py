"""A pre-flight leaves nothing behind: what is trained after it is bit for bit what is trained without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hashlib, random, sys, warnings
import albumentations as A
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign
import dettui_probe as probe

torch.set_num_threads(1)
torch.manual_seed(0); random.seed(0); np.random.seed(0)


class Noise(Dataset):
    def __init__(self):
        self.transform = A.Compose(
            [A.HorizontalFlip(p=0.5), A.RandomBrightnessContrast(p=0.5)],
            bbox_params=A.BboxParams("pascal_voc", label_fields=["labels"]), seed=7,
        )

    def __len__(self):
        return 24

    def __getitem__(self, index):
        image = np.random.randint(0, 255, (64, 64, 3), dtype=np.uint8)
        x, y = random.randint(0, 30), int(torch.randint(0, 30, ()))
        out = self.transform(image=image, bboxes=[[x, y, x + 25, y + 25]], labels=[1 + index % 2])
        boxes = torch.as_tensor(np.asarray(out["bboxes"]), dtype=torch.float32).reshape(-1, 4)
        target = {"boxes": boxes, "labels": torch.tensor(out["labels"]).long(), "image_id": index}
        return torch.as_tensor(out["image"]).permute(2, 0, 1) / 255, target


def collate(rows):
    return [row[0] for row in rows], [row[1] for row in rows]


body = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, 4, 1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3, 2, 1)
)
body.out_channels = 8
model = FasterRCNN(
    body, num_classes=3, min_size=64, max_size=64, box_detections_per_img=5,
    rpn_pre_nms_top_n_train=50, rpn_post_nms_top_n_train=20,
    rpn_anchor_generator=AnchorGenerator(((16, 32),), ((0.5, 1.0),)), box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
)
model.eval() if "eval" in sys.argv else model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
shuffle = torch.Generator().manual_seed(5) if "generator" in sys.argv else None
loader = DataLoader(Noise(), 4, shuffle=True, collate_fn=collate, generator=shuffle, num_workers=0)
if "preflight" in sys.argv:
    class Metric:
        def update(self, predictions, targets): self.seen = predictions
        def compute(self): return {"map": torch.rand(())}
        def reset(self): pass
    metric = Metric()
    report = probe.preflight(model, loader, optimizer, evaluator=metric, overfit="overfit" in sys.argv, out=None)
    assert len(report.passed) > 10, report
    assert not vars(metric), "the evaluator was used"
assert model.training == ("eval" not in sys.argv)
model.train()
for images, targets in loader:
    optimizer.zero_grad()
    sum(model(images, targets).values()).backward()
    optimizer.step()
digest = hashlib.sha256()
for tensor in model.state_dict().values():
    digest.update(tensor.numpy().tobytes())
digest.update(torch.get_rng_state().numpy().tobytes())
digest.update(repr((random.getstate(), np.random.get_state())).encode())
digest.update(repr(optimizer.state_dict()["param_groups"]).encode())
print(digest.hexdigest())
"""


def digest_of(home: Path, *options: str) -> str:
    env = {**os.environ, "DETTUI_HOME": str(home), "DETTUI_RUNS": str(home / "runs"), "NO_ALBUMENTATIONS_UPDATE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *options], capture_output=True, text=True, env=env, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("options", [(), ("generator", "eval", "overfit")], ids=["plain", "generator-eval-overfit"])
def test_training_after_a_preflight_is_bit_identical(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert digest_of(tmp_path, *options, "preflight") == digest_of(tmp_path, *options)
