"""What the rules said of faulty trainings, and the table of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.faults.composed.faulty import NEW_TASKS
from bench.faults.composed.harm import harm_of, unhealthy_twin
from bench.faults.composed.health import Outcome, outcome_of
from bench.faults.composed.mistakes import REGISTER, Mistake
from bench.faults.composed.printing import print_run
from bench.faults.effect import clopper_pearson
from bench.faults.record import probe_revision, read_manifest
from bench.faults.score import Scored
from bench.faults.verdict import all_findings, code_revision, verdicts


@dataclass(frozen=True)
class FaultyRun(Scored):
    """A recording of a faulty training, with its truth."""

    harm: str = ""  # in words; "" where the mistake is benign

    @property
    def mistake(self) -> Mistake:
        """That was made."""
        return REGISTER[self.what]

    @property
    def family(self) -> str:
        """The module of the mistake."""
        return self.mistake.family

    @property
    def right(self) -> frozenset[str]:
        """Causes that are right."""
        return self.mistake.right

    @property
    def onset(self) -> int:
        """The step at which the mistake begins."""
        return int(self.row["onset"])


@dataclass(frozen=True)
class JudgedFaults:
    """All recordings that were asked for, sorted out."""

    effective: tuple[FaultyRun, ...]
    benign: tuple[FaultyRun, ...]
    left_out: tuple[tuple[str, str], ...]  # name and reason
    twins: tuple[Scored, ...]  # healthy ones


def twins_of(row: Mapping[str, Any]) -> tuple[Outcome, ...]:
    """What both twins left, from the row of the first one: the second one is not trained where that is unhealthy."""
    return tuple(outcome_of(row[key]) for key in ("outcome", "second") if key in row)


def reason_to_leave_out(twin: Mapping[str, Any] | None) -> str:
    """Why a fault is no test of the rules, by the row of its *twin*; "" where it is one."""
    if twin is None:
        return "its twin is not recorded"
    reason = unhealthy_twin(twins_of(twin))
    return f"its twin: {reason}" if reason else ""


def judge_faults(folder: Path, names: Sequence[str], workers: int) -> JudgedFaults:
    """Replay the recordings of the faults called *names*, and those of their twins."""
    known = read_manifest(folder)
    rows = [known[name] for name in names if name in known]
    twins = {row["name"]: known.get(row["name"].replace("fault", "twin")) for row in rows}
    reasons = {row["name"]: _reason(row, twins[row["name"]], folder) for row in rows}
    tests = [row for row in rows if not reasons[row["name"]]]
    healthy = [twin for row in tests if (twin := twins[row["name"]]) is not None]
    paths = {row["name"]: folder / "runs" / row["run"] for row in (*tests, *healthy)}
    found = verdicts(list(paths.values()), folder / "cache", workers)
    faults = [FaultyRun(row, found[paths[row["name"]]], harm_of_row(row, twins[row["name"]])) for row in tests]
    whole = [one for one in faults if not one.is_torn]
    return JudgedFaults(
        tuple(one for one in whole if one.harm),
        tuple(one for one in whole if not one.harm),
        (
            *((name, reason) for name, reason in reasons.items() if reason),
            *((one.name, f"torn: {one.verdict.dropped} rows lost") for one in faults if one.is_torn),
        ),
        tuple(one for row in healthy if not (one := Scored(row, found[paths[row["name"]]])).is_torn),
    )


def _reason(row: Mapping[str, Any], twin: Mapping[str, Any] | None, folder: Path) -> str:
    """Why a fault is left out; where it broke off before the probe met it there is nothing to replay."""
    is_there = (folder / "runs" / row["run"]).exists()
    return reason_to_leave_out(twin) or ("" if is_there else f"no recording: {row['outcome'].get('error')}")


def harm_of_row(row: Mapping[str, Any], twin: Mapping[str, Any] | None) -> str:
    """What the mistake of *row* has done, beside both twins in the row of the first."""
    assert twin is not None
    return harm_of(outcome_of(row["outcome"]), twins_of(twin), REGISTER[row["what"]].harm)


# --- printing -----------------------------------------------------------------------------------------------------


def print_faults(judged: JudgedFaults, *, wrong: bool) -> None:
    """The table; with *wrong* every run behind it that was missed or misnamed."""
    faults = judged.effective
    print(f"code {code_revision()}, probe {probe_revision()}")
    count = len(faults) + len(judged.benign)
    kinds = Counter(reason.partition(":")[0] for _, reason in judged.left_out)
    print(f"{'left out':<34}{len(judged.left_out)}  {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}")
    print(f"{'effective / all':<34}{len(faults)} / {count}")
    for title, is_right in MEASURES:
        print(f"{title + ' [95 %]':<34}{_share(faults, is_right)}")
    certain = [
        one for one in faults if one.found_at is not None and one.verdict.causes and one.verdict.causes[0].certain
    ]
    print(f"{'certain: right / named':<34}{sum(one.is_first_right for one in certain)} / {len(certain)}")
    print(f"{'benign, warned of':<34}{len(judged.benign)}, {sum(_is_found(one) for one in judged.benign)}")
    warned = sum(bool(one.verdict.warnings_since(0)) for one in judged.twins)
    print(f"{'healthy twins, warned of':<34}{len(judged.twins)}, {warned}")
    _print_groups(faults, "family", lambda one: one.family)
    _print_groups(faults, "task", lambda one: f"{one.row['program']}{' *' * (one.row['program'] in NEW_TASKS)}")
    _print_groups(faults, "telling", lambda one: str(one.row["composition"]["telling"]))
    _print_groups(faults, "cause", lambda one: one.mistake.cause)
    if wrong:
        _print_wrong(judged)


def _is_found(one: Scored) -> bool:
    return one.found_at is not None


MEASURES: tuple[tuple[str, Callable[[Scored], bool]], ...] = (
    ("recall", _is_found),
    ("top-1", lambda one: one.is_first_right),
    ("top-3", lambda one: one.is_among_first),
)
"""Of effective faults; one that was missed is named wrongly."""


def _share(runs: Sequence[Scored], is_right: Callable[[Scored], bool]) -> str:
    hits = sum(map(is_right, runs))
    low, high = (100 * bound for bound in clopper_pearson(hits, len(runs)))
    return f"{100 * hits / max(len(runs), 1):.1f} % [{low:.1f}, {high:.1f}]"


def _print_groups(runs: Iterable[FaultyRun], title: str, key: Callable[[FaultyRun], str]) -> None:
    groups: dict[str, list[FaultyRun]] = {}
    for one in runs:
        groups.setdefault(key(one), []).append(one)
    print(f"by {title:<31}" + "".join(f"{name:>8}" for name in ("runs", *(measure for measure, _ in MEASURES))))
    for name, ones in sorted(groups.items()):
        print(f"  {name:<32}{len(ones):>8}" + "".join(f"{sum(map(is_right, ones)):>8}" for _, is_right in MEASURES))


def _print_wrong(judged: JudgedFaults) -> None:
    print("\nmissed or misnamed")
    for one in sorted(judged.effective, key=lambda one: (one.family, one.what, one.name)):
        if one.is_first_right:
            continue
        place = "" if not one.is_among_first else ", right among the first three"
        print_run(one, f" {one.what} {one.row['strength']:.3g} is {one.mistake.cause}: {one.first}{place}; {one.harm}")
        print(f"    {'; '.join(all_findings(one.verdict))}")
    print("\nleft out")
    for name, reason in judged.left_out:
        print(f"  {name}: {reason}")
