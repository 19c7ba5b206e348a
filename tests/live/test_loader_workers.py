"""DataLoader workers that log, however they are started, while another thread logs all the time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dettui.engine import replay
from dettui.feed.opening import open_recording

EPOCHS = int(os.environ.get("DETTUI_TEST_EPOCHS", "3"))

SCRIPT = """
import sys, threading
import torch
from torch.utils.data import DataLoader, Dataset
import dettui_probe as probe

class Numbers(Dataset):
    def __len__(self):
        return 32
    def __getitem__(self, index):
        probe.log(index, worker=float(index))
        probe.event("note", "from a worker")
        return torch.full((8,), float(index))

if __name__ == "__main__":
    epochs, how = int(sys.argv[1]), sys.argv[2]
    run = probe.init("loader")
    stop = threading.Event()
    def storm():
        while not stop.wait(0.001):
            run.log(0, storm=1.0)
    thread = threading.Thread(target=storm)
    thread.start()
    for epoch in range(epochs):
        loader = DataLoader(Numbers(), batch_size=8, num_workers=2, multiprocessing_context=how)
        for batch in loader:
            assert batch.shape == (8, 8)
        run.log(epoch + 1, epoch=float(epoch))
    stop.set()
    thread.join()
    run.finish()
"""


SLOW = (pytest.param(how, marks=pytest.mark.long) for how in ("forkserver", "spawn"))


@pytest.mark.parametrize("how", ["fork", *SLOW])
@pytest.mark.timeout(3600)
def test_workers_that_log_neither_hang_nor_write(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("DETTUI_RUNS", str(tmp_path / "r"))
    command = [sys.executable, "-W", "ignore", str(tmp_path / "script.py"), str(EPOCHS), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "r").iterdir()  # no worker has made a run of its own
    frame = replay(open_recording(run))
    assert frame.series["epoch"].values.tolist() == [float(epoch) for epoch in range(EPOCHS)]
    assert "worker" not in frame.series
    assert not any("from a worker" in mark.text for mark in frame.marks)
