"""Whatever write(2) does: what it took is read back once and in order, and the reader meets at worst a hole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, for a shim around write(2)")

LOGS = """
    import os, time
    import dettui_probe as probe
    from dettui_probe import runlog
    runlog.FIRST_RETRY_S = runlog.LAST_RETRY_S = 0.02
    from dettui_probe import writer
    writer.ROUND_S = 0.005
    from dettui_probe.runlog import RunLog
    settle = RunLog._settle
    def tell(self, written):
        settle(self, written)
        os.write(1, b"%d\\n" % self._size)
    RunLog._settle = tell
    run = probe.init()
    for step in range(int(os.environ.get("STEPS", "600"))):
        run.log(step, loss=step * 0.5)
        time.sleep(0.001)
    for _ in range(200):
        if not run._writer._outlets._log._waiting: break
        time.sleep(0.02)
"""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("shim") / "write_faults.so"
    source = Path(__file__).with_name("write_faults.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.mark.parametrize("fault", ["short", "eintr", "eio", "full"])
def test_a_write_that_fails_now_and_then_costs_nothing(workplace, shim, fault) -> None:
    done = workplace.run(LOGS, LD_PRELOAD=str(shim), FAULT=fault)
    assert (done.returncode, done.stderr) == (0, "")
    strand = workplace.strand()
    assert [step for step, _ in strand.rows()] == list(range(600))
    assert strand.seqs == list(range(len(strand.seqs)))
    assert strand.holes == []


@pytest.mark.parametrize("fault", ["short", "eio"])
def test_torn_frames_that_cannot_be_taken_back_are_holes_and_cost_nothing(workplace, shim, fault) -> None:
    done = workplace.run(LOGS, LD_PRELOAD=str(shim), FAULT=fault, KEEP_TORN="1")
    assert (done.returncode, done.stderr) == (0, "")
    strand = workplace.strand()
    assert [step for step, _ in strand.rows_once()] == list(range(600))
    assert strand.holes
    assert sorted(set(strand.seqs)) == list(range(len(set(strand.seqs))))


def kill_in_write(workplace, shim: Path, at: int, share: int) -> None:
    done = workplace.run(
        LOGS,
        STEPS="100000",
        LD_PRELOAD=str(shim),
        FAULT="kill",
        AT=str(at),
        SHARE=str(share),
        DETTUI_RUN=f"k{at}-{share}",
    )
    assert done.returncode == -9
    acknowledged = int(done.stdout.split()[-1]) if done.stdout else 0
    (path,) = workplace.runs.glob(f"k{at}-{share}/*.dlog")
    strand = workplace.read(path)
    steps = [step for step, _ in strand.rows()] if strand.messages else []
    assert steps == list(range(len(steps)))
    assert strand.holes == []
    assert path.stat().st_size >= acknowledged
    assert strand.seqs == list(range(len(strand.seqs)))
    assert strand.whole_bytes >= acknowledged


@pytest.mark.parametrize("share", [0, 50, 99])
@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_kill_in_the_middle_of_a_write_costs_what_was_not_written(workplace, shim, at, share) -> None:
    kill_in_write(workplace, shim, at, share)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_kill_in_each_of_the_first_hundred_writes(workplace, shim) -> None:
    for at in range(1, 101):
        kill_in_write(workplace, shim, at, (at * 37) % 101)
