"""A compiled model: nothing of ours gets into its graph, and its steps are seen all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from live.patience import PATIENCE_S

SCRIPT = """
import torch, dettui_probe
from torch import nn
for where in ("inside", "outside"):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = dettui_probe.watch(model if where == "inside" else compiled, optimizer)
    for _ in range(4):
        loss = nn.functional.cross_entropy(compiled(torch.ones(2, 4)), torch.tensor([0, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(where, run.recorder.step, run.ledger.faults)
    run.finish()
"""


def test_a_compiled_model_is_watched_without_a_break_in_its_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("DETTUI_RUNS", str(tmp_path / "runs"))
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert done.stdout == "inside 4 0\noutside 4 0\n"
