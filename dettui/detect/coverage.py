"""Which parameters the optimizer can move at all.  Exact (diagnosis.md E3, E4; detection.md O1-O3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui_probe import tags

_BODY_NAMES = ("backbone", "body", "encoder", "features", "stem", "trunk")


@dataclass(frozen=True)
class CoveragePolicy:
    """What counts as a broken optimizer and what as intent."""

    detached_steps: int = 20  # in a row with trainable tensors that get no gradient [O3]
    detached_share: float = 0.3  # of all tensors unchanged: more than an unused branch
    untrained_share: float = 0.5  # of the frozen weights; a random projection that is meant to be one is a few of many
    frozen_share: float = 0.2  # of all elements: less is a part that a network can do without


@dataclass(frozen=True)
class Coverage:
    """Trainable parameters that no optimizer holds, and the reverse."""

    policy: CoveragePolicy = CoveragePolicy()
    name: str = "coverage"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact; info where only the body of the network was left out, as a head-only
        fine-tune does, and something has trained it before."""
        missing = context.last(tags.MISSING_PARAMS)
        if missing is None:
            return Abstention(self.name, (tags.MISSING_PARAMS,))
        strangers = context.last(tags.STRANGER_PARAMS) or 0.0
        if missing <= 0 and strangers <= 0:
            return ()
        return (self._symptom(context, missing, strangers),)

    def _is_untrained(self, context: Context) -> bool:
        """Whether what no optimizer holds is for the most part as a random initialisation drew it."""
        looked_at, untrained = context.last(tags.UNHELD_WEIGHTS), context.last(tags.UNHELD_UNTRAINED)
        return bool(looked_at) and untrained is not None and untrained >= self.policy.untrained_share * (looked_at or 0)

    def _symptom(self, context: Context, missing: float, strangers: float) -> Symptom:
        series = context.series(tags.MISSING_PARAMS)
        assert series is not None  # its last value was read
        window = (int(series.steps[0]), int(series.steps[-1]))
        names = context.model.missing if context.model is not None else ()
        evidence = [
            Evidence(tags.MISSING_PARAMS, window, missing, 0.0, ">",
                     f"{missing:.0f} trainable tensors are in no optimizer{_listed(names)}"),
        ]  # fmt: skip
        if strangers > 0:
            evidence.append(
                Evidence(tags.STRANGER_PARAMS, window, strangers, 0.0, ">",
                         f"the optimizer holds {strangers:.0f} tensors that the model does not have")
            )  # fmt: skip
        return Symptom(
            kind="no_update",
            severity=_severity(missing, strangers, names, was_trained=not self._is_untrained(context)),
            first_step=window[0],
            last_step=window[1],
            title=f"{missing:.0f} trainable tensors are held by no optimizer",
            evidence=tuple(evidence),
            facts={"missing": missing, "strangers": strangers},
            exact=True,
            key="coverage",
        )


def _severity(missing: float, strangers: float, names: Sequence[str], *, was_trained: bool) -> Severity:
    if strangers > 0:
        return "critical" if missing > 0 else "info"
    body_only = bool(names) and all(any(word in name for word in _BODY_NAMES) for name in names)
    return "info" if body_only and was_trained else "warning"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    more = f", and {len(names) - 3} more" if len(names) > 3 else ""
    return f": {shown}{more}" if names else ""


@dataclass(frozen=True)
class Detached:
    """Trainable tensors that receive no gradient."""

    policy: CoveragePolicy = CoveragePolicy()
    name: str = "detached"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact; info where few tensors are concerned, as with an unused branch."""
        missing = context.missing(tags.GRAD_NONE)
        if missing:
            return Abstention(self.name, missing)
        newest = context.window(tags.GRAD_NONE, self.policy.detached_steps)
        if len(newest) < self.policy.detached_steps or not bool(np.all(newest > 0)):
            return ()
        unchanged = context.median(tags.UPDATE_UNCHANGED, self.policy.detached_steps)
        window = context.span(tags.GRAD_NONE, self.policy.detached_steps)
        severe = unchanged is not None and unchanged >= self.policy.detached_share
        text = f"{newest[-1]:.0f} trainable tensors had no gradient in {len(newest)} measured steps in a row"
        return (
            Symptom(
                kind="no_update",
                severity="warning" if severe else "info",
                first_step=window[0],
                last_step=window[1],
                title=f"No gradient reaches {newest[-1]:.0f} trainable tensors",
                evidence=(Evidence(tags.GRAD_NONE, window, float(newest[-1]), 0.0, ">", text),),
                facts={"none_tensors": float(newest[-1]), "unchanged_share": unchanged or 0.0},
                exact=True,
                key="detached",
            ),
        )


@dataclass(frozen=True)
class FrozenUntrained:
    """Frozen weights that nothing has ever trained."""

    policy: CoveragePolicy = CoveragePolicy()
    name: str = "frozen_untrained"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent where most frozen weights were trained before, as in any fine-tune."""
        missing = context.missing(tags.FROZEN_SHARE)
        if missing:
            return Abstention(self.name, missing)
        series, looked_at = context.series(tags.FROZEN_UNTRAINED), context.last(tags.FROZEN_WEIGHTS)
        if series is None or not looked_at:
            return ()
        count, frozen = float(series.values[-1]), context.last(tags.FROZEN_SHARE) or 0.0
        if count < self.policy.untrained_share * looked_at:
            return ()
        step = int(series.steps[-1])
        text = (
            f"{count:.0f} of {looked_at:.0f} frozen weights are as torch.nn.init draws them, to the size and the edge: "
            "no training has touched them"
        )
        return (
            Symptom(
                kind="config_smell",
                severity="warning" if frozen >= self.policy.frozen_share else "info",
                first_step=step,
                last_step=step,
                title=f"{count:.0f} frozen weights were never trained",
                evidence=(Evidence(tags.FROZEN_UNTRAINED, (step, step), count, 0.0, ">", text),),
                facts={"untrained": count, "looked_at": looked_at, "frozen_share": frozen},
                exact=True,
                key="untrained",
            ),
        )
