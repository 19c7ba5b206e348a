"""The parameters of the ranks differ although something keeps them alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dettui.detect.base import Symptom
from dettui.detect.ranks.reading import Ranks, rank_fact
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats, Steps
from dettui_probe import tags


@dataclass(frozen=True)
class DesyncPolicy:
    """What counts as different.  On equal devices copies are equal to the bit; where devices differ, rounding moves a
    checksum by some 1e-5 in a hundred thousand steps."""

    tolerance: float = 1e-4  # of the checksum, or absolute where that is below 1
    checks_alike: int = 3  # before ranks that nothing is known to keep alike may be said to have come apart
    checks_read: int = 256
    gradient_tolerance: float = 1e-3  # relative


@dataclass(frozen=True)
class Desync:
    """Ranks have come apart."""

    policy: DesyncPolicy = DesyncPolicy()
    name: str = "rank_desync"

    def evaluate(self, ranks: Ranks) -> Sequence[Symptom] | Abstention:
        """At most one symptom, an exact one."""
        wanted = (tags.RANK_PARAMETERS, tags.RANK_REPLICATED)
        aligned = ranks.aligned(wanted, self.policy.checks_read)
        if aligned is None:
            return Abstention(self.name, wanted)
        steps, values = aligned
        apart = self._apart(values[tags.RANK_PARAMETERS])
        if not apart[:, -1].any():
            return ()
        differs = np.asarray(apart.any(axis=0))
        alike_before = int((~differs).sum())
        is_kept_alike = bool((values[tags.RANK_REPLICATED][:, -1] == 1).all())
        if not is_kept_alike and (differs[0] or alike_before < self.policy.checks_alike):
            return ()  # perhaps they are not meant to be alike
        since = steps[len(differs) - int(np.argmin(differs[::-1])) :] if alike_before else steps
        return (self._symptom(ranks, since, apart[:, -1], values[tags.RANK_PARAMETERS][:, -1]),)

    def _apart(self, checksums: Floats) -> NDArray[np.bool_]:
        """Which ranks differ from the middle one, shape (ranks, steps)."""
        middle = np.sort(checksums, axis=0)[(len(checksums) - 1) // 2]
        return np.asarray(np.abs(checksums - middle) > self.policy.tolerance * np.maximum(np.abs(middle), 1.0))

    def _symptom(self, ranks: Ranks, since: Steps, apart: NDArray[np.bool_], checksums: Floats) -> Symptom:
        window = int(since[0]), int(since[-1])
        different = [rank for rank, is_apart in zip(ranks.ids, apart.tolist(), strict=True) if is_apart]
        spread = float(checksums.max() - checksums.min())
        listed = ", ".join(f"rank {rank}: {value:.6g}" for rank, value in zip(ranks.ids, checksums, strict=True))
        text = f"checksums of the parameters after step {window[1]}: {listed}"
        limit = self.policy.tolerance * max(abs(float(np.median(checksums))), 1.0)
        return Symptom(
            kind="rank_desync",
            severity="critical",
            first_step=window[0],
            last_step=window[1],
            title=f"{_who(different, len(ranks.ids))} since step {window[0]}",
            evidence=(
                Evidence(tags.RANK_PARAMETERS, window, spread, limit, ">", text),
                *self._gradients(ranks, window),
                *_learning_rates(ranks, window),
            ),
            facts={rank_fact(rank): 1.0 for rank in (different if len(ranks.ids) > 2 else ranks.ids)},
            exact=True,
        )

    def _gradients(self, ranks: Ranks, window: tuple[int, int]) -> Iterator[Evidence]:
        """Averaged gradients have one norm on every rank."""
        aligned = ranks.aligned((tags.GRAD_NORM,), 16)
        if aligned is None:
            return
        norms = aligned[1][tags.GRAD_NORM][:, -1]
        low, high = float(norms.min()), float(norms.max())
        if not np.isfinite(norms).all() or high <= 0:
            return
        differ = (high - low) / high > self.policy.gradient_tolerance
        how = f"gradient norms at step {int(aligned[0][-1])}: {low:.4g} to {high:.4g}"
        said = "gradients are not averaged" if differ else "gradients are averaged, something else moves the parameters"
        yield Evidence(
            tags.GRAD_NORM,
            window,
            high - low,
            self.policy.gradient_tolerance * high,
            ">" if differ else "<",
            f"{how}: {said}",
        )


def _learning_rates(ranks: Ranks, window: tuple[int, int]) -> Iterator[Evidence]:
    aligned = ranks.aligned((tags.LR + "0",), 16)
    if aligned is None:
        return
    rates = aligned[1][tags.LR + "0"][:, -1]
    if rates.max() != rates.min():
        text = ", ".join(f"rank {rank}: {rate:.4g}" for rank, rate in zip(ranks.ids, rates, strict=True))
        yield Evidence(tags.LR + "0", window, float(rates.max()), float(rates.min()), "!=", f"learning rates: {text}")


def _who(different: Sequence[int], world: int) -> str:
    if world == 2:
        return "Ranks 0 and 1 hold different parameters"
    listed = ", ".join(map(str, different))
    if len(different) == 1:
        return f"Rank {listed} holds other parameters than the rest"
    return f"Ranks {listed} hold other parameters than the rest"
