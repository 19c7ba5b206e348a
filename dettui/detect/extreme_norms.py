"""BatchNorm statistics that lost touch with what training computes: one broken batch is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.eval_loss import eval_loss
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class ExtremeNormPolicy:
    """Training normalises by its own batch and does not read the running statistics; evaluations do."""

    evaluations: int = 3  # since the channels were met
    apart: float = 1.25  # evaluation over training loss, at every one of them
    around: int = 20  # points on either side of that step, for the level of the training loss there
    fallen: float = 0.95  # share of it: where training suffers as well, the statistics are a consequence


@dataclass(frozen=True)
class ExtremeNorms:
    """Channels whose running variance left those of the model by far, while training goes on and evaluations suffer."""

    policy: ExtremeNormPolicy = ExtremeNormPolicy()
    name: str = "extreme_norms"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent on channels that were extreme from the start, as behind inputs of 0 to 255."""
        channels, curve, evaluations = context.series(tags.NORM_EXTREME), context.loss, eval_loss(context)
        if channels is None or curve is None or evaluations is None:
            return Abstention(self.name, (tags.NORM_EXTREME, "eval/loss"))
        policy, since = self.policy, appeared(context)
        if since is None or curve.now <= 0:
            return ()
        at = int(np.searchsorted(curve.steps, since))
        then = float(np.median(curve.values[max(0, at - policy.around) : at + policy.around]))
        after = evaluations.values[evaluations.steps >= since]
        if len(after) < policy.evaluations or curve.now > policy.fallen * then:
            return ()
        apart = float(after[-policy.evaluations :].min()) / curve.now
        if apart < policy.apart:
            return ()
        window = (since, context.step)
        count = channels.values[-1]
        evidence = [
            Evidence(tags.NORM_EXTREME, window, count, 0.0, ">",
                     f"{count:.0f} channels have a running variance over 10,000 times the median of the model"),
            Evidence(evaluations.tag, window, apart, policy.apart, ">",
                     f"since then evaluations, which use it, cost {apart:.1f} times the training loss or more"),
        ]  # fmt: skip
        title = f"Running statistics of {count:.0f} BatchNorm channels became extreme"
        return (told_by(evidence, "bad_evaluation", "warning", title, key="extreme_norms"),)


def appeared(context: Context) -> int | None:
    """The step at which more channels were extreme than at first, and they still are; None where there is none."""
    channels = context.series(tags.NORM_EXTREME)
    if channels is None or not channels.values[-1] > channels.values[0]:
        return None
    return int(channels.steps[np.flatnonzero(channels.values > channels.values[0])[0]])
