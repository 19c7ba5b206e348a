"""What a script does to a batch before the network sees it."""

from __future__ import annotations

from typing import Any

import torch
from bench.faults.composed.composition import Habits, Problem
from torch import Tensor

Mixed = tuple[Tensor, Any, Any, float]
"""Inputs, targets, and where two examples are mixed the targets of the second and the share of the first."""


def augmented(problem: Problem, habits: Habits, x: Tensor, y: Any, draw: torch.Generator) -> Mixed:
    """A batch as *habits* have it."""
    if habits.augmentation == "noise":
        return x + 0.15 * x.std() * torch.randn(x.shape, generator=draw), y, None, 1.0
    if habits.augmentation == "mixup":
        other = torch.randperm(len(x), generator=draw)
        share = 0.5 + 0.5 * float(torch.rand((), generator=draw))
        return share * x + (1 - share) * x[other], y, y[other], share
    if habits.augmentation == "erase":
        return _erased(x, draw), y, None, 1.0
    if habits.augmentation == "flip":
        return (*_flipped(problem, x, y, draw), None, 1.0)
    if habits.augmentation == "drop_tokens":
        return torch.where(torch.rand(x.shape, generator=draw) < 0.05, 0, x), y, None, 1.0
    return x, y, None, 1.0


def _erased(x: Tensor, draw: torch.Generator) -> Tensor:
    """A square of a quarter of the side set to the mean, at one place for the batch."""
    size = x.shape[-1] // 4
    top, left = torch.randint(x.shape[-1] - size + 1, (2,), generator=draw).tolist()
    x = x.clone()
    x[..., top : top + size, left : left + size] = x.mean()
    return x


def _flipped(problem: Problem, x: Tensor, y: Any, draw: torch.Generator) -> tuple[Tensor, Any]:
    """Every picture of the batch mirrored in half of the cases, with its targets."""
    mirrored = torch.rand(len(x), generator=draw) < 0.5
    x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
    if isinstance(y, list):
        side = x.shape[-1]
        return x, [_mirrored(target, side) if flip else target for target, flip in zip(y, mirrored, strict=True)]
    if problem.task == "box":
        return x, torch.where(mirrored[:, None], torch.stack([1 - y[:, 2], y[:, 1], 1 - y[:, 0], y[:, 3]], 1), y)
    return x, torch.where(mirrored[:, None, None], y.flip(-1), y)


def _mirrored(target: dict[str, Tensor], side: int) -> dict[str, Tensor]:
    left, top, right, bottom = target["boxes"].unbind(1)
    return {**target, "boxes": torch.stack([side - right, top, side - left, bottom], 1)}
