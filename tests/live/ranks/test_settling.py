"""Ranks that a script makes itself are known as soon as they are introduced to each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dettui.engine import replay
from dettui.feed.opening import list_runs, open_recording

SPAWNED = """
import os, sys, time
import torch, torch.distributed as dist, torch.multiprocessing as mp
from torch import nn
import dettui_probe as probe

def train(rank, port):
    torch.manual_seed(0)
    run = probe.init("spawned", config={"lr": 0.1})
    run.event("note", f"said early by {rank}")
    time.sleep(1.5)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    model = nn.parallel.DistributedDataParallel(nn.Linear(8, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    probe.watch(model, optimizer)
    for step in range(40):
        model(torch.randn(16, 8)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        time.sleep(0.01)
    dist.destroy_process_group()

if __name__ == "__main__":
    import socket
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(train, args=(port,), nprocs=2)
"""


def test_processes_that_a_script_spawns_are_the_ranks_of_one_run(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED)
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True, timeout=200)
    (run,) = (home / "r").iterdir()
    assert [log.name.partition("-")[0] for log in sorted(run.iterdir())] == ["r0", "r1"]
    assert len(list((home / "h" / "reg").glob("*.json"))) == 2
    (listed,) = list_runs()
    assert listed.ranks == 2
    frame = replay(open_recording(run))
    assert frame.ranks is not None
    assert (frame.ranks.world, frame.ranks.missing) == (2, ())
    assert {view.step for view in frame.ranks.ranks} == {40}
    assert any("said early by 0" in mark.text for mark in frame.marks)
    assert frame.info.config == {"lr": 0.1}
