"""Targets of a loss that is a plain function: found among the variables of whoever calls the model."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.callers import Callers
from dettui_probe.capture.criterion import SEARCHED
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
STEPS = 3 * SEARCHED
BOXES = [[x, y, 0.25, 0.25] for x in (0.25, 0.75) for y in (0.25, 0.75)]  # centre and size, one for each image


class Answers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        answers: Tensor = self.body(images).mean((2, 3)).sigmoid()
        return answers


def dicts(count: int) -> list[dict[str, Tensor]]:
    return [{"boxes": torch.tensor(BOXES[i : i + 1]), "labels": torch.tensor([i % 2])} for i in range(count)]


def rows(count: int) -> Tensor:
    return torch.tensor([[float(i), 1.0, *BOXES[i]] for i in range(count)])


def train(run: Run, targets: Any, told: ToldReader) -> Any:
    """What the second half of a training tells on images with bright objects, under a loss that no hook sees."""
    model = Answers()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)
    images = torch.rand(4, 3, 64, 64)
    for image, (x, y, *_) in zip(images, BOXES, strict=True):
        image[:, int(64 * y) - 8 : int(64 * y) + 8, int(64 * x) - 8 : int(64 * x) + 8] = 3.0
    for step in range(2 * STEPS):
        distance_of(model, images, targets).backward()
        optimizer.step()
        if step == STEPS:
            told()
    return told()


def distance_of(model: nn.Module, images: Tensor, targets: Any) -> Tensor:
    answers = model(images)
    boxes = targets[:, 2:] if isinstance(targets, Tensor) else torch.cat([target["boxes"] for target in targets])
    distance: Tensor = (answers - boxes).abs().sum()
    return distance


@pytest.mark.parametrize("targets", [dicts(4), rows(4)], ids=["dicts", "rows"])
def test_targets_of_a_plain_function_are_counted_and_compared_with_the_pixels(
    run: Run, told: ToldReader, targets: Any
) -> None:
    now = train(run, targets, told)
    assert now.values(tags.TARGET_BOXES)[-1] == 4
    assert now.values(tags.TARGET_LEGAL_CXCYWH)[-1] == 4
    compared, fitting = (now.values(tag + "cxcywh") for tag in (tags.PAIRING_READ_BOXES, tags.PAIRING_READ_FITS))
    assert sum(fitting) == sum(compared) > STEPS
    assert "probe_fault" not in now.kinds()


@pytest.mark.parametrize("targets", [dicts(3), torch.rand(4, 6)], ids=["of other images", "other numbers"])
def test_what_is_no_target_of_this_batch_is_left_alone(run: Run, told: ToldReader, targets: Any) -> None:
    model = Answers()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)
    for _ in range(STEPS):
        model(torch.rand(4, 3, 8, 8)).mean().backward()
        optimizer.step()
    assert not any(tags.TARGET_BOXES in row.values for row in told().rows)
    assert len(targets)


def test_targets_that_are_bound_after_the_model_has_answered_are_not_those_of_the_batch_before(
    run: Run, told: ToldReader
) -> None:
    model, every = Answers(), [dicts(4), dicts(4)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer, budget=1.0)
    for step in range(STEPS):
        answers = model(torch.rand(4, 3, 8, 8))
        targets = every[step % 2]
        (answers - torch.cat([target["boxes"] for target in targets])).abs().sum().backward()
        optimizer.step()
    now = told()
    assert not any(tags.TARGET_BOXES in row.values for row in now.rows)
    assert not any(tag.startswith(tags.PAIRING_READ_BOXES) for row in now.rows for tag in row.values)
    assert "probe_fault" not in now.kinds()


class Held:
    """Something that a weak reference can watch."""


def is_held(value: object) -> bool:
    return isinstance(value, Held)


def test_a_variable_is_found_once_and_read_as_it_is_now() -> None:
    callers, found = Callers(), []
    for _ in range(2):
        wanted = Held()
        found.append(callers.read() if callers.is_found else callers.search(is_held))
        assert found[-1] is wanted
    assert callers.is_found


def test_nothing_that_was_looked_at_is_kept_alive() -> None:
    callers = Callers()
    wanted = Held()
    watched = weakref.ref(wanted)
    assert callers.search(is_held) is wanted
    del wanted
    assert watched() is None


def test_a_debugger_keeps_the_variables_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: Sequence[object] = [Held()]
    monkeypatch.setattr(sys, "gettrace", lambda: print)
    assert Callers().search(lambda value: value is wanted) is None
