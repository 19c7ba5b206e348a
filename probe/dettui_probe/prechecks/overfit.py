"""Can the model fit one batch?  Asked of a copy, on demand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from dettui_probe.capture.targets import Batch
from dettui_probe.capture.torchlib import Tensor, as_mapping, nn, torch
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.report import Check, abstained, failed, passed

NAME: Final = "overfit_one_batch"
ADAM_LR: Final = 1e-3
BETA_1: Final = 0.9
BETA_2: Final = 0.99


def check_overfit(model: nn.Module, batches: Sequence[Batch]) -> Check:
    """*model* is a copy in training mode.  Its loss on one batch has to fall by half within OVERFIT_STEPS steps."""
    batch = next((batch for batch in batches if any(len(target["boxes"]) for target in batch.targets)), None)
    if batch is None:
        return abstained(NAME, "no batch with an object")
    losses = attempt(_train, model, batch)
    if isinstance(losses, Failure):
        return abstained(NAME, f"the model raised: {losses.text}")
    if len(losses) < 2:
        return abstained(NAME, "the model returned no losses when it was given images and targets")
    first, last = losses[0], min(losses[-5:])
    text = f"loss {first:.3f} -> {last:.3f} in {len(losses)} steps on one batch"
    if last < policy.OVERFIT_FALL * first:
        return passed(NAME, text)
    return failed(
        NAME, "warn", "unknown", text, "labels, loss or frozen layers keep it from learning: see other checks"
    )


def _train(model: nn.Module, batch: Batch) -> list[float]:
    """The losses of a few steps of Adam, written out: an optimizer of torch's, or ``backward``, would be heard by
    whoever watches the user's run."""
    params = [param for param in model.parameters() if param.requires_grad]
    means, squares = ([torch.zeros_like(param) for param in params] for _ in range(2))
    losses: list[float] = []
    deadline = time.monotonic() + policy.OVERFIT_BUDGET_S
    for step in range(1, policy.OVERFIT_STEPS + 1):
        with torch.enable_grad():
            loss = _total(model(list(batch.images), [dict(target) for target in batch.targets]))
            if loss is None:
                return losses
            grads = torch.autograd.grad(loss, params, allow_unused=True)
        losses.append(float(loss.detach()))
        for param, grad, mean, square in zip(params, grads, means, squares, strict=True):
            if grad is not None:
                _adam(param.detach(), grad, mean, square, step)
        if time.monotonic() > deadline:
            break
    return losses


def _total(output: Any) -> Tensor | None:
    terms = as_mapping(output)
    if terms is None:
        return None
    tensors = [term for term in terms.values() if isinstance(term, Tensor) and term.numel() == 1]
    return torch.stack([term.reshape(()) for term in tensors]).sum() if tensors else None


def _adam(param: Tensor, grad: Tensor, mean: Tensor, square: Tensor, step: int) -> None:
    mean.lerp_(grad, 1 - BETA_1)
    square.lerp_(grad.square(), 1 - BETA_2)
    scale = (square / (1 - BETA_2**step)).sqrt_().add_(1e-8)
    param.sub_(ADAM_LR / (1 - BETA_1**step) * mean / scale)
