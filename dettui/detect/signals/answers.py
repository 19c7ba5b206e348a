"""What the model answers, what its loss is made of, and how its batches are drawn, as numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dettui.detect.answers import common_share
from dettui.detect.batches import BatchPolicy, are_a_few_batches
from dettui.detect.chance import class_entropy
from dettui.detect.context import Context
from dettui.detect.contradiction import ContradictionPolicy, penalty_share
from dettui.detect.maximised import MaximisedPolicy, falls_without_end, terms_climb
from dettui.detect.outliers import OutlierBatches
from dettui.detect.own_targets import OwnTargetsPolicy, read_own_targets
from dettui.detect.signals.fields import Signals
from dettui.detect.term_weights import TermPolicy, read_weights, untold_weights
from dettui.domain.finding import Abstention
from dettui.numerics.robust import median
from dettui_probe import tags


def add_answers(context: Context, known: Signals) -> Signals:
    """Answers against targets, and the anatomy of the loss."""
    own = read_own_targets(context, OwnTargetsPolicy())
    return replace(
        known,
        own_targets_share=None if own is None else own.share,
        own_targets_at_least=None if own is None else own.at_least,
        own_targets_at_most=None if own is None else own.at_most,
        own_targets_at_first_sight=None if own is None else own.at_least_at_first_sight,
        first_epoch_over_guess=_first_epoch(context),
        fit_accuracy=context.median(tags.FIT_ACCURACY, 50, at_least=5),
        fit_wrong=context.median(tags.FIT_WRONG, 50, at_least=5),
        top_answer_share=context.median(tags.FIT_TOP_SHARE, 20, at_least=5),
        top_target_share=common_share(context),
        output_spread=context.median(tags.FIT_SPREAD, 20, at_least=5),
        softmax_twice=context.last(tags.GRAPH_SOFTMAX_TWICE),
        loss_summed=context.last(tags.GRAPH_SUMMED),
        loss_has_penalty=context.last(tags.GRAPH_PENALTY),
        penalty_share=penalty_share(context, ContradictionPolicy().penalty_points),
        loss_negated=context.last(tags.GRAPH_NEGATED),
        terms_climb=terms_climb(context, MaximisedPolicy()),
        falls_without_end=falls_without_end(context, MaximisedPolicy()),
        top_term_share=_top_term_share(context),
        term_weights_apart=_term_weights_apart(context),
        untold_weights_apart=untold_weights(context, TermPolicy()),
    )


def _first_epoch(context: Context) -> float | None:
    """The loss on inputs that were never met before, at the end of the first epoch, as a share of a guesser's."""
    epoch, curve, guess = context.steps_per_epoch, context.loss, class_entropy(context)
    if curve is None or not guess or not epoch or epoch < 40 or context.step < epoch or context.is_resumed:
        return None
    ending = curve.values[(curve.steps > 0.75 * epoch) & (curve.steps <= epoch)]
    return median(ending) / guess if len(ending) >= 8 else None


def _term_weights_apart(context: Context) -> float | None:
    read = read_weights(context, TermPolicy())
    weights = [] if read is None else [weight for weight in read.weights.values() if weight > 0]
    return max(weights) / min(weights) if len(weights) > 1 else None


def _top_term_share(context: Context) -> float | None:
    terms = [tag for tag in context.tags_under(tags.LOSS) if tag != tags.LOSS_TOTAL]
    sizes = [abs(size) for tag in terms if (size := context.median(tag, 100)) is not None]
    return max(sizes) / sum(sizes) if len(sizes) > 1 and sum(sizes) > 0 else None


def add_batches(context: Context, known: Signals) -> Signals:
    """Order and repetition of batches."""
    carry = context.window(tags.ORDER_CARRY, 400)
    lag, distinct, rows = (
        context.median(tags.BATCH_LAG, 24, 8),
        _distinct_inputs(context),
        context.median(tags.ROWS, 50),
    )
    return replace(
        known,
        outlier_ratio=_outlier_ratio(context),
        order_chi2=context.median(tags.ORDER_CHI2, 400, at_least=10),
        order_carry=float(carry.mean()) if len(carry) >= 20 else None,
        batch_lag=lag,
        batch_lag_epochs=_in_epochs(context, lag),
        distinct_inputs=distinct,
        distinct_batches=distinct / rows if distinct is not None and rows else None,
    )


def _outlier_ratio(context: Context) -> float | None:
    found = OutlierBatches().evaluate(context)
    if isinstance(found, Abstention):
        return None
    return found[0].evidence[0].measured if found else 1.0


def _in_epochs(context: Context, lag: float | None) -> float | None:
    if not lag:
        return None
    epoch, policy = context.steps_per_epoch, BatchPolicy()
    if epoch:
        return lag / epoch
    return 0.0 if lag <= policy.unknown_epoch or are_a_few_batches(context, policy) else None


def _distinct_inputs(context: Context) -> float | None:
    """How many inputs there are, once nearly all that come were met before; None while new ones come."""
    met, new = context.series(tags.ROWS), context.series(tags.ROWS_NEW)
    if met is None or new is None or len(met) != len(new) or len(met) < 16:
        return None
    newest = float(np.nansum(new.values[-16:])) / max(float(np.nansum(met.values[-16:])), 1.0)
    return float(np.nansum(new.values)) if newest < 0.05 else None
