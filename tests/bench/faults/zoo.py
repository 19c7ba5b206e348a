"""Healthy trainings that nobody tuned for, composed at random: how often does a warning come for nothing?

    python tests/bench/faults/zoo.py --first 0 --count 100      record them; those of the manifest are recorded already
    python tests/bench/faults/zoo.py --judge                    replay them with the rules, and print a table

    --out DIR               where recordings and manifest.jsonl go; $DETTUI_ZOO, else ./.zoo
    --first N, --count N    which seeds, for both (default: 0 to 99)
    --workers N             processes at a time (default 1)
    --nice N                niceness (default 19: behind everything else)

A training is composed from its seed: task, data, network, optimizer, schedule and habits (composed/composition.py).
Each is recorded in a process of its own, by the script of composed/script.py: with ``watch`` and ``log``, with
``watch`` alone, or without a line of the probe under its launcher.  Whether it was healthy is decided by its losses on
held-out data (composed/health.py); those that were not are left out and counted.  Verdicts are as dense as those of
score.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from bench.faults.composed import script
from bench.faults.composed.composition import OPTIMIZERS, Composition, Habits, compose
from bench.faults.composed.health import Outcome, assess, unhealthy_reason
from bench.faults.composed.training import Trained, make_optimizer, pretrained
from bench.faults.effect import clopper_pearson
from bench.faults.loop import save_checkpoint
from bench.faults.record import Recorder, probe_revision, read_manifest, to_be_found
from bench.faults.score import Scored
from bench.faults.verdict import code_revision, verdicts
from torch import nn

SCRIPT: Final = Path(script.__file__)


@dataclass(frozen=True)
class Job:
    """One training to be recorded, named as those of the fault bench are."""

    seed: int
    program: str
    what: str
    kind: str = "healthy"

    @property
    def name(self) -> str:
        """Readable and unique."""
        return f"zoo/{self.seed:04}"

    @property
    def run_id(self) -> str:
        """The directory of the recording."""
        return f"zoo-{self.seed:04}"


def jobs(first: int, count: int) -> list[Job]:
    """Those of the seeds from *first* on."""
    problems = [compose(seed).problem for seed in range(first, first + count)]
    return [Job(problem.seed, problem.task, problem.net) for problem in problems]


# --- recording ----------------------------------------------------------------------------------------------------


def record(job: Job, runs: Path) -> dict[str, Any]:
    """In a child: train under the probe, and measure afterwards what the training left."""
    composition = compose(job.seed)
    to_be_found(job.run_id, runs)
    desk = runs.parent / "desk" / job.run_id
    shutil.rmtree(desk, ignore_errors=True)
    desk.mkdir(parents=True)
    arguments = [str(job.seed), str(desk / "left.pt")]
    if composition.habits.frozen:
        torch.save(pretrained(composition.problem, composition.habits.dropout), desk / "pretrained.pt")
        arguments.append(str(desk / "pretrained.pt"))
    started = time.perf_counter()
    error = _run(composition, arguments)
    seconds = time.perf_counter() - started
    trained = Trained(**torch.load(arguments[1])) if not error else Trained()
    shutil.rmtree(desk)
    outcome = (
        _broken(error)
        if error
        else assess(composition.problem, composition.habits, trained, runs.parent / "references")
    )
    return {"onset": 0, "outcome": asdict(outcome), "seconds": seconds, "composition": asdict(composition)}


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
            script.main(composition.seed, *map(Path, arguments[1:]))
    except (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError) as raised:
        return f"{type(raised).__name__}: {raised}"[:200]
    except SystemExit as raised:
        return f"the script ended with {raised.code}"
    run = current_run()
    if run is not None:
        save_checkpoint(run)
    finish()
    return ""


def _broken(error: str) -> Outcome:
    return Outcome(0, 0.0, 0.0, False, (), None, 0.0, 0.0, 0.0, error)


def brief(outcome: Mapping[str, Any]) -> str:
    """An outcome in a few words."""
    return unhealthy_reason(outcome_of(outcome)) or f"healthy, held-out loss {outcome['held_out'][-1]:.3g}"


def outcome_of(told: Mapping[str, Any]) -> Outcome:
    """As the manifest has it; that of a process that died is an error alone."""
    if "held_out" not in told:
        return _broken(str(told.get("error", "")))
    return Outcome(**{**told, "held_out": tuple(told["held_out"])})


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
    todo = [job for job in wanted if job.name not in known]
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


def print_run(one: Scored) -> None:
    """What a run is made of, and how its losses went."""
    told = one.row["composition"]
    outcome = outcome_of(one.row["outcome"])
    said = {**told["problem"], **told["habits"], "telling": told["telling"], "budget": told["budget"]}
    named = ", ".join(f"{cause.id} {cause.score:.2f}" for cause in one.verdict.causes[:3])
    print(f"  {one.name}  [{named}]")
    print(
        "    "
        + ", ".join(f"{name} {_short(value)}" for name, value in said.items() if value not in (0.0, False, "none"))
    )
    print(
        f"    loss {outcome.first_loss:.3g} to {outcome.last_loss:.3g}; held out "
        f"{' '.join(f'{value:.3g}' for value in outcome.held_out)}; guess {_short(outcome.guess)}, "
        f"reference {outcome.reference:.3g}; score {outcome.score:.3f}, reference {outcome.reference_score:.3f}"
    )


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> int:
    """Record, or judge."""
    arguments = parse()
    os.nice(max(arguments.nice - os.nice(0), 0))
    wanted = jobs(arguments.first, arguments.count)
    if arguments.judge:
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
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
