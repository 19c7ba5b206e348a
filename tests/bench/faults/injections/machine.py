"""Mistakes that cost time or memory."""

from __future__ import annotations

import time
from typing import Any

import torch
from bench.faults.injection import LATER_PLAIN, NEWEST, THIRD_PLAIN, injection
from bench.faults.plan import Plan
from torch import Tensor, nn


@injection(
    "loader_starves_gpu",
    on=("mlp", "cnn_bn", "cnn", "regressor", *LATER_PLAIN, *THIRD_PLAIN, *NEWEST),
    levels=(0.015, 0.03, 0.06),
    harm="time",
    from_onset=True,
)
def slow_loader(plan: Plan, wait_s: float) -> None:
    """From some step on, each batch is waited for."""
    plan.onset = plan.onset // 2

    def wait(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        if step >= plan.onset:
            time.sleep(wait_s)
        return x, y

    plan.on_batch.append(wait)


@injection(
    "memory_leak",
    on=("mlp", "cnn", "cnn_bn", "gru", "mobile", "mixer", *THIRD_PLAIN, *NEWEST),
    levels=(0.3, 1.0, 4.0),
    harm="memory",
)
def kept_graph(plan: Plan, mib: float) -> None:
    """The losses are added up with their graphs (as large as those of a real network)."""
    kept: list[Tensor] = []

    def keep(step: int, loss: Tensor, model: nn.Module) -> Tensor:
        kept.append(loss + torch.ones(int(mib * 2**18)).sum())
        kept.append(torch.ones(int(mib * 2**18)))
        return loss

    plan.on_loss.append(keep)
