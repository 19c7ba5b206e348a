"""Mistakes in what the network is given, and in augmentation."""

from __future__ import annotations

from typing import Any

import torch
from bench.faults.composed.changes import Batch, Draft
from bench.faults.composed.composition import DETECTORS
from bench.faults.composed.mistakes.mistake import (
    UNNORMED,
    WITH_BOXES,
    WITH_NUMBERS,
    all_of,
    anything,
    in_task,
    mistake,
    with_net,
)
from bench.faults.plan import Examples, Sets
from torch import Tensor


def on_all_inputs(draft: Draft, scale: float, offset: float = 0.0) -> None:
    """The same change of the inputs in every set, as one transform makes it."""

    def change(sets: Sets) -> Sets:
        return Sets(*(Examples(examples.x * scale + offset, examples.y) for examples in sets))

    draft.on_sets.append(change)


_given_as_it_is = all_of(in_task(*WITH_NUMBERS), with_net(*UNNORMED, "vit", "residual_mlp"))
"""Nothing before the first layer, or in the network, sets right what it is given."""


@mistake("inputs_not_normalised", "lr_too_high", "init_too_large", fits=_given_as_it_is, strength=(128, 1000))
def raw_inputs(draft: Draft, offset: float) -> None:
    """0-255, or with a huge offset, into a network that expects about -1 to 1."""
    on_all_inputs(draft, 64.0, offset)


@mistake("inputs_not_normalised", fits=in_task(*WITH_BOXES), strength=(64, 255))
def detector_given_bytes(draft: Draft, scale: float) -> None:
    """Pixels of 0 to 255 into a detector that expects 0 to 1."""
    on_all_inputs(draft, scale)


@mistake(
    "inputs_normalised_twice",
    "inputs_not_normalised",
    "inputs_constant",
    "lr_too_low",
    fits=_given_as_it_is,
    strength=(1 / 255, 1 / 65025),
)
def divided_twice(draft: Draft, scale: float) -> None:
    """Divided by 255 once more than needed, or twice."""
    on_all_inputs(draft, scale)


@mistake("inputs_normalised_twice", fits=in_task(*DETECTORS), strength=(4.4, 19.0))
def normalised_twice(draft: Draft, scale: float) -> None:
    """Normalised in the transform; the detector normalises by itself."""
    on_all_inputs(draft, scale, -0.5 * scale)


@mistake("inputs_constant", fits=anything, strength=(0.9, 1.0))
def black_inputs(draft: Draft, share: float) -> None:
    """So many files could not be decoded, and came as zeros, a text as words that are not in the vocabulary."""

    def spoil(step: int, x: Tensor, y: Any) -> Batch:
        broken = torch.rand(len(x), generator=draft.draw) < share
        return torch.where(broken.view(-1, *[1] * (x.dim() - 1)), torch.zeros_like(x), x), y

    draft.on_batch.append(spoil)


@mistake("non_finite_inputs", fits=in_task(*WITH_NUMBERS, "grid"), strength=(1.0, 0.2), from_onset=True)
def nan_input(draft: Draft, delay: float) -> None:
    """One value of one example is NaN."""
    draft.onset = max(int(delay * draft.onset), 5)

    def spoil(step: int, x: Tensor, y: Any) -> Batch:
        if step == draft.onset:
            x = x.clone()
            x.view(-1)[7] = float("nan")
        return x, y

    draft.on_batch.append(spoil)


@mistake(
    "augmentation_too_strong",
    "regularisation_too_strong",
    "label_noise",
    fits=in_task(*WITH_NUMBERS, "grid"),
    strength=(4, 8),
)
def noise_augmentation(draft: Draft, sigma: float) -> None:
    """Gaussian noise of *sigma* deviations that drowns the picture, in training only."""

    def spoil(step: int, x: Tensor, y: Any) -> Batch:
        return x + sigma * x.std() * torch.randn(x.shape, generator=draft.draw), y

    draft.on_batch.append(spoil)
