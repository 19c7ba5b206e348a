"""Whether batches are random samples of the data: repeated, sorted, or in the same order in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.classes import are_of_parts
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui.numerics.spending import spent_z
from dettui_probe import tags


@dataclass(frozen=True)
class BatchPolicy:
    """diagnosis.md E9, S23."""

    newest: int = 24  # measured batches that are looked at for repetition
    at_least: int = 12
    repeated: float = 0.9  # share of them that came before
    of_epoch: float = 0.5  # as a share of an epoch: sooner than that no loader without a fault comes round
    unknown_epoch: int = 4  # steps, where the length of an epoch was not told
    ordered: int = 400  # newest measured batches in which an order is looked for
    ordered_least: int = 24
    whole: int = 128  # inputs of one batch that is all there is: graphs, tables and the like are trained so on purpose
    carry: float = 0.4  # mean cosine of the deviations of successive batches; 0 by chance, 1 in sorted data
    z: float = 5.0
    varied: float = 1.0  # chi2 of class counts over what chance makes: below it all batches are alike, and none sorted
    blocks: float = 5.0  # the same where batches are of one class or two; 1.03 at most in 400 healthy runs
    of_batch: float = 0.3  # the same as a share of the batch, which is 1 where all are of one class; so many examples
    # of a class are drawn together on purpose for metric learning, as a rule 4 of 64


def are_a_few_batches(context: Context, policy: BatchPolicy) -> bool:
    """Whether all the inputs that ever came fill no more than a few batches."""
    rows, new = context.median(tags.ROWS, 50), context.series(tags.ROWS_NEW)
    if not rows or new is None or len(new) < policy.at_least or context.total(tags.ROWS_NEW, policy.newest) > 0:
        return False
    return float(np.nansum(new.values)) <= policy.unknown_epoch * rows


def is_one_whole_batch(context: Context, policy: BatchPolicy) -> bool:
    """Whether every step is given all the inputs there are, and they are more than a batch usually holds."""
    rows, new = context.median(tags.ROWS, 50), context.series(tags.ROWS_NEW)
    given = context.median(tags.ROWS_GIVEN, 50)
    if not rows or new is None or given is None or given < policy.whole:
        return False
    return float(np.nansum(new.values)) <= rows


@dataclass(frozen=True)
class BatchOrder:
    """The same batch again and again, classes in blocks, or one order for every epoch."""

    policy: BatchPolicy = BatchPolicy()
    name: str = "batch_order"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for each way in which batches are no random samples."""
        missing = context.missing(tags.BATCH_LAG, tags.ORDER_CARRY)
        if len(missing) == 2:
            return Abstention(self.name, missing)
        found = (self._repeated(context), self._sorted(context))
        return tuple(symptom for symptom in found if symptom is not None)

    def _repeated(self, context: Context) -> Symptom | None:
        lags = context.window(tags.BATCH_LAG, self.policy.newest)
        if len(lags) < self.policy.at_least:
            return None
        window = context.span(tags.BATCH_LAG, self.policy.newest)
        epoch = context.steps_per_epoch
        measured_every = (window[1] - window[0]) / max(len(lags) - 1, 1)
        soonest = max(self.policy.of_epoch * epoch, 1.0) if epoch else max(self.policy.unknown_epoch, measured_every)
        if not epoch and are_a_few_batches(context, self.policy):
            soonest = np.inf  # of every fourth step, say, three batches in turn return after twelve
        again = float(np.mean((lags > 0) & (lags <= soonest)))
        if is_one_whole_batch(context, self.policy):
            return None
        if again >= self.policy.repeated and not (epoch is not None and epoch <= 1):
            text = f"{again:.0%} of the newest {len(lags)} batches came before, {np.median(lags):.0f} steps ago"
            proof = Evidence(tags.BATCH_LAG, window, again, self.policy.repeated, ">=", text)
            return told_by(
                [proof], "batch_order", "warning", "The same batch comes again and again", exact=True, key="repeated"
            )
        return self._one_order(lags, window, epoch)

    def _one_order(self, lags: Floats, window: tuple[int, int], epoch: int | None) -> Symptom | None:
        """Whole batches return with the epoch: nothing is shuffled between epochs.  News only: many a run bears it."""
        if not epoch or epoch < 3 or float(np.mean(np.abs(lags / epoch - np.round(lags / epoch)) * (lags > 0))) > 0.02:
            return None
        again = float(np.mean(lags > 0))
        if again < self.policy.repeated:
            return None
        text = f"{again:.0%} of the newest {len(lags)} batches came before, each a whole number of epochs ago"
        proof = Evidence(tags.BATCH_LAG, window, again, self.policy.repeated, ">=", text)
        return told_by([proof], "batch_order", "info", "Batches come in the same order in every epoch", key="one_order")

    def _sorted(self, context: Context) -> Symptom | None:
        policy = self.policy
        carry = context.window(tags.ORDER_CARRY, policy.ordered)
        if len(carry) < policy.ordered_least:
            return None
        mean, error = float(carry.mean()), float(carry.std() / np.sqrt(len(carry)))
        limit = spent_z(policy.z, looks=len(carry) / policy.ordered_least)
        chi2 = context.median(tags.ORDER_CHI2, policy.ordered)
        if mean <= policy.carry or mean <= limit * error:
            return self._in_blocks(context, chi2)
        if (chi2 is not None and chi2 < policy.varied) or self._began_at_random(context):
            return None
        window = context.span(tags.ORDER_CARRY, policy.ordered)
        text = (
            f"the classes of a batch deviate from the usual shares as those of the batch before (cosine {mean:.2f}; "
            f"0 in random batches)"
        )
        evidence = [Evidence(tags.ORDER_CARRY, window, mean, policy.carry, ">", text)]
        if chi2 is not None:
            evidence.append(
                Evidence(tags.ORDER_CHI2, context.span(tags.ORDER_CHI2, policy.ordered), chi2, 1.0, ">",
                         f"class counts vary {chi2:.1f} times as much from batch to batch as chance makes them")
            )  # fmt: skip
        return told_by(evidence, "batch_order", "warning", "Batches come sorted by class", key="sorted")

    def _began_at_random(self, context: Context) -> bool:
        """Whether the first batches were random samples: then the data changed once, and what came before lies in the
        usual shares for long; a loader that does not shuffle does not from the first batch on."""
        carry, chi2 = context.series(tags.ORDER_CARRY), context.series(tags.ORDER_CHI2)
        least = self.policy.ordered_least
        if carry is None or chi2 is None or len(carry) < 2 * least:
            return False
        first, varied = carry.values[:least], float(np.median(chi2.values[:least]))
        return float(first.mean()) <= self.policy.carry and varied < self.policy.varied

    def _in_blocks(self, context: Context, chi2: float | None) -> Symptom | None:
        """Batches of one class or two, whose successors are of others: blocks as short as a batch.  Of parts, as of the
        pixels of a picture or its objects, there are always many of one class together."""
        rows = context.median(tags.ROWS, self.policy.ordered)
        if chi2 is None or not rows or are_of_parts(context) or context.series(tags.TARGET_BOXES) is not None:
            return None
        if chi2 < max(self.policy.blocks, self.policy.of_batch * rows):
            return None
        text = f"class counts vary {chi2:.0f} times as much from batch to batch as chance makes them"
        window = context.span(tags.ORDER_CHI2, self.policy.ordered)
        proof = Evidence(tags.ORDER_CHI2, window, chi2, self.policy.blocks, ">", text)
        title = "Batches hold one class or two each"
        return told_by([proof], "batch_order", "warning", title, key="sorted")
