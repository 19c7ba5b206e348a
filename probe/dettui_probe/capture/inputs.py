"""What goes into the model and what its loss is made of: targets, class labels, loss terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dettui_probe import tags
from dettui_probe.capture import activations, fit, loss_factors, loss_graph, rows, surest, swaps
from dettui_probe.capture.anchors import OwnAnchors
from dettui_probe.capture.assignment import Assignment, Site
from dettui_probe.capture.boxes import TargetChecks
from dettui_probe.capture.callers import Callers
from dettui_probe.capture.classes import ClassCounts, ClassLabels, labels_of_cross_entropy
from dettui_probe.capture.collector import Collector
from dettui_probe.capture.contracts import contract_of
from dettui_probe.capture.criterion import SEARCHED
from dettui_probe.capture.exhibits import Exhibits
from dettui_probe.capture.listed import Axes, axes_of, plain
from dettui_probe.capture.loss import LossTerms, TotalLoss
from dettui_probe.capture.norms import READ_EVERY, Norms
from dettui_probe.capture.padded import Forms, may_be_padded
from dettui_probe.capture.pixels import Pixels, PixelSample, sample, with_targets
from dettui_probe.capture.record import Reading, Sheet, Signed
from dettui_probe.capture.targets import (
    Batch,
    FlatTargets,
    Form,
    Size,
    Snapshot,
    by_name,
    find_batch,
    find_flat_batch,
    find_images,
    find_sizes,
    flat_snapshot,
    may_be_targets,
    one_each_snapshot,
    row_snapshot,
    snapshot,
    snapshot_of,
    targets_of,
)
from dettui_probe.capture.torchlib import Tensor, nn
from dettui_probe.contract import CLASSIFICATION, Contract

MAX_SNAPSHOTS: Final = 64  # of targets in one step; further micro-batches are not counted


class Inputs:
    """The instruments on the way from the batch to the loss."""

    def __init__(self, model: nn.Module, collector: Collector, pinned: Contract | None = None) -> None:
        self._model = model
        self._pinned = pinned
        self._collector = collector
        self._targets = collector.instrument("targets")
        self._loss = collector.instrument("loss")
        self._classes = collector.instrument("classes")
        self._pixels = collector.instrument("pixels")
        self._exhibiting = collector.instrument("exhibits")
        self._backbone = collector.instrument("inputs")
        self._assigning = collector.instrument("assignment")
        self._trusting = collector.instrument("surest", at_most_every=surest.CADENCE.every)
        self._norming = collector.instrument("norms", at_most_every=READ_EVERY)
        self._dissecting = collector.instrument("graph", at_most_every=loss_graph.CADENCE.every)
        self._fitting = collector.instrument("fit", at_most_every=fit.CADENCE.every)
        self._spreading = collector.instrument("output", at_most_every=fit.CADENCE.every)
        self._recognising = collector.instrument("rows", at_most_every=rows.CADENCE.every)
        self._summing = collector.instrument("finite")
        self._saturating = collector.instrument("saturation", at_most_every=activations.CADENCE.every)
        self._fit, self._rows, self._saturation = fit.Fit(), rows.Rows(), activations.Saturation()
        self._passed = 0  # inputs of the first forward pass of the step, where they are looked at
        self._eval_batches = rows.EvalBatches()
        self._assignment, self._norms = Assignment(), Norms(model)
        self._anchors = OwnAnchors(model)
        self._surest = surest.Surest()
        self._pixel_checks, self._exhibits = Pixels(), Exhibits()
        self._terms, self._total = LossTerms(), TotalLoss()
        self._checks, self._counts = TargetChecks(self._anchors), ClassCounts()
        self._snapshots: list[Snapshot] = []
        self._labels: list[ClassLabels] = []
        self._exhibit: Reading | None = None  # the picture of a bad target, taken in the current step
        self._contract: Contract | None = None
        self._targets_found = False  # no need to look for labels in the losses
        self.loss_has_targets = False  # a module that is called after the model is given them, and not the model
        self._forms = Forms()
        self._known_axes: Axes | None = None  # of boxes under the keys of effdet
        self._callers = Callers()
        self._apart: Sequence[Mapping[Any, Any]] | None = None  # targets of the newest pass by image, not given to it
        self._lent: object = None  # the variable of a caller that they were read from
        self._callers_refused = False  # it was not theirs
        self._alone: PixelSample | None = None  # images of the current step whose targets did not come with them
        self._sizes: Sequence[Size] = ()  # of the images of the newest forward pass, where it was given no targets

    @property
    def contract(self) -> Contract:
        """What the model's head asks of its targets."""
        if self._contract is None:
            self._contract = contract_of(self._model, self._pinned)
        return self._contract

    def forward_begins(self, step: int, args: Sequence[Any], kwargs: Mapping[str, Any], *, first: bool) -> None:
        """The model is called with *args* and *kwargs*; *first*: for the first time in the step."""
        kwargs, self._alone = by_name(args, kwargs), None
        if self._targets.due(step) and len(self._snapshots) < MAX_SNAPSHOTS:
            found = self._targets.run(self._take_targets, step, args, kwargs)
            if found is not None and self._exhibits.wanted and self._exhibiting.works:
                self._exhibiting.run(self._take_exhibit, *found)
        if first and self._pixels.due(step):
            self._pixels.run(self._take_pixels, step, args, kwargs)
        if first and self._norming.due(step) and self._norms.is_time(step):
            self._norming.run(self._take_norms, step)
        if self._assigning.due(step):
            self._assigning.run(self._begin_assignment, args, kwargs)
        if first and rows.CADENCE.due(step) and self._recognising.due(step):
            self._recognising.run(self._take_rows, args, kwargs)
        if first and self._summing.due(step):
            self._summing.run(self._take_sums, args, kwargs)

    def wants_targets_of_loss(self, step: int) -> bool:
        """Whether the model was called without its targets, so that ``loss_begins`` may find them."""
        return bool(self._sizes) and len(self._snapshots) < MAX_SNAPSHOTS and self._targets.due(step)

    def loss_begins(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """A module is called with *args* and *kwargs* after the model has answered, and before backward."""
        targets = self._targets.run(self._take_targets_of_loss, [*args, *kwargs.values()], kwargs)
        if targets is not None and self._pixels.works:
            self._pixels.run(self._join, targets)

    def loss_ended(self, step: int, output: object) -> None:
        """That module returned *output*."""
        if self._loss.due(step):
            self._loss.run(self._terms.take, output)

    def evaluation_begins(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """The model is called with *args* and *kwargs* in an evaluation."""
        if self._recognising.works and self._eval_batches.picks():
            self._recognising.run(self._take_eval_rows, args, by_name(args, kwargs))

    def wants_activations(self, step: int) -> bool:
        """Whether ``activated`` has anything to do in *step*."""
        return activations.CADENCE.due(step) and self._saturating.due(step)

    def activated(self, name: str, layer: nn.Module, output: object) -> None:
        """The squashing *layer* returned *output*."""
        self._saturating.run(self._saturation.take, name, layer, output)

    def wants_assignment(self, step: int) -> bool:
        """Whether ``assigned`` has anything to do in *step*: asked before each call, most of which then are spared."""
        return self._assigning.due(step)

    def assigned(self, site: Site, matches: Sequence[Tensor]) -> None:
        """The model matched its anchors, or proposals, with the objects."""
        self._assigning.run(self._assignment.take, site, matches)

    def wants_anchors(self, step: int) -> bool:
        """Whether ``anchors_made`` has anything to do in *step*."""
        return not self.contract.known and self._anchors.is_time(step) and self._assigning.due(step)

    def anchors_made(self, output: object) -> None:
        """A module that makes anchors returned *output*."""
        self._assigning.run(self._anchors.made, output)

    def wants_surest(self, step: int) -> bool:
        """The same for ``answered``."""
        return surest.CADENCE.due(step) and self._trusting.due(step)

    def answered(self, read: surest.Read) -> None:
        """A detector holds its answers against the objects."""
        self._trusting.run(self._surest.take, read)

    def wants_input(self, step: int) -> bool:
        """The same for ``backbone_begins``."""
        return self._backbone.due(step)

    def backbone_begins(self, args: Sequence[Any]) -> None:
        """The backbone is called with *args*, for the first time in the step."""
        self._backbone.run(self._take_input, args)

    def forward_ended(self, step: int, output: object, *, first: bool) -> None:
        """The model returned *output*; *first*: for the first time in the step."""
        if self._loss.due(step):
            self._loss.run(self._terms.take, output)
        if first and fit.CADENCE.due(step) and self._spreading.due(step):
            self._spreading.run(self._take_output, output)
        if first and self.wants_anchors(step):
            self._assigning.run(self._take_anchors, step, output)

    def backward_begins(self, step: int, losses: Sequence[Tensor], forward: int) -> None:
        """Backward is called on *losses* (unscaled), after the *forward*-th forward pass of the step."""
        if self._lent is not None:
            self._targets.run(self._check_callers)
        if self._loss.due(step):
            self._loss.run(self._total.take, losses, forward)
        if not self._targets_found and self._classes.due(step):
            self._classes.run(self._take_labels, losses)
        if self._sizes and self._forms.allows(Form.ONE_EACH) and self._targets.due(step):
            self._targets.run(self._take_compared, losses)
        if forward == 1 and loss_graph.CADENCE.due(step) and self._dissecting.due(step):
            self._dissecting.run(self._dissect, losses)
        if forward == 1 and fit.CADENCE.due(step) and self._fitting.due(step):
            self._fitting.run(self._take_answers, losses)

    def close_step(self) -> None:
        """Hand what was taken to the collector."""
        self._collector.keep(self._loss, self._terms.close_step())
        self._collector.keep(self._loss, self._total.close_step())
        self._collector.keep(self._targets, self._close_targets())
        self._collector.keep(self._exhibiting, self._close_exhibit())
        self._collector.keep(self._classes, self._close_labels())
        self._collector.keep(self._assigning, self._assignment.close_step())
        self._collector.keep(self._trusting, self._surest.close_step())
        self._collector.keep(self._saturating, self._saturation.close_step())
        self._eval_batches.restart()
        self._alone = None

    def early_words(self) -> list[Signed]:
        """The targets taken so far in the step, ahead of it."""
        closed = ((self._targets, self._close_targets()), (self._exhibiting, self._close_exhibit()))
        return [(instrument, reading) for instrument, reading in closed if reading is not None]

    def last_words(self) -> list[Signed]:
        """The class counts that were still being added up."""
        return [
            (self._classes, Reading((), lambda _, sheet: self._counts.flush(sheet))),
            (self._fitting, Reading((), lambda _, sheet: self._fit.flush(sheet))),
        ]

    def _take_targets(self, step: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Batch, Snapshot] | None:
        args, kwargs = self._plain(args, kwargs)
        batch = find_batch(args, kwargs)
        values = [*args, *kwargs.values()]
        taken = self._without_dicts(values, kwargs) if batch is None else snapshot(batch)
        self._sizes, self._apart = (), None
        if taken is not None:
            self._note_targets(taken)
        elif step <= SEARCHED or self.loss_has_targets or self._forms.knows(Form.ONE_EACH):
            self._sizes = find_sizes(values)
        elif not self._callers_refused and (step <= 2 * SEARCHED or self._callers.is_found):
            self._take_targets_of_callers(find_sizes(values))
        return None if batch is None or taken is None else (batch, taken)

    def _take_targets_of_callers(self, sizes: Sequence[Size]) -> None:
        """Where neither the model nor a module of the loss is given them."""

        def is_wanted(value: object) -> bool:
            read = plain(value, self._axes)
            return may_be_targets(read, len(sizes)) or may_be_padded(read, len(sizes))

        found = self._callers.read() if self._callers.is_found else self._callers.search(is_wanted) if sizes else None
        if found is None or not is_wanted(found):
            return
        read = plain(found, self._axes)
        targets = targets_of(len(sizes), [read], {})
        taken = self._tensors_among([read], {}, sizes) if targets is None else snapshot_of(targets, sizes)
        if taken is not None:
            self._note_targets(taken)
            self._apart, self._lent = targets, found

    def _check_callers(self) -> None:
        """Before backward: were the targets those of this batch?"""
        lent, self._lent = self._lent, None
        if lent is not None and not self._callers.is_kept(lent):
            self._callers.give_up()
            self._callers_refused, self._targets_found, self._apart = True, False, None
            self._snapshots.clear()
            self._collector.replace(self._pixels, None)

    @property
    def _axes(self) -> Axes:
        if self._known_axes is None:
            self._known_axes = axes_of(self._model, self.contract)
        return self._known_axes

    def _plain(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Arguments of a model, with the targets of effdet under the names of others."""
        named = plain(kwargs, self._axes)
        if named is not kwargs:
            kwargs = {**kwargs, **named}  # type: ignore[dict-item]
        read = {name: plain(value, self._axes) for name, value in kwargs.items()}
        return [plain(value, self._axes) for value in args], read

    def _without_dicts(self, values: Sequence[object], named: Mapping[str, Any]) -> Snapshot | None:
        """Targets that do not come as a dict for each image."""
        return flat_snapshot(values) or self._tensors_among(values, named, find_sizes(values))

    def _tensors_among(
        self, values: Sequence[object], named: Mapping[str, Any], sizes: Sequence[Size]
    ) -> Snapshot | None:
        found = self._forms.find(values, named, sizes)
        return found or (row_snapshot(values, sizes) if self._forms.allows(Form.ROWS) else None)

    def _take_targets_of_loss(
        self, values: Sequence[object], named: Mapping[str, Any]
    ) -> Sequence[Mapping[Any, Any]] | None:
        """Notes them; returns them by image, where they are known to be that."""
        values, sizes = [plain(value, self._axes) for value in values], self._sizes
        targets = targets_of(len(sizes), values, named)
        taken = self._tensors_among(values, named, sizes) if targets is None else snapshot_of(targets, sizes)
        if taken is None:
            return None
        self._sizes, self.loss_has_targets = (), True
        self._note_targets(taken)
        return self._targets_in_rows() if targets is None else targets

    def _take_compared(self, losses: Sequence[Tensor]) -> None:
        """Boxes that a loss of numbers is given, one for each image; their classes are told by a loss of their own."""
        taken = one_each_snapshot(swaps.compared_with(loss_graph.heads_of(losses[0])), self._sizes)
        self._sizes = ()
        if taken is not None:
            self._snapshots.append(taken)
            if self._pixels.works:
                self._pixels.run(self._join, self._targets_in_rows())

    def _targets_in_rows(self) -> FlatTargets | None:
        """The targets of the newest pass by image, where they came in one tensor that is known to hold them."""
        return self._forms.by_image(self._snapshots[-1]) if self._snapshots else None

    def _join(self, targets: Sequence[Mapping[Any, Any]] | None) -> None:
        """The images of the step, and the *targets* that came for them in another way."""
        if self._alone is not None and targets is not None:
            joined, self._alone = with_targets(self._alone, targets), None
            self._collector.replace(self._pixels, self._pixel_checks.reading(joined, self.contract))

    def _note_targets(self, taken: Snapshot) -> None:
        self._targets_found = True
        self._snapshots.append(taken)

    def _take_exhibit(self, batch: Batch, taken: Snapshot) -> None:
        self._exhibit = self._exhibits.look(batch, taken, self.contract) or self._exhibit

    def _close_exhibit(self) -> Reading | None:
        exhibit, self._exhibit = self._exhibit, None
        return exhibit

    def _begin_assignment(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._assignment.begin(find_batch(args, kwargs))

    def _take_anchors(self, step: int, output: object) -> None:
        self._collector.keep(self._assigning, self._anchors.read(step, output))

    def _take_norms(self, step: int) -> None:
        self._collector.keep(self._norming, self._norms.read(step))

    def _take_pixels(self, step: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        args, kwargs = self._plain(args, kwargs)
        batch = find_batch(args, kwargs) or find_flat_batch(kwargs)
        images = batch.images if batch is not None else find_images([*args, *kwargs.values()])
        if images is not None and len(images):
            taken = sample(images, batch, step, to_be_shown=self._pixel_checks.shows_next)
            self._collector.replace(self._pixels, self._pixel_checks.reading(taken, self.contract))
            self._alone = taken if batch is None else None
            self._join(self._apart or self._targets_in_rows())

    def _take_rows(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        taken = rows.sample(args, kwargs)
        self._passed = rows.count(args, kwargs)
        if taken is not None:
            self._collector.values[tags.ROWS_GIVEN] = self._passed
            self._collector.values[tags.ROW_ELEMENTS] = taken.elements
            self._collector.keep(self._recognising, self._rows.reading(taken))

    def _take_sums(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        taken = rows.sums(args, kwargs)
        if taken:
            self._collector.replace(self._summing, rows.finite_reading(taken))

    def _take_eval_rows(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        taken = rows.sample(args, kwargs)
        if taken is not None:
            self._collector.keep(self._recognising, self._rows.eval_reading(taken))

    def _take_output(self, output: object) -> None:
        taken = fit.output_sample(output)
        if taken is not None:
            self._collector.replace(self._spreading, fit.output_reading(taken))

    def _dissect(self, losses: Sequence[Tensor]) -> None:
        self._collector.values.update(loss_graph.anatomy(losses[0]))
        self._collector.values.update(loss_factors.weighing(losses[0]))

    def _take_answers(self, losses: Sequence[Tensor]) -> None:
        heads = loss_graph.heads_of(losses[0])
        if loss_graph.are_of_cosines(heads):
            return  # what enters such a loss are not the network's answers
        answers = fit.answers_of(heads)
        if answers is not None:
            self._collector.keep(self._fitting, self._fit.reading(answers))
            return
        numbers = swaps.numbers_of(heads)
        if numbers is not None:
            self._collector.keep(self._fitting, swaps.reading(numbers))

    def _take_input(self, args: Sequence[Any]) -> None:
        batch = next((value for value in args if isinstance(value, Tensor)), None)
        if batch is not None and batch.is_floating_point() and batch.dim() == 4:
            self._collector.replace(self._backbone, self._pixel_checks.backbone_reading(batch))

    def _take_labels(self, losses: Sequence[Tensor]) -> None:
        found = labels_of_cross_entropy(losses[0])
        if found is None:
            return
        self._labels.append(found)
        passed, self._passed = self._passed, 0
        if passed:
            self._collector.values[tags.TARGETS_PER_ROW] = len(found.labels) / passed
        if not self.contract.known and self.contract.num_classes is None:
            self._contract = Contract(family=CLASSIFICATION, num_classes=found.num_classes)

    def _close_targets(self) -> Reading | None:
        snapshots, self._snapshots = self._snapshots, []
        contract = self.contract

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            for taken, arrivals in _dealt(snapshots, iter(arrived)):
                tensors = self._forms.settle(taken, arrivals)
                if tensors is None:
                    self._targets_found = self._forms.allows(taken.form)
                    continue
                self._checks.check(sheet, taken, tensors, contract)
                if taken.labels is not None:
                    self._counts.add(tensors[taken.boxes is not None], sheet)

        return Reading([tensor for taken in snapshots for tensor in taken.tensors], decode) if snapshots else None

    def _close_labels(self) -> Reading | None:
        found, self._labels = self._labels, []

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            for labels, source in zip(arrived, found, strict=True):
                self._counts.add(labels[labels != source.ignored], sheet)

        return Reading([source.labels for source in found], decode) if found else None


def _dealt(snapshots: Sequence[Snapshot], arrived: Iterator[Tensor]) -> Iterator[tuple[Snapshot, list[Tensor]]]:
    """Each snapshot with its own tensors."""
    for taken in snapshots:
        yield taken, [next(arrived) for _ in taken.tensors]
