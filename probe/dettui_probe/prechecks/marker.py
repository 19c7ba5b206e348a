"""The marker test: does a transform keep pixels, boxes and labels together?  (rows G1, G2, G9)

One box is painted white on black, every box has a label of its own, the real transform runs, and the returned box that
holds the white blob has to carry the label of the painted one.  The transform runs three times on the same dice: on
black, on white and on the marker.  What differs between black and marker is the blob, whatever noise, padding or
holes the transform adds; what differs between black and white is how far the picture reaches.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.conventions import Convention
from dettui_probe.prechecks.report import Check, abstained, failed, passed
from dettui_probe.prechecks.scenes import Render, Scene, Seen, make_scene
from dettui_probe.prechecks.untouched import Dice

HOLDS_IOU: Final = 0.3  # of the blob's bounding box and a returned box, from which on the box is the blob's
MIN_BLOB_SIDE_PX: Final = 8  # smaller blobs may lie below the transform's min_area or min_size
FAINT: Final = 0.2  # of the span from black to white, below which a blob is no blob
SEED: Final = 20_260_101


class Trial(NamedTuple):
    """One marker's way through the transform."""

    decided: bool
    moved_apart: bool = False  # pixels and boxes
    mislabelled: bool = False
    unequal: bool = False  # boxes and labels come back in different numbers
    fill: float | None = None  # share of the returned box that the blob covers; None where the blob is cut


class Outcome(NamedTuple):
    """All trials of one transform."""

    trials: tuple[Trial, ...]
    refusals: tuple[str, ...]
    seconds: float

    @property
    def decided(self) -> int:
        """Trials in which the blob was found, and a box should hold it."""
        return sum(trial.decided for trial in self.trials)

    @property
    def moved_apart(self) -> int:
        """Decided trials in which no box holds the blob."""
        return sum(trial.moved_apart for trial in self.trials)

    @property
    def mislabelled(self) -> int:
        """Decided trials in which the box that holds the blob carries another label."""
        return sum(trial.mislabelled for trial in self.trials)

    @property
    def unequal(self) -> int:
        """Trials in which boxes and labels come back in different numbers."""
        return sum(trial.unequal for trial in self.trials)

    @property
    def tears_boxes(self) -> bool:
        """True where boxes and pixels part more often than correct pipelines show."""
        return self.enough and self.moved_apart > policy.MARKER_WRONG_SHARE * self.decided

    @property
    def enough(self) -> bool:
        """True where there are trials enough to judge."""
        return self.decided >= policy.MARKER_MIN_DECIDED


def run_marker(render: Render, markers: Iterable[tuple[Scene, int]], *holders: object) -> Outcome:
    """*markers* (a scene, and which box is painted) through a transform until enough are decided.

    *holders* own the random states that the transform draws from.
    """
    started = time.monotonic()
    trials: list[Trial] = []
    refusals: list[str] = []
    for scene, box in markers:
        trial = attempt(_trial, render, scene, box, Dice(*holders))
        if isinstance(trial, Failure):
            refusals.append(trial.text)
        else:
            trials.append(trial)
        enough = sum(trial.decided for trial in trials) >= policy.MARKER_ENOUGH_DECIDED
        if enough or time.monotonic() - started > policy.MARKER_BUDGET_S:
            break
    return Outcome(tuple(trials), tuple(refusals), time.monotonic() - started)


def judge(outcome: Outcome, convention: Convention) -> Iterator[Check]:
    """Geometry and pairing of labels, each on its own."""
    if not outcome.enough:
        why = f"; {len(outcome.refusals)} raised: {outcome.refusals[0]}" if outcome.refusals else ""
        yield abstained("marker_boxes", f"{outcome.decided} of {len(outcome.trials)} markers found again{why}")
        return
    yield judge_boxes("marker_boxes", outcome, convention.name, convention.note)
    yield _judge_labels(outcome, convention)


def judge_boxes(name: str, outcome: Outcome, where: str, note: str = "") -> Check:
    """Whether pixels and boxes move together; *outcome* has enough decided trials."""
    text = f"{outcome.moved_apart} of {outcome.decided} markers lie outside their box after the transform"
    if outcome.refusals:
        text += f" ({len(outcome.refusals)} images made it raise: {outcome.refusals[0]})"
    if not outcome.tears_boxes:
        return passed(name, f"{text} ({where})")
    remedy = (
        "hand the boxes to the transform in the format that it expects (albumentations: bbox_params, bboxes=; "
        "torchvision v2: tv_tensors.BoundingBoxes), and use the boxes that it returns"
    )
    told = f"{text}; {note}" if note else text
    return failed(name, "certain", "boxes_not_transformed", told, remedy)


def _judge_labels(outcome: Outcome, convention: Convention) -> Check:
    name = "marker_labels"
    text = f"{outcome.mislabelled} of {outcome.decided} markers come back under another object's label"
    broken = outcome.mislabelled > policy.MARKER_WRONG_SHARE * outcome.decided
    if outcome.tears_boxes and not outcome.unequal:
        return abstained(name, "boxes and pixels part: a marker under another label may lie in another's box")
    if not convention.pairs_labels and not (broken and convention.note):
        return abstained(name, convention.note or "it is not known how labels are handed over")
    if not broken:
        return passed(name, text)
    remedy = "name the fields in BboxParams(label_fields=[...]) so that they are filtered with their boxes"
    if not convention.pairs_labels:
        return failed(name, "info", "labels_boxes_mismatch", f"{convention.note}: {text}", remedy)
    return failed(name, "certain", "labels_boxes_mismatch", text, remedy)


def made_up(height: int, width: int) -> Iterator[tuple[Scene, int]]:
    """Markers on scenes of that size."""
    dice = torch.Generator().manual_seed(SEED)
    for number in range(policy.MARKER_TRIALS):
        scene = make_scene(dice, height, width)
        yield scene, number % len(scene.boxes)


def _trial(render: Render, scene: Scene, box: int, dice: Dice) -> Trial:
    dice.mark()
    black = render(scene.plain(0), scene.boxes, scene.labels)
    dice.rewind()
    white = render(scene.plain(255), scene.boxes, scene.labels)
    dice.rewind()
    seen = render(scene.marked(box), scene.boxes, scene.labels)
    if not black.grey.shape == white.grey.shape == seen.grey.shape:
        return Trial(decided=False)
    return _ruling(seen, _Picture.of(black, white, seen), scene.labels[box], len(scene.boxes))


class _Picture(NamedTuple):
    """Where the marker ended up."""

    blob: Tensor  # (H, W) bool
    reached: Tensor  # (H, W) bool: pixels that show the picture, rather than padding or a hole
    found: bool

    @classmethod
    def of(cls, black: Seen, white: Seen, seen: Seen) -> _Picture:
        span = (white.grey - black.grey).abs()
        change = seen.grey - black.grey
        effect = (change - change.median()).abs()
        peak = effect.max()
        found = bool(peak > FAINT * span.max()) and float(span.max()) > 0
        return cls(effect > peak / 2, span > span.max() / 2, found)

    @property
    def cut(self) -> bool:
        """Whether the blob reaches the edge of the picture: part of it may be gone, and its box dropped for it."""
        height, width = self.blob.shape
        rows, columns = self.blob.any(dim=1).nonzero()[:, 0], self.blob.any(dim=0).nonzero()[:, 0]
        top, bottom, left, right = (int(edge) for edge in (rows[0] - 3, rows[-1] + 4, columns[0] - 3, columns[-1] + 4))
        if top < 0 or left < 0 or bottom > height or right > width:
            return True
        window = (slice(top, bottom), slice(left, right))
        wide = torch.nn.functional.max_pool2d(self.blob[window][None].float(), 5, stride=1, padding=2)[0] > 0
        return bool((wide & ~self.reached[window]).any())


def _ruling(seen: Seen, picture: _Picture, label: int, given: int) -> Trial:
    unequal = bool(seen.labels) and len(seen.labels) != len(seen.boxes)
    if not picture.found:
        return Trial(decided=False, unequal=unequal)
    extent = _extent(picture.blob)
    overlap = _iou(extent, seen.boxes)
    cut = picture.cut
    if not len(overlap) or float(overlap.max()) < HOLDS_IOU:
        small = float((extent[2:] - extent[:2]).min()) < MIN_BLOB_SIDE_PX
        excused = cut or small or len(seen.boxes) < given  # the transform may have dropped its box, and rightly
        return Trial(decided=not excused, moved_apart=not excused, unequal=unequal)
    holder = int(overlap.argmax())
    fill = None if cut else float(picture.blob.sum()) / max(float(_area(seen.boxes[holder])), 1.0)
    mislabelled = bool(seen.labels) and not _same(seen.labels, holder, label)
    return Trial(True, mislabelled=mislabelled, unequal=unequal, fill=fill)


def _same(labels: list[object], index: int, expected: int) -> bool:
    """Whether the label at *index* is *expected*: libraries return it as int, float, str or scalar array."""
    return index < len(labels) and str(labels[index]).removesuffix(".0") == str(expected)


def _extent(blob: Tensor) -> Tensor:
    """The box around *blob*, without its outermost hundredth: a stray pixel does not stretch it; shape (4,)."""
    rows, columns = blob.nonzero().float().unbind(dim=1)
    edges = []
    for positions in (columns, rows):
        ordered = positions.sort().values
        margin = len(ordered) // 100
        edges.append((float(ordered[margin]), float(ordered[-1 - margin]) + 1))
    (x1, x2), (y1, y2) = edges
    return torch.tensor([x1, y1, x2, y2])


def _iou(box: Tensor, boxes: Tensor) -> Tensor:
    low, high = torch.maximum(box[:2], boxes[:, :2]), torch.minimum(box[2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    return shared / (_area(box) + _area(boxes) - shared).clamp(min=1e-6)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)
