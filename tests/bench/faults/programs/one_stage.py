"""torchvision's RetinaNet over a tiny backbone.  AdamW, LR in steps, clipped at 5."""

from __future__ import annotations

from bench.faults.plan import Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.recipe import Recipe
from torch import nn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator


def data(seed: int) -> Sets:
    """Class ids count from 0."""
    return detection.sets(19000 + seed, first_label=0)


def model(shape: Shape) -> nn.Module:
    """A step takes about 10 ms on one core."""
    detector = RetinaNet(
        detection.backbone(shape),
        len(detection.CLASSES),
        min_size=detection.SIDE,
        max_size=detection.SIDE,
        anchor_generator=AnchorGenerator(((12, 18),), ((1.0,),)),
        detections_per_img=8,
        topk_candidates=60,
    )
    for head in (detector.head.classification_head, detector.head.regression_head):
        head.conv = head.conv[:1]  # of four
    return detector


PROGRAM = Program(
    "one_stage",
    "detection",
    len(detection.CLASSES),
    Recipe(
        steps=260,
        batch=2,
        optimizer="adamw",
        lr=4e-3,
        schedule="step",
        warmup=20,
        weight_decay=0.01,
        clip=5.0,
        evaluations=8,
    ),
    data,
    model,
    detection.loss,
    detection.scores,
    class_names=detection.CLASSES,
    side=detection.SIDE,
    normalised=True,
)
