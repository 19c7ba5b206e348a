"""28 faults of targets and images x 4 detectors of torchvision: which are caught, at which step, under which cause.

    python tests/bench/fault_table.py                                    the whole table (about 10 minutes)
    python tests/bench/fault_table.py --detectors fcos --faults "labels -1" "boxes outside"

Each cell trains a real detector with a small backbone for a few steps under ``dettui_probe.watch`` as a user would
call it, and replays the log; a pre-flight looks at 128 images of the same kind.  A cell reads "step cause", with "!"
where the cause is certain, then what the pre-flight said behind "|"; the name of an exception before it where
torchvision itself refused the batch.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.ops import MultiScaleRoIAlign

import dettui_probe
from dettui.domain.finding import Finding
from dettui.domain.frame import RunFrame
from dettui.engine import replay
from dettui.feed.opening import open_recording

IMAGES: Final = 4  # a batch
OBJECTS: Final = 8  # an image
CLASSES: Final = 3
STEPS: Final = 10  # 32 images, the fewest from which missing boxes can be told, and an evaluation that confirms it
STATISTICAL_STEPS: Final = 120  # for faults that only a comparison of many boxes can tell
PREFLIGHT_BATCHES: Final = 32


@dataclass(frozen=True)
class Sample:
    """A batch as a data loader delivers it."""

    images: tuple[Tensor, ...]  # (3, H, W) float32 in [0, 1]
    boxes: tuple[Tensor, ...]  # (n, 4) x1, y1, x2, y2 in pixels
    labels: tuple[Tensor, ...]  # (n,) int64

    def each_box(self, change: Callable[[Tensor], Tensor]) -> Sample:
        """With *change* made to the boxes of every image."""
        return replace(self, boxes=tuple(change(boxes) for boxes in self.boxes))

    def each_label(self, change: Callable[[Tensor], Tensor]) -> Sample:
        """With *change* made to the labels of every image."""
        return replace(self, labels=tuple(change(labels) for labels in self.labels))

    def each_image(self, change: Callable[[Tensor], Tensor]) -> Sample:
        """With *change* made to every image."""
        return replace(self, images=tuple(change(image) for image in self.images))


Fault = Callable[[Sample], Sample]


def sample(generator: torch.Generator, first_label: int, height: int = 128, width: int = 192) -> Sample:
    """Bright and dark rectangles on noise; class ids count from *first_label*."""
    images, boxes, labels = [], [], []
    size = torch.tensor([width, height], dtype=torch.float32)
    for _ in range(IMAGES):
        side = 14 + 42 * torch.rand(OBJECTS, 2, generator=generator)
        corner = torch.rand(OBJECTS, 2, generator=generator) * (size - side)
        found = torch.cat([corner, corner + side], dim=1)
        image = 0.35 + 0.3 * torch.rand(3, height, width, generator=generator)
        for x1, y1, x2, y2 in found.round().long().tolist():
            image[:, y1:y2, x1:x2] = torch.rand(3, 1, 1, generator=generator)
        images.append(image)
        boxes.append(found)
        labels.append(torch.randint(first_label, first_label + CLASSES, (OBJECTS,), generator=generator))
    return Sample(tuple(images), tuple(boxes), tuple(labels))


def _to_xywh(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1)


def _to_cxcywh(boxes: Tensor) -> Tensor:
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)


def _sized(boxes: Tensor, width: float, height: float) -> Tensor:
    """Boxes of one size at the same corners."""
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes.new_tensor([width, height])], dim=1)


def _with_value(boxes: Tensor, value: float) -> Tensor:
    changed = boxes.clone()
    changed[0, 2] = value
    return changed


def _normalised(taken: Sample) -> Sample:
    height, width = taken.images[0].shape[-2:]
    return taken.each_box(lambda boxes: boxes / boxes.new_tensor([width, height, width, height]))


def _flipped_without_boxes(taken: Sample) -> Sample:
    return taken.each_image(lambda image: image.flip(-1))


class OfAnotherBatch:
    """Boxes and labels of the batch before: of no image that is there."""

    def __init__(self) -> None:
        self._before: Sample | None = None

    def __call__(self, taken: Sample) -> Sample:
        before, self._before = self._before or taken, taken
        return replace(taken, boxes=before.boxes, labels=before.labels)


_MEAN, _STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

FAULTS: Final[Mapping[str, Fault]] = {
    "boxes xywh": lambda taken: taken.each_box(_to_xywh),
    "boxes cxcywh": lambda taken: taken.each_box(_to_cxcywh),
    "boxes yxyx": lambda taken: taken.each_box(lambda boxes: boxes[:, [1, 0, 3, 2]]),
    "boxes yxyx, square": lambda taken: taken.each_box(lambda boxes: boxes[:, [1, 0, 3, 2]]),
    "boxes normalised": _normalised,
    "boxes outside": lambda taken: taken.each_box(lambda boxes: boxes + 400),
    "boxes of twice the size": lambda taken: taken.each_box(lambda boxes: boxes * 2),
    "boxes of 2 px": lambda taken: taken.each_box(lambda boxes: _sized(boxes, 2, 2)),
    "boxes 1 px wide": lambda taken: taken.each_box(lambda boxes: _sized(boxes, 1, 14)),
    "one box without width": lambda taken: taken.each_box(lambda boxes: _with_value(boxes, float(boxes[0, 0]))),
    "NaN in a box": lambda taken: taken.each_box(lambda boxes: _with_value(boxes, float("nan"))),
    "inf in a box": lambda taken: taken.each_box(lambda boxes: _with_value(boxes, float("inf"))),
    "labels all 0": lambda taken: taken.each_label(torch.zeros_like),
    "labels shifted by -1": lambda taken: taken.each_label(lambda labels: labels - 1),
    "labels -1": lambda taken: taken.each_label(lambda labels: torch.full_like(labels, -1)),
    "label >= classes": lambda taken: taken.each_label(lambda labels: labels + 10),
    "more labels than boxes": lambda taken: taken.each_box(lambda boxes: boxes[1:]),
    "fewer labels than boxes": lambda taken: taken.each_label(lambda labels: labels[1:]),
    "no boxes (0, 4)": lambda taken: taken.each_box(lambda boxes: boxes[:0]).each_label(lambda labels: labels[:0]),
    "no boxes (0,)": lambda taken: taken.each_box(lambda boxes: boxes[:0, 0]).each_label(lambda labels: labels[:0]),
    "boxes of another image": lambda taken: replace(
        taken, boxes=taken.boxes[1:] + taken.boxes[:1], labels=taken.labels[1:] + taken.labels[:1]
    ),
    "boxes of another batch": OfAnotherBatch(),
    "image flipped, boxes not": _flipped_without_boxes,
    "image 0-255": lambda taken: taken.each_image(lambda image: image * 255),
    "image /255 twice": lambda taken: taken.each_image(lambda image: image / 255),
    "image normalised before": lambda taken: taken.each_image(lambda image: (image - _MEAN) / _STD),
    "image all zero": lambda taken: taken.each_image(torch.zeros_like),
    "image uint8": lambda taken: taken.each_image(lambda image: (image * 255).to(torch.uint8)),
    "labels float32": lambda taken: taken.each_label(lambda labels: labels.float()),
}
"""The faults of detection.md 0.1, the four of 0.2 and 0.7 that it leaves out, and boxes whose image is not in the
batch."""

LEGAL: Final = frozenset((fault, name) for fault in ("labels all 0",) for name in ("retinanet", "fcos"))
"""Cells that are no fault: with these heads 0 is a class."""

STATISTICAL: Final = frozenset(
    {"boxes of another image", "boxes of another batch", "boxes yxyx, square", "image flipped, boxes not"}
)
"""Legal in every respect: only pixels can tell, over many boxes, or the marker test before the run."""


def _backbone(channels: int = 32) -> nn.Module:
    """Three convolutions, stride 8."""
    layers: list[nn.Module] = []
    for narrow, wide in ((3, 16), (16, 32), (32, channels)):
        layers += [nn.Conv2d(narrow, wide, 3, 2, 1), nn.ReLU()]
    body = nn.Sequential(*layers)
    body.out_channels = channels
    return body


def two_stage(height: int, width: int) -> nn.Module:
    """FasterRCNN; class 0 is background."""
    anchors = AnchorGenerator(((16, 32, 64),), ((0.5, 1.0, 2.0),))
    pool = MultiScaleRoIAlign(["0"], 5, 2)
    return FasterRCNN(
        _backbone(), CLASSES + 1, min_size=height, max_size=width, rpn_anchor_generator=anchors, box_roi_pool=pool,
        rpn_pre_nms_top_n_train=600, rpn_post_nms_top_n_train=300,
    )  # fmt: skip


def retinanet(height: int, width: int) -> nn.Module:
    """RetinaNet; class ids count from 0."""
    anchors = AnchorGenerator(((16, 32, 64),), ((0.5, 1.0, 2.0),))
    return RetinaNet(_backbone(), CLASSES, min_size=height, max_size=width, anchor_generator=anchors)


def fcos(height: int, width: int) -> nn.Module:
    """FCOS; class ids count from 0."""
    anchors = AnchorGenerator(((8,),), ((1.0,),))
    return FCOS(_backbone(), CLASSES, min_size=height, max_size=width, anchor_generator=anchors)


def ssd(height: int, width: int) -> nn.Module:
    """SSD; class 0 is background."""
    body = _backbone()
    body.out_channels = [32]
    return SSD(body, DefaultBoxGenerator([[2]], scales=[0.15, 0.35], steps=[8]), (height, width), CLASSES + 1)


DETECTORS: Final[Mapping[str, tuple[Callable[[int, int], nn.Module], int]]] = {
    "fasterrcnn": (two_stage, 1),
    "retinanet": (retinanet, 0),
    "ssd": (ssd, 1),
    "fcos": (fcos, 0),
}
"""How to make each, and its first class id."""


@dataclass(frozen=True)
class Cell:
    """What became of one fault in one detector."""

    fault: str
    detector: str
    refused: str  # the exception that torchvision raised, "" where it went on
    step: int | None  # at which the first finding of warning or worse was raised
    cause: str  # the first one
    certain: bool
    findings: tuple[str, ...]  # kinds of all findings of warning or worse
    before: str = ""  # cause of the worst check that failed in the pre-flight with warning or worse, "" for none

    @property
    def is_right(self) -> bool:
        """Caught, or refused aloud by torchvision itself; silent, where there is no fault."""
        if self.refused:
            return True
        legal = not self.fault or (self.fault, self.detector) in LEGAL
        return (self.step is None and not self.before) == legal

    @property
    def is_early(self) -> bool:
        """Caught by the first step or before it, or nothing to catch."""
        return self.is_right and (bool(self.before) or (self.step or 0) <= 1)

    def __str__(self) -> str:
        caught = "-" if self.step is None else f"{self.step} {self.cause}{'!' if self.certain else ''}"
        return f"{self.refused + ': ' if self.refused else ''}{caught} | {self.before or '-'}"


class Batches:
    """What a pre-flight is given: batches that can be read again and again, the same each time."""

    def __init__(self, change: Fault, first_label: int, height: int, width: int) -> None:
        self._change, self._shape = change, (first_label, height, width)

    def __iter__(self) -> Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]:
        dice = torch.Generator().manual_seed(1)
        for _ in range(PREFLIGHT_BATCHES):
            batch = self._change(sample(dice, *self._shape))
            yield list(batch.images), targets_of(batch)


def targets_of(batch: Sample) -> list[dict[str, Tensor]]:
    """One dict an image, as torchvision wants them."""
    pairs = zip(batch.boxes, batch.labels, strict=True)
    return [{"boxes": boxes, "labels": labels} for boxes, labels in pairs]


def before_training(fault: str, detector: str) -> str:
    """What a pre-flight says: the cause of the worst check, with "!" where it is certain; "" where it says nothing."""
    make, first_label = DETECTORS[detector]
    height, width = _size_of(fault)
    torch.manual_seed(0)
    change = FAULTS.get(fault, lambda taken: taken)
    report = dettui_probe.preflight(make(height, width), Batches(change, first_label, height, width), out=None)
    told = report.at_least("warn")
    return f"{told[0].cause or told[0].name}{'!' if told[0].severity == 'certain' else ''}" if told else ""


def _size_of(fault: str) -> tuple[int, int]:
    return (160, 160) if "square" in fault else (128, 192)


def run_cell(fault: str, detector: str, runs: Path, *, steps: int | None = None, in_child: bool = False) -> Cell:
    """Train *detector* on batches with *fault* ("" for none), and ask the engine."""
    make, first_label = DETECTORS[detector]
    height, width = _size_of(fault)
    torch.manual_seed(0)
    before = set(runs.iterdir()) if runs.exists() else set()
    loader = torch.Generator().manual_seed(0)
    wanted = steps or (STATISTICAL_STEPS if fault in STATISTICAL else STEPS)
    change = FAULTS.get(fault, lambda taken: taken)
    batches = (change(sample(loader, first_label, height, width)) for _ in range(wanted))
    start = in_a_child if in_child else lambda work: work()
    refused = start(lambda: train(make(height, width), batches, f"{detector} {fault or 'healthy'}"))
    (log,) = set(runs.iterdir()) - before
    return judged(fault, detector, refused, replay(open_recording(log)))


def whole_cell(fault: str, detector: str, runs: Path) -> Cell:
    """The cell with its pre-flight, each in a process of its own."""
    cell = run_cell(fault, detector, runs, in_child=True)
    return replace(cell, before=in_a_child(lambda: before_training(fault, detector)))


def in_a_child(work: Callable[[], str]) -> str:
    """What *work* returns, done in a forked process: a NaN in a box makes RoIAlign kill its own."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(theirs, work().encode())
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    os.close(theirs)
    with os.fdopen(ours) as answer:
        said = answer.read()
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else said


def train(model: nn.Module, batches: Iterable[Sample], name: str) -> str:
    """Train under the probe; the name of the exception where the model refuses a batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.002, momentum=0.9)
    try:
        with dettui_probe.watch(model, optimizer, name=name):
            for batch in batches:
                loss = sum(model(list(batch.images), targets_of(batch)).values())
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
                optimizer.step()
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        return type(error).__name__
    return ""


def judged(fault: str, detector: str, refused: str, frame: RunFrame) -> Cell:
    """The first finding of warning or worse, and its first cause."""
    findings = sorted((f for f in frame.diagnosis.findings if f.severity != "info"), key=_first_raised)
    first = findings[0].causes[0] if findings and findings[0].causes else None
    return Cell(
        fault,
        detector,
        refused,
        findings[0].raised_at_step if findings else None,
        first.id if first else "-",
        bool(first and first.certain),
        tuple(f"{finding.kind}: {finding.title}" for finding in findings),
    )


def _first_raised(finding: Finding) -> tuple[int, bool]:
    return finding.raised_at_step, not (finding.causes and finding.causes[0].certain)


def main() -> int:
    """Print the table; 0 where every cell is right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", nargs="+", choices=["", *FAULTS], default=["", *FAULTS])
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS))
    parser.add_argument("--verbose", action="store_true", help="all findings of each cell")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="ft-") as scratch:
        os.environ["DETTUI_HOME"], os.environ["DETTUI_RUNS"] = scratch, str(Path(scratch) / "r")
        return print_table(arguments.faults, arguments.detectors, Path(scratch) / "r", verbose=arguments.verbose)


def print_table(faults: Sequence[str], detectors: Sequence[str], runs: Path, *, verbose: bool) -> int:
    """One line a fault; then how many were caught, and how many of these by step 1."""
    print(f"{'fault':<26}" + "".join(f"{name:<64}" for name in detectors))
    started, cells = time.monotonic(), []
    for fault in faults:
        row = [whole_cell(fault, detector, runs) for detector in detectors]
        cells += row
        print(f"{fault or '(none)':<26}" + "".join(f"{cell!s:<64}" for cell in row), flush=True)
        for cell in row if verbose else ():
            print(f"    {cell.detector}: {'; '.join(cell.findings) or '-'}")
    late = [cell for cell in cells if cell.is_right and not cell.is_early]
    wrong = [cell for cell in cells if not cell.is_right]
    print(f"{len(cells) - len(wrong)} of {len(cells)} cells right, {len(late)} of them after step 1")
    for cell in (*late, *wrong):
        print(f"  {'late ' if cell.is_right else 'WRONG'} {cell.fault or '(none)'} x {cell.detector}: {cell}")
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
