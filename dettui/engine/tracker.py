"""One run: its store, its findings over time, and its picture."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from dettui.detect.context import Context
from dettui.detect.updates import passes_without_step
from dettui.domain.finding import Diagnosis, Finding
from dettui.domain.frame import RunFrame
from dettui.domain.link import Link
from dettui.domain.ranks import RankTable
from dettui.domain.run import Liveness, RunInfo, RunState
from dettui.domain.series import Series
from dettui.engine.grid import GRID, Due, EvaluationClock, EvaluationGrid
from dettui.engine.joining import joined
from dettui.engine.marks import MarkBook
from dettui.engine.overview import Overview
from dettui.engine.rank_table import of_all, rank_table, state_of
from dettui.engine.roster import Roster
from dettui.engine.vitals import read_vitals
from dettui.feed.base import Arrival
from dettui.store.checks import CHECK_KIND
from dettui.store.run_store import RunStore
from dettui.store.table import Block, rows_between
from dettui_probe import wire

if TYPE_CHECKING:
    from dettui.engine.judge import Judge

_MOST_NOTICES: Final = 8
_MOST_ILL_RANKS: Final = 3
_TABLE_EVERY_S: Final = 1.0
"""Medians of fifty steps do not change faster than they can be read."""
_LOOKS_BACK: Final = 2
"""As many as make a symptom a finding."""
_WORTH_A_NOTICE: Final = frozenset(
    {RunState.CRASHED, RunState.KILLED, RunState.STOPPED, RunState.GIL_BLOCKED, RunState.DISK_WAIT}
)


class RunTracker:
    """Everything the engine holds of one run.  Used by the engine's thread only.

    Rank 0 feeds the store; the roster compares all ranks.  With *until*, rows and messages of later steps are left
    out, as if the run had been looked at then.
    """

    def __init__(
        self, run: str, grid: EvaluationGrid = GRID, until: int | None = None, *, judges_later: bool = False
    ) -> None:
        """With *judges_later*, what is due waits for ``judge_what_is_due``, but for nothing that could change it."""
        self._run = run
        self.host = ""  # that it is watched on, as the user typed it; "" for this machine
        self._grid = grid
        self._until = until
        self._store = RunStore()
        self._book = MarkBook()
        self._open_cell: int | None = None  # end of the cell that holds rows not evaluated yet
        self._closed_cell: int | None = None  # end of the newest cell that is complete
        self._clock = EvaluationClock(grid)
        self._judges_later = judges_later
        self._due: tuple[int, Due] | None = None  # at which step, where it waits
        self._cut = False  # something later than *until* was left out
        self._looks: deque[int] = deque(maxlen=_LOOKS_BACK)  # steps at which the statistics were asked last
        self._history: list[Diagnosis] = [Diagnosis(step=0)]
        self._diagnosis = self._history[0]
        self._roster = Roster(self._store, grid, until)
        self._joined: tuple[object, Diagnosis] | None = None  # the diagnosis with what ranks say, and what it is of
        self._table: RankTable | None = None
        self._table_made: tuple[float, object] = (-math.inf, None)  # when, and of which findings
        self._arrived_at: float | None = None
        self._holes = 0
        self._left_out = 0
        self._notices: list[str] = []
        self._series: Mapping[str, Series] | None = None  # of the last frame, while nothing has come since
        self._series_of: RunStore | None = None
        self._overview: Overview | None = None  # of a recording, until it has been read

    # --- taking in --------------------------------------------------------------------------------------------

    def take(self, arrival: Arrival, now: float) -> None:
        """Take in one arrival of this run; *now* in seconds since the epoch, on this machine's clock."""
        if arrival.overview and self._until is None:
            self._overview, self._series = Overview(arrival.overview), None
        if arrival.rank == 0:
            self.host = arrival.host
            self._left_out += arrival.left_out
            self._take_messages(arrival, now)
        else:
            self.host = self.host or arrival.host
            if arrival.messages and self._lead_store is not self._store:
                self._arrived_at, self._series = now, None
        self._roster.take(arrival.rank, arrival.messages)
        if arrival.liveness is not None:
            self._roster.member(arrival.rank).liveness = arrival.liveness
            self._table_made = (-math.inf, None)
        if arrival.notice and arrival.notice not in self._notices:
            self._notices = [*self._notices, arrival.notice][-_MOST_NOTICES:]
        if arrival.rank == 0 and arrival.liveness is not None and arrival.liveness.state.is_over:
            self._finish_own()
        if arrival.liveness is not None and all(state_of(m).state.is_over for m in self._roster.members):
            self.finish()

    def finish(self) -> None:
        """Evaluate what is left: no further step is expected.  Should one come, its cell is opened again."""
        self._finish_own()
        if not self._cut:
            self._roster.finish()

    def _finish_own(self) -> None:
        """The same, of rank 0 alone."""
        self.judge_what_is_due()
        if not self._cut and self._open_cell is not None:
            self._close_cell()
            self._closed_cell = self._store.last_step
            self.judge_what_is_due()
            self._look_back()

    def _look_back(self) -> None:
        """Ask the statistics once more at the steps of their newest looks, where a run that did not declare its length
        has ended well: only now is it known how much of it was over when it had learnt how much."""
        ended_at = self._store.undeclared_end
        if ended_at is None or len(self._looks) < _LOOKS_BACK:
            return
        for step in self._looks:
            self._diagnosis = self._judge.evaluate(
                Context(self._store, step, ended_at), Due(exact=False, statistics=True)
            )
        self._remember()  # as known at the end alone: at the earlier look nobody knew it

    @property
    def is_empty(self) -> bool:
        """Whether no rank has told a row yet."""
        return not any(member.store.last_time for member in self._roster.members)

    def settle(self) -> None:
        """With *until*: evaluate the last cell where it ends no later, as the live run did at that step."""
        if self._open_cell is not None and self._until is not None and self._open_cell <= self._until:
            self._close_cell(following=self._until + 1)
        self.judge_what_is_due()

    def _take_messages(self, arrival: Arrival, now: float) -> None:
        if arrival.messages:
            self._arrived_at = now
            self._series = None
        if arrival.holes:
            self._holes += arrival.holes
            self._book.hole(self._store.last_step, arrival.holes)
        for message in joined(arrival.messages):
            if isinstance(message, wire.Batch):
                self._take_rows(message)
            elif not self._is_later(message):
                self._take_message(message)

    def _take_message(self, message: wire.AnyMessage) -> None:
        self.judge_what_is_due()  # rows of later steps it does not see; what this tells it would
        if isinstance(message, wire.Hello) and message.boot not in self._store.boots[-1:]:
            self._begin_again()
        self._store.apply(message)
        if isinstance(message, wire.Bye):
            self._finish_own()
        elif isinstance(message, wire.Event) and message.kind == CHECK_KIND and not self._store.last_step:
            # a pre-flight speaks before there is any cell to close
            self._evaluate(Context(self._store, 0), Due(exact=True, statistics=False))

    def _begin_again(self) -> None:
        """Another start of the run: its steps may begin anew."""
        self._close_cell()
        self._closed_cell = None
        self._looks.clear()
        self._clock = EvaluationClock(self._grid)
        self._history = [replace(self._diagnosis, step=0)]

    def _take_rows(self, batch: wire.Batch) -> None:
        """Take in *batch* cell by cell, evaluating each cell once a row beyond it is there."""
        blocks = self._store.read(batch)
        if self._until is not None and any(block.rows.last_step > self._until for block in blocks):
            self._cut = True
            blocks = rows_between(blocks, None, self._until)
        if not blocks:
            return
        cell_end = self._grid.exact.cell_end
        ends = cell_end(min(b.rows.first_step for b in blocks)), cell_end(max(b.rows.last_step for b in blocks))
        if ends[0] == ends[1]:  # as most batches of a live run do
            self._take_cell(ends[0], blocks)
            return
        after: int | None = None
        for end in self._ends_of(blocks):
            self._take_cell(end, rows_between(blocks, after, end))
            after = end

    def _ends_of(self, blocks: Sequence[Block]) -> list[int]:
        """The ends of the cells in which *blocks* have rows, in order."""
        cell_end = self._grid.exact.cell_end
        ends: set[int] = set()
        before, end = 1, 0
        for block in blocks:
            for step in block.rows.steps.tolist():
                if not before <= step <= end:  # most steps lie between the one before and the end of its cell
                    before, end = step, cell_end(step)
                    ends.add(end)
        return sorted(ends)

    def _take_cell(self, end: int, blocks: Sequence[Block]) -> None:
        """Take in *blocks*, whose rows all lie in the cell that ends with the step *end*."""
        if self._open_cell is not None and end > self._open_cell:
            self._close_cell(following=end)
        before = self._store.last_step
        if not self._store.has_room(blocks):
            self.judge_what_is_due()  # before older rows are thinned
        self._store.append(blocks)
        if self._closed_cell is None or end > self._closed_cell:
            self._open_cell = max(end, self._open_cell or end)
            self._clock.advance(blocks[0].rows.times.item(0), max(block.rows.last_time for block in blocks))
        if before == self._store.last_step:
            self._judge_standing()

    def _judge_standing(self) -> None:
        """Ask the exact rules although no cell ends: where the optimizer no longer steps, none ever will."""
        self.judge_what_is_due()
        context = Context(self._store, self._store.last_step)
        if passes_without_step(context) is not None:
            self._evaluate(context, Due(exact=True, statistics=False))

    def _is_later(self, message: wire.AnyMessage) -> bool:
        later = self._until is not None and getattr(message, "step", 0) > self._until
        self._cut = self._cut or later
        return later

    @property
    def _lead_store(self) -> RunStore:
        """The store of the rank whose curves stand for the run."""
        lead = self._roster.lead
        return self._store if lead is None or self._store.info is not None else lead.store

    # --- evaluating -------------------------------------------------------------------------------------------

    def _close_cell(self, *, following: int | None = None) -> None:
        """Evaluate the open cell where that is due, *following* being a step behind it; None: it is the last one."""
        cell, self._open_cell = self._open_cell, None
        if cell is None:
            return
        self._closed_cell = cell
        skipped = self._clock.skipped(self._store.last_step) if following is None else None
        if skipped is not None:
            self._evaluate(Context(self._store, skipped), Due(exact=False, statistics=True))
        due = self._clock.due(cell, following)
        if due.exact or due.statistics:
            self.judge_what_is_due()
            self._due = self._store.last_step, due
            if not self._judges_later:
                self.judge_what_is_due()

    @property
    def is_due(self) -> bool:
        """Whether something waits to be judged."""
        return self._due is not None

    def judge_what_is_due(self) -> None:
        """Judge it, as of the step at which it was due."""
        if self._due is not None:
            (step, due), self._due = self._due, None
            self._evaluate(Context(self._store, step), due)

    def _evaluate(self, context: Context, due: Due) -> None:
        if due.statistics and context.step not in self._looks:
            self._looks.append(context.step)
        self._diagnosis = self._judge.evaluate(context, due)
        self._remember()

    def _remember(self) -> None:
        if _gist(self._diagnosis) != _gist(self._history[-1]):
            self._history.append(self._diagnosis)

    @cached_property
    def _judge(self) -> Judge:
        """Loaded with the first evaluation: the rules take 0.2 s, which the first picture of a recording need not."""
        from dettui.engine.judge import Judge  # noqa: PLC0415 - see above

        return Judge()

    def known_at(self, step: int) -> Diagnosis:
        """What was known at *step* of the newest start; between changes, what the last change left."""
        steps = [diagnosis.step for diagnosis in self._history]
        own = self._history[max(bisect_right(steps, step) - 1, 0)]
        hung = [finding for finding, _ in self._roster.hung if finding.first_step <= step]
        return _joined(own, (*self._roster.compared_at(step), *hung))

    @property
    def _diagnosis_of_all(self) -> Diagnosis:
        """What is known of the run and of its ranks."""
        others = (*self._roster.compared, *(finding for finding, _ in self._roster.hung))
        key = self._diagnosis, others
        if self._joined is None or self._joined[0] != key:
            self._joined = key, _joined(self._diagnosis, others)
        return self._joined[1]

    # --- showing ----------------------------------------------------------------------------------------------

    def frame(self, now: float, link: Link | None = None) -> RunFrame:
        """The picture of this run as of *now*, over *link* where it is of another host."""
        if self._overview is not None and self._overview.is_reached(self._store):
            self._overview, self._series = None, None
        overview = self._overview
        store, liveness = overview.store if overview else self._lead_store, seen_over(link, self.liveness)
        diagnosis = self._diagnosis_of_all
        clock_offset_s = link.clock_offset_s if link else 0.0
        self._book.look(self._lead_store)
        return RunFrame(
            info=store.info or RunInfo(id=self._run, name=self._run),
            liveness=liveness,
            vitals=read_vitals(
                store, self._data_age(now, clock_offset_s), liveness.state.is_over, self._holes, self._left_out
            ),
            diagnosis=diagnosis,
            model=store.model,
            series=self._all_series(store),
            classes=tuple(c for kind in ("targets", "predictions") if (c := store.counts(kind)) is not None),
            marks=overview.marks() if overview else self._book.marks(diagnosis.findings),
            notices=(
                *((overview.progress(self._store),) if overview else ()),
                *self._notices,
                *self._notices_of_ranks(),
            ),
            checks=store.checks,
            bad_targets=store.bad_targets,
            given=store.given,
            ranks=self._rank_table(now),
            link=link,
        )

    def has_news(self, shown: RunFrame, link: Link | None) -> bool:
        """Whether something differs from *shown* that may not wait: what is known, how the run is, or its link."""
        return (
            shown.diagnosis is not self._diagnosis_of_all
            or shown.link != link
            or shown.liveness != seen_over(link, self.liveness)
        )

    @property
    def liveness(self) -> Liveness:
        """The state of the run, as the hosts of its ranks or their own goodbyes tell it."""
        if self._cut:
            return Liveness(RunState.RUNNING, f"as of step {self._lead_store.last_step}")
        return of_all(self._roster.members or self._roster.silent)

    def _rank_table(self, now: float) -> RankTable | None:
        made_at, named_then = self._table_made
        ended = [m.store.last_step for m in self._roster.members if state_of(m).state.is_over]
        named = self._roster.named, ended  # what is over is shown as it ended, at once
        if named != named_then or not 0 <= now - made_at < _TABLE_EVERY_S:
            self._table, self._table_made = rank_table(self._roster), (now, named)
        return self._table

    def _all_series(self, store: RunStore) -> Mapping[str, Series]:
        if self._series is None or self._series_of is not store:
            self._series, self._series_of = store.snapshot(), store
        return self._series

    def _data_age(self, now: float, clock_offset_s: float) -> float | None:
        """Seconds since the newest datum, where its host's clock is *clock_offset_s* ahead of ours.  Clocks of hosts
        may differ by more: it is never younger than its arrival here."""
        last_time = self._lead_store.last_time
        if self._arrived_at is None or not last_time:
            return None
        return max(now + clock_offset_s - last_time, now - self._arrived_at, 0.0)

    def _notices_of_ranks(self) -> list[str]:
        """Ranks, other than the one that stands for the run, whose process is not well."""
        others = ((member.rank, state_of(member)) for member in self._roster.members[1:])
        ill = [f"rank {rank}: {told.state.value.replace('_', ' ')} {told.reason}".rstrip() for rank, told in others
               if told.state in _WORTH_A_NOTICE]  # fmt: skip
        return (
            ill if len(ill) <= _MOST_ILL_RANKS else [*ill[:_MOST_ILL_RANKS], f"and {len(ill) - _MOST_ILL_RANKS} more"]
        )


def seen_over(link: Link | None, known: Liveness) -> Liveness:
    """The state of a run as far as *link* lets us tell: what is over stays over, the rest may have changed."""
    if link is None or not link.state.is_down or known.state.is_over:
        return known
    return Liveness(RunState.LOST, f"no word from {link.host}; last known: {known.state.value.replace('_', ' ')}")


def _joined(diagnosis: Diagnosis, others: Sequence[Finding]) -> Diagnosis:
    """*diagnosis* with what ranks say of each other."""
    if not others:
        return diagnosis
    from dettui.diagnose.weigh import joined  # noqa: PLC0415 - as with the judge

    return joined(diagnosis, others)


def _gist(diagnosis: Diagnosis) -> tuple[object, ...]:
    """What makes two diagnoses tell the same: not the step, nor the last digits of a score."""
    findings = tuple(
        (f.kind, f.state, f.severity, f.first_step, f.raised_at_step, tuple(c.id for c in f.causes))
        for f in diagnosis.findings
    )
    return diagnosis.verdict, findings, tuple(c.id for c in diagnosis.causes)
