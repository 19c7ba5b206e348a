"""Limits of this family."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProgressPolicy:
    """Limits on the even scale (ln L) unless said otherwise.  Numbers in brackets: sections of diagnosis.md."""

    wait_points: int = 200  # after warm-up, before anything is judged [3.1: 24 of 26 met at 200, 0 of 54 healthy]
    patience_points: int = 1000  # the same for a loss that falls, if only just
    blocks: int = 12  # [3.1: 10-20]
    z: float = 2.5  # one-sided 99 % [3.1]
    windows: tuple[float, ...] = (0.125, 0.25, 0.5)  # shares of the run since warm-up
    least_window: int = 120  # points, ten a block
    gain_per_run: float = 0.1  # progress, as a gain over as many steps as the run has had: t^-0.1 gains 0.07 a doubling
    most_gain: float = 0.05
    steady: float = 0.5  # share of the average rate of descent that is no plateau
    most_points: int = 32_768
    never_drop: float = 0.03  # [3.1]
    never_reach: float = 0.10  # the largest drop that the data still allow
    stalled_level: float = 0.7  # share of the first level [3.1: 0.6; a transformer at its entropy floor stood at 0.61]
    hardly_moved: float = 0.9  # the same while a planned decay of the LR is still to bring its gain
    at_chance: float = 0.95  # share of the loss of a guesser
    learnt: float = 0.9  # the same below which something was learnt: such a level may be the floor of a noisy task
    at_chance_of_parts: float = (
        0.9  # the same of tokens and pixels: each is told by those beside it, if by nothing else
    )
    near_best: float = 0.15  # above the best level and still "at its best"
    decayed: float = 0.1  # LR as a share of its peak [S4]
    near_zero: float = 0.05  # share of the first level that counts as solved
    knows_something: float = 0.5  # share of the loss of a guesser below which a network did not start untrained
    quiet_noise: float = 0.1  # a guesser's loss varies with the labels of the batch only
    drop_window: int = 100  # points after an LR drop before it is judged
    drop_gain: float = 0.02  # [detection.md L7]
    drop_reach: float = 0.06
    tiny_update: float = -4.4  # log10 ||dw||/||w|| [S3]
    agreeing: float = 0.3  # cosine of successive gradients [S3]
    firm_points: int = 100  # after warm-up, where successive gradients are nearly equal: then nothing is left to chance
    asked_for: float = 2.0  # a gradient along the step before counts as twice that agreement: its noise is independent
    agreements: int = 12  # measured at least: a median of so many that nearly agree is firm, and thinning leaves few
    small_update: float = -3.7  # with gradients that agree this strongly: a detector at a thousandth of its LR
    nearly_equal: float = 0.7  # shows 10^-4.3 and 0.95, at its own LR 10^-2.2 and 0.1 to 0.4
    strong: float = 0.5  # agreement
    strong_points: int = 120  # after warm-up, where agreement is strong
    much_shorter: float = -0.58  # cosine of a gradient with the step before; healthy runs end between -0.5 and 0.1
    few_steps: int = 10  # an epoch: where it holds no more, each may as well be longer
    large_batch: float = 32  # inputs of a step
    few_steps_agree: float = 0.15  # the two cosines where an epoch has few steps, and both together
    few_steps_shorter: float = -0.25
    few_steps_ask: float = 0.6
    few_steps_same: float = 0.9  # agreement there from which on a tenth of the batch would tell the same
    mostly_done: float = 0.15  # share of the first level
    grad_kept: float = 0.8  # newest gradient norm as a share of the first [S3]
    grad_kept_equal: float = 0.5  # the same where gradients are nearly equal: it shrinks along the way and still leads


DEFAULT_POLICY = ProgressPolicy()
