"""What happens to the parameters: gradients, updates, weights, and who holds them."""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from typing import Final

from dettui_probe import tags, wire
from dettui_probe.capture import schedule
from dettui_probe.capture.by_hand import ByHand
from dettui_probe.capture.collector import Collector
from dettui_probe.capture.copies import READ_EVERY as COPIES_EVERY
from dettui_probe.capture.copies import Copies
from dettui_probe.capture.coverage import Coverage, audit, dropout_rate, params_of, unseen_optimizers
from dettui_probe.capture.entrances import whole_of
from dettui_probe.capture.foreign import name_of
from dettui_probe.capture.gain import first_gain
from dettui_probe.capture.gradients import GradientNorms
from dettui_probe.capture.leftover import CADENCE as LEFTOVER_CADENCE
from dettui_probe.capture.leftover import Leftover
from dettui_probe.capture.moments import CADENCE as MOMENTS_CADENCE
from dettui_probe.capture.moments import SecondMoments, begins_afresh
from dettui_probe.capture.names import class_names_of
from dettui_probe.capture.sketch import GradientSketch
from dettui_probe.capture.torchlib import Optimizer, Tensor, nn
from dettui_probe.capture.tracked import SampleMatrix, Tracked
from dettui_probe.capture.untrained import READ_AT as UNTRAINED_AT
from dettui_probe.capture.untrained import Untrained
from dettui_probe.capture.updates import Updates, Weights
from dettui_probe.contract import Contract

AUDIT_EVERY: Final = 64
NAMES_TOLD: Final = 64
ONCE: Final = 1 << 30  # steps between two measurements of what is measured ahead of the first step only
LAYER_VALUES_PER_STEP: Final = 256  # on average, 2 KB of log a step


class Parameters:
    """The instruments around backward and the optimizer."""

    def __init__(self, model: nn.Module, collector: Collector, *, guessed: bool = False) -> None:
        self._model = model
        self._guessed = guessed
        self._collector = collector
        self._gradients = collector.instrument("gradients")
        self._sketching = collector.instrument("sketch")
        self._updating = collector.instrument("updates")
        self._weighing = collector.instrument("weights")
        self._auditing = collector.instrument("coverage", at_most_every=AUDIT_EVERY)
        self._settings = collector.instrument("schedule")
        self._lagging = collector.instrument("moments", at_most_every=MOMENTS_CADENCE.every)
        self._copying = collector.instrument("copies", at_most_every=COPIES_EVERY)
        self._freezing = collector.instrument("untrained", at_most_every=UNTRAINED_AT[-1])
        self._leaving = collector.instrument("leftover", at_most_every=LEFTOVER_CADENCE.every)
        self._starting = collector.instrument("gain", at_most_every=ONCE)
        self.optimizers: list[Optimizer] = []
        self._refused: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._norms, self._weights = GradientNorms(), Weights()
        self._tracked: Tracked | None = None
        self._sketch: GradientSketch | None = None
        self._updates: Updates | None = None
        self._moments: SecondMoments | None = None
        self._by_hand = ByHand()
        self._copies = Copies()
        self._untrained = Untrained(tags.FROZEN_WEIGHTS, tags.FROZEN_UNTRAINED)
        self._unheld = Untrained(tags.UNHELD_WEIGHTS, tags.UNHELD_UNTRAINED)
        self._leftover = Leftover()
        self._last_audit = -AUDIT_EVERY
        self._searched = False
        self._told: wire.Model | None = None
        self._norms_read = False

    @property
    def are_changed_by_hand(self) -> bool:
        """Whether they change, and no optimizer was seen that does it."""
        return self._by_hand.changed and not self.optimizers

    def look_for_changes(self) -> None:
        """Backward passes come, and no optimizer of ours has stepped so far."""
        if not self.optimizers and not self._by_hand.changed:
            self._updating.run(self._look_for_changes)

    def is_ours(self, optimizer: Optimizer) -> bool:
        """Whether *optimizer* trains the watched model."""
        return any(optimizer is known for known in self.optimizers)

    def adopt(self, optimizer: Optimizer, *, after_backward: bool) -> bool:
        """Whether *optimizer* trains the watched model, learned at its first step.

        One that holds none of the model's parameters counts as the model's where it is the only one that steps
        after the model's backward pass: built before the model was replaced, it is the fault to be told.  A guessed
        model has to have gradients then, for it may not be the one that is trained.
        """
        if self.is_ours(optimizer):
            return True
        if optimizer in self._refused:
            return False
        own = {id(param) for param in self._model.parameters()}
        holds_ours = any(id(param) in own for param in params_of([optimizer]))
        takes_strangers = after_backward and not self.optimizers and (not self._guessed or self._has_gradients())
        if holds_ours or takes_strangers:
            self.add(optimizer)
            return True
        if self.optimizers:  # with none of its own yet, the model may still turn out to be this one's
            self._refused.add(optimizer)
        return False

    def _has_gradients(self) -> bool:
        return any(param.grad is not None for param in self._model.parameters())

    def add(self, optimizer: Optimizer) -> None:
        """*optimizer* trains the watched model, in place of those whose parameters it took over."""
        own = {id(param) for param in params_of([optimizer])}
        self.optimizers = [old for old in self.optimizers if not own.issuperset(map(id, params_of([old])))]
        self.optimizers.append(optimizer)
        self._last_audit = -AUDIT_EVERY

    def detailed(self, step: int) -> bool:
        """Whether the row of *step* carries per-layer values."""
        tensors = len(self._tracked.params) if self._tracked is not None else 0
        return step <= 2 or step % max(1, -(-4 * tensors // LAYER_VALUES_PER_STEP)) == 0

    def backward_begins(self, step: int) -> None:
        """Gradients are about to be added to those that are there, of whatever loss."""
        if LEFTOVER_CADENCE.due(step) and self._leaving.due(step):
            self._leaving.run(self._leftover.look)

    def backward_ended(self, step: int, amp_scale: Tensor | None) -> None:
        """The gradients of the step are complete, as far as can be foreseen."""
        if self._gradients.due(step):
            self._gradients.run(self._read_norms, amp_scale)

    def optimizer_begins(self, step: int, contract: Contract) -> None:
        """An optimizer of ours is about to step."""
        if step - self._last_audit >= AUDIT_EVERY:
            self._last_audit = step
            self._auditing.run(self._audit, step, contract)
        if not self._norms_read and self._gradients.due(step):
            self._gradients.run(self._read_norms, None)
        if self._sketching.due(step) or self._sketching.due(step + 1):
            self._sketching.run(self._read_sketch, step)
        if self._updating.due(step):
            self._updating.run(self._copy_weights)
        if MOMENTS_CADENCE.due(step) and self._lagging.due(step):
            self._lagging.run(self._read_moments)
        if self._copies.is_time(step) and self._copying.due(step):
            self._copying.run(self._read_copies, step)
        if step == 1 and self._starting.works:
            self._starting.run(self._read_gain)
        if self._untrained.is_time(step) and self._freezing.works:  # two looks in all, whatever the budget
            self._freezing.run(self._read_frozen)

    def step_ends(self, step: int, stepped: Sequence[Optimizer]) -> None:
        """The last optimizer of the step has stepped; *stepped*: all that did."""
        if self._updating.due(step):
            self._updating.run(self._compare_weights, stepped)
        if self._weighing.due(step):
            self._weighing.run(self._weigh)
        if LEFTOVER_CADENCE.due(step) and self._leaving.due(step):
            self._leaving.run(self._read_leftover)
        if LEFTOVER_CADENCE.due(step + 1):
            self._leaving.run(self._leftover.choose, stepped)

    def close_step(self, step: int) -> None:
        """Hand the settings of the optimizers to the collector."""
        self._norms_read = False
        if self._settings.due(step):
            self._settings.run(self._read_settings)

    # --- on the clock of an instrument --------------------------------------------------------------------------

    def _tracked_now(self) -> Tracked:
        if self._tracked is None:
            self._track(Tracked(self._model))
        assert self._tracked is not None
        return self._tracked

    def _track(self, tracked: Tracked) -> None:
        matrix = SampleMatrix(tracked)
        self._tracked, self._sketch, self._updates = tracked, GradientSketch(matrix), Updates(matrix)
        self._moments = SecondMoments(matrix)

    def _read_norms(self, amp_scale: Tensor | None) -> None:
        self._norms_read = True
        self._collector.replace(self._gradients, self._norms.read(self._tracked_now(), amp_scale))

    def _read_sketch(self, step: int) -> None:
        self._tracked_now()
        assert self._sketch is not None
        self._collector.replace(self._sketching, self._sketch.read(step))

    def _read_moments(self) -> None:
        self._tracked_now()
        assert self._moments is not None
        self._collector.keep(self._lagging, self._moments.read(self.optimizers))
        afresh = begins_afresh(self.optimizers)
        if afresh is not None:
            self._collector.values[tags.FRESH_STATE] = float(afresh)

    def _read_copies(self, step: int) -> None:
        self._collector.keep(self._copying, self._copies.read(step, self._tracked_now()))

    def _read_leftover(self) -> None:
        self._collector.keep(self._leaving, self._leftover.read())

    def _read_gain(self) -> None:
        self._collector.keep(self._starting, first_gain(self._model))

    def _read_frozen(self) -> None:
        held = {id(param) for param in params_of(self.optimizers)}
        params = list(self._model.parameters())
        frozen = [param for param in params if not param.requires_grad]
        unheld = [param for param in params if param.requires_grad and id(param) not in held]
        self._collector.keep(self._freezing, self._untrained.read(self._model, frozen))
        self._collector.keep(self._freezing, self._unheld.read(self._model, unheld))

    def _look_for_changes(self) -> None:
        self._collector.keep(self._updating, self._by_hand.look(self._tracked_now()))

    def _copy_weights(self) -> None:
        self._tracked_now()
        assert self._updates is not None
        self._updates.before()

    def _compare_weights(self, stepped: Sequence[Optimizer]) -> None:
        if self._updates is not None:
            held = {id(param) for param in (params_of(stepped) if self.optimizers else self._tracked_now().params)}
            self._collector.keep(self._updating, self._updates.after(held))

    def _weigh(self) -> None:
        tracked = self._tracked_now()
        self._collector.keep(self._weighing, self._weights.read(tracked))

    def _read_settings(self) -> None:
        plain, reading = schedule.split(schedule.settings(self.optimizers))
        self._collector.values.update(plain)
        self._collector.keep(self._settings, reading)

    def _audit(self, step: int, contract: Contract) -> None:
        coverage = self._coverage()
        if coverage.missing and not self._searched:
            self._searched = True
            self.optimizers.extend(unseen_optimizers(self._model, self.optimizers))
            coverage = self._coverage()
        if self._guessed and not coverage.missing:  # the script may well train modules that it calls one by one
            coverage = coverage._replace(strangers=None)
        self._collector.values.update(coverage.values())
        self._collector.values.update(dropout_rate(self._model))
        self._follow_new_parameters()
        self._tell(step, coverage, contract)

    def _coverage(self) -> Coverage:
        """Without an optimizer nothing is known of who holds what."""
        coverage = audit(self._model, self.optimizers)
        if self.optimizers:
            return coverage
        return coverage._replace(missing=(), strangers=None, held=coverage.trainable)

    def introduction(self, step: int, contract: Contract) -> wire.Model | None:
        """What the model is, ahead of its first step: what its targets must be is known already.  None where it was
        told."""
        if self._told is not None:
            return None
        self._told = self._described(step, self._coverage(), contract)
        return self._told

    def _follow_new_parameters(self) -> None:
        tracked = Tracked(self._model)
        if self._tracked is None or not tracked.same_as(self._tracked):
            self._track(tracked)

    def _tell(self, step: int, coverage: Coverage, contract: Contract) -> None:
        message = self._described(step, coverage, contract)
        if self._told is None or _undated(message) != _undated(self._told):
            self._told = message
            self._collector.messages.append(message)

    def _described(self, step: int, coverage: Coverage, contract: Contract) -> wire.Model:
        return wire.Model(
            step=self._collector.steps_before + step,
            time=time.time(),
            family=contract.family,
            num_classes=contract.num_classes,
            background=contract.background,
            parameters=coverage.parameters,
            trainable=coverage.trainable,
            held=coverage.held,
            missing=list(coverage.missing[:NAMES_TOLD]),
            strangers=coverage.strangers or 0,
            optimizer="+".join(name_of(optimizer) for optimizer in self.optimizers),
            in_training_mode=self._model.training,
            box_format=contract.box_format or "",
            box_scale=contract.box_scale or "",
            class_names=class_names_of(whole_of(self._model)),
        )


def _undated(message: wire.Model) -> Sequence[object]:
    return [getattr(message, field) for field in message.__struct_fields__ if field not in ("step", "time")]
