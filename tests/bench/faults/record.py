"""Record the runs of the fault bench: ``python tests/bench/faults/record.py tune`` (or ``test``).

    --out DIR            where recordings and manifest.jsonl go; $DETTUI_FAULTS, else ./.faults
    --workers N          processes at a time (default 2)
    --nice N             niceness (default 19: behind everything else)
    --only WORD ...      runs whose name holds every word (fault/mlp/lr_high/medium/0, healthy/cnn/base/3)
    --budget-s S         stop after so many seconds
    --again              also what was recorded with an earlier probe
    --list               print the plan and what is done of it

A run that is in the manifest is not recorded again; a run that was cut off leaves no line there.  The order of the
plan makes every beginning of it useful: one seed of every injection at medium strength, with healthy runs in between,
then more seeds, then the other strengths.

Each run trains in a process of its own, forked from one that has imported torch and not the probe, and is recorded by
``dettui_probe.watch`` as in any script.  Two runs of three give the probe a quarter of the step, which on steps of
some milliseconds buys what the default of 1 % buys on those of a real detector; the third keeps the default, so that
thinned recordings are among them.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar, get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
import torchvision  # noqa: F401 - imported once, before the forks
from bench.faults import injections
from bench.faults.healthy import VARIANTS, variants_of
from bench.faults.injection import REGISTER, Injection, Severity
from bench.faults.loop import train
from bench.faults.plan import Plan, plan_of
from bench.faults.programs import program_named
from bench.faults.split import SIDES, Side
from torch import nn

ROOT: Final = Path(__file__).resolve().parents[3]
THINNED_SEED: Final = 2  # of every three seeds the one with the probe's default budget
PATIENCE_S: Final = 3600
QUICK: Final = (
    "mlp", "cnn_bn", "regressor", "cnn", "gru", "mobile", "mixer", "tcn", "tagger", "tabular", "points",
    "llama", "arcface",
)  # fmt: skip
"""Programs that train in a second or two."""


@dataclass(frozen=True)
class Job:
    """One run to be recorded."""

    kind: str  # "healthy" or "fault"
    program: str
    what: str  # variant or injection
    severity: str  # "" for healthy runs
    seed: int

    @property
    def name(self) -> str:
        """Readable and unique."""
        return "/".join(filter(None, (self.kind, self.program, self.what, self.severity, str(self.seed))))

    @property
    def run_id(self) -> str:
        """The directory of the recording."""
        return self.name.replace("/", "-")

    def plan(self) -> Plan:
        """What is to be trained."""
        plan = plan_of(program_named(self.program), self.seed)
        if self.seed % 3 == THINNED_SEED:
            plan.budget = 0.01
        if self.kind == "healthy":
            VARIANTS[self.what](plan)
        else:
            severity: Severity = self.severity  # type: ignore[assignment]
            REGISTER[self.what].inject(plan, severity)
        return plan


def job_of(row: Mapping[str, Any]) -> Job:
    """The job of one line of the manifest."""
    return Job(row["kind"], row["program"], row["what"], row["severity"], row["seed"])


# --- the order ----------------------------------------------------------------------------------------------------


def jobs(side: Side) -> Iterator[Job]:
    """Everything of *side*, the most useful first."""
    programs = SIDES[side]
    yield from (Job("healthy", program, "base", "", seed) for seed in (0, 1) for program in programs)
    calm = itertools.chain.from_iterable(_healthy(programs, turn) for turn in itertools.count())
    for severity, place, seed in _rounds(len(programs)):
        yield from _woven(_faults(programs, severity, place, seed), calm)


def _rounds(programs: int) -> Iterator[tuple[str, int, int]]:
    """Severity, which of the programs of an injection, seed.  Harm is judged by several seeds, and a rule by several
    programs: each gets its turn before the mild ones, most of which do no harm."""
    first = [
        ("medium", 0, 0), ("medium", 0, 1), ("medium", 1, 0), ("severe", 0, 0), ("medium", 2, 0), ("severe", 0, 1),
        ("medium", 1, 1), ("mild", 0, 0), ("mild", 0, 1),
    ]  # fmt: skip
    every = [
        (severity, place, seed)
        for seed, place, severity in itertools.product(range(3), range(programs), ("medium", "severe", "mild"))
    ]
    yield from (*first, *(turn for turn in every if turn not in first))


def _faults(programs: tuple[str, ...], severity: str, place: int, seed: int) -> list[Job]:
    """Each injection in one program; they begin with different ones, so that every round meets all programs."""
    rows = [(name, _quick_first(injection.programs, programs, turn)) for turn, (name, injection) in _numbered()]
    return [Job("fault", mine[place], name, severity, seed) for name, mine in rows if place < len(mine)]


def _numbered() -> Iterator[tuple[int, tuple[str, Injection]]]:
    return enumerate(REGISTER.items())


def _quick_first(mine: tuple[str, ...], programs: tuple[str, ...], turn: int) -> list[str]:
    """Those of *programs* that are *mine*, from another one at every *turn*; the slow detectors last."""
    quick = [p for p in mine if p in programs and program_named(p).kind != "detection"]
    slow = [p for p in mine if p in programs and p not in quick]
    at = turn % max(len(quick), 1)
    return [*quick[at:], *quick[:at], *slow]


def _healthy(programs: tuple[str, ...], turn: int) -> list[Job]:
    """Every variant in every program: three new seeds a turn of the quick ones, one of the slow ones."""
    jobs_ = [
        Job("healthy", program, variant, "", seed)
        for offset in range(3)
        for variant, program in itertools.product(VARIANTS, programs)
        for seed in [3 * turn + offset if program in QUICK else turn]
        if variant in variants_of(program) and (offset == 0 or program in QUICK)
    ]
    return [job for job in jobs_ if job.what != "base" or job.seed > 1]


def _woven(faults: list[Job], healthy: Iterator[Job]) -> Iterator[Job]:
    for job in faults:
        yield job
        yield from itertools.islice(healthy, 1)


# --- recording ----------------------------------------------------------------------------------------------------


def probe_revision() -> str:
    """Digest of the sources of the probe: what a recording depends on beside the job."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "probe" / "dettui_probe").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def git_revision() -> str:
    """The commit, "" where there is no repository."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The newest line of every job that was recorded, by its name."""
    path = folder / "manifest.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = (json.loads(line) for line in lines if line.endswith("}"))
    return {row["name"]: row for row in rows}


class Named(Protocol):
    """A dataclass of what is to be recorded."""

    @property
    def name(self) -> str: ...
    @property
    def run_id(self) -> str: ...


AnyJob = TypeVar("AnyJob", bound=Named)


class Recorder(Generic[AnyJob]):
    """Keeps *workers* children busy until the jobs are done.  In a child *record* trains one of them, with its log in
    the folder that it is given, and answers what goes into the manifest; *brief* tells an outcome in a few words."""

    def __init__(
        self,
        folder: Path,
        workers: int,
        record: Callable[[AnyJob, Path], Mapping[str, Any]],
        brief: Callable[[Mapping[str, Any]], str],
    ) -> None:
        self.folder, self.workers, self.record, self.brief = folder, workers, record, brief
        self.runs = folder / "runs"
        self.runs.mkdir(parents=True, exist_ok=True)
        self.stamp = {"probe": probe_revision(), "commit": git_revision()}
        self.busy: dict[int, tuple[AnyJob, int, float]] = {}  # pid -> job, pipe, deadline
        self.done = 0

    def work(self, todo: list[AnyJob], until: float) -> None:
        """Record *todo*; start nothing after *until*."""
        waiting, started = iter(todo), time.monotonic()
        job = next(waiting, None)
        while self.busy or (job is not None and time.time() < until):
            while job is not None and len(self.busy) < self.workers and time.time() < until:
                self._start(job)
                job = next(waiting, None)
            self._reap(len(todo), started)

    def _start(self, job: AnyJob) -> None:
        shutil.rmtree(self.runs / job.run_id, ignore_errors=True)
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            self._answer(job, theirs)
            os._exit(0)
        os.close(theirs)
        self.busy[child] = (job, ours, time.monotonic() + PATIENCE_S)

    def _answer(self, job: AnyJob, pipe: int) -> None:
        """In the child; whatever it raises ends it without an answer."""
        answer = self.record(job, self.runs)
        with os.fdopen(pipe, "w") as out:
            out.write(json.dumps(answer))

    def _reap(self, count: int, started: float) -> None:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            self._end_the_stuck()
            time.sleep(0.2)
            return
        job, pipe, _ = self.busy.pop(pid)
        with os.fdopen(pipe) as told:
            text = told.read()
        self.done += 1
        broken = {"onset": 0, "outcome": {"error": f"the process ended with status {status}", "steps": 0}}
        answered = json.loads(text) if text else broken
        outcome = answered["outcome"]
        row = {"name": job.name, "run": job.run_id, **vars(job), **self.stamp, **answered, "time": time.time()}
        with (self.folder / "manifest.jsonl").open("a") as manifest:
            manifest.write(json.dumps(row) + "\n")
        pace = (time.monotonic() - started) / self.done
        print(f"{self.done}/{count} {pace:.1f} s a run  {job.name}  {self.brief(outcome)}", flush=True)

    def _end_the_stuck(self) -> None:
        for pid, (_, _, deadline) in self.busy.items():
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)


def _brief(outcome: Mapping[str, Any]) -> str:
    if outcome.get("error"):
        return str(outcome["error"])[:80]
    return f"score {outcome['score']:.3f} hidden {outcome['hidden']:.3f} loss {outcome['last_loss']:.3f}"


def to_be_found(run_id: str, runs: Path) -> None:
    """Tell the probe of this process where the log goes."""
    os.environ["DETTUI_RUNS"], os.environ["DETTUI_RUN"] = str(runs), run_id
    os.environ["DETTUI_HOME"] = str(runs.parent / "home")


def _record(job: Job, runs: Path) -> dict[str, Any]:
    """In the child: train under the probe and tell the outcome."""
    to_be_found(job.run_id, runs)
    sys.argv = [f"{job.program}.py"]
    plan = job.plan()
    midway = job.kind == "fault" and REGISTER[job.what].from_onset
    return {"onset": plan.onset if midway else 0, "outcome": asdict(train(plan))}


def warm_up() -> None:
    """Import what torch imports at its first step, once for all children."""
    layer = nn.Linear(2, 2)
    for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop):
        optimizer = kind(layer.parameters(), 0.1)
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    for names in SIDES.values():
        for name in names:
            program_named(name)


def main() -> int:
    """Record what is missing."""
    arguments = parse()
    folder = arguments.out / arguments.side
    known = read_manifest(folder)
    stamp = probe_revision()
    wanted = [job for job in jobs(arguments.side) if all(word in job.name for word in arguments.only)]
    todo = [job for job in wanted if job.name not in known or (arguments.again and known[job.name]["probe"] != stamp)]
    print(f"{len(wanted)} runs, {len(wanted) - len(todo)} recorded, {len(todo)} to do", flush=True)
    if arguments.list:
        print("\n".join(("  " if job in todo else "* ") + job.name for job in wanted))
        return 0
    os.nice(max(arguments.nice - os.nice(0), 0))
    torch.set_num_threads(1)
    warm_up()
    Recorder(folder, arguments.workers, _record, _brief).work(todo, time.time() + arguments.budget_s)
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=get_args(Side))
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("DETTUI_FAULTS", ".faults")))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--nice", type=int, default=19)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--budget-s", type=float, default=1e9)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    assert injections.__all__
    sys.exit(main())
