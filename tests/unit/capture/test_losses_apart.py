"""Targets of detectors that are not torchvision's: given to the model as dicts or as rows, or to the loss alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.criterion import SEARCHED
from dettui_probe.capture.loss import terms_in
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
WIDTH, HEIGHT = 100, 50
GOOD, OUT = [0.5, 0.5, 0.2, 0.4], [0.9, 0.5, 0.4, 0.4]


class Queries(nn.Module):
    """Two queries for each image, as DETR answers; the images alone go in."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 2 * 7, 1)

    def forward(self, images: Any) -> dict[str, Tensor]:
        images = getattr(images, "tensors", images)
        answers = self.body(images).mean((2, 3)).reshape(len(images), 2, 7)
        return {"pred_logits": answers[..., :3], "pred_boxes": answers[..., 3:].sigmoid()}


class Matcher(nn.Module):
    def forward(self, outputs: Mapping[str, Tensor], targets: Sequence[Any]) -> list[int]:
        return [0 for _ in targets]


class SetCriterion(nn.Module):
    """Each object costs what the first query is away from it."""

    def __init__(self) -> None:
        super().__init__()
        self.matcher = Matcher()

    def forward(self, outputs: Mapping[str, Tensor], targets: Sequence[Mapping[str, Tensor]]) -> Tensor:
        self.matcher(outputs, targets)
        pairs = zip(outputs["pred_boxes"], targets, strict=True)
        distances = [(boxes[:1] - target["boxes"]).abs().sum() for boxes, target in pairs]
        return torch.stack(distances).sum() + outputs["pred_logits"].square().mean()


class RowCriterion(nn.Module):
    """Takes all boxes of a batch in one tensor, a row (image, class, box) for each."""

    def forward(self, outputs: Mapping[str, Tensor], targets: Tensor) -> Tensor:
        mine = outputs["pred_boxes"][targets[:, 0].long(), 0]
        return (mine - targets[:, 2:]).abs().sum() + outputs["pred_logits"].square().mean()


class Whole(Queries):
    """The same with its loss inside, given dicts or rows."""

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(self, images: Any, targets: Any = None) -> Any:
        answers = super().forward(images)
        return {"loss": self.criterion(answers, targets)}


def dicts(*images: list[list[float]], label: int = 1) -> list[dict[str, Tensor]]:
    return [{"boxes": torch.tensor(b).reshape(-1, 4), "labels": torch.full((len(b),), label)} for b in images]


def rows(*images: list[list[float]], label: int = 1) -> Tensor:
    listed = [[float(i), float(label), *box] for i, boxes in enumerate(images) for box in boxes]
    return torch.tensor(listed).reshape(-1, 6)


class Padded:
    """A batch with its mask, as DETR pads it."""

    def __init__(self, tensors: Tensor) -> None:
        self.tensors = tensors


def newest(told: Any) -> dict[str, float]:
    """The newest value of each tag; those of the first targets are told ahead of their row."""
    return {tag: value for row in told.rows for tag, value in row.values.items()}


@pytest.fixture(params=["dicts to the model", "rows to the model", "dicts to the loss", "rows to the loss"])
def told_of(request: pytest.FixtureRequest, run: Run, told: ToldReader) -> Iterator[Callable[..., Any]]:
    """What a few steps on images with these boxes tell, whichever way the targets take."""
    kind, _, place = request.param.partition(" to the ")
    criterion = SetCriterion() if kind == "dicts" else RowCriterion()
    model = Whole(criterion) if place == "model" else Queries()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)

    def of(*images: list[list[float]], steps: int = 1, label: int = 1) -> Any:
        for _ in range(steps):
            batch = torch.rand(len(images), 3, HEIGHT, WIDTH)
            targets = (dicts if kind == "dicts" else rows)(*images, label=label)
            loss = model(batch, targets)["loss"] if place == "model" else criterion(model(batch), targets)
            loss.backward()
            optimizer.step()
        return told()

    yield of


def test_boxes_and_images_are_counted(told_of: Callable[..., Any]) -> None:
    values = newest(told_of([GOOD, [0.2, 0.3, 0.1, 0.1]], [GOOD], []))
    assert (values[tags.TARGET_BOXES], values[tags.BATCH_SIZE], values[tags.TARGET_EMPTY]) == (3, 3, 1)
    assert values[tags.TARGET_MAX_COORD] == pytest.approx(0.5)
    assert values[tags.TARGET_IMAGE_SIDE] == HEIGHT


def test_shares_of_an_image_are_read_as_such_in_every_format(told_of: Callable[..., Any]) -> None:
    values = newest(told_of([GOOD, OUT], [GOOD]))
    assert values[tags.TARGET_LEGAL_CXCYWH] == 2  # all but the one that reaches out of its image
    assert values[tags.TARGET_LEGAL_XYXY] == 0


def test_repeated_boxes_are_counted(told_of: Callable[..., Any]) -> None:
    assert newest(told_of([GOOD, GOOD], [GOOD]))[tags.TARGET_DUPLICATES] == 1


def test_classes_are_counted(told_of: Callable[..., Any]) -> None:
    now = told_of([GOOD, OUT], [GOOD], label=2)
    assert [(count.classes, count.counts) for count in now.counts] == [([2], [3])]


def test_steps_after_the_search_are_told_as_well(told_of: Callable[..., Any]) -> None:
    now = told_of([GOOD], [GOOD], steps=SEARCHED + 4)
    assert now.values(tags.TARGET_BOXES)[-SEARCHED - 4 :] == [2.0] * (SEARCHED + 4)
    assert "probe_fault" not in now.kinds()


# --- the loss as a module ---------------------------------------------------------------------------------------------


def steps_with_a_loss(run: Run, images: Any, targets: Any, criterion: nn.Module, steps: int = 1) -> None:
    model = Queries()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)
    for _ in range(steps):
        criterion(model(images), targets).backward()
        optimizer.step()


def test_images_in_a_padded_batch_are_known_by_their_size(run: Run, told: ToldReader) -> None:
    steps_with_a_loss(run, Padded(torch.rand(2, 3, HEIGHT, WIDTH)), dicts([GOOD], [GOOD]), SetCriterion())
    assert newest(told())[tags.TARGET_BOXES] == 2


def test_labels_that_were_not_filtered_are_a_mismatch(run: Run, told: ToldReader) -> None:
    targets = dicts([GOOD], [GOOD])
    targets[0]["labels"] = torch.tensor([1, 2])
    steps_with_a_loss(run, torch.rand(2, 3, HEIGHT, WIDTH), targets, SetCriterion())
    assert newest(told())[tags.TARGET_MISMATCH] == 1


def test_an_evaluation_of_the_loss_is_not_counted(run: Run, told: ToldReader) -> None:
    model, criterion = Queries(), SetCriterion()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)
    images, targets = torch.rand(2, 3, HEIGHT, WIDTH), dicts([GOOD], [GOOD])
    for _ in range(2):
        criterion(model(images), targets).backward()
        optimizer.step()
        with torch.no_grad():
            criterion(model(images), targets)
    assert told().values(tags.TARGET_BOXES) == [2.0, 2.0]


@pytest.mark.parametrize(
    "answer",
    [
        torch.tensor([[0.0, 1.0, 0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]]),  # six flags
        torch.tensor([[0.3, 1.2, 0.1, 0.4, 0.2, 0.6], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]),  # a pose
        torch.tensor([[1.0, 0.0, 0.1, 0.4, 0.2, 0.6], [0.0, 1.0, 0.3, 0.4, 0.5, 0.6]]),  # out of order
        torch.tensor([[0.0, 0.0, 0.1, 0.4, 0.2, 0.6], [2.0, 1.0, 0.3, 0.4, 0.5, 0.6]]),  # of a third image
    ],
)
def test_six_numbers_for_each_image_are_no_boxes(run: Run, told: ToldReader, answer: Tensor) -> None:
    model, criterion = nn.Sequential(nn.Conv2d(3, 6, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)
    for _ in range(2):
        criterion(model(torch.rand(2, 3, HEIGHT, WIDTH)), answer).backward()
        optimizer.step()
    now = told()
    assert now.values(tags.TARGET_BOXES) == []
    assert "probe_fault" not in now.kinds()


def test_classes_are_counted_beside_six_numbers_of_something_else(run: Run, told: ToldReader) -> None:
    class WithMeta(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(9, 4)

        def forward(self, images: Tensor, meta: Tensor) -> Tensor:
            answers: Tensor = self.head(torch.cat([images.mean((2, 3)), meta], dim=1))
            return answers

    model = WithMeta()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)
    counts = []
    for _ in range(3):
        answers = model(torch.rand(2, 3, HEIGHT, WIDTH), torch.rand(2, 6))
        nn.functional.cross_entropy(answers, torch.tensor([3, 3])).backward()
        optimizer.step()
        counts += [count for count in told().counts if count.kind == "targets"]
    assert [(count.classes, count.counts) for count in counts[:1]] == [([3], [2])]  # from the second step on


def test_predictions_are_no_targets(run: Run, told: ToldReader) -> None:
    found = [{**target, "scores": torch.ones(1)} for target in dicts([GOOD], [GOOD])]
    steps_with_a_loss(run, torch.rand(2, 3, HEIGHT, WIDTH), found, SetCriterion())
    assert told().values(tags.TARGET_BOXES) == []


def test_nothing_stays_on_any_module(run: Run) -> None:
    hooks, criterion = nn.modules.module._global_forward_pre_hooks, SetCriterion()
    before = len(hooks)
    steps_with_a_loss(run, torch.rand(1, 3, HEIGHT, WIDTH), dicts([GOOD]), criterion)
    assert (len(hooks), len(criterion._forward_pre_hooks), len(criterion.matcher._forward_pre_hooks)) == (before, 1, 0)
    copied = copy.deepcopy(criterion)
    assert all("dettui" not in type(hook).__module__ for hook in copied._forward_pre_hooks.values())
    run._at_finish[0]()
    assert not criterion._forward_pre_hooks


def test_the_search_for_a_loss_ends(run: Run) -> None:
    """A loss that is a plain function is not seen; nothing looks at every module for ever."""
    model = Queries()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)
    hooks = nn.modules.module._global_forward_pre_hooks
    before, open_at = len(hooks), []
    for step in range(1, SEARCHED + 3):
        loss = model(torch.rand(1, 3, HEIGHT, WIDTH))["pred_boxes"].sum()
        if len(hooks) > before:
            open_at.append(step)
        loss.backward()
        assert len(hooks) == before
        optimizer.step()
    assert open_at == list(range(1, SEARCHED + 1))


# --- what the loss returns ----------------------------------------------------------------------------------------


class Terms(SetCriterion):
    """Returns its terms, as DETR's does, and what is no loss beside them."""

    def forward(self, outputs: Mapping[str, Tensor], targets: Sequence[Mapping[str, Tensor]]) -> Any:
        boxes, classes = super().forward(outputs, targets), outputs["pred_logits"].square().mean()
        return {"loss_bbox": boxes, "loss_ce": classes, "class_error": classes.detach() * 100}


def terms_of(row: Any) -> dict[str, float]:
    return {tag: value for tag, value in row.values.items() if tag.startswith("loss/") and tag != tags.LOSS_TOTAL}


def test_the_terms_of_a_loss_that_is_apart_are_told(run: Run, told: ToldReader) -> None:
    model, criterion = Queries(), Terms()
    attach(run, model, optimizer := torch.optim.SGD(model.parameters(), lr=0.1), budget=1.0)
    sums = []
    for _ in range(SEARCHED + 3):
        terms = criterion(model(torch.rand(2, 3, HEIGHT, WIDTH)), dicts([GOOD], [GOOD]))
        sums.append((terms["loss_bbox"] + terms["loss_ce"]).item())
        (terms["loss_bbox"] + terms["loss_ce"]).backward()
        optimizer.step()
        with torch.no_grad():  # an evaluation between the steps
            criterion(model(torch.rand(2, 3, HEIGHT, WIDTH)), dicts([OUT], [OUT]))
    found = [terms_of(row) for row in told().rows if tags.LOSS_TOTAL in row.values]
    assert [set(row) for row in found] == [{"loss/loss_bbox", "loss/loss_ce"}] * len(sums)
    assert [sum(row.values()) for row in found] == pytest.approx(sums)


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ({"a": torch.ones(()), "b": torch.ones(1), "logits": torch.ones(3), "n": 4}, {"a", "b"}),
        ({"loss": torch.ones(()), "loss_dict": {"ce": torch.ones(()), "box": torch.ones(())}}, {"ce", "box"}),
        ((torch.ones(3), {"box_loss": torch.ones(()), "cls_loss": torch.ones(())}), {"box_loss", "cls_loss"}),
        ((torch.ones(()), torch.ones(3)), set()),
        ({"logits": torch.ones(3), "more": {"x": torch.ones(3)}}, set()),
        (torch.ones(()), set()),
    ],
)
def test_where_terms_are_found(output: object, names: set[str]) -> None:
    assert set(terms_in(output)) == names


def test_what_has_no_gradient_is_no_term_beside_what_has() -> None:
    output = {"loss": torch.ones((), requires_grad=True), "accuracy": torch.ones(())}
    assert set(terms_in(output)) == {"loss"}


# --- boxes and pixels, which come apart -------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", [SetCriterion(), RowCriterion()], ids=["dicts", "rows"])
def test_boxes_that_the_loss_is_given_are_compared_with_the_images_of_the_model(
    run: Run, told: ToldReader, criterion: nn.Module
) -> None:
    """One bright square each, whose boxes are centre and size."""
    middles = [(x, y) for x in (0.25, 0.75) for y in (0.25, 0.75)]
    images = torch.rand(4, 3, 64, 64)
    for image, (x, y) in zip(images, middles, strict=True):
        image[:, int(64 * y) - 8 : int(64 * y) + 8, int(64 * x) - 8 : int(64 * x) + 8] = 3.0
    boxes = [[[x, y, 0.25, 0.25]] for x, y in middles]
    targets = dicts(*boxes) if isinstance(criterion, SetCriterion) else rows(*boxes)
    model = Queries()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)
    for step in range(40):
        criterion(model(images), targets).backward()
        optimizer.step()
        if step == SEARCHED:
            told()
    now = told()
    compared, fitting = (now.values(tag + "cxcywh") for tag in (tags.PAIRING_READ_BOXES, tags.PAIRING_READ_FITS))
    assert sum(fitting) == sum(compared) > 40
    assert sum(now.values(tags.PAIRING_BEATS_OTHER)[-4:]) == sum(now.values(tags.PAIRING_BOXES)[-4:])
    assert now.values(tags.TARGET_REACH + "cxcywh")[-1] == pytest.approx(0.875)
    assert now.values(tags.TARGET_START + "cxcywh")[-1] == pytest.approx(0.125)
