"""NaN and infinity: where they came first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Series
from dettui_probe import tags

_COUNTED = (
    (tags.IMAGE_NONFINITE, "images"),
    (tags.TARGET_NONFINITE, "boxes"),
    (tags.GRAD_NONFINITE, "gradients"),
    (tags.WEIGHT_NONFINITE, "weights"),
)


@dataclass(frozen=True)
class NonFinitePolicy:
    """Exact: one is enough (diagnosis.md E1)."""

    horizon: int = 1000  # newest points that are searched, so that a blip of long ago is not news for ever


@dataclass(frozen=True)
class Sighting:
    """Where a non-finite value was first seen."""

    step: int
    order: int  # on the way of a datum: input, loss, gradient, weight
    tag: str
    what: str
    count: int


@dataclass(frozen=True)
class NonFinite:
    """Names the earliest place; the others stand beside it as evidence."""

    policy: NonFinitePolicy = NonFinitePolicy()
    name: str = "non_finite"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact."""
        watched = context.tags_under(tags.LOSS)
        if not watched and not any(context.series(tag) for tag, _ in _COUNTED):
            return Abstention(self.name, (tags.LOSS_TOTAL, *(tag for tag, _ in _COUNTED)))
        seen = [*self._losses(context, watched), *self._counted(context)]
        seen.sort(key=lambda s: (s.step, s.order))
        return (self._symptom(context, seen),) if seen else ()

    def _losses(self, context: Context, watched: Sequence[str]) -> Sequence[Sighting]:
        out: list[Sighting] = []
        for tag in watched:
            series = context.series(tag)
            if series is not None:
                fine = np.isfinite(series.values[-self.policy.horizon :])
                if not fine.all():
                    out.extend(_sighting(series, ~fine, 2, "loss " + tag.removeprefix(tags.LOSS)))
        return sorted(out, key=lambda s: (s.step, s.tag == tags.LOSS_TOTAL))

    def _counted(self, context: Context) -> Sequence[Sighting]:
        skipped = context.series(tags.AMP_SKIPPED)
        out: list[Sighting] = []
        for order, (tag, what) in enumerate(_COUNTED):
            series = context.series(tag)
            if series is None:
                continue
            bad = series.values[-self.policy.horizon :] > 0
            if not bad.any():
                continue
            if tag == tags.GRAD_NONFINITE and skipped is not None:
                bad &= ~_was_skipped(series.steps[-self.policy.horizon :], skipped)
            out.extend(_sighting(series, bad, order if order < 2 else order + 1, what))
        return out

    def _symptom(self, context: Context, seen: Sequence[Sighting]) -> Symptom:
        first = seen[0]
        last = max(context.span(s.tag, 1)[1] for s in seen)
        return Symptom(
            kind="non_finite",
            severity="critical",
            first_step=first.step,
            last_step=last,
            title=f"NaN or infinity in {first.what} at step {first.step}",
            evidence=tuple(
                Evidence(s.tag, (s.step, last), float(s.count), 0.0, ">",
                         f"{s.what}: first at step {s.step}, {s.count} of the newest steps")
                for s in seen[:6]
            ),
            facts={"order": float(first.order), "step": float(first.step)},
            exact=True,
        )  # fmt: skip


def _was_skipped(steps: NDArray[np.int64], skipped: Series) -> NDArray[np.bool_]:
    """True at the steps that a GradScaler skipped: there an overflow is its way of finding the scale."""
    return np.isin(steps, skipped.steps[skipped.values > 0])


def _sighting(series: Series, bad: NDArray[np.bool_], order: int, what: str) -> Sequence[Sighting]:
    where = np.flatnonzero(bad)
    if len(where) == 0:
        return ()
    first = len(series) - len(bad) + int(where[0])
    return (Sighting(int(series.steps[first]), order, series.tag, what, len(where)),)
