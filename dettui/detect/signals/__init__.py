"""The discriminators that the diagnosis weighs: one number each, None where the stream does not carry it.

Names of diagnosis literature in brackets.  Nothing here judges; limits live in the policies of the rules and in the
catalogue of causes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dettui.detect.context import Context
from dettui.detect.signals.answers import add_answers, add_batches
from dettui.detect.signals.evaluation import add_evaluation, add_evaluation_inputs
from dettui.detect.signals.fields import Signals
from dettui.detect.signals.inputs import add_inputs
from dettui.detect.signals.optimizer import (
    add_directions,
    add_gradients,
    add_layers,
    add_parameters,
    add_setup,
    add_updates,
)
from dettui.detect.signals.progress import add_progress, add_schedule
from dettui.detect.signals.targets import (
    add_assignment,
    add_boxes,
    add_classes,
    add_format,
    add_labels,
    add_pairing,
    add_surest,
)
from dettui.store.run_store import RunStore

__all__ = ["Signals", "measure", "signals_of"]

_GROUPS: Final[Sequence[Callable[[Context, Signals], Signals]]] = (
    add_progress,
    add_schedule,
    add_updates,
    add_gradients,
    add_directions,
    add_layers,
    add_parameters,
    add_boxes,
    add_format,
    add_labels,
    add_classes,
    add_pairing,
    add_surest,
    add_answers,
    add_batches,
    add_inputs,
    add_setup,
    add_assignment,
    add_evaluation,
    add_evaluation_inputs,
)


def measure(store: RunStore, step: int) -> Signals:
    """All discriminators that *store* carries at *step*."""
    return signals_of(Context(store, step))


def signals_of(context: Context) -> Signals:
    """All discriminators that *context* carries."""
    signals = Signals()
    for add in _GROUPS:
        signals = add(context, signals)
    return signals
