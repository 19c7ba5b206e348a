"""Several ranks are given the same data: the job trains as if it had fewer ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.ranks.reading import Ranks, rank_fact
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui_probe import tags


@dataclass(frozen=True)
class SameBatchPolicy:
    """How often two ranks must be given the same batch at the same step."""

    checks: int = 4  # in a row, the newest ones


@dataclass(frozen=True)
class SameBatch:
    """Two or more ranks see the same batches."""

    policy: SameBatchPolicy = SameBatchPolicy()
    name: str = "same_batch"

    def evaluate(self, ranks: Ranks) -> Sequence[Symptom] | Abstention:
        """At most one symptom, an exact one."""
        wanted = (tags.RANK_BATCH, tags.RANK_REPLICATED)
        aligned = ranks.aligned(wanted, self.policy.checks)
        if aligned is None:
            return Abstention(self.name, wanted)
        steps, values = aligned
        is_data_parallel = bool((values[tags.RANK_REPLICATED] == 1).all())  # others may share batches by design
        if len(steps) < self.policy.checks or not is_data_parallel:
            return ()
        batches = values[tags.RANK_BATCH]
        twins = [rank for row, rank in enumerate(ranks.ids) if _has_twin(batches, row)]
        if not twins:
            return ()
        window = int(steps[0]), int(steps[-1])
        listed = " and ".join((", ".join(map(str, twins[:-1])), str(twins[-1])))
        text = f"the batches of ranks {listed} were alike at each of the newest {len(steps)} steps compared"
        return (
            Symptom(
                kind="batch_order",
                severity="warning",
                first_step=window[0],
                last_step=window[1],
                title=f"Ranks {listed} are given the same batches",
                evidence=(Evidence(tags.RANK_BATCH, window, float(len(twins)), 1.0, ">", text),),
                facts={rank_fact(rank): 1.0 for rank in twins},
                exact=True,
                key="ranks",
            ),
        )


def _has_twin(batches: Floats, row: int) -> bool:
    """Whether another row of *batches* is equal to *row*."""
    return bool((np.delete(batches, row, axis=0) == batches[row]).all(axis=1).any())
