"""Healthy configurations, transform pipelines x detectors x laws of boxes: no finding of warning or worse is allowed.

    python tests/bench/healthy_table.py                         all of them (about 10 minutes)
    python tests/bench/healthy_table.py --only fcos crowded     those whose name holds every word

The detectors are those of fault_table.py.  Each trains a few steps under ``dettui_probe.watch``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Final, NamedTuple

import albumentations
import numpy as np
import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

import dettui_probe
from dettui.engine import replay
from dettui.feed.opening import open_recording

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.fault_table import CLASSES, DETECTORS, IMAGES

HEIGHT, WIDTH = 128, 192
STEPS: Final = 12
SIZE: Final = torch.tensor([WIDTH, HEIGHT], dtype=torch.float32)


class Example(NamedTuple):
    """One image with its objects."""

    image: Tensor  # (3, H, W) in [0, 1]
    boxes: Tensor  # (n, 4) x1, y1, x2, y2
    labels: Tensor  # (n,)


Law = Callable[[torch.Generator], Tensor]
Pipeline = Callable[[Example], Example]


def _boxes(generator: torch.Generator, count: int, least: float, most: float) -> Tensor:
    """Anywhere in the image, with sides from *least* to *most* pixels."""
    side = least + (most - least) * torch.rand(count, 2, generator=generator)
    corner = torch.rand(count, 2, generator=generator) * (SIZE - side)
    return torch.cat([corner, corner + side], dim=1)


def _under_the_horizon(generator: torch.Generator) -> Tensor:
    """All in the lower half, as on a road."""
    boxes = _boxes(generator, 6, 12, 40)
    boxes[:, [1, 3]] = HEIGHT / 2 + boxes[:, [1, 3]] / 2
    return boxes


def _centred(generator: torch.Generator) -> Tensor:
    """One large object near the middle, as in a catalogue."""
    half = SIZE * (0.25 + 0.15 * torch.rand(1, 2, generator=generator))
    middle = SIZE / 2 + 6 * torch.randn(1, 2, generator=generator)
    return torch.cat([middle - half, middle + half], dim=1).clamp(min=0).minimum(SIZE.repeat(2))


def _sparse(generator: torch.Generator) -> Tensor:
    """Two images in five without an object."""
    count = int(torch.randint(0, 5, (1,), generator=generator)) - 1
    return _boxes(generator, max(count, 0), 16, 60)


LAWS: Final[Mapping[str, Law]] = {
    "uniform": lambda generator: _boxes(generator, 8, 14, 56),
    "small": lambda generator: _boxes(generator, 12, 7, 16),
    "horizon": _under_the_horizon,
    "centred": _centred,
    "crowded": lambda generator: _boxes(generator, 30, 10, 40),
    "sparse": _sparse,
}


def draw(generator: torch.Generator, law: Law, first_label: int) -> Example:
    """Rectangles on noise at the places that *law* gives."""
    boxes = law(generator)
    image = 0.35 + 0.3 * torch.rand(3, HEIGHT, WIDTH, generator=generator)
    for x1, y1, x2, y2 in boxes.round().long().tolist():
        image[:, y1:y2, x1:x2] = torch.rand(3, 1, 1, generator=generator)
    return Example(image, boxes, torch.randint(first_label, first_label + CLASSES, (len(boxes),), generator=generator))


def _torchvision(*transforms: nn.Module) -> Pipeline:
    chain = v2.Compose([*transforms, v2.SanitizeBoundingBoxes(min_size=3), v2.ToPureTensor()])

    def apply(example: Example) -> Example:
        canvas = tuple(example.image.shape[-2:])
        boxes = tv_tensors.BoundingBoxes(example.boxes.reshape(-1, 4), format="XYXY", canvas_size=canvas)
        image, target = chain(tv_tensors.Image(example.image), {"boxes": boxes, "labels": example.labels})
        return Example(image, target["boxes"], target["labels"])

    return apply


def _albumentations(*transforms: albumentations.BasicTransform) -> Pipeline:
    parameters = albumentations.BboxParams("pascal_voc", label_fields=["labels"], min_visibility=0.2, clip=True)
    chain = albumentations.Compose(list(transforms), bbox_params=parameters)

    def apply(example: Example) -> Example:
        pixels = np.ascontiguousarray(example.image.permute(1, 2, 0).numpy())
        out = chain(image=pixels, bboxes=example.boxes.numpy(), labels=example.labels.tolist())
        boxes = torch.as_tensor(np.asarray(out["bboxes"], dtype=np.float32).reshape(-1, 4))
        image = torch.as_tensor(out["image"]).permute(2, 0, 1).float()
        return Example(image, boxes, torch.tensor([int(label) for label in out["labels"]], dtype=torch.int64))

    return apply


PIPELINES: Final[Mapping[str, Pipeline]] = {
    "plain": lambda example: example,
    "flips": _torchvision(v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()),
    "crop": _torchvision(v2.RandomIoUCrop(), v2.Resize((HEIGHT, WIDTH))),
    "affine": _torchvision(v2.RandomAffine(8, (0.1, 0.1), (0.8, 1.2))),
    "colour": _torchvision(v2.ColorJitter(0.4, 0.4, 0.4, 0.1), v2.GaussianBlur(5)),
    "albumentations": _albumentations(
        albumentations.HorizontalFlip(), albumentations.RandomSizedBBoxSafeCrop(HEIGHT, WIDTH),
        albumentations.RandomBrightnessContrast(), albumentations.GaussNoise(std_range=(0.02, 0.1)),
    ),
    "letterbox": _torchvision(v2.Pad((0, 24))),
}  # fmt: skip


@dataclass(frozen=True)
class Configuration:
    """One healthy run."""

    detector: str
    law: str
    pipeline: str

    @property
    def name(self) -> str:
        return f"{self.detector} {self.law} {self.pipeline}"


def configurations() -> Iterator[Configuration]:
    """Every detector with every law, the pipelines in turn: each law and each detector meets most pipelines."""
    turns = iter(list(PIPELINES) * 100)
    for law, detector in product(LAWS, DETECTORS):
        for pipeline in islice(turns, 2):
            yield Configuration(detector, law, pipeline)


def warnings_of(configuration: Configuration, runs: Path, steps: int = STEPS, seed: int = 0) -> list[str]:
    """Train, and say which findings of warning or worse the engine raised."""
    torch.manual_seed(seed)
    make, first_label = DETECTORS[configuration.detector]
    before = set(runs.iterdir()) if runs.exists() else set()
    train(make(HEIGHT, WIDTH), _batches(configuration, first_label, seed), configuration.name, steps)
    (log,) = set(runs.iterdir()) - before
    findings = replay(open_recording(log)).diagnosis.findings
    return [f"{f.kind}@{f.raised_at_step}: {f.title}" for f in findings if f.severity != "info"]


def _batches(configuration: Configuration, first_label: int, seed: int) -> Iterator[list[Example]]:
    generator = torch.Generator().manual_seed(seed)
    law, pipeline = LAWS[configuration.law], PIPELINES[configuration.pipeline]
    while True:
        yield [pipeline(draw(generator, law, first_label)) for _ in range(IMAGES)]


def train(model: nn.Module, batches: Iterator[list[Example]], name: str, steps: int) -> None:
    """The usual loop."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.002, momentum=0.9)
    run = dettui_probe.watch(model, optimizer, name=name)
    for batch in islice(batches, steps):
        targets = [{"boxes": example.boxes, "labels": example.labels} for example in batch]
        loss = sum(model([example.image for example in batch], targets).values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    run.finish()


def main() -> int:
    """Print one line a configuration; 0 where all are silent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    started, wanted = time.monotonic(), [c for c in configurations() if set(arguments.only) <= set(c.name.split())]
    with tempfile.TemporaryDirectory(prefix="ht-") as scratch:
        os.environ["DETTUI_HOME"], os.environ["DETTUI_RUNS"] = scratch, str(Path(scratch) / "r")
        told = {
            configuration: warnings_of(configuration, Path(scratch) / "r", arguments.steps) for configuration in wanted
        }
    for configuration, said in told.items():
        print(f"{configuration.name:<40}{'; '.join(said) or '-'}")
    loud = sum(bool(said) for said in told.values())
    print(f"{len(told) - loud} of {len(told)} silent, {time.monotonic() - started:.0f} s")
    return 1 if loud else 0


if __name__ == "__main__":
    sys.exit(main())
