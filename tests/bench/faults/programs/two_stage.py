"""torchvision's Faster R-CNN over a tiny backbone.  SGD with momentum, warm-up and cosine."""

from __future__ import annotations

from bench.faults.plan import Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.recipe import Recipe
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign


def data(seed: int) -> Sets:
    """Class 0 is the background."""
    return detection.sets(9000 + seed, first_label=1)


def model(shape: Shape) -> nn.Module:
    """A step takes about 10 ms on one core."""
    return FasterRCNN(
        detection.backbone(shape),
        min_size=detection.SIDE,
        max_size=detection.SIDE,
        rpn_anchor_generator=AnchorGenerator(((12, 18),), ((1.0,),)),
        rpn_pre_nms_top_n_train=64,
        rpn_post_nms_top_n_train=24,
        rpn_pre_nms_top_n_test=64,
        rpn_post_nms_top_n_test=16,
        rpn_batch_size_per_image=16,
        box_roi_pool=MultiScaleRoIAlign(["0"], 4, 1),
        box_head=TwoMLPHead(24 * 16, 48),
        box_predictor=FastRCNNPredictor(48, 1 + len(detection.CLASSES)),
        box_batch_size_per_image=16,
        box_detections_per_img=8,
    )


PROGRAM = Program(
    "two_stage",
    "detection",
    len(detection.CLASSES),
    Recipe(
        steps=240, batch=2, optimizer="sgd", lr=0.03, schedule="cosine", warmup=30, weight_decay=1e-4, evaluations=8
    ),
    data,
    model,
    detection.loss,
    detection.scores,
    class_names=("background", *detection.CLASSES),
    side=detection.SIDE,
    normalised=True,
)
