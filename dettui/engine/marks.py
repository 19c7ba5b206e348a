"""What is to be marked on the curves of one run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dettui.domain.finding import Finding
from dettui.domain.frame import Mark, MarkKind
from dettui.domain.series import Floats, Steps
from dettui.store.run_store import RunStore
from dettui_probe import tags

_MARK_OF_EVENT: Final[Mapping[str, MarkKind]] = {
    "lr": "lr",
    "evaluation": "evaluation",
    "epoch": "epoch",
    "checkpoint": "checkpoint",
    "nonfinite": "nonfinite",
}


_NO_STEPS: Final[Steps] = np.empty(0, np.int64)
_NO_VALUES: Final[Floats] = np.empty(0)


@dataclass(frozen=True)
class MarkPolicy:
    """What is worth a mark, and how many are kept."""

    lr_drop_factor: float = 0.5  # a smooth schedule never falls this much from one point to the next
    most_per_kind: int = 1000  # more than a wide screen has columns; the oldest go first


class MarkBook:
    """Marks of one run, kept up to date by looking only at what came since the last look."""

    def __init__(self, policy: MarkPolicy | None = None) -> None:
        self._policy = policy or MarkPolicy()
        self._marks: dict[MarkKind, dict[int, str]] = {}
        self._newest: dict[str, tuple[int, float]] = {}  # tag -> step and value looked at last
        self._seen_events = 0
        self._tags_seen = 0
        self._points_seen = self._fresh_points = 0  # of all series: those before the look, and those since the last
        self._evaluations: tuple[str, ...] = ()
        self._boots: tuple[str, ...] = ()
        self._kept: tuple[Mark, ...] | None = None  # in order of step, while nothing was added

    def look(self, store: RunStore) -> None:
        """Take in what came to *store* since the last look."""
        if store.boots != self._boots:
            self._boots = store.boots
            self._newest.clear()
        self._fresh_points, self._points_seen = store.points - self._points_seen, store.points
        self._note_lr_drops(store)
        self._note_non_finite(store)
        self._note_evaluations(store)
        self._note_events(store)

    def hole(self, step: int, count: int) -> None:
        """Note *count* unreadable places of the log, met at *step*."""
        self._add("hole", step, f"{count} unreadable place{'s' if count != 1 else ''} in the log")

    def marks(self, findings: Sequence[Finding]) -> tuple[Mark, ...]:
        """All marks in order of step; those of *findings* are taken anew each time."""
        if self._kept is None:
            self._kept = _in_order(
                Mark(step, kind, text) for kind, texts in self._marks.items() for step, text in texts.items()
            )
        if not findings:
            return self._kept
        return _in_order((*self._kept, *(Mark(f.first_step, "finding", f.title) for f in findings)))

    def _note_lr_drops(self, store: RunStore) -> None:
        tag = tags.LR + "0"
        newest, known = self._newest_of(store, tag), self._newest.get(tag)
        if newest is not None and known is not None and not self._may_have_dropped(known[1], newest):
            if len(newest):
                self._newest[tag] = store.last_step, float(newest[-1])
            return
        previous, steps, values = self._fresh(store, tag)
        if not len(values):
            return
        before = np.concatenate([[np.nan if previous is None else previous], values[:-1]])
        for i in np.flatnonzero((before > 0) & (values <= self._policy.lr_drop_factor * before)).tolist():
            self._add("lr", int(steps[i]), f"lr {before[i]:.2g} -> {values[i]:.2g}")

    def _may_have_dropped(self, known: float, newest: Floats) -> bool:
        """Whether the LR may have dropped since it was *known*; *newest* may begin with values from before that."""
        before = np.concatenate([[known], newest[:-1]]) if len(newest) else newest
        return bool(((before > 0) & (newest <= self._policy.lr_drop_factor * before)).any())

    def _note_non_finite(self, store: RunStore) -> None:
        newest = self._newest_of(store, tags.LOSS_TOTAL)
        if newest is not None and np.isfinite(newest).all():
            return
        previous, steps, values = self._fresh(store, tags.LOSS_TOTAL)
        if not len(values):
            return
        is_finite = np.isfinite(values)
        if is_finite.all():
            return
        was_finite = np.concatenate([[previous is None or math.isfinite(previous)], is_finite[:-1]])
        for i in np.flatnonzero(was_finite & ~is_finite).tolist():
            self._add("nonfinite", int(steps[i]), f"loss is {float(values[i])}")

    def _note_evaluations(self, store: RunStore) -> None:
        tags_so_far = store.tags()
        if len(tags_so_far) != self._tags_seen:
            self._tags_seen = len(tags_so_far)
            self._evaluations = tuple(tag for tag in tags_so_far if tag.startswith("eval/"))
        for tag in self._evaluations:
            _, steps, values = self._fresh(store, tag)
            for step, value in zip(steps.tolist(), values.tolist(), strict=True):
                self._add("evaluation", step, f"{tag.removeprefix('eval/')} {value:.4g}")

    def _note_events(self, store: RunStore) -> None:
        events = store.events()
        total = store.events_forgotten + len(events)
        fresh = min(total - self._seen_events, len(events))
        for event in events[len(events) - fresh :]:
            self._add(_MARK_OF_EVENT.get(event.kind, "event"), event.step, event.text or event.kind)
        self._seen_events = total

    def _newest_of(self, store: RunStore, tag: str) -> Floats | None:
        """Values of *tag* among which are all that have come since the last look, where that is cheap to say.

        A series costs ten times as much, and in most looks says that nothing has changed.
        """
        return store.newest(tag, self._fresh_points, store.last_step) if self._fresh_points >= 0 else None

    def _fresh(self, store: RunStore, tag: str) -> tuple[float | None, Steps, Floats]:
        """The value before the last look's end, and steps and values of *tag* since; within the newest strand."""
        series = store.strand_series(tag)
        seen_step, previous = self._newest.get(tag, (None, None))
        if series is None or not len(series):
            return previous, _NO_STEPS, _NO_VALUES
        start = 0 if seen_step is None else int(np.searchsorted(series.steps, seen_step, side="right"))
        self._newest[tag] = int(series.steps[-1]), float(series.values[-1])
        return previous, series.steps[start:], series.values[start:]

    def _add(self, kind: MarkKind, step: int, text: str) -> None:
        """The first text of a step stays: a change is often told twice, by its series and by an event."""
        self._kept = None
        texts = self._marks.setdefault(kind, {})
        texts.setdefault(step, text)
        if len(texts) > self._policy.most_per_kind:
            del texts[min(texts)]


def _in_order(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    return tuple(sorted(marks, key=lambda mark: (mark.step, mark.kind)))
