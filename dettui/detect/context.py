"""What the rules share at one evaluation: the store at a step, read once."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np

from dettui.detect.loss_curve import LossCurve, read_loss
from dettui.detect.schedule import Schedule, read_schedule
from dettui.domain.check import Check
from dettui.domain.run import ModelInfo, RunInfo
from dettui.domain.series import ClassCounts, Floats, Series
from dettui.numerics.robust import is_usable, median, quantile, usable_of
from dettui.store.run_store import RunStore
from dettui_probe import tags, wire
from dettui_probe.contract import CLASSIFICATION, UNKNOWN

_NOTHING: Final = np.empty(0)


class Context:
    """A reading of *store* at *step*; later points are not seen.  Lives for one evaluation, caches what it reads.

    Series are those since the newest start of the run, so that steps never go back within one.
    """

    def __init__(self, store: RunStore, step: int, ended_at: int | None = None) -> None:
        """*ended_at*: the last step of a run that has ended well, for a look back at *step*."""
        self.step = step
        self._ended_at = ended_at
        self._store = store
        self._series: dict[str, Series | None] = {}
        self._windows: dict[tuple[str, int], Floats] = {}
        self._totals: dict[tuple[str, int], float] = {}
        self._medians: dict[tuple[str, int], float] = {}

    # --- series -----------------------------------------------------------------------------------------------
    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Names of all series in order of first arrival."""
        return self._store.tags()

    def tags_under(self, prefix: str) -> tuple[str, ...]:
        """Those of them that begin with *prefix*: the store looks through all of them once, not at every evaluation."""
        return self._store.tags_under(prefix)

    def series(self, tag: str) -> Series | None:
        """The points of *tag* up to the step, None where there are none."""
        try:
            return self._series[tag]
        except KeyError:
            series = self._series[tag] = self._cut(self._store.strand_series(tag))
            return series

    def before(self, tag: str) -> Series | None:
        """The points of *tag* in the last start before the newest one in which it came, None where there was none."""
        whole, newest = self._store.series(tag), self._store.strand_series(tag)
        if whole is None or not self.is_resumed:
            return None
        earlier = whole.strands[:-1] if newest is not None and len(newest) else whole.strands
        return earlier[-1] if earlier else None

    def _cut(self, series: Series | None) -> Series | None:
        if series is None or len(series) == 0:
            return None
        if series.steps[-1] <= self.step:
            return series
        earlier = series.between(int(series.steps[0]), self.step)
        return earlier if len(earlier) else None

    def missing(self, *wanted: str) -> tuple[str, ...]:
        """Those of *wanted* that never came."""
        return tuple(tag for tag in wanted if self.series(tag) is None)

    def window(self, tag: str, points: int) -> Floats:
        """The finite ones among the newest *points* of *tag*, shape (<= points,); empty where it never came."""
        key = tag, points
        newest = self._windows.get(key)
        if newest is None:
            values = self._store.newest(tag, points, self.step)
            newest = self._windows[key] = _NOTHING if values is None else usable_of(values)
        return newest

    def total(self, tag: str, points: int) -> float:
        """Sum of the newest *points* of *tag*, 0 where it never came."""
        key = tag, points
        if key not in self._totals:
            self._totals[key] = float(self.window(tag, points).sum())
        return self._totals[key]

    def median(self, tag: str, points: int, at_least: int = 1) -> float | None:
        """Median of the newest *points* of *tag*, None where fewer than *at_least* finite ones came."""
        newest = self.window(tag, points)
        if len(newest) < at_least:
            return None
        key = tag, points
        if key not in self._medians:
            self._medians[key] = median(newest)
        return self._medians[key]

    def early_median(self, tag: str, points: int) -> float | None:
        """Median of the first *points* of *tag*, None where it never came."""
        series = self.series(tag)
        if series is None:
            return None
        first = series.values[:points]
        first = first[is_usable(first)]
        return median(first) if len(first) else None

    def lower_quartile(self, tag: str, points: int, at_least: int) -> float | None:
        """What three in four of the newest *points* of *tag* reach, None where fewer than *at_least* came."""
        newest = self.window(tag, points)
        return quantile(newest, 0.25) if len(newest) >= at_least else None

    def ratio_to_first(self, tag: str, points: int, first_points: int = 3) -> float | None:
        """Median of the newest *points* of *tag* over that of its first ones; None where it never came, or began with
        nothing."""
        first, now = self.early_median(tag, first_points), self.median(tag, points)
        return None if not first or now is None else now / first

    def last(self, tag: str) -> float | None:
        """The newest value of *tag*."""
        series = self.series(tag)
        return None if series is None else series.last

    def span(self, tag: str, points: int) -> tuple[int, int]:
        """First and last step of the newest *points* of *tag*; (step, step) where it never came."""
        series = self.series(tag)
        if series is None:
            return self.step, self.step
        newest = series.steps[-points:]
        return int(newest[0]), int(newest[-1])

    # --- readings that several rules need -----------------------------------------------------------------------
    @cached_property
    def loss(self) -> LossCurve | None:
        """The total loss, None where too few points came."""
        return read_loss(self.series(tags.LOSS_TOTAL), self._store.series(tags.LOSS_TOTAL))

    @cached_property
    def schedule(self) -> Schedule | None:
        """The LR of the first param group."""
        lr = self.series(tags.LR + "0")
        return None if lr is None else read_schedule(lr)

    @cached_property
    def warmup_end(self) -> int:
        """Step at which the LR first came near its first peak; the first step where no LR came."""
        if self.schedule is not None:
            return self.schedule.warmup_end
        return 0 if self.loss is None else int(self.loss.steps[0])

    @cached_property
    def points_past_warmup(self) -> int:
        """How many points of the loss came since then; 0 where too few came at all."""
        return 0 if self.loss is None else len(self.loss) - int(np.searchsorted(self.loss.steps, self.warmup_end))

    @property
    def lr_is_rising(self) -> bool:
        """True while the LR warms up: a loss that stands still then says nothing yet."""
        return self.schedule is not None and self.schedule.rising

    # --- the run ------------------------------------------------------------------------------------------------
    @property
    def info(self) -> RunInfo | None:
        """Who the run is."""
        return self._store.info

    @cached_property
    def model(self) -> ModelInfo | None:
        """What is being trained.  A model with boxes is no classifier, though its cross-entropy was met before them."""
        model = self._store.model
        if model is None or model.family != CLASSIFICATION or self.series(tags.TARGET_BOXES) is None:
            return model
        return replace(model, family=UNKNOWN.family, num_classes=None)

    @property
    def is_resumed(self) -> bool:
        """True where this is not the first start of the run, or one from a checkpoint: its first level is then no
        starting level."""
        return len(self._store.boots) > 1 or self.start_step > 0

    @property
    def start_step(self) -> int:
        """Steps that a checkpoint brought along, as the script said; 0 where it said nothing."""
        return 0 if self.info is None else self.info.start_step

    @property
    def steps_per_epoch(self) -> int | None:
        """As the run declared it."""
        return None if self.info is None else self.info.steps_per_epoch

    @property
    def total_steps(self) -> int | None:
        """As the run declared it or, of one that did not, as it turned out to be."""
        declared = None if self.info is None else self.info.total_steps
        return declared or self._ended_at

    @property
    def last_words(self) -> str:
        """The exception with which the run ended, "" where it goes on or ended well."""
        bye = self._store.bye
        return bye.text if bye is not None and bye.reason == "exception" else ""

    def events(self, kind: str) -> tuple[wire.Event, ...]:
        """Events of *kind* up to the step, since the newest start of the run or before it."""
        return tuple(event for event in self._store.events(kind) if event.step <= self.step)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Answers of the pre-flight that were told up to the step."""
        return tuple(check for check in self._store.checks if check.step <= self.step)

    def counts(self, kind: str) -> ClassCounts | None:
        """Class counts so far."""
        return self._store.counts(kind)
