"""The surest answers of a detector, held against its targets."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import Capture, attach
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.surest import Answers, Surest, dense_answers, iou, roi_answers
from dettui_probe.run import Run

pytest.importorskip("torchvision")

from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_iou
from unit.capture.small_detectors import SIDE, backbone, one_stage, single_shot, two_stage

ToldReader = Callable[[], Any]
NAMES = (tags.SUREST, tags.SUREST_UNEXPLAINED, tags.SUREST_OVERLAP)
ONE, OTHER = [8.0, 8.0, 40.0, 40.0], [40.0, 40.0, 60.0, 60.0]


# --- what is read -----------------------------------------------------------------------------------------------------


class FCOSHead(nn.Module):
    """Answers its deltas as they are."""

    box_coder = SimpleNamespace(decode=lambda deltas, places: deltas)


class SSDHead(FCOSHead):
    pass


SSDHead.__name__ = "SSD"


def targets(*images: list[list[float]]) -> list[dict[str, Tensor]]:
    return [{"boxes": torch.tensor(boxes).reshape(-1, 4)} for boxes in images]


def dense(scores: list[list[float]], boxes: list[list[list[float]]], *images: list[list[float]]) -> Answers:
    """Answers with the *scores* of one class at each place of each image; the first place is a positive."""
    outputs = {"cls_logits": torch.tensor(scores)[..., None], "bbox_regression": torch.tensor(boxes)}
    anchors = [torch.zeros(len(scores[0]), 4)] * len(images)
    matches = [torch.tensor([0] + [-1] * (len(scores[0]) - 1))] * len(images)
    return dense_answers(FCOSHead(), targets(*images), outputs, anchors, matches)


def test_the_surest_answers_come_first_each_with_its_own_image() -> None:
    boxes = [[ONE, OTHER], [ONE, OTHER]]
    answers = dense([[1.0, 4.0], [3.0, 2.0]], boxes, [ONE], [ONE])
    assert answers.overlap.tolist() == pytest.approx([0.0, 1.0, 0.0, 1.0], abs=1e-6)
    assert int(answers.positives) == 2


def test_on_images_without_a_box_nothing_is_met() -> None:
    assert dense([[1.0, 4.0]], [[ONE, OTHER]], []).overlap.tolist() == [0.0, 0.0]


def test_a_point_far_from_its_centre_is_less_sure() -> None:
    outputs = {
        "cls_logits": torch.tensor([[[3.0], [2.0]]]),
        "bbox_regression": torch.tensor([[ONE, OTHER]]),
        "bbox_ctrness": torch.tensor([[[-4.0], [4.0]]]),
    }
    matches = [torch.tensor([0, -1])]
    answers = dense_answers(FCOSHead(), targets([OTHER]), outputs, [torch.zeros(2, 4)], matches)
    assert answers.overlap.tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_background_is_no_answer() -> None:
    outputs = {
        "cls_logits": torch.tensor([[[9.0, 0.0], [0.0, 1.0]]]),  # first column: background
        "bbox_regression": torch.tensor([[ONE, OTHER]]),
    }
    matches = [torch.tensor([-1, 0])]
    answers = dense_answers(SSDHead(), targets([OTHER]), outputs, [torch.zeros(2, 4)], matches)
    assert answers.overlap.tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_proposals_that_are_the_objects_themselves_do_not_count() -> None:
    heads = SimpleNamespace(box_coder=SimpleNamespace(decode_single=lambda deltas, places: places + deltas))
    near = [10.0, 8.0, 40.0, 40.0]
    proposals = [torch.tensor([ONE, near, OTHER])]
    logits = torch.tensor([[0.0, 9.0, 0.0], [0.0, 0.0, 3.0], [0.0, 2.0, 0.0]])
    deltas = torch.zeros(3, 3, 4)
    deltas[1, 2] = torch.tensor([-2.0, 0.0, 0.0, 0.0])  # of the class that is likeliest there
    answers = roi_answers(heads, proposals, targets([ONE]), logits, deltas.flatten(1))
    assert answers is not None
    assert answers.overlap[:2].tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
    assert int(answers.positives) == 1


def test_one_box_for_all_classes_is_read_too() -> None:
    heads = SimpleNamespace(box_coder=SimpleNamespace(decode_single=lambda deltas, places: places + deltas))
    answers = roi_answers(heads, [torch.tensor([OTHER])], targets([ONE]), torch.zeros(1, 3), torch.zeros(1, 4))
    assert answers is not None
    assert answers.overlap.tolist() == [0.0]


def test_overlap_is_that_of_torchvision() -> None:
    torch.manual_seed(0)
    corners = torch.rand(12, 2, 2) * 50
    boxes = torch.cat([corners.amin(1), corners.amax(1)], dim=1)
    assert torch.allclose(iou(boxes[:5], boxes[5:]), box_iou(boxes[:5], boxes[5:]), atol=1e-6)


# --- what is told -----------------------------------------------------------------------------------------------------


def told_of(overlap: list[float], positives: int, size: float = torch.nan) -> dict[str, float]:
    surest, sheet = Surest(), Sheet(2, 0.0, {}, False)
    surest.take(lambda: Answers(torch.tensor(overlap), torch.tensor(positives), torch.tensor(size)))
    reading = surest.close_step()
    assert reading is not None
    reading.decode(reading.tensors, sheet)
    return sheet.values


def test_a_quarter_as_many_answers_as_positives_are_told() -> None:
    values = told_of([0.9, 0.2, 0.5, 0.0], positives=9)
    assert [values[name] for name in NAMES] == pytest.approx([3, 1, 1.4])


def test_nothing_is_told_without_a_positive() -> None:
    assert told_of([0.9, 0.2], positives=0) == {}
    assert Surest().close_step() is None


@pytest.mark.parametrize(("size", "told"), [(4.0, [4.0]), (torch.nan, []), (torch.inf, []), (-0.2, [])])
def test_the_size_of_points_is_told_where_it_has_one(size: float, told: list[float]) -> None:
    values = told_of([0.9], positives=0, size=size)
    assert [value for tag, value in values.items() if tag == tags.ASSIGN_POINT_SIZE] == told


# --- in torchvision's detectors ---------------------------------------------------------------------------------------


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    torch.manual_seed(0)
    target = {"boxes": torch.tensor([ONE, OTHER]), "labels": torch.tensor([1, 1])}
    for _ in range(steps):
        losses: dict[str, Tensor] = model([torch.rand(3, SIDE, SIDE)] * 2, [target] * 2)
        optimizer.zero_grad()
        sum(losses.values()).backward()  # type: ignore[union-attr]
        optimizer.step()


@pytest.mark.parametrize("make", [two_stage, lambda: one_stage(RetinaNet), lambda: one_stage(FCOS), single_shot])
def test_every_detector_of_torchvision_is_read_at_every_second_step(
    run: Run, told: ToldReader, make: Callable[[], nn.Module]
) -> None:
    torch.manual_seed(1)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    attach(run, model, optimizer, budget=1.0)
    train(model, optimizer, 4)
    now = told()
    rows = [[row.values.get(name) for name in NAMES] for row in now.rows]
    rows = rows[-4:]  # without what was told ahead
    assert "probe_fault" not in now.kinds()
    assert [None in row for row in rows] == [True, False, True, False]
    assert all(0 <= row[1] <= row[0] for row in rows[1::2])


@pytest.mark.parametrize(("size", "told_size"), [(8, 1.0), (32, 4.0)])
def test_points_of_an_fcos_are_held_against_its_stride(run: Run, told: ToldReader, size: int, told_size: float) -> None:
    model = FCOS(backbone(), 3, min_size=SIDE, max_size=SIDE, anchor_generator=AnchorGenerator(((size,),), ((1.0,),)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    attach(run, model, optimizer, budget=1.0)
    train(model, optimizer, 2)
    assert told().values(tags.ASSIGN_POINT_SIZE) == [told_size]


def test_an_evaluation_is_not_read(run: Run, told: ToldReader) -> None:
    model = two_stage()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    attach(run, model, optimizer, budget=1.0)
    train(model, optimizer, 1)
    model.eval()
    with torch.no_grad():
        model([torch.rand(3, SIDE, SIDE)])
    model.train()
    train(model, optimizer, 1)
    assert len(told().values(tags.SUREST)) == 1


def test_another_model_of_the_same_class_is_left_alone(run: Run, told: ToldReader) -> None:
    watched, other = one_stage(RetinaNet), one_stage(RetinaNet)
    optimizer = torch.optim.SGD([*watched.parameters(), *other.parameters()], lr=0.001)
    attach(run, watched, optimizer, budget=1.0)
    train(other, torch.optim.SGD(other.parameters(), lr=0.001), 2)
    assert told().values(tags.SUREST) == []


def test_everything_is_put_back_and_copies_carry_nothing(run: Run) -> None:
    model = two_stage()
    kind = type(model.roi_heads)
    before = kind.select_training_samples
    capture: Capture = attach(run, model)
    assert kind.select_training_samples is not before
    assert b"dettui" not in pickle.dumps(copy.deepcopy(model).roi_heads.box_predictor)
    capture.detach()
    assert kind.select_training_samples is before
    assert not model.roi_heads.box_predictor._forward_hooks
