"""What is to be drawn: a pure, frozen model of one chart of curves.  `dettui.charts.chart` draws it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from dettui.domain.frame import Mark
from dettui.domain.series import Series

LineStyle: TypeAlias = Literal["curve", "mean", "steps", "band", "older"]
BACKGROUND: frozenset[LineStyle] = frozenset({"band", "older"})
"""Lines under the curves, without a name."""
XScale: TypeAlias = Literal["step", "epoch", "time"]
"""What the axis counts: steps, thousandths of an epoch, tenths of a second since the start of the run."""
Glyphs: TypeAlias = Literal["braille", "block", "ascii"]
StepRange: TypeAlias = tuple[int, int]  # first and last step, both included

LINE_COLOURS = 8
"""How many colour classes there are; a line's class is taken modulo this."""

UNITS: dict[XScale, int] = {"step": 1, "epoch": 1000, "time": 10}
"""How many whole numbers of an axis make a step, an epoch, a second."""

MIN_VISIBLE_STEPS = 8
"""Zooming in stops here: fewer steps fill a chart with air."""


@dataclass(frozen=True)
class Band:
    """A range of steps to be marked over the whole height, both ends included: a plateau, an oscillation."""

    first: int
    last: int
    kind: str  # the kind of the finding it stands for
    label: str = ""  # what to write on its rule; the kind where empty


@dataclass(frozen=True, eq=False)
class Line:
    """One series of a chart.

    ``colour_class`` stays with a series for as long as it is shown, so that colours never change places.  With
    smoothing, ``raw`` keeps the unsmoothed curve under the smoothed one.  Lines of style "steps" hold a value until
    the next one and are never smoothed.  One of style "mean" goes through the mean of each column, without its
    extremes.  Under all curves and without a name are those of style "band", a shade from the least to the greatest
    value at each step, and of style "older", of an earlier start of the run.  ``better`` is 1 where larger values are
    better and -1 where smaller ones are: the title then names the best one; with 0 it names none.
    """

    series: Series
    colour_class: int = 0
    style: LineStyle = "curve"
    raw: bool = True
    label: str = ""  # for the legend; made from the tag where empty
    better: int = 0
    letter: str = ""  # at the end of its curve; that of its place among the lines where empty

    @property
    def name(self) -> str:
        """What the legend calls this line."""
        return self.label or self.series.tag.rpartition("/")[2].removeprefix("loss_")


@dataclass(frozen=True, eq=False)
class CurveView:
    """One chart.  ``x_range`` None follows the whole history; ``extent`` then makes charts of one run line up."""

    title: str
    lines: tuple[Line, ...] = ()
    bands: tuple[Band, ...] = ()
    marks: tuple[Mark, ...] = ()
    smoothing: float = 0.0  # TensorBoard's weight, 0 <= w < 1
    x_range: StepRange | None = None
    y_log: bool = False
    cursor: int | None = None  # a step
    unit: str = ""
    extent: StepRange | None = None  # first and newest step of the run; those of the lines where None
    x_scale: XScale = "step"
    has_letters: bool = True  # at the ends of curves, where there are several

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """Equal for views that give the same picture: a series only grows, so its newest point tells."""
        lines = tuple(
            (*_newest(x.series), x.colour_class, x.style, x.raw, x.name, x.better, x.letter) for x in self.lines
        )
        look = (
            self.title,
            self.unit,
            self.smoothing,
            self.x_range,
            self.y_log,
            self.cursor,
            self.extent,
            self.x_scale,
            self.has_letters,
        )
        return lines, look, self.bands, self.marks

    @property
    def curves(self) -> tuple[Line, ...]:
        """The lines that have a name."""
        return tuple(line for line in self.lines if line.style not in BACKGROUND)

    @property
    def full_range(self) -> StepRange | None:
        """First and newest step to be shown when following, None where there is no point yet."""
        if self.extent is not None:
            return self.extent
        spans = [(int(s.min()), int(s.max())) for s in (line.series.steps for line in self.lines) if len(s)]
        if not spans:
            return None
        return min(first for first, _ in spans), max(last for _, last in spans)

    @property
    def visible_range(self) -> StepRange | None:
        """First and last step on the axis, None where there is nothing to show."""
        return self.x_range or self.full_range


def _newest(series: Series) -> tuple[object, ...]:
    if not len(series):
        return series.tag, 0
    return series.tag, len(series), int(series.steps[-1]), float(series.times[0]), float(series.times[-1])


def zoomed(view: CurveView, factor: float) -> CurveView:
    """*view* showing ``1 / factor`` of the steps it shows, around the cursor or else the newest visible step.

    A range that covers the whole history again means following it again.
    """
    visible, full = view.visible_range, view.full_range
    if visible is None or full is None:
        return view
    count = max(MIN_VISIBLE_STEPS, round((visible[1] - visible[0] + 1) / factor))
    if count >= full[1] - full[0] + 1:
        return following(view)
    pivot = view.cursor if view.cursor is not None and visible[0] <= view.cursor <= visible[1] else visible[1]
    share = (pivot - visible[0]) / max(1, visible[1] - visible[0])
    return replace(view, x_range=_inside(round(pivot - share * (count - 1)), count, full))


def panned(view: CurveView, share: float) -> CurveView:
    """*view* moved by *share* of its visible steps, to the right where positive; it stops at the ends of the run."""
    visible, full = view.visible_range, view.full_range
    if visible is None or full is None or view.x_range is None:
        return view
    count = visible[1] - visible[0] + 1
    return replace(view, x_range=_inside(visible[0] + round(share * count), count, full))


def following(view: CurveView) -> CurveView:
    """*view* over the whole history, growing with it."""
    return replace(view, x_range=None)


def with_cursor(view: CurveView, step: int | None) -> CurveView:
    """*view* with its cursor on *step*, held inside the visible range; None takes it away."""
    visible = view.visible_range
    if step is None or visible is None:
        return replace(view, cursor=None)
    return replace(view, cursor=min(max(step, visible[0]), visible[1]))


def framing(view: CurveView, first: int, last: int) -> CurveView:
    """*view* zoomed onto the steps *first* to *last* with half as much again on either side: jump to a finding."""
    full = view.full_range
    if full is None:
        return view
    margin = max(MIN_VISIBLE_STEPS, (last - first + 1) // 2)
    count = last - first + 1 + 2 * margin
    if count >= full[1] - full[0] + 1:
        return following(view)
    return replace(view, x_range=_inside(first - margin, count, full))


def _inside(first: int, count: int, full: StepRange) -> StepRange:
    """*count* steps from *first*, shifted as little as needed to lie inside *full*."""
    first = max(full[0], min(first, full[1] - count + 1))
    return first, first + count - 1
