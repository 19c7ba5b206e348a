"""How the run was set up: mode of the model, BatchNorm, LR against batch, warnings of libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.chance import guess_of
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui_probe import tags

IGNORED_ARGUMENT: Final = "not valid for transform"
"""What albumentations 2 says of an argument that it does not know, and leaves out (detection.md 0.3)."""

WARNINGS: Final = "event/warning"
"""Named by evidence: warnings are no series."""


@dataclass(frozen=True)
class SetupPolicy:
    """detection.md 2.7 L1, 2.9 B1 and B2."""

    eval_steps: int = 3  # in a row in evaluation mode
    small_batch: float = 4.0  # images per forward pass, below which BatchNorm is news [B2]
    wait_points: int = 200  # of the loss, before that is more than news [diagnosis.md 3.1]
    hardly_moved: float = 0.9  # share of the first loss, or of a guesser's where that is less
    two: float = 2.0  # images
    hardly_moved_on_two: float = 0.7  # the same where BatchNorm averages over two images or one
    lr_too_large: float = 4.0  # times the recipe, scaled to the batch [L1]


@dataclass(frozen=True)
class Recipe:
    """A learning rate that is known to work at a batch size."""

    lr: float
    images: float


RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        "torchvision.FasterRCNN": Recipe(0.02, 16),
        "torchvision.MaskRCNN": Recipe(0.02, 16),
        "torchvision.KeypointRCNN": Recipe(0.02, 16),
        "torchvision.RetinaNet": Recipe(0.01, 16),
        "torchvision.FCOS": Recipe(0.01, 16),
    }
)
"""SGD with momentum, torchvision's references [L1]."""


def lr_over_recipe(context: Context) -> float | None:
    """The peak LR as a multiple of the recipe's, scaled to the images per step; None where no recipe is known."""
    model, schedule = context.model, context.schedule
    images = context.median(tags.BATCH_SIZE, 200)
    recipe = None if model is None else RECIPES.get(model.family)
    if model is None or recipe is None or schedule is None or not images or model.optimizer != "SGD":
        return None
    world = 1 if context.info is None else max(context.info.world, 1)
    return schedule.peak / (recipe.lr * images * world / recipe.images)


def images_per_norm(context: Context) -> float | None:
    """Images over which trainable BatchNorm layers average; None where there are none, or nothing is known."""
    images = context.median(tags.BATCH_SIZE, 200)
    if not context.last(tags.NORM_TRAINING):
        return None
    if not images:
        return context.median(tags.ROWS, 200)  # of one pass; more than it counts are no news
    return images / max(context.median(tags.MICRO_STEPS, 200) or 1.0, 1.0)


def ignored_arguments(context: Context) -> list[str]:
    """Texts of the warnings that an augmentation's argument was left out."""
    return [event.text for event in context.events("warning") if IGNORED_ARGUMENT in event.text]


@dataclass(frozen=True)
class Setup:
    """Exact checks, and two that are information only."""

    policy: SetupPolicy = SetupPolicy()
    name: str = "setup"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for each check that fails."""
        watched = (tags.EVAL_MODE, tags.NORM_POISONED, tags.NORM_TRAINING)
        if len(context.missing(*watched)) == len(watched) and not context.events("warning"):
            return Abstention(self.name, watched)
        found = (
            self._poisoned(context),
            self._eval_mode(context),
            self._small_batch(context),
            self._lr(context),
            self._ignored(context),
        )
        return tuple(symptom for symptom in found if symptom is not None)

    def _poisoned(self, context: Context) -> Symptom | None:
        """Running statistics that are no numbers [B1]."""
        channels = context.last(tags.NORM_POISONED)
        if not channels:
            return None
        series = context.series(tags.NORM_POISONED)
        assert series is not None  # its last value was read
        first = int(series.steps[np.flatnonzero(series.values > 0)[0]])
        text = f"{channels:.0f} channels of BatchNorm layers have running statistics that are non-finite or negative"
        proof = Evidence(tags.NORM_POISONED, (first, int(series.steps[-1])), channels, 0.0, ">", text)
        return _symptom("non_finite", "critical", "BatchNorm statistics are no numbers", proof)

    def _eval_mode(self, context: Context) -> Symptom | None:
        newest = context.window(tags.EVAL_MODE, self.policy.eval_steps)
        if len(newest) < self.policy.eval_steps or np.any(newest < 1):
            return None
        window = context.span(tags.EVAL_MODE, self.policy.eval_steps)
        text = f"the last {len(newest)} steps ran with model.training False: dropout and BatchNorm do not train"
        proof = Evidence(tags.EVAL_MODE, window, 1.0, 1.0, "==", text)
        return _symptom("config_smell", "warning", "The model trains in evaluation mode", proof)

    def _small_batch(self, context: Context) -> Symptom | None:
        """BatchNorm over a handful of images [B2]."""
        images = images_per_norm(context)
        if images is None or images >= self.policy.small_batch:
            return None
        layers = context.last(tags.NORM_TRAINING) or 0.0
        window = context.span(tags.NORM_TRAINING, 1)
        text = f"{layers:.0f} trainable BatchNorm layers average over {images:.0f} images"
        proof = Evidence(tags.NORM_TRAINING, window, images, self.policy.small_batch, "<", text)
        severe = self._is_stuck(context, images) or self._is_detector_on_two(context, images)
        return _symptom("config_smell", "warning" if severe else "info", text, proof)

    def _is_stuck(self, context: Context, images: float) -> bool:
        curve = context.loss
        return (
            curve is not None
            and len(curve) >= self.policy.wait_points
            and not context.is_resumed
            and curve.now > self._kept(images) * min(curve.start, guess_of(context) or curve.start)
        )

    def _is_detector_on_two(self, context: Context, images: float) -> bool:
        """Detectors freeze BatchNorm, or see eight images and more, for a reason: on two its statistics at evaluation
        are far from those that were trained with (Wu and He 2018; He et al. 2019), which no training loss shows.  Where
        gradients are accumulated, the small pass is a choice, and its LR is that of the whole step."""
        passes = context.median(tags.MICRO_STEPS, 200)
        has_boxes = context.series(tags.TARGET_BOXES) is not None
        if images > self.policy.two or not has_boxes or passes is None or passes > 1:
            return False
        return context.points_past_warmup >= self.policy.wait_points

    def _kept(self, images: float) -> float:
        return self.policy.hardly_moved_on_two if images <= self.policy.two else self.policy.hardly_moved

    def _lr(self, context: Context) -> Symptom | None:
        """The LR of another batch size [L1]: information, because short schedules get away with it."""
        ratio = lr_over_recipe(context)
        if ratio is None or ratio <= self.policy.lr_too_large:
            return None
        tag = tags.LR + "0"
        text = f"the LR is {ratio:.1f} times torchvision's own for this batch size"
        proof = Evidence(tag, context.span(tag, 200), ratio, self.policy.lr_too_large, ">", text)
        return _symptom("config_smell", "info", text[0].upper() + text[1:], proof)

    def _ignored(self, context: Context) -> Symptom | None:
        """The augmentation goes on without an argument that it was given [G6]."""
        texts = ignored_arguments(context)
        if not texts:
            return None
        step = min(event.step for event in context.events("warning") if IGNORED_ARGUMENT in event.text)
        text = texts[0] + (f", and {len(texts) - 1} more" if len(texts) > 1 else "")
        proof = Evidence(WARNINGS, (step, step), float(len(texts)), 0.0, ">", text)
        return _symptom("bad_augmentation", "warning", "The augmentation ignores arguments", proof)


def _symptom(
    kind: Literal["non_finite", "config_smell", "bad_augmentation"], severity: Severity, title: str, proof: Evidence
) -> Symptom:
    first, last = proof.window
    return Symptom(kind, severity, first, last, title, (proof,), exact=True, key=proof.tag)
