"""The ranks side by side, as of now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from dettui.detect.ranks.reading import Ranks
from dettui.detect.ranks.straggler import times_of
from dettui.domain.ranks import SEGMENTS, RankTable, RankView, SegmentView
from dettui.domain.run import Liveness, RunState
from dettui.domain.series import Floats
from dettui.engine.roster import Member, Roster
from dettui.store.run_store import RunStore
from dettui_probe import tags

POINTS: Final = 50
"""Steps of the medians, as many as the rule for stragglers looks at."""
_OFTEN_DIFFERENT: Final = frozenset({"rank", "local_rank", "device", "gpu", "node", "node_rank", "hostname", "seed"})
_FLAWS: Final[Mapping[str, str]] = {"rank_desync": "differs", "straggler": "slow", "batch_order": "same data"}
_HOLD_UP: Final = frozenset(
    {RunState.CRASHED, RunState.KILLED, RunState.STOPPED, RunState.GIL_BLOCKED, RunState.DISK_WAIT}
)
_ILL: Final = (
    RunState.CRASHED, RunState.KILLED, RunState.STOPPED, RunState.GIL_BLOCKED, RunState.DISK_WAIT, RunState.STALLED,
    RunState.LOST, RunState.UNKNOWN,
)  # fmt: skip


def rank_table(roster: Roster) -> RankTable | None:
    """The table of the newest start of the job, None for a process on its own."""
    members = roster.members
    if not roster.is_group:
        return None
    hello = next(member.hello for member in members if member.hello is not None)
    step = min(member.store.last_step for member in members)
    ranks = Ranks({member.rank: member.store.strand_series for member in members}, step)
    times = times_of(ranks, POINTS)
    alike = {tag: _at_one_step(ranks, tag) for tag in (tags.LOSS_TOTAL, tags.GRAD_NORM, tags.RANK_PARAMETERS)}
    views = [_view(member, {tag: values.get(member.rank) for tag, values in alike.items()}) for member in members]
    window = (0, 0)
    segments: tuple[SegmentView, ...] = ()
    if times is not None:
        window = int(times[0][0]), int(times[0][-1])
        views = [_timed(view, row, times[1]) for row, view in enumerate(views)]
        segments = tuple(_segments(times[1], [view.rank for view in views]))
    views = [replace(view, flaw=_flaw(view.rank, roster)) for view in views]
    return RankTable(
        world=hello.world,
        ranks=tuple(sorted(views, key=_worst_first)),
        attempt=hello.attempt,
        missing=tuple(rank for rank in range(min(hello.world, 4096)) if rank not in {m.rank for m in members}),
        segments=segments,
        window=window,
        differing=tuple(_differing(members)),
    )


def state_of(member: Member) -> Liveness:
    """What is known of the process of *member*."""
    end = member.end
    if end is not None and (member.liveness is None or not member.liveness.state.is_over):
        return Liveness(RunState.CRASHED if end.text else RunState.FINISHED, end.text, end.exit_code)
    told, is_running = member.liveness, bool(member.store.last_time)
    if told is not None and (told.state is not RunState.RUNNING or is_running):
        return told
    return Liveness(RunState.RUNNING if is_running else RunState.STARTING)


def of_all(members: Sequence[Member]) -> Liveness:
    """The state of a job whose ranks are *members*: that of its first rank, unless another one tells why.

    A rank that raises makes the launcher end the others, which then only look killed, or makes them raise in turn,
    because their peer has gone: the one that said goodbye first tells the reason.
    """
    if not members:
        return Liveness(RunState.STARTING)
    first = _first_to_crash(members)
    if first is not None and first is not members[0]:
        told = state_of(first)
        return replace(told, reason=f"rank {first.rank}: {told.reason}")
    lead, others = state_of(members[0]), {member.rank: state_of(member) for member in members[1:]}
    if lead.state is RunState.KILLED:
        for rank, told in others.items():
            if told.state is RunState.CRASHED or (_is_memory(told) and not _is_memory(lead)):
                return replace(told, reason=f"rank {rank}: {told.reason}")
    if lead.state is RunState.STALLED:
        ill = [f"rank {rank} is {told.state.value.replace('_', ' ')}" for rank, told in others.items()
               if told.state in _HOLD_UP]  # fmt: skip
        return replace(lead, reason="; ".join((lead.reason, *ill[:2])))
    return lead


def _first_to_crash(members: Sequence[Member]) -> Member | None:
    """The first of several ranks that crashed; None where rank 0 did not, or where their clocks may differ."""
    ends = [member for member in members if member.end is not None and member.end.text]
    hosts = {member.hello.host_boot for member in members if member.hello is not None}
    if members[0] not in ends or len(hosts) > 1:
        return None
    return min(ends, key=lambda member: member.store.bye.time if member.store.bye is not None else 0.0)


def _is_memory(told: Liveness) -> bool:
    return told.reason.startswith("out of memory")


def _at_one_step(ranks: Ranks, tag: str) -> Mapping[int, float]:
    """The values of *tag* at the newest step that all ranks told: only those can be compared."""
    aligned = ranks.aligned((tag,), POINTS)
    return {} if aligned is None else dict(zip(ranks.ids, aligned[1][tag][:, -1].tolist(), strict=True))


def _view(member: Member, compared: Mapping[str, float | None]) -> RankView:
    """*member* now, with its values at a step that all ranks told."""
    info, store = member.store.info, member.store
    return RankView(
        rank=member.rank,
        liveness=state_of(member),
        host=info.host if info else "",
        pid=info.pid if info else 0,
        step=max(store.last_step, member.log.step),
        phase=member.log.phase,
        loss=compared[tags.LOSS_TOTAL],
        grad_norm=compared[tags.GRAD_NORM],
        checksum=compared[tags.RANK_PARAMETERS],
        mem_bytes=_newest(store, tags.MEM_DEVICE_PEAK) or _newest(store, tags.MEM_RSS),
        dropped=store.beat.dropped if store.beat else 0,
    )


def _newest(store: RunStore, tag: str) -> float | None:
    series = store.strand_series(tag)
    return None if series is None else series.last


def _timed(view: RankView, row: int, times: Mapping[str, Floats]) -> RankView:
    medians = {name: float(np.median(values[row])) for name, values in times.items()}
    return replace(view, step_s=medians.pop("step"), segments=medians)


def _segments(times: Mapping[str, Floats], ranks: Sequence[int]) -> list[SegmentView]:
    step_s = float(np.median(times["step"]))
    views = []
    for name in (*SEGMENTS, "step"):
        if name in times:
            medians = np.median(times[name], axis=1)
            worst = int(np.argmax(medians))
            middle = float(np.median(medians))
            skew = (float(medians[worst]) - middle) / step_s if step_s > 0 else 0.0
            views.append(SegmentView(name, middle, float(medians[worst]), ranks[worst], skew))
    return views


def _flaw(rank: int, roster: Roster) -> str:
    if any(finding.state == "active" and culprit == rank for finding, culprit in roster.hung):
        return "hung"
    return next((word for kind, word in _FLAWS.items() if rank in roster.ranks_named(kind)), "")


def _worst_first(view: RankView) -> tuple[object, ...]:
    state = view.liveness.state
    return not view.flaw, _ILL.index(state) if state in _ILL else len(_ILL), view.step, view.rank


def _differing(members: Sequence[Member]) -> list[str]:
    """Settings that ought to be alike on all ranks."""
    lines = []
    names = {name for member in members if member.store.info for name in member.store.info.config}
    for name in sorted(names - _OFTEN_DIFFERENT):
        by_value: dict[str, list[int]] = defaultdict(list)
        for member in members:
            if member.store.info:
                by_value[str(member.store.info.config.get(name, "absent"))[:60]].append(member.rank)
        if len(by_value) > 1:
            told = "; ".join(f"{value} on {', '.join(map(str, ranks))}" for value, ranks in by_value.items())
            lines.append(f"{name}: {told}")
    return lines[:8]
