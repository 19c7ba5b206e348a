"""On a GPU: nothing that the probe does on the training thread waits for the device."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_a_watched_loop_never_waits_for_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dettui_probe

    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("DETTUI_RUNS", str(tmp_path / "runs"))
    model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    features, labels = torch.randn(32, 64, device="cuda"), torch.arange(32, device="cuda") % 10
    run = dettui_probe.watch(model, optimizer)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(200):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(features), labels).backward()
            optimizer.step()
            time.sleep(0.002)  # so that the host does not run ahead of every slot
    finally:
        torch.cuda.set_sync_debug_mode("default")
    run.finish()
    (log,) = [file.read_bytes() for file in (tmp_path / "runs").rglob("*.dlog")]
    assert b"grad/norm" in log
    assert b"probe_fault" not in log
