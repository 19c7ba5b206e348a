"""Trainings that stand in a script of their own, as their communities write them: what each prints of how well it does,
the mistakes it can be trained with, and one training of it under ``python -m dettui_probe``.

A folder of scripts (``odd``, ``detectors``, ``field``) has a ``cases.py`` that holds ``CASES``.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
BENCH: Final = Path(__file__).parent
SEEDED: Final = "torch.manual_seed(0)"
LONGEST_S: Final = 400.0


class Fault:
    """A mistake: the one place of the script that it changes, and the *causes* that are right, the true one first."""

    def __init__(self, name: str, old: str, new: str, *causes: str) -> None:
        self.name, self.old, self.new, self.causes = name, old, new, causes


class Case(NamedTuple):
    """A script: the *words* before the number that it prints of how well it does, and how far that must come."""

    script: str
    words: str
    side: str  # ">" or "<"
    limit: float
    faults: tuple[Fault, ...] = ()

    def learnt(self, value: float | None) -> bool:
        """Whether a run that came to *value* did."""
        return value is not None and (value > self.limit if self.side == ">" else value < self.limit)


@dataclass(frozen=True)
class Training:
    """One run of a script, as it is or with a mistake."""

    folder: str
    case: Case
    seed: int
    fault: Fault | None = None

    @property
    def name(self) -> str:
        """folder.script.mistake.seed"""
        return f"{self.folder}.{self.case.script}.{self.fault.name if self.fault else 'healthy'}.{self.seed}"

    def text(self) -> str:
        """Of the script.

        Raises ValueError where the place to change, or that of the seed, is not there just once."""
        text = (BENCH / self.folder / f"{self.case.script}.py").read_text()
        changes = [(SEEDED, f"torch.manual_seed({self.seed})")]
        if self.fault:
            changes.append((self.fault.old, self.fault.new))
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: {text.count(old)} times in the script: {old!r}")
            text = text.replace(old, new)
        return text


@dataclass(frozen=True)
class Outcome:
    """What became of a training."""

    value: float | None  # that it printed last; None where it printed none
    seconds: float
    recordings: tuple[Path, ...]  # one of each model that was trained


def cases(folder: str) -> tuple[Case, ...]:
    """Of the scripts in *folder*."""
    found: tuple[Case, ...] = importlib.import_module(f"{folder}.cases").CASES
    return found


def trainings(folders: Sequence[str], seeds: int, with_faults: bool) -> Iterator[Training]:
    """Each script of *folders* as it is, *seeds* times, and with each of its mistakes."""
    for folder in folders:
        for case in cases(folder):
            yield from (Training(folder, case, seed) for seed in range(seeds))
            for fault in case.faults if with_faults else ():
                yield Training(folder, case, 0, fault)


def outcome(training: Training, runs: Path, budget: float) -> Outcome:
    """Of *training*, which is run unless *runs* has it already."""
    place = runs / training.name
    result = place / "result.json"
    if not result.exists():
        place.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        _train(training, place, budget)
        value = newest((place / "printed.txt").read_text(errors="replace"), training.case.words)
        result.write_text(json.dumps({"value": value, "seconds": round(time.monotonic() - began, 1)}))
    told = json.loads(result.read_text())
    recordings = sorted({path.parent for path in place.glob("*/*.dlog")})
    return Outcome(told["value"], told["seconds"], tuple(recordings))


def _train(training: Training, place: Path, budget: float) -> None:
    """Under the launcher, on one thread; the script, what it prints and its recording lie in *place* then."""
    script = place / f"{training.case.script}.py"
    script.write_text(training.text())
    path = os.pathsep.join(map(str, (ROOT / "probe", BENCH / training.folder)))
    env = {**os.environ, "DETTUI_RUNS": str(place), "DETTUI_HOME": str(place / "home"), "OMP_NUM_THREADS": "1",
           "PYTHONPATH": path}  # fmt: skip
    command = [sys.executable, "-m", "dettui_probe", "--name", script.stem, "--budget", str(budget), str(script)]
    with (place / "printed.txt").open("w") as out:
        try:
            subprocess.run(command, env=env, cwd=place, stdout=out, stderr=out, check=False, timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            out.write("\nended by the bench: it took too long\n")


def newest(printed: str, words: str) -> float | None:
    """The number behind *words* where they were *printed* last, None where they never were."""
    found = re.findall(re.escape(words) + r"\s*(-?\d[\d.e+-]*|-?nan|-?inf)", printed)
    return float(found[-1]) if found else None
