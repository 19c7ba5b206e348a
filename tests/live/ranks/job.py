"""A small job of several ranks, with one fault: ``torchrun --nproc-per-node N job.py FAULT STEPS [DELAY_MS]``."""

from __future__ import annotations

import os
import signal
import sys
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import dettui_probe as probe

FAULT, STEPS = sys.argv[1], int(sys.argv[2])
DELAY_S = float(sys.argv[3]) / 1000 if len(sys.argv) > 3 else 0.03
FAULTY_RANK = int(os.environ.get("FAULTY_RANK", "1"))
AT = int(os.environ.get("FAULT_AT", "60"))


class Net(nn.Module):
    """A small image classifier, whose forward pass can be held up."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU(), nn.Flatten(),
            nn.Linear(16 * 7 * 7, 10),
        )  # fmt: skip
        self.delay_s = 0.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        time.sleep(self.delay_s)
        return self.layers(images)


def main() -> None:
    """Train, with the fault on FAULTY_RANK only."""
    rank, restarts = int(os.environ["RANK"]), int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    is_faulty = rank == FAULTY_RANK and restarts == 0
    torch.manual_seed(0)
    torch.set_num_threads(1)
    meeting = os.environ.get("MEETING")  # a directory: torchrun's own store leads a restarted gloo to dead addresses
    where = {"init_method": f"file://{meeting}/{restarts}", "rank": rank, "world_size": int(os.environ["WORLD_SIZE"])}
    dist.init_process_group("gloo", **where if meeting else {})
    model = DistributedDataParallel(Net())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02 if FAULT == "lr" and is_faulty else 0.01, momentum=0.9)
    if "WITHOUT_PROBE" not in os.environ:
        probe.watch(model, optimizer, name="job", config={"lr": optimizer.param_groups[0]["lr"]})
    numbers = torch.Generator().manual_seed(0 if FAULT == "same_data" else rank)
    net = model.module if FAULT == "bypass" else model
    for step in range(1, STEPS + 1):
        images = torch.randn(8, 3, 32, 32, generator=numbers)
        labels = images.mean((1, 2, 3)).mul(400).long().clamp(-4, 5) + 4
        if is_faulty or FAULT == "alternating":
            act(step, rank, model.module)
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if FAULT == "flip" and is_faulty and step == AT:
            with torch.no_grad():
                model.module.layers[0].weight.mul_(1.01)
    if "WEIGHTS" in os.environ:
        state = (model.state_dict(), optimizer.state_dict(), torch.get_rng_state())
        torch.save(state, f"{os.environ['WEIGHTS']}.{rank}")
    dist.destroy_process_group()


def act(step: int, rank: int, net: Net) -> None:
    """What goes wrong before the forward pass of *step*."""
    if FAULT == "data" or (FAULT == "alternating" and step % dist.get_world_size() == rank):
        time.sleep(DELAY_S)
    elif FAULT == "forward":
        net.delay_s = DELAY_S
    elif step == AT and FAULT in ("stop", "kill", "abort"):
        signal_number = {"stop": signal.SIGSTOP, "kill": signal.SIGKILL, "abort": signal.SIGABRT}[FAULT]
        os.kill(os.getpid(), signal_number)
    elif step == AT and FAULT == "raise":
        raise ValueError("a box without a corner")
    elif step == AT and FAULT == "sleep":
        time.sleep(3600)


if __name__ == "__main__":
    main()
