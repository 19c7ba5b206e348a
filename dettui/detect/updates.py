"""What a step does to the weights: nothing, too little, too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui.numerics.robust import quantile
from dettui_probe import tags


@dataclass(frozen=True)
class UpdatePolicy:
    """detection.md L5, L6, O6; diagnosis.md E2, E6, S1, S3."""

    idle_passes: int = 64  # backward passes without an optimizer step
    idle_over: float = 8.0  # times as many as the run accumulates otherwise
    idle_at_first: int = 256  # before the first optimizer step, when nothing tells how many it will accumulate
    still_steps: int = 10  # measured steps in a row without any change
    zero_lr_steps: int = 20
    zero_lr_left: float = 0.05  # share of a declared run that is still to come
    zero_lr_undeclared: int = 100  # steps, where the length of the run was not declared
    wait_points: int = 100
    window: int = 100
    too_large: float = 0.05  # ||dw||/||w|| of one step [L6: violent]
    too_small: float = 1e-6  # [L6: stall]
    stuck: float = 0.6  # share of the first loss: large updates are harmless while the loss falls
    fallen: float = 0.3  # share of the first loss below which a schedule may run out
    gone: float = 1e-5  # share of the first gradients; Adam's steps shrink with them from its eps on
    solved: float = 1e-3  # share of the first loss and of the first gradients at which an optimizer may stop by itself
    decayed: float = 0.01  # share of the LR's peak below which small updates are meant


@dataclass(frozen=True)
class NoUpdate:
    """Gradients flow and no parameter moves: the optimizer is not stepped, or its LR is zero.  Exact."""

    policy: UpdatePolicy = UpdatePolicy()
    name: str = "no_update"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        idle = passes_without_step(context, self.policy)
        if idle is not None:
            return (_never_reached(context, idle, self.policy),)
        missing = context.missing(tags.UPDATE_UNCHANGED)
        if _may_be_zero(context) and context.schedule is not None and context.schedule.zero_since is not None:
            return self._zero_lr(context, context.schedule.zero_since)
        if missing:
            return Abstention(self.name, missing)
        return self._still(context)

    def _zero_lr(self, context: Context, since: int) -> Sequence[Symptom]:
        lr = context.series(tags.LR + "0")
        lasted = context.step - since + 1
        if lr is None or lasted < self.policy.zero_lr_steps or not self._much_is_left(context, lasted):
            return ()
        window = (since, context.step)
        text = f"lr of param group 0 is exactly 0 for {lasted} steps"
        return (
            _exact(
                "zero_lr", window, f"Learning rate is zero since step {since}", (tags.LR + "0", 0.0, 0.0, "==", text)
            ),
        )

    def _much_is_left(self, context: Context, lasted: int) -> bool:
        total = context.total_steps
        if total is None:
            return lasted >= self.policy.zero_lr_undeclared or self._was_never_positive(context)
        return total - context.step > self.policy.zero_lr_left * total

    def _was_never_positive(self, context: Context) -> bool:
        return context.schedule is not None and context.schedule.peak == 0

    def _still(self, context: Context) -> Sequence[Symptom]:
        need = self.policy.still_steps
        unchanged = context.window(tags.UPDATE_UNCHANGED, need)
        grad = context.median(tags.GRAD_NORM, need)
        skipped = context.window(tags.AMP_SKIPPED, need)
        if len(unchanged) < need or not bool(np.all(unchanged >= 1.0)) or (len(skipped) and bool(skipped.any())):
            return ()
        if (grad is not None and grad == 0) or self._has_run_out(context) or self._gradient_is_gone(context, grad):
            return ()  # nothing to apply, or nothing left to do
        if self._is_solved(context, grad):
            return ()
        window = context.span(tags.UPDATE_UNCHANGED, need)
        first = _start_of_stillness(context)
        text = f"no tensor changed in {need} measured steps in a row, gradient norm {grad or float('nan'):.3g}"
        return (
            _exact(
                "still",
                (first, window[1]),
                f"No parameter has moved since step {first}",
                (tags.UPDATE_UNCHANGED, 1.0, 1.0, "==", text),
            ),
        )

    def _gradient_is_gone(self, context: Context, grad: float | None) -> bool:
        """True where the optimizer steps by what is left of gradients that have vanished: less than a float holds."""
        first = context.early_median(tags.GRAD_NORM, 10)
        return grad is not None and first is not None and grad < self.policy.gone * first

    def _is_solved(self, context: Context, grad: float | None) -> bool:
        """True where hardly anything is left of the loss and of its gradient: L-BFGS then stops by its tolerances."""
        first, curve, share = context.early_median(tags.GRAD_NORM, 10), context.loss, self.policy.solved
        if grad is None or first is None or curve is None:
            return False
        return grad <= share * first and curve.now <= share * curve.start

    def _has_run_out(self, context: Context) -> bool:
        """True where the schedule has decayed below what changes a float, and the loss had fallen well before."""
        schedule, curve = context.schedule, context.loss
        if schedule is None or curve is None or schedule.decayed_share >= self.policy.decayed:
            return False
        return curve.now <= self.policy.fallen * curve.start


def _may_be_zero(context: Context) -> bool:
    """False where the newest LR is a number and not 0: the whole schedule need not be read, at every evaluation."""
    newest = context.window(tags.LR + "0", 1)
    return not len(newest) or newest[-1] == 0


def passes_without_step(context: Context, policy: UpdatePolicy | None = None) -> int | None:
    """Backward passes since the last optimizer step, None where it comes as often as it did."""
    policy, passes = policy or UpdatePolicy(), context.series(tags.MICRO_STEPS)
    newest = None if passes is None else passes.last
    if passes is None or newest is None or newest < policy.idle_passes:
        return None
    stepped = passes.values[passes.steps > 0]
    limit = policy.idle_over * float(stepped[:8].min()) if len(stepped) else policy.idle_at_first
    return int(newest) if newest >= limit else None


def _never_reached(context: Context, passes: int, policy: UpdatePolicy) -> Symptom:
    since = context.span(tags.MICRO_STEPS, 1)[1]
    text = f"{passes} backward passes, and no optimizer step since step {since}"
    return _exact(
        "idle",
        (since, context.step),
        "optimizer.step() is no longer reached",
        (tags.MICRO_STEPS, float(passes), float(policy.idle_passes), ">=", text),
    )


def _start_of_stillness(context: Context) -> int:
    series = context.series(tags.UPDATE_UNCHANGED)
    assert series is not None  # the caller has seen its points
    moving = np.flatnonzero(series.values < 1.0)
    return int(series.steps[moving[-1] + 1]) if len(moving) else int(series.steps[0])


def _exact(key: str, window: tuple[int, int], title: str, proof: tuple[str, float, float, str, str]) -> Symptom:
    tag, measured, limit, relation, text = proof
    return Symptom(
        kind="no_update",
        severity="critical",
        first_step=window[0],
        last_step=window[1],
        title=title,
        evidence=(Evidence(tag, window, measured, limit, relation, text),),
        exact=True,
        key=key,
    )


@dataclass(frozen=True)
class UpdateSize:
    """The size of a step against the weights, where the loss shows that it hurts."""

    policy: UpdatePolicy = UpdatePolicy()
    name: str = "update_size"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom: update_too_large or update_too_small."""
        missing = context.missing(tags.UPDATE_RATIO)
        if missing:
            return Abstention(self.name, missing)
        if context.lr_is_rising:
            return ()
        ratios = context.window(tags.UPDATE_RATIO, self.policy.window)
        if len(ratios) < min(self.policy.window, 20) or context.step < context.warmup_end + self.policy.wait_points:
            return ()
        return self._too_large(context, ratios) or self._too_small(context, ratios)

    def _too_large(self, context: Context, ratios: Floats) -> Sequence[Symptom]:
        low, middle = quantile(ratios, 0.25), quantile(ratios, 0.5)
        curve = context.loss
        if low <= self.policy.too_large or curve is None or curve.now <= self.policy.stuck * curve.start:
            return ()
        title = f"Every step changes the weights by {middle:.0%} of their size"
        return (_size("update_too_large", context, self.policy, title, (middle, self.policy.too_large, ">")),)

    def _too_small(self, context: Context, ratios: Floats) -> Sequence[Symptom]:
        high, middle = quantile(ratios, 0.75), quantile(ratios, 0.5)
        schedule = context.schedule
        if high >= self.policy.too_small or middle == 0:
            return ()
        if schedule is not None and (schedule.decayed_share < self.policy.decayed or schedule.now == 0):
            return ()
        title = f"A step changes the weights by {middle:.0e} of their size"
        return (_size("update_too_small", context, self.policy, title, (middle, self.policy.too_small, "<")),)


def _size(
    kind: str, context: Context, policy: UpdatePolicy, title: str, comparison: tuple[float, float, str]
) -> Symptom:
    measured, limit, relation = comparison
    window = context.span(tags.UPDATE_RATIO, policy.window)
    text = f"median ||dw||/||w|| of a step is {measured:.1e}; healthy runs lie between 1e-4 and 1e-2"
    return Symptom(
        kind=kind,
        severity="warning",
        first_step=window[0],
        last_step=window[1],
        title=title,
        evidence=(Evidence(tags.UPDATE_RATIO, window, measured, limit, relation, text),),
        facts={"update_ratio": measured},
    )
