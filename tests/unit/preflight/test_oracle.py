"""Ground truth fed back as predictions: whatever an evaluator does wrong shows, and is told by what undoes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou
from unit.preflight.pictures import Pictures, load

from dettui_probe.prechecks.batches import Delivery, deliver
from dettui_probe.prechecks.oracle import check_evaluator
from dettui_probe.prechecks.report import Check

Spoil = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def recall(predictions: Sequence[Any], targets: Sequence[Any], spoil: Spoil = lambda b, k: (b, k)) -> float:
    """The share of objects that a prediction of their class covers: 1 for an oracle, as AP is."""
    found = total = 0
    for prediction, target in zip(predictions, targets, strict=True):
        boxes, labels = spoil(prediction["boxes"], prediction["labels"])
        hits = (box_iou(target["boxes"], boxes) > 0.9) & (target["labels"][:, None] == labels)
        found += int(hits.any(dim=1).sum())
        total += len(hits)
    return found / total


def verdict(evaluator: Any, delivery: Delivery | None = None) -> Check:
    delivery = delivery or deliver(load(Pictures()))
    return {check.name: check for check in check_evaluator(evaluator, delivery)}["evaluator"]


def test_a_right_evaluator_passes() -> None:
    assert verdict(recall).verdict == "passed"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda boxes, labels: (boxes, labels + 1), "-1 on predicted labels"),
        (lambda boxes, labels: (boxes * 2, labels), "scaled by 0.5"),
        (lambda boxes, labels: (torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1), labels), "width, height"),
        (lambda boxes, labels: (boxes.flip(1), labels), "no known defect"),
    ],
    ids=["label", "scale", "format", "unknown"],
)
def test_a_wrong_one_is_certain_and_told_by_what_undoes_it(spoil: Spoil, words: str) -> None:
    check = verdict(lambda predictions, targets: recall(predictions, targets, spoil))
    assert (check.severity, check.cause) == ("certain", "evaluator_broken")
    assert words in check.evidence and check.remedy


def test_an_evaluator_with_another_signature_is_abstained_on() -> None:
    assert verdict(lambda model: 1.0).verdict == "abstained"
    assert verdict(lambda predictions, targets: {"loss": 1.0}).verdict == "abstained"
    assert verdict(3).verdict == "abstained"


def test_without_an_evaluator_or_objects_nothing_is_said() -> None:
    assert verdict(None).verdict == "abstained"
    assert verdict(recall, Delivery(())).verdict == "abstained"


@pytest.mark.parametrize("wrap", [float, torch.tensor, lambda ap: {"map": torch.tensor(ap)}, lambda ap: [ap, 0.0]])
def test_an_ap_comes_in_many_wrappings(wrap: Callable[[float], object]) -> None:
    assert verdict(lambda predictions, targets: wrap(recall(predictions, targets))).verdict == "passed"


class Metric:
    """torchmetrics' protocol."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, Any]] = [("unrelated", "rows")]

    def reset(self) -> None:
        self.rows = []

    def update(self, predictions: list[Any], targets: list[Any]) -> None:
        self.rows += zip(predictions, targets, strict=True)

    def compute(self) -> dict[str, Tensor]:
        predictions, targets = zip(*self.rows, strict=True)
        return {"map": torch.tensor(recall(predictions, targets))}


def test_a_metric_object_is_used_on_a_copy() -> None:
    metric = Metric()
    assert verdict(metric).verdict == "passed"
    assert metric.rows == [("unrelated", "rows")]


def test_images_that_share_an_id_are_told() -> None:
    def same(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        return image, {**target, "image_id": torch.tensor([1])}

    checks = {check.name: check for check in check_evaluator(recall, deliver(load(Pictures(change=same))))}
    assert checks["image_ids"].cause == "evaluator_broken"
    sound = {check.name: check for check in check_evaluator(recall, deliver(load(Pictures())))}
    assert sound["image_ids"].verdict == "passed"


def test_targets_are_handed_over_as_copies() -> None:
    def vandal(predictions: Sequence[Any], targets: Sequence[Any]) -> float:
        ap = recall(predictions, targets)
        for target in targets:
            target["boxes"].zero_()
        return ap

    delivery = deliver(load(Pictures()))
    before = delivery.batches[0].targets[0]["boxes"].clone()
    assert verdict(vandal, delivery).verdict == "passed"
    assert torch.equal(delivery.batches[0].targets[0]["boxes"], before)
