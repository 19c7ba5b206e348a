"""Positives of torchvision detectors, read off where they are assigned."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import Capture, attach
from dettui_probe.run import Run

pytest.importorskip("torchvision")

from torchvision.models.detection import FCOS, RetinaNet
from unit.capture.small_detectors import SIDE, one_stage, single_shot, two_stage

ToldReader = Callable[[], Any]


def step(model: nn.Module, optimizer: torch.optim.Optimizer, boxes: list[list[float]], label: int = 1) -> None:
    torch.manual_seed(0)
    target = {"boxes": torch.tensor(boxes).reshape(-1, 4), "labels": torch.full((len(boxes),), label)}
    losses: dict[str, Tensor] = model([torch.rand(3, SIDE, SIDE)] * 2, [target] * 2)
    optimizer.zero_grad()
    sum(losses.values()).backward()  # type: ignore[union-attr]
    optimizer.step()


@pytest.fixture
def values(run: Run, told: ToldReader) -> Callable[..., Any]:
    """The row of one step of a model on two images with the same boxes."""

    def of(model: nn.Module, *boxes: list[float], label: int = 1) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
        attach(run, model, optimizer)
        step(model, optimizer, list(boxes), label)
        return told().rows[-1].values

    return of


ONE, OTHER = [8.0, 8.0, 40.0, 40.0], [30.0, 20.0, 60.0, 50.0]


def test_both_stages_of_a_two_stage_detector_are_counted(values: Callable[..., Any]) -> None:
    row = values(two_stage(), ONE, OTHER)
    assert row[tags.ASSIGN_OBJECTS] == 4
    assert row[tags.ASSIGN_RPN] >= 4
    assert row[tags.ASSIGN_ROI] >= 4
    assert 4 < row[tags.ASSIGN_ROI_CANDIDATES] <= 2 * (50 + 2)


def test_objects_labelled_as_background_make_no_foreground(values: Callable[..., Any]) -> None:
    row = values(two_stage(), ONE, label=0)
    assert row[tags.ASSIGN_RPN] >= 2
    assert row[tags.ASSIGN_ROI] == 0


@pytest.mark.parametrize("make", [lambda: one_stage(RetinaNet), lambda: one_stage(FCOS), single_shot])
def test_positives_of_a_one_stage_detector_are_counted(values: Callable[..., Any], make: Any) -> None:
    row = values(make(), ONE, OTHER)
    assert row[tags.ASSIGN_POSITIVES] > 0
    assert row[tags.ASSIGN_OBJECTS] == 4
    assert tags.ASSIGN_ROI not in row


def test_no_point_of_an_fcos_fits_a_box_between_them(values: Callable[..., Any]) -> None:
    assert values(one_stage(FCOS), [1.0, 1.0, 2.0, 2.0])[tags.ASSIGN_POSITIVES] == 0


def test_copies_and_pickles_carry_nothing_of_ours(run: Run, told: ToldReader) -> None:
    model = two_stage()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    attach(run, model, optimizer)
    copied = copy.deepcopy(model)
    saved = pickle.dumps(model.roi_heads.fg_bg_sampler)
    torch.save(model, io.BytesIO())
    assert b"dettui" not in saved
    step(model, optimizer, [ONE])
    once = told().rows[-1].values[tags.ASSIGN_RPN]
    copied([torch.rand(3, SIDE, SIDE)], [{"boxes": torch.tensor([ONE]), "labels": torch.tensor([1])}])
    step(model, optimizer, [ONE])
    assert told().rows[-1].values[tags.ASSIGN_RPN] == once


def test_everything_is_put_back(run: Run) -> None:
    model = two_stage()
    kind = type(model.roi_heads.fg_bg_sampler)
    before = kind.__call__
    capture: Capture = attach(run, model)
    assert kind.__call__ is not before
    capture.detach()
    assert kind.__call__ is before
