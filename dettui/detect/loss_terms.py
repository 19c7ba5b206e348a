"""Terms of a detector's loss that are exactly zero while there are objects (detection.md 2.6, row H1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.domain.series import Series, Steps
from dettui.numerics.common import common_steps
from dettui_probe import tags


@dataclass(frozen=True)
class Pair:
    """A term that cannot be zero while its partner is not: together they name the place of the fault."""

    zero: str
    partner: str  # "" where the zero decides alone
    meaning: str


_TWO_STAGE: Final = Pair("loss_box_reg", "loss_rpn_box_reg", "the RPN sees objects and the RoI head sees none")
PAIRS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "torchvision.FasterRCNN": _TWO_STAGE,
        "torchvision.MaskRCNN": _TWO_STAGE,
        "torchvision.KeypointRCNN": _TWO_STAGE,
        "torchvision.SSD": Pair("classification", "bbox_regression", "boxes are learnt and classes are not"),
        "torchvision.FCOS": Pair("bbox_regression", "", "no point of the image is a positive"),
        "torchvision.RetinaNet": Pair("bbox_regression", "", "no anchor is a positive"),
    }
)
"""By family, measured with 28 faults on four detectors (detection.md 0.1)."""


_POINTS: Final = 64
"""Looked at first: only rows behind the last sound one matter, and in most runs that is among the newest."""


@dataclass(frozen=True)
class ZeroTermPolicy:
    """detection.md 3.2 row b."""

    objects: float = 20.0  # before a zero of a known pair is no accident
    steps_in_a_row: int = 20  # for a term that is not in the table


@dataclass(frozen=True)
class ZeroTerms:
    """A term that teaches nothing."""

    policy: ZeroTermPolicy = ZeroTermPolicy()
    name: str = "zero_terms"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """The pair of a known family, exact; for terms of other losses only news."""
        objects = context.series(tags.TARGET_BOXES)
        if objects is None:
            return Abstention(self.name, (tags.TARGET_BOXES,))
        family = "unknown" if context.model is None else context.model.family
        pair = PAIRS.get(family)
        if pair is not None:
            found = self._pair(context, pair)
            return () if found is None else (found,)
        terms = [tag for tag in context.tags_under(tags.LOSS) if tag != tags.LOSS_TOTAL]
        return tuple(found for tag in terms if (found := self._silent(context, tag)) is not None)

    def _pair(self, context: Context, pair: Pair) -> Symptom | None:
        tag = tags.LOSS + pair.zero
        objects, steps = _objects_while_zero(context, tag, tags.LOSS + pair.partner if pair.partner else None)
        if objects < self.policy.objects:
            return None
        text = f"loss/{pair.zero} was exactly 0 in {len(steps)} steps with {objects:.0f} objects: {pair.meaning}"
        return _zero("critical", f"{pair.zero} is exactly zero", tag, steps, text, exact=True)

    def _silent(self, context: Context, tag: str) -> Symptom | None:
        wanted = self.policy.steps_in_a_row
        newest = context.window(tag, wanted)
        if len(newest) < wanted or np.any(newest != 0) or np.any(context.window(tags.TARGET_BOXES, wanted) <= 0):
            return None
        steps = np.array(context.span(tag, wanted))
        text = f"{tag} was exactly 0 in {wanted} steps in a row, each with objects"
        return _zero("info", f"{tag.removeprefix(tags.LOSS)} is exactly zero", tag, steps, text, exact=False)


def _objects_while_zero(context: Context, tag: str, partner: str | None) -> tuple[float, Steps]:
    """Objects in the rows, up to the newest, in which *tag* is 0 and *partner* is not; and the steps of these rows."""
    term, objects = context.series(tag), context.series(tags.TARGET_BOXES)
    other = term if partner is None else context.series(partner)
    if term is None or objects is None or other is None:
        return 0.0, np.empty(0, dtype=np.int64)
    newest, has_sound_row = _rows_while_zero(
        term.newest(_POINTS), objects.newest(_POINTS), other.newest(_POINTS), partner is not None
    )
    return newest if has_sound_row else _rows_while_zero(term, objects, other, partner is not None)[0]


def _rows_while_zero(
    term: Series, objects: Series, other: Series, has_partner: bool
) -> tuple[tuple[float, Steps], bool]:
    """(objects and steps of the faulty rows behind the last sound one, whether there is a sound one)."""
    steps = common_steps(term.steps, objects.steps, other.steps)
    values, counts, partners = (s.values[np.searchsorted(s.steps, steps)] for s in (term, objects, other))
    judged = counts > 0
    faulty = judged & (values == 0) & ((partners > 0) if has_partner else True)
    sound = np.flatnonzero(judged & ~faulty)
    faulty[: sound[-1] + 1 if len(sound) else 0] = False
    return (float(counts[faulty].sum()), steps[faulty]), len(sound) > 0


def _zero(severity: Severity, title: str, tag: str, steps: Steps, text: str, *, exact: bool) -> Symptom:
    window = int(steps[0]), int(steps[-1])
    return Symptom(
        kind="bad_targets",
        severity=severity,
        first_step=window[0],
        last_step=window[1],
        title=title,
        evidence=(Evidence(tag, window, 0.0, 0.0, "==", text),),
        exact=exact,
        key=f"zero:{tag}",
    )
