"""Trainings that nobody tuned for, composed at random.  Healthy ones: how often does a warning come for nothing?  And
faulty ones, each with one mistake: is it found, and is its cause named?

    python tests/bench/faults/zoo.py --first 0 --count 100      record them; those of the manifest are recorded already
    python tests/bench/faults/zoo.py --judge                    replay them with the rules, and print a table
    python tests/bench/faults/zoo.py --faults --count 400       record faulty ones, and each without its mistake
    python tests/bench/faults/zoo.py --faults --count 400 --judge --wrong

    --faults                faulty trainings and their healthy twins, instead of the healthy ones
    --out DIR               where recordings and manifest.jsonl go; $DETTUI_ZOO, else ./.zoo
    --first N, --count N    which seeds, for both (default: 0 to 99)
    --workers N             processes at a time (default 1)
    --nice N                niceness (default 19: behind everything else)
    --wrong                 with --faults --judge: also every run that was missed or misnamed

A training is composed from its seed: task, data, network, optimizer, schedule and habits (composed/composition.py).
Each is recorded in a process of its own, by the script of composed/script.py: with ``watch`` and ``log``, with
``watch`` alone, or without a line of the probe under its launcher.  Whether it was healthy is decided by its losses on
held-out data (composed/health.py); those that were not are left out and counted.  Verdicts are as dense as those of
score.py.

A faulty training is composed likewise, and one of the mistakes of composed/mistakes is made in it.  Rules may be tuned
on the seeds 0 to 399; 400 to 799 are kept unseen, and have tasks of their own (composed/faulty.py).  A mistake counts
where it did harm beside two trainings without it that were healthy (composed/harm.py); others are benign, told apart.
The first of the two is recorded as well; the second one, from another seed, is trained without the probe.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from bench.faults.composed import script
from bench.faults.composed.cases import Case, case_named
from bench.faults.composed.composition import OPTIMIZERS, Composition, Habits, compose
from bench.faults.composed.fault_table import judge_faults, print_faults, reason_to_leave_out
from bench.faults.composed.faulty import compose_faulty
from bench.faults.composed.health import Outcome, assess, broken, outcome_of, unhealthy_reason
from bench.faults.composed.printing import print_run
from bench.faults.composed.training import State, Trained, Training, make_optimizer, pretrained
from bench.faults.effect import clopper_pearson
from bench.faults.loop import save_checkpoint
from bench.faults.record import Recorder, probe_revision, read_manifest, to_be_found
from bench.faults.score import Scored
from bench.faults.verdict import code_revision, verdicts
from torch import nn

SCRIPT: Final = Path(script.__file__)
ANOTHER: Final = 300_000  # added to the seed of the second twin, but for its data


@dataclass(frozen=True)
class Job:
    """One training to be recorded, named as those of the fault bench are."""

    seed: int
    program: str
    what: str
    kind: str = "healthy"  # or "fault", or "twin"

    @property
    def name(self) -> str:
        """Readable and unique."""
        return f"{'zoo' if self.kind == 'healthy' else self.kind}/{self.seed:04}"

    @property
    def run_id(self) -> str:
        """The directory of the recording."""
        return self.name.replace("/", "-")

    @property
    def case(self) -> str:
        """As composed/cases.py names it."""
        return str(self.seed) if self.kind == "healthy" else f"{self.kind}-{self.seed}"


def jobs(first: int, count: int) -> list[Job]:
    """Those of the seeds from *first* on."""
    problems = [compose(seed).problem for seed in range(first, first + count)]
    return [Job(problem.seed, problem.task, problem.net) for problem in problems]


def fault_jobs(first: int, count: int) -> list[Job]:
    """The faulty ones of the seeds from *first* on, each behind its twin: where that one is unhealthy it is spared."""
    return [job for seed in range(first, first + count) for job in _twin_and_fault(seed)]


def _twin_and_fault(seed: int) -> tuple[Job, Job]:
    faulty = compose_faulty(seed)
    problem = faulty.composition.problem
    return Job(seed, problem.task, problem.net, "twin"), Job(seed, problem.task, faulty.mistake.name, "fault")


# --- recording ----------------------------------------------------------------------------------------------------


def record(job: Job, runs: Path) -> dict[str, Any]:
    """In a child: train under the probe, and measure afterwards what the training left."""
    case = case_named(job.case)
    spared = reason_to_spare(job, runs.parent)
    if spared:
        return {"onset": 0, "outcome": asdict(broken(spared)), "composition": asdict(case.composition)}
    to_be_found(job.run_id, runs)
    desk = runs.parent / "desk" / job.run_id
    shutil.rmtree(desk, ignore_errors=True)
    desk.mkdir(parents=True)
    arguments = [job.case, str(desk / "left.pt")]
    weights = pretrained(case.draft.problem, case.draft.habits.dropout) if case.draft.habits.frozen else None
    if weights is not None:
        torch.save(weights, desk / "pretrained.pt")
        arguments.append(str(desk / "pretrained.pt"))
    started = time.perf_counter()
    error = _run(case.composition, arguments)
    seconds = time.perf_counter() - started
    trained = Trained(**torch.load(arguments[1])) if not error else Trained()
    shutil.rmtree(desk)
    references = runs.parent / "references"
    outcome = broken(error) if error else assess(case.composition.problem, case.draft, trained, references)
    answer = {"onset": 0, "outcome": asdict(outcome), "seconds": seconds, "composition": asdict(case.composition)}
    if job.kind == "fault":
        return {**answer, **_told_of_the_mistake(job, case)}
    if job.kind == "twin" and not unhealthy_reason(outcome):
        return {**answer, "second": asdict(_second_twin(case, weights, references))}
    return answer


def reason_to_spare(job: Job, folder: Path) -> str:
    """Why a fault need not be recorded: a twin that is in the manifest of *folder* and unhealthy; else ""."""
    twin = read_manifest(folder).get(f"twin/{job.seed:04}") if job.kind == "fault" else None
    return reason_to_leave_out(twin) if twin is not None else ""


def _told_of_the_mistake(job: Job, case: Case) -> dict[str, Any]:
    faulty = compose_faulty(job.seed)
    return {"onset": case.draft.onset if faulty.mistake.from_onset else 0, "strength": faulty.strength}


def _second_twin(case: Case, weights: State | None, references: Path) -> Outcome:
    """Of the same data, and else of another seed."""
    draft = replace(case.draft, other_seed=ANOTHER)
    trained = Training(draft.problem, draft.habits, weights, draft).run()
    return assess(draft.problem, draft, trained, references)


def _run(composition: Composition, arguments: Sequence[str]) -> str:
    """Run the script to its end, as the composition starts it; answers what it raised, "" where it did not."""
    from dettui_probe import __main__ as launcher
    from dettui_probe import finish
    from dettui_probe.start import current_run

    options = ["--budget", str(composition.budget)] if composition.telling == "launched" else []
    sys.argv = ["dettui_probe", *options, str(SCRIPT), *arguments]
    try:
        if composition.telling == "launched":
            launcher.main()
        else:
            sys.argv = sys.argv[1:]
            script.main(arguments[0], *map(Path, arguments[1:]))
    except (ArithmeticError, AssertionError, IndexError, RuntimeError, TypeError, ValueError) as raised:
        error = f"{type(raised).__name__}: {raised}"[:200]
        _end_as_the_interpreter_would(error)
        return error
    except SystemExit as raised:
        return f"the script ended with {raised.code}"
    run = current_run()
    if run is not None:
        save_checkpoint(run)
    finish()
    return ""


def _end_as_the_interpreter_would(error: str) -> None:
    from dettui_probe.start import current_run

    run = current_run()
    if run is not None:
        run.end("exception", 1, error)


def brief(outcome: Mapping[str, Any]) -> str:
    """An outcome in a few words."""
    return unhealthy_reason(outcome_of(outcome)) or f"healthy, held-out loss {outcome['held_out'][-1]:.3g}"


def is_recorded(job: Job, known: Mapping[str, Mapping[str, Any]]) -> bool:
    """True where *known* has it as it is composed now: one mistake more in the register changes that of every seed."""
    return job.name in known and known[job.name]["what"] == job.what


def warm_up() -> None:
    """Import what torch imports at its first step, once for all children."""
    for name in OPTIMIZERS:
        layer = nn.Linear(2, 2)
        optimizer = make_optimizer(Habits(optimizer=name, lr=0.1), layer)
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()


def record_all(folder: Path, wanted: Sequence[Job], workers: int) -> None:
    """Record those of *wanted* that *folder* lacks."""
    known = read_manifest(folder)
    todo = [job for job in wanted if not is_recorded(job, known)]
    print(f"{len(wanted)} runs, {len(wanted) - len(todo)} recorded, {len(todo)} to do", flush=True)
    torch.set_num_threads(1)
    warm_up()
    Recorder(folder, workers, record, brief).work(todo, float("inf"))


# --- judging ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """What the rules said of the runs that were asked for."""

    healthy: tuple[Scored, ...]
    left_out: tuple[tuple[Scored, str], ...]  # with the reason

    @property
    def warned(self) -> tuple[Scored, ...]:
        """Those with a warning for nothing."""
        return tuple(one for one in self.healthy if one.verdict.warnings_since(0))


def judge(folder: Path, wanted: Sequence[Job], workers: int) -> Judged:
    """Replay the recordings of *wanted*."""
    known = read_manifest(folder)
    rows = [known[job.name] for job in wanted if job.name in known]
    paths = {row["name"]: folder / "runs" / row["run"] for row in rows}
    found = verdicts([path for path in paths.values() if path.exists()], folder / "cache", workers)
    every = [Scored(row, found[paths[row["name"]]]) for row in rows if paths[row["name"]] in found]
    reasons = [(one, left_out_reason(one)) for one in every]
    healthy = tuple(one for one, reason in reasons if not reason)
    return Judged(healthy, tuple((one, reason) for one, reason in reasons if reason))


def left_out_reason(one: Scored) -> str:
    """Why a run is no test of the rules, "" where it is one."""
    reason = unhealthy_reason(outcome_of(one.row["outcome"]))
    return reason or (f"torn: {one.verdict.dropped} rows lost" if one.is_torn else "")


def print_judged(judged: Judged) -> None:
    """The table, each warning with its run, and what was left out."""
    healthy, warned = len(judged.healthy), len(judged.warned)
    low, high = (100 * bound for bound in clopper_pearson(warned, healthy))
    kinds = Counter(reason.partition(":")[0] for _, reason in judged.left_out)
    print(f"code {code_revision()}, probe {probe_revision()}")
    print(f"{'runs':<34}{healthy + len(judged.left_out)}")
    print(f"{'left out':<34}{len(judged.left_out)}  {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}")
    print(f"{'healthy, warned of':<34}{healthy}, {warned}")
    print(f"{'false warnings per 100 [95 %]':<34}{100 * warned / max(healthy, 1):.1f} [{low:.1f}, {high:.1f}]")
    print_shares(judged)
    print("\nfalse warnings")
    for one in judged.warned:
        print_run(one)
        for seen in one.verdict.warnings_since(0):
            print(f"    step {seen.raised_at}: {seen.kind} ({', '.join(seen.causes[:3])}), {seen.state}: {seen.title}")
    print("\nleft out")
    for one, reason in judged.left_out:
        said = "warned of" if one.verdict.warnings_since(0) else "not warned of"
        print(f"  {one.name} {one.row['program']} {one.what}: {reason}; {said}")


def print_shares(judged: Judged) -> None:
    """Runs warned of and runs, by task and by how they are told to the probe."""
    for title, key in (("by task", lambda one: one.row["program"]), ("by telling", _telling)):
        every, warned = Counter(map(key, judged.healthy)), Counter(map(key, judged.warned))
        print(f"{title:<34}" + ", ".join(f"{name} {warned[name]}/{every[name]}" for name in sorted(every)))


def _telling(one: Scored) -> str:
    return str(one.row["composition"]["telling"])


def main() -> int:
    """Record, or judge."""
    arguments = parse()
    os.nice(max(arguments.nice - os.nice(0), 0))
    wanted = (fault_jobs if arguments.faults else jobs)(arguments.first, arguments.count)
    if arguments.judge and arguments.faults:
        known = read_manifest(arguments.out)
        names = [job.name for job in wanted if job.kind == "fault" and is_recorded(job, known)]
        print_faults(judge_faults(arguments.out, names, arguments.workers), wrong=arguments.wrong)
    elif arguments.judge:
        print_judged(judge(arguments.out, wanted, arguments.workers))
    else:
        record_all(arguments.out, wanted, arguments.workers)
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("DETTUI_ZOO", ".zoo")))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--nice", type=int, default=19)
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--wrong", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
