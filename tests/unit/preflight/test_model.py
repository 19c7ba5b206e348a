"""Optimizer, BatchNorm, anchors and the overfitting of one batch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection.rpn import AnchorGenerator
from unit.preflight.pictures import HEIGHT, WIDTH, Change, Pictures, detector, load

import dettui_probe
from dettui_probe.prechecks.assignment import check_assignment
from dettui_probe.prechecks.batches import deliver
from dettui_probe.prechecks.overfit import check_overfit
from dettui_probe.prechecks.parameters import batch_norm_size, batch_norm_state, optimizer_coverage
from dettui_probe.prechecks.report import Check


def as_delivered(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    return image, target


def assignment(model: nn.Module, change: Change = as_delivered) -> dict[str, Check]:
    batches = deliver(load(Pictures(change=change))).batches[:4]
    return {check.name: check for check in check_assignment(model, batches)}


def test_anchors_that_fit_pass() -> None:
    checks = assignment(detector())
    assert {check.verdict for check in checks.values()} == {"passed"}, checks


def test_anchors_far_too_large_are_told() -> None:
    model = detector()
    model.rpn.anchor_generator = AnchorGenerator(((256, 384, 512),), ((0.5, 1.0, 2.0),))
    assert assignment(model)["anchors"].cause == "anchors_mismatch"


def test_objects_smaller_than_the_stride_are_told() -> None:
    def shrink(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        boxes = target["boxes"]
        return image, {**target, "boxes": torch.cat([boxes[:, :2], boxes[:, :2] + 5], dim=1)}

    assert assignment(detector(), shrink)["object_size"].cause == "anchors_mismatch"


def test_boxes_of_another_scale_find_no_proposal() -> None:
    sides = torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])

    def unit(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        return image, {**target, "boxes": target["boxes"] / sides}

    assert assignment(detector(), unit)["proposals"].verdict == "failed"


def test_a_batch_that_the_model_refuses_is_reported() -> None:
    def flat(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        return image, {**target, "boxes": target["boxes"][:, [0, 1, 0, 3]]}

    check = assignment(detector(), flat)["first_forward"]
    assert check.severity == "certain" and "refuses" in check.evidence


def test_a_model_without_matchers_is_abstained_on() -> None:
    assert assignment(nn.Linear(2, 2))["anchors"].verdict == "abstained"


def test_an_optimizer_that_holds_everything_passes_and_none_is_abstained_on() -> None:
    model = nn.Linear(4, 2)
    assert optimizer_coverage(model, [torch.optim.SGD(model.parameters())]).verdict == "passed"
    assert optimizer_coverage(model, []).verdict == "abstained"


def test_an_optimizer_built_before_the_head_was_replaced_is_certain() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters())
    model[1] = nn.Linear(4, 3)
    check = optimizer_coverage(model, [optimizer])
    assert (check.severity, check.cause) == ("certain", "params_not_in_optimizer")
    assert "1.weight" in check.evidence


def test_a_model_with_everything_frozen_is_certain() -> None:
    model = nn.Linear(4, 2).requires_grad_(False)
    assert optimizer_coverage(model, [torch.optim.SGD(model.parameters())]).cause == "frozen_params"


def test_a_poisoned_batch_norm_is_certain_and_a_sound_one_passes() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    assert batch_norm_state(model).verdict == "passed"
    model[1].running_var[0] = torch.nan
    assert batch_norm_state(model).cause == "batchnorm_poisoned"


def test_batch_norm_on_two_images_is_a_warning_and_in_eval_mode_none() -> None:
    model = nn.BatchNorm2d(4)
    assert batch_norm_size(model, 2).cause == "batchnorm_small_batch"
    assert batch_norm_size(model, 8).verdict == "passed"
    assert batch_norm_size(model.eval(), 2).verdict == "passed"


def test_a_model_that_can_learn_overfits_a_batch_and_one_whose_loss_ignores_it_does_not() -> None:
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, images: list[Tensor], targets: list[Any]) -> dict[str, Tensor]:
            return {"loss": 1 + 0 * self.weight.sum()}

    batches = deliver(load(Pictures())).batches
    assert check_overfit(copy.deepcopy(detector()).train(), batches).verdict == "passed"
    assert check_overfit(Deaf(), batches).verdict == "failed"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_box_that_would_kill_the_process_is_not_shown_to_the_model(value: float) -> None:
    """RoIAlign reads beyond its memory with such a box."""

    def spoil(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        boxes = target["boxes"].clone()
        boxes[0, 2] = value
        return image, {**target, "boxes": boxes}

    report = dettui_probe.preflight(detector(), load(Pictures(64, spoil)), out=None, overfit=True)
    checks = {check.name: check for check in report.checks}
    assert checks["degenerate_boxes"].severity == "certain"
    assert checks["anchors"].verdict == checks["overfit_one_batch"].verdict == "abstained"
