"""`dettui` as a process of its own, in places of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from live.patience import PATIENCE_S
from live.places import short_directory

ENTRY = "import sys; from dettui.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Place:
    """A working directory with a runtime directory and run logs of its own."""

    cwd: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ, "DETTUI_HOME": str(self.home), "DETTUI_RUNS": str(self.runs), "OMP_NUM_THREADS": "1",
            "COLUMNS": "100",
        }  # fmt: skip

    @property
    def runs(self) -> Path:
        return self.cwd / "runs"

    def dettui(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `dettui` without a terminal."""
        return subprocess.run(
            command(*arguments),
            cwd=self.cwd,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `dettui` without a terminal, in a process group of its own."""
        return subprocess.Popen(
            command(*arguments),
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def script(self, name: str, text: str) -> str:
        """Write a training script; its name."""
        (self.cwd / name).write_text(text)
        return name

    def record(self, steps: int = 300) -> Path:
        """A recorded run called "recorded", of *steps* steps of a falling loss; its log."""
        self.script("record.py", RECORDING.format(steps=steps))
        environment = {**self.environment, "DETTUI_RUN": "recorded"}
        subprocess.run([sys.executable, "record.py"], cwd=self.cwd, env=environment, check=True)
        return next((self.runs / "recorded").glob("*.dlog"))


def command(*arguments: str) -> list[str]:
    """The command line of `dettui` under this interpreter."""
    return [sys.executable, "-c", ENTRY, *arguments]


RECORDING = """
import random
import dettui_probe as probe

rng = random.Random(0)
with probe.init(total_steps={steps}) as run:
    for step in range(1, {steps} + 1):
        run.log(step, **{{"loss/total": 2 * 0.99**step + rng.gauss(0.1, 0.02), "lr/pg0": 0.1}})
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    home = short_directory()
    yield Place(tmp_path, home)
    shutil.rmtree(home, ignore_errors=True)
