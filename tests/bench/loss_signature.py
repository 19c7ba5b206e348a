"""Do the first losses of a detector tell boxes of another scale (detection.md 2.6, rows H2 and H3)?

    python tests/bench/loss_signature.py             the small detectors of fault_table.py
    python tests/bench/loss_signature.py --real      torchvision's own, untrained, at 320 px (minutes)

Laws of images x seeds x detectors, one untrained forward pass each, healthy and with boxes off scale.  Printed for each
term: the range over healthy passes, the range over faulty ones, and whether one limit parts them over all laws.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torchvision.models import detection

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.fault_table import CLASSES, DETECTORS, FAULTS, Sample, targets_of
from bench.healthy_table import LAWS, draw

SEEDS: Final = (0, 1, 2)
WORDS: Final = ("uniform", "small", "centred")
OFF_SCALE: Final = ("boxes normalised", "boxes outside", "boxes of twice the size", "boxes of 2 px")
SIZE: Final = (128, 192)

REAL: Final[Mapping[str, tuple[Callable[[int, int], nn.Module], int]]] = {
    "fasterrcnn": (
        lambda *_: detection.fasterrcnn_mobilenet_v3_large_320_fpn(
            weights=None, weights_backbone=None, num_classes=CLASSES + 1
        ), 1,
    ),
    "retinanet": (
        lambda *_: detection.retinanet_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=CLASSES, min_size=320, max_size=480
        ), 0,
    ),
    "ssd": (
        lambda *_: detection.ssdlite320_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=CLASSES + 1
        ), 1,
    ),
    "fcos": (
        lambda *_: detection.fcos_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=CLASSES, min_size=320, max_size=480
        ), 0,
    ),
}  # fmt: skip


def batch_of(law: str, seed: int, first_label: int) -> Sample:
    """Four images by *law*."""
    dice = torch.Generator().manual_seed(seed)
    made = [draw(dice, LAWS[law], first_label) for _ in range(4)]
    return Sample(tuple(m.image for m in made), tuple(m.boxes for m in made), tuple(m.labels for m in made))


def first_losses(model: nn.Module, batch: Sample) -> dict[str, float]:
    """Loss terms of one forward pass in training mode, of which nothing is kept."""
    with torch.no_grad():
        losses: Mapping[str, Tensor] = model.train()(list(batch.images), targets_of(batch))
    return {name: float(value) for name, value in losses.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'detector':<12}{'term':<22}{'healthy':<22}" + "".join(f"{fault:<26}" for fault in OFF_SCALE))
    for name, (make, first_label) in (REAL if arguments.real else DETECTORS).items():
        found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for law in WORDS:
            for seed in SEEDS:
                torch.manual_seed(seed)
                model = make(*SIZE)
                for fault in ("", *OFF_SCALE):
                    batch = batch_of(law, seed, first_label)
                    losses = first_losses(model, FAULTS[fault](batch) if fault else batch)
                    for term, value in losses.items():
                        found[term][fault].append(value)
        for term, by_fault in found.items():
            print(f"{name:<12}{term:<22}" + "".join(f"{_range(by_fault, fault):<26}" for fault in ("", *OFF_SCALE)))


def _range(by_fault: Mapping[str, list[float]], fault: str) -> str:
    """Least to greatest, with "*" where it lies apart from the healthy range."""
    values, healthy = by_fault[fault], by_fault[""]
    apart = fault and (min(values) > max(healthy) or max(values) < min(healthy))
    return f"{min(values):.3g} .. {max(values):.3g}{' *' if apart else ''}"


if __name__ == "__main__":
    main()
