"""The ranks of one run: what each of them recorded, and what they say side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from dettui.detect.lifecycle import Lifecycle
from dettui.detect.ranks.desync import Desync
from dettui.detect.ranks.hang import RankEnd, hangs
from dettui.detect.ranks.reading import Ranks
from dettui.detect.ranks.same_batch import SameBatch
from dettui.detect.ranks.straggler import Straggler
from dettui.domain.finding import Abstention, Finding
from dettui.domain.run import Liveness
from dettui.engine.grid import EvaluationGrid
from dettui.engine.pauses import PauseLog
from dettui.store.rows import newest_of
from dettui.store.run_store import RunStore, StorePolicy
from dettui_probe import tags, wire

RULES: Final = (Desync(), Straggler(), SameBatch())
STORE: Final = StorePolicy(max_points=2_000_000)
"""Of one rank: 140,000 steps of fourteen values.  Older ones are thinned, and compared no more."""


class Member:
    """One rank: the newest start of its probe."""

    def __init__(self, rank: int, store: RunStore) -> None:
        self.rank = rank
        self.store = store
        self.hello: wire.Hello | None = None
        self.liveness: Liveness | None = None
        self.log = PauseLog()

    @property
    def end(self) -> RankEnd | None:
        """How it ended, where it said so."""
        bye = self.store.bye
        if bye is None:
            return None
        is_bad = bye.reason == "exception" or bool(bye.exit_code)
        text = bye.text.strip().rpartition("\n")[2] or f"exit code {bye.exit_code}"
        return RankEnd(self.rank, max(self.store.last_step, bye.step), text if is_bad else "", bye.exit_code)


class Roster:
    """Every rank that spoke, and the findings of their comparison.

    They are compared at the ends of the cells of the grid, once every rank has come so far.  Which ranks those are may
    turn out late, in whatever order their records are read; then the comparison begins anew, so that in the end it
    depends on the records alone.
    """

    def __init__(self, main: RunStore, grid: EvaluationGrid, until: int | None) -> None:
        """*main* is the store of rank 0, which the tracker of the run fills."""
        self._main = main
        self._grid = grid
        self._until = until
        self._members: dict[int, Member] = {}
        self._compared: tuple[tuple[int, str], ...] = ()  # rank and boot of those that were compared so far
        self._hung: tuple[tuple[Finding, int | None], ...] | None = None  # while nothing came
        self._begin_comparison()

    # --- taking in --------------------------------------------------------------------------------------------

    def member(self, rank: int) -> Member:
        """The member of that *rank*, made where it has not spoken yet."""
        known = self._members.get(rank)
        if known is None:
            known = self._members[rank] = Member(rank, RunStore(STORE) if rank else self._main)
        return known

    def take(self, rank: int, messages: Sequence[wire.AnyMessage]) -> None:
        """Take in what *rank* said.  Of rank 0 the tracker's store has it already."""
        member = self.member(rank)
        for message in messages:
            if isinstance(message, wire.Batch):
                self._take_rows(member, message)
            elif self._until is None or getattr(message, "step", 0) <= self._until:
                self._take_message(member, message)
        if messages:
            self._hung = None
            self._compare()

    def _take_message(self, member: Member, message: wire.AnyMessage) -> None:
        if isinstance(message, wire.Hello) and (member.hello is None or member.hello.boot != message.boot):
            member.hello, member.log, member.liveness = message, PauseLog(), None
        elif isinstance(message, wire.Beat):
            member.log.beat(message.time, message.step, message.phase)
        if member.rank:
            member.store.apply(message)

    def _take_rows(self, member: Member, batch: wire.Batch) -> None:
        if member.rank:
            member.store.apply_rows(batch, after=None, upto=self._until)
        for block in batch.blocks:
            newest = newest_of(block)
            if newest is not None and (self._until is None or newest[0] <= self._until):
                member.log.move(newest[1], newest[0])

    def finish(self) -> None:
        """Compare what is left: no further step is expected."""
        self._compare()
        frontier = self._frontier()
        if self._closed < frontier:
            self._evaluate(frontier)

    # --- who they are -----------------------------------------------------------------------------------------

    @property
    def members(self) -> tuple[Member, ...]:
        """The ranks of the newest start of the job, in order.  Ranks of an earlier one, which may have had more, are
        no part of it."""
        spoken = [member for member in self._members.values() if member.hello is not None]
        if len(spoken) <= 1:  # as in most runs, and asked several times a frame
            return tuple(spoken)
        newest = max(spoken, key=lambda member: member.hello.started if member.hello else 0.0).hello
        launch = newest.launch if newest is not None else ""
        chosen = (member for member in spoken if member.hello is not None and member.hello.launch == launch)
        return tuple(sorted(chosen, key=lambda member: member.rank))

    @property
    def silent(self) -> tuple[Member, ...]:
        """The ranks of which only their process is known, in order: none has introduced itself yet."""
        return tuple(self._members[rank] for rank in sorted(self._members))

    @property
    def lead(self) -> Member | None:
        """The rank whose curves stand for the run: rank 0, or the first that is there."""
        members = self.members
        return members[0] if members else None

    @property
    def is_group(self) -> bool:
        """Whether the run has more than one rank."""
        return any(member.hello.world > 1 for member in self.members if member.hello is not None)

    # --- comparing --------------------------------------------------------------------------------------------

    def _begin_comparison(self) -> None:
        self._lifecycle = Lifecycle()
        self._closed = 0  # end of the last cell that is done with
        self._evaluated_at = -math.inf  # by the clock of the lead
        self._slow: dict[str, frozenset[int]] = {}  # kind -> ranks that its newest symptom points at
        self.abstained: tuple[Abstention, ...] = ()
        self.history: list[tuple[int, tuple[Finding, ...]]] = []  # at step, where they changed

    def _compare(self) -> None:
        members = self.members
        present = tuple((member.rank, member.hello.boot) for member in members if member.hello is not None)
        if present != self._compared:
            self._compared = present
            self._begin_comparison()
        if len(members) < 2:
            return
        frontier = self._frontier()
        while (end := self._grid.statistics.cell_end(self._closed + 1)) <= frontier:
            if self._is_due(end):
                self._evaluate(end)
            self._closed = end

    def _is_due(self, step: int) -> bool:
        """Whether enough of the run's own time has passed since the last comparison: fast runs are spared."""
        lead = self.lead
        series = lead.store.strand_series(tags.TIME_STEP) if lead is not None else None
        if series is None or not len(series):
            return True
        place = max(int(np.searchsorted(series.steps, step, side="right")) - 1, 0)
        time, began = float(series.times[place]), float(series.times[0])
        is_due = self._grid.statistics_pace.is_due(time - self._evaluated_at, time - began)
        self._evaluated_at = time if is_due else self._evaluated_at
        return is_due

    def _frontier(self) -> int:
        """The last step that every rank has told."""
        members = self.members
        return min((member.store.last_step for member in members), default=0) if len(members) > 1 else 0

    def _evaluate(self, step: int) -> None:
        self._closed = step
        ranks = Ranks({member.rank: member.store.strand_series for member in self.members}, step)
        answers = [rule.evaluate(ranks) for rule in RULES]
        self.abstained = tuple(answer for answer in answers if isinstance(answer, Abstention))
        symptoms = [symptom for answer in answers if not isinstance(answer, Abstention) for symptom in answer]
        before = self._lifecycle.findings
        after = self._lifecycle.update(symptoms, step)
        for symptom in symptoms:
            self._slow[symptom.kind] = frozenset(
                int(name.removeprefix("rank ")) for name in symptom.facts if name.startswith("rank ")
            )
        if _gist(after) != _gist(before):
            self.history.append((step, after))

    def compared_at(self, step: int) -> tuple[Finding, ...]:
        """What the comparison had found at *step*."""
        return next((findings for at, findings in reversed(self.history) if at <= step), ())

    @property
    def compared(self) -> tuple[Finding, ...]:
        """What the comparison found, without causes."""
        return self._lifecycle.findings

    @property
    def hung(self) -> tuple[tuple[Finding, int | None], ...]:
        """Hangs with the rank that is behind, the newest first."""
        if self._hung is None:
            self._hung = self._find_hangs()
        return self._hung

    def _find_hangs(self) -> tuple[tuple[Finding, int | None], ...]:
        members = self.members
        if all(member.log.is_calm for member in members):  # as it is between most frames
            return ()
        ends = [end for member in members if (end := member.end) is not None]
        ended = {end.rank for end in ends}
        pauses = {m.rank: m.log.closed if m.rank in ended else m.log.pauses for m in members}
        return tuple((hang.finding, hang.rank) for hang in hangs(pauses, ends))

    @property
    def named(self) -> tuple[object, ...]:
        """What the active findings are, and of which ranks; which ranks there are."""
        compared = tuple((f.kind, self._slow.get(f.kind)) for f in self._lifecycle.findings if f.state == "active")
        return compared, tuple(rank for finding, rank in self.hung if finding.state == "active"), self._compared

    def ranks_named(self, kind: str) -> frozenset[int]:
        """Ranks at which the active finding of *kind* points."""
        is_active = any(f.kind == kind and f.state == "active" for f in self._lifecycle.findings)
        return self._slow.get(kind, frozenset()) if is_active else frozenset()


def _gist(findings: Sequence[Finding]) -> tuple[object, ...]:
    return tuple((f.kind, f.state, f.severity, f.first_step, f.raised_at_step) for f in findings)
