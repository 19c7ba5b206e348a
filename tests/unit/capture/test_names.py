"""The names of classes that a model carries."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from dettui_probe.capture import attach
from dettui_probe.capture.names import class_names_of
from dettui_probe.run import Run

SHAPES = {0: "box", 1: "disc", 2: "triangle"}


def carrying(**attributes: object) -> nn.Module:
    """A model with *attributes*, as those of Ultralytics and Transformers have them."""
    model = nn.Sequential(nn.Linear(4, 3))
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


@pytest.mark.parametrize(
    "attributes",
    [
        {"names": SHAPES},
        {"names": list(SHAPES.values()), "nc": 3},
        {"config": SimpleNamespace(id2label=SHAPES)},
        {"names": {0: "0", 1: "1"}, "config": SimpleNamespace(id2label=SHAPES)},
    ],
)
def test_names_are_read_where_the_model_or_what_it_wraps_carries_them(attributes: dict[str, object]) -> None:
    model = carrying(**attributes)
    for wrapped in (model, nn.ModuleDict({"module": model}), nn.Sequential(nn.ReLU(), nn.Sequential(model))):
        assert class_names_of(wrapped) == ["box", "disc", "triangle"]


def test_a_gap_among_the_ids_is_their_number() -> None:
    assert class_names_of(carrying(names={1: "cat", 3: "dog"})) == ["0", "cat", "2", "dog"]


class Raising:
    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"names": {0: "0", 1: "1"}},
        {"names": {0: "class0", 1: "class1"}},
        {"config": SimpleNamespace(id2label={0: "LABEL_0", 1: "LABEL_1"})},
        {"names": ["weight", "bias"]},
        {"names": {"a": 1}},
        {"names": {0: 1.0}},
        {"names": {-1: "none", 0: "cat"}},
        {"names": {10**9: "cat"}},
        {"names": {}},
        {"names": torch.zeros(3)},
        {"config": Raising()},
        {"config": {"id2label": SHAPES}},
    ],
)
def test_stand_ins_and_what_names_no_classes_are_passed_over(attributes: dict[str, object]) -> None:
    assert class_names_of(carrying(**attributes)) == []


def test_names_that_are_set_after_the_model_is_watched_are_told(run: Run, told: Callable[[], Any]) -> None:
    model = carrying(names={0: "0", 1: "1", 2: "2"})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model)
    model.names = SHAPES  # type: ignore[assignment]
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    assert told().models[-1].class_names == ["box", "disc", "triangle"]
