"""Mistakes in the optimizer, on the way of the update, and in the size of the batch."""

from __future__ import annotations

from dataclasses import replace

from bench.faults.composed.changes import Draft, Gradients
from bench.faults.composed.composition import DETECTORS
from bench.faults.composed.mistakes.mistake import (
    WITH_BOXES,
    all_of,
    anything,
    from_scratch,
    has_batchnorm,
    holds_at_least,
    in_task,
    lacks,
    mistake,
    uses,
    with_net,
)
from torch import nn
from torch.optim import Optimizer

ADAMS = ("adam", "adamw", "nadam")


@mistake("params_not_in_optimizer", fits=from_scratch, strength=(0.6, 0.97))
def group_missing(draft: Draft, share: float) -> None:
    """The optimizer was given the last layers alone."""

    def drop(optimizer: Optimizer, network: nn.Module) -> None:
        parameters = list(network.parameters())
        missing = {id(parameter) for parameter in parameters[: _leading(share, parameters)]}
        for group in optimizer.param_groups:
            group["params"] = [parameter for parameter in group["params"] if id(parameter) not in missing]
        optimizer.param_groups[:] = [group for group in optimizer.param_groups if group["params"]]

    draft.on_optimizer.append(drop)


@mistake("frozen_params", fits=from_scratch, strength=(0.85, 0.97))
def frozen(draft: Draft, share: float) -> None:
    """The first layers of a network with random weights are frozen, as one freezes a pretrained one."""

    def freeze(network: nn.Module) -> None:
        parameters = list(network.parameters())
        for parameter in parameters[: _leading(share, parameters)]:
            parameter.requires_grad_(False)

    draft.on_network.append(freeze)


def _leading(share: float, parameters: list[nn.Parameter]) -> int:
    return min(round(share * len(parameters)), len(parameters) - 2)


@mistake(
    "graph_detached",
    "frozen_params",
    fits=all_of(from_scratch, lacks(with_net("gru", "lstm"))),
    strength=(0.6, 0.9),
)
def detached(draft: Draft, depth: float) -> None:
    """The output of a layer is detached, *depth* of the way to the head."""

    def cut(network: nn.Module) -> None:
        leaves = [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear) and _is_called(m)]
        layer = leaves[min(int(depth * len(leaves)), len(leaves) - 2)]
        layer.register_forward_hook(lambda module, args, output: output.detach())

    draft.on_network.append(cut)


def _is_called(layer: nn.Module) -> bool:
    """Not so the last layer of torch's attention, whose weights alone are used."""
    return not isinstance(layer, nn.modules.linear.NonDynamicallyQuantizableLinear)


@mistake("gradients_not_zeroed", fits=anything, strength=(40, 400))
def no_zero_grad(draft: Draft, every: float) -> None:
    """Gradients are zeroed every so many steps, which may be more than the run has."""
    draft.zeroes_at = lambda step: step % round(every) == 0


@mistake("clip_too_tight", "lr_too_low", fits=uses("sgd"), strength=(0.01, 0.001))
def clip_tight(draft: Draft, max_norm: float) -> None:
    """A max_norm from another loss."""
    draft.habits = replace(draft.habits, clip=max_norm)


@mistake(
    "loss_not_reduced",
    "lr_too_high",
    fits=all_of(
        uses("sgd"),
        lacks(in_task(*WITH_BOXES)),  # slow enough as it is
        lambda c: c.habits.clip is None and c.habits.batch * c.habits.accumulate >= 16 and c.problem.steps <= 350,
    ),
    strength=(6, 16),
)
def accumulated_sum(draft: Draft, count: float) -> None:
    """Gradients of several micro-batches are added up and not divided."""
    passes = min(round(count), draft.habits.batch * draft.habits.accumulate // 2)
    batch = draft.habits.batch * draft.habits.accumulate // passes
    draft.habits = replace(draft.habits, accumulate=passes, batch=batch)
    draft.divides = False


@mistake(
    "momentum_too_high",
    "lr_too_high",
    fits=all_of(uses("sgd"), lambda c: c.habits.schedule != "one_cycle"),  # which sets the momentum itself
    strength=(0.005, 0.001),
)
def momentum_high(draft: Draft, friction: float) -> None:
    """A nine too many."""
    draft.habits = replace(draft.habits, momentum=1 - friction)


@mistake(
    "weight_decay_too_strong",
    "regularisation_too_strong",
    fits=uses("sgd", "adam", "adamw", "nadam", "rmsprop"),
    strength=(100, 1000),
)
def decay_strong(draft: Draft, strength: float) -> None:
    """A weight decay that was tuned for another optimizer: a hundred times what is usual."""
    usual = {"sgd": 5e-4, "adamw": 0.05}.get(draft.habits.optimizer, 1e-3)  # as a part of the gradient, or beside it
    draft.habits = replace(draft.habits, weight_decay=usual * strength)


@mistake("lr_too_low", fits=uses(*ADAMS), strength=(1.0, 30.0))
def eps_big(draft: Draft, eps: float) -> None:
    """An eps far above the gradients, so that a step is as small as they are."""

    def widen(optimizer: Optimizer, network: nn.Module) -> None:
        for group in optimizer.param_groups:
            group["eps"] = eps

    draft.on_optimizer.append(widen)


@mistake("batchnorm_small_batch", "batch_too_small", "train_eval_mismatch", fits=has_batchnorm)
def batchnorm_batch(draft: Draft, strength: float) -> None:
    """BatchNorm over two examples; the LR as for the usual batch."""
    draft.habits = replace(draft.habits, batch=2, accumulate=1)


@mistake(
    "batch_too_small",
    "lr_not_scaled_to_batch",
    "lr_too_high",
    "schedule_needs_decay",
    fits=lacks(has_batchnorm),
    strength=(2, 1),
)
def batch_small(draft: Draft, batch: float) -> None:
    """One or two examples a step, at the LR of many."""
    draft.habits = replace(draft.habits, batch=round(batch), accumulate=1, schedule="constant")


@mistake(
    "batch_too_large",
    "lr_too_low",
    "lr_not_scaled_to_batch",
    fits=all_of(in_task("table_classes", "table_values", "tagging"), holds_at_least(1000)),
    strength=(16, 32),
)
def batch_large(draft: Draft, factor: float) -> None:
    """A large batch at the LR of a small one, in as many epochs as the small one would take a few of."""
    batch = min(round(draft.habits.batch * factor), draft.problem.examples // 2, 512)
    draft.habits = replace(draft.habits, batch=batch, accumulate=1, lr=draft.habits.lr / 4)
    draft.problem = replace(draft.problem, steps=max(draft.problem.steps // 2, 120))


@mistake("fp16_underflow", "vanishing_gradients", fits=lacks(in_task(*DETECTORS)), strength=(1e-5, 1e-6))
def half_underflow(draft: Draft, scale: float) -> None:
    """Gradients of a loss of small scale pass through half precision without a scaler."""

    def through_half(now: Gradients) -> None:
        for parameter in now.network.parameters():
            if parameter.grad is not None:
                parameter.grad.copy_((parameter.grad * scale).half().float() / scale)

    draft.on_gradients.append(through_half)
