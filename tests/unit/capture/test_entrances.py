"""Parts of a model that are called one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.entrances import CalledParts, Passes, common_owner, whole_of
from dettui_probe.run import Run


class Pieces(nn.Module):
    """Has no forward pass of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleDict({"encoder": nn.Sequential(nn.Linear(4, 8), nn.ReLU())})
        self.head = nn.Linear(8, 3)
        self.teacher = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.ones(()))

    def loss(self) -> torch.Tensor:
        answers = self.head(self.nets["encoder"](torch.ones(2, 4))) * self.scale
        return nn.functional.cross_entropy(answers, torch.tensor([0, 1]))


@pytest.fixture
def pieces() -> Pieces:
    return Pieces()


def parts_of(pieces: Pieces) -> CalledParts:
    return CalledParts(pieces, [pieces.nets["encoder"], pieces.head])


def test_called_parts_keep_their_names_and_nothing_else_is_among_them(pieces: Pieces) -> None:
    names = [name for name, _ in parts_of(pieces).named_parameters()]
    assert names == ["scale", "nets.encoder.0.weight", "nets.encoder.0.bias", "head.weight", "head.bias"]
    assert whole_of(parts_of(pieces)) is pieces
    assert whole_of(pieces) is pieces


def test_called_parts_train_while_their_owner_does(pieces: Pieces) -> None:
    parts = parts_of(pieces)
    pieces.eval()
    assert not parts.training
    pieces.train()
    assert parts.training


def test_a_pass_begins_with_the_part_that_began_the_first_one(pieces: Pieces) -> None:
    encoder, head = pieces.nets["encoder"], pieces.head
    passes = Passes(parts_of(pieces))
    for _ in range(2):
        assert passes.enter(encoder) == "begins"
        assert passes.enter(head) == ""  # called by the encoder
        assert passes.leave(encoder)
        assert passes.enter(head) == "goes on"
        assert passes.leave(head)
    passes.end()
    assert passes.enter(head) == "begins"
    assert passes.enter(pieces.teacher) == ""
    assert not passes.leave(pieces.teacher)


def test_the_smallest_common_owner_is_found(pieces: Pieces) -> None:
    wrapper = nn.Sequential(pieces)
    assert common_owner(pieces.nets["encoder"], pieces.head) is pieces
    assert common_owner(pieces, pieces.teacher) is pieces
    assert common_owner(pieces.head, nn.Linear(1, 1)) is None
    assert wrapper[0] is pieces


def test_a_step_of_parts_is_told_as_that_of_a_model(run: Run, told: Callable[[], Any], pieces: Pieces) -> None:
    parts = parts_of(pieces)
    optimizer = torch.optim.SGD(parts.parameters(), lr=0.1)
    attach(run, parts, guessed=True)
    for _ in range(3):
        optimizer.zero_grad()
        pieces.loss().backward()
        optimizer.step()
    said = told()
    assert len(said.values(tags.LOSS_TOTAL)) == 3
    assert said.values(tags.MICRO_STEPS) == [1, 1, 1]
    assert said.values(tags.BATCH_MEAN)[0] == 1.0  # of what went into the encoder
    assert (said.models[-1].missing, said.models[-1].strangers) == ([], 0)
    assert said.models[-1].num_classes == 3
    measured = said.rows[0].values
    assert all(tags.LAYER_GRAD_NORM + name in measured for name in ("nets.encoder.0.weight", "head.weight"))
