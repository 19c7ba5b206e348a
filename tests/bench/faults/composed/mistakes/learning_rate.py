"""Mistakes in the learning rate and its schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.faults.composed.changes import Draft, Gradients
from bench.faults.composed.mistakes.mistake import anything, mistake
from torch.optim import Optimizer, lr_scheduler


def scheduled(draft: Draft, make: Callable[[Optimizer, int], Any]) -> None:
    """Another scheduler, stepped after every optimizer step."""
    draft.habits = replace(draft.habits, schedule="constant")
    draft.scheduler = make


@mistake("lr_too_high", "warmup_missing", "lr_not_scaled_to_batch", fits=anything, strength=(30, 100))
def lr_high(draft: Draft, factor: float) -> None:
    """The LR of somebody else's recipe."""
    draft.habits = replace(draft.habits, lr=draft.habits.lr * factor)


@mistake("lr_too_low", fits=anything, strength=(300, 3000))
def lr_low(draft: Draft, divisor: float) -> None:
    """A few zeros too many."""
    draft.habits = replace(draft.habits, lr=draft.habits.lr / divisor)


@mistake("lr_too_high", fits=anything, strength=(100, 300), from_onset=True)
def lr_burst(draft: Draft, factor: float) -> None:
    """For twenty steps midway the LR is far too high."""
    usual: dict[int, float] = {}

    def look(now: Gradients) -> None:
        for index, group in enumerate(now.optimizer.param_groups):
            if now.step == draft.onset:
                usual[index] = group["lr"]
            if draft.onset <= now.step < draft.onset + 20:
                group["lr"] = usual[index] * factor
            elif now.step == draft.onset + 20:
                group["lr"] = usual[index]

    draft.on_gradients.append(look)


@mistake("schedule_too_fast", "lr_zero", "lr_too_low", fits=anything, strength=(0.05, 0.1))
def schedule_per_batch(draft: Draft, loss_per_step: float) -> None:
    """An ExponentialLR meant for epochs, stepped after every batch."""
    scheduled(draft, lambda optimizer, steps: lr_scheduler.ExponentialLR(optimizer, 1 - loss_per_step))


@mistake("schedule_too_fast", "lr_zero", "lr_too_low", fits=anything, strength=(0.12, 0.06))
def schedule_fast(draft: Draft, share: float) -> None:
    """The LR falls to a hundredth early in the run: milestones of a much shorter one."""

    def make(optimizer: Optimizer, steps: int) -> Any:
        first = max(int(share * steps), 2)
        return lr_scheduler.MultiStepLR(optimizer, [first, int(1.5 * first)], 0.1)

    scheduled(draft, make)


@mistake("lr_zero", "schedule_too_fast", fits=anything, strength=(0.15, 0.02))
def lr_is_zero(draft: Draft, share: float) -> None:
    """The schedule ends at nothing after a *share* of the run: its length was counted in epochs."""
    scheduled(
        draft,
        lambda optimizer, steps: lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=max(int(share * steps), 2)),
    )


@mistake("warmup_never_ends", "lr_too_low", fits=anything, strength=(10, 100))
def warmup_long(draft: Draft, runs: float) -> None:
    """The warm-up is longer than the run: its length was meant for another batch size."""

    def make(optimizer: Optimizer, steps: int) -> Any:
        length = runs * steps
        return lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / length, 1.0))

    scheduled(draft, make)
