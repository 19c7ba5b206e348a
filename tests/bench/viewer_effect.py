"""What looking at a training does to it: nothing.  `python tests/bench/viewer_effect.py [--steps N]`

One training (a small detector's backbone on the CPU, watched by the probe), the same seed each time, under five
conditions: nobody looks; a dashboard in a real pty is attached; the dashboard is SIGSTOPped; dashboards are SIGKILLed
over and over at random instants, and their agent with every fifth; and once more nobody, which gives the noise.
Prints a digest of all losses and of the final weights (they must be the same), and per step the median wall time and
the median CPU time of the training thread, which other work on the machine disturbs least.

    --alternate     one training in which nobody, an attached and a stopped dashboard take turns, some seconds each:
                    what else the machine does then weighs on all alike
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import random
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dettui_probe.registry import announced_agent

TRAINING = """
import hashlib, json, pathlib, select, statistics, sys, time
import torch
import dettui_probe as probe

torch.manual_seed(0); torch.set_num_threads(1); torch.use_deterministic_algorithms(True)
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 16, 3, 2, 1), torch.nn.BatchNorm2d(16), torch.nn.ReLU(), torch.nn.Dropout(0.1),
    torch.nn.Conv2d(16, 32, 3, 2, 1), torch.nn.BatchNorm2d(32), torch.nn.ReLU(),
    torch.nn.Conv2d(32, 32, 3, 2, 1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32 * 64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
digest, wall, cpu, ends = hashlib.sha256(), [], [], []
run = probe.watch(model, optimizer, name="effect")
print("ready", flush=True)
sys.stdin.readline()
for step in range(int(sys.argv[1])):
    began, used = time.perf_counter(), time.thread_time()
    images, classes = torch.rand(16, 3, 64, 64), torch.randint(10, (16,))
    loss = torch.nn.functional.cross_entropy(model(images), classes)
    loss.backward(); optimizer.step(); optimizer.zero_grad()
    digest.update(loss.detach().numpy().tobytes())
    wall.append(time.perf_counter() - began); cpu.append(time.thread_time() - used); ends.append(time.perf_counter())
    if select.select([sys.stdin], [], [], 0)[0]: break
    if step % 50 == 0: run.log(step, **{"eval/accuracy": float(step)})
print("trained", flush=True)
sys.stdin.readline()
began = time.perf_counter()
run.finish()
finished = time.perf_counter() - began
for tensor in model.state_dict().values():
    digest.update(tensor.numpy().tobytes())
if len(sys.argv) > 2: pathlib.Path(sys.argv[2]).write_text(json.dumps(list(zip(ends, wall, cpu))))
wall.sort(); cpu.sort()
told = {"digest": digest.hexdigest()[:16], "wall_ms": 1e3 * statistics.median(wall), "finish_s": finished}
print(json.dumps({**told, "cpu_ms": 1e3 * statistics.median(cpu), "p99_ms": 1e3 * wall[len(wall) * 99 // 100]}))
"""


class Dashboard:
    """`dettui` in a pty, whose output is read and thrown away."""

    def __init__(self, env: dict[str, str]) -> None:
        self._terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 140, 0, 0))
        command = [sys.executable, "-c", "import sys; from dettui.cli import main; sys.exit(main())"]
        self.process = subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.drawn = 0

    def draw_for(self, seconds: float) -> None:
        """Take what it draws, so that it never waits for its terminal."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                with contextlib.suppress(OSError):
                    self.drawn += len(os.read(self._terminal, 1 << 16))

    def draw_until_shown(self, kib: int = 8, most_s: float = 60.0) -> None:
        """Take what it draws until a screen stands."""
        deadline = time.monotonic() + most_s
        while self.drawn < kib << 10 and time.monotonic() < deadline:
            self.draw_for(0.05)

    def kill(self) -> None:
        """SIGKILL, which also ends one that was stopped."""
        self.process.kill()
        self.process.wait()
        os.close(self._terminal)


class Condition:
    """What goes on beside the training; ``beside`` runs in a thread until ``over`` is set."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.over = threading.Event()
        self.told = ""

    def nobody(self) -> None:
        """Nobody looks."""
        self.over.wait()

    def attached(self) -> None:
        """One dashboard, drawing."""
        dashboard = Dashboard(self.env)
        while not self.over.is_set():
            dashboard.draw_for(0.2)
        self.told = f"{dashboard.drawn / 1024:.0f} KiB drawn"
        dashboard.kill()

    def stopped(self) -> None:
        """One dashboard, stopped as soon as it shows the run."""
        dashboard = Dashboard(self.env)
        dashboard.draw_until_shown()
        dashboard.process.send_signal(signal.SIGSTOP)
        self.told = f"stopped after {dashboard.drawn / 1024:.0f} KiB"
        self.over.wait()
        dashboard.kill()

    def killed(self, times: int = 100) -> None:
        """Dashboards killed at random instants, *times* of them where the training is long enough."""
        chance, agents = random.Random(1), 0
        for number in range(times):
            dashboard = Dashboard(self.env)
            if number % 5 == 4:
                dashboard.draw_until_shown()
            dashboard.draw_for(chance.uniform(0.0, 0.6))
            dashboard.kill()
            agent = announced_agent() if number % 5 == 4 else None
            if agent is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(agent.pid, signal.SIGKILL)
                    agents += 1
            self.told = f"{number + 1} dashboards and {agents} agents killed"
            if self.over.is_set():
                break


def train(steps: int, what: Callable[[Condition], None]) -> dict[str, float | str]:
    """One training under *what*."""
    home = Path(tempfile.mkdtemp(prefix="dt-", dir="/tmp"))
    places = {"DETTUI_HOME": str(home), "DETTUI_RUNS": str(home / "r")}
    env = {**os.environ, **places, "TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
    os.environ["DETTUI_HOME"] = str(home)  # for announced_agent
    condition = Condition(env)
    child = subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(steps)], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdout.readline()
    beside = threading.Thread(target=what, args=(condition,))
    beside.start()
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "trained\n"
    out, _ = child.communicate("\n")  # it ends while the condition still holds
    condition.over.set()
    beside.join()
    agent = announced_agent()
    if agent is not None:
        os.kill(agent.pid, signal.SIGTERM)
    shutil.rmtree(home, ignore_errors=True)
    return {**json.loads(out), "told": condition.told}


def alternate(rounds: int, seconds: float) -> None:
    """Print, for one training, the medians of the steps that fell into each condition's turns."""
    home = Path(tempfile.mkdtemp(prefix="dt-", dir="/tmp"))
    os.environ["DETTUI_HOME"] = str(home)
    env = {**os.environ, "DETTUI_RUNS": str(home / "r"), "TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", TRAINING, "1000000", str(home / "steps.json")],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    child.stdout.readline()
    child.stdin.write("\n")
    child.stdin.flush()
    time.sleep(seconds)  # the probe spends an allowance at the start
    turns: list[tuple[str, float, float]] = []
    for turn in range(rounds):
        for name in ("nobody", "attached", "stopped") if turn % 2 else ("stopped", "attached", "nobody"):
            dashboard = None if name == "nobody" else Dashboard(env)
            if dashboard is not None:
                dashboard.draw_until_shown()
                dashboard.draw_for(1.0)
                if name == "stopped":
                    dashboard.process.send_signal(signal.SIGSTOP)
            began = time.perf_counter()
            dashboard.draw_for(seconds) if dashboard and name == "attached" else time.sleep(seconds)
            turns.append((name, began, time.perf_counter()))
            if dashboard is not None:
                dashboard.kill()
    child.communicate("\n\n")
    steps = json.loads((home / "steps.json").read_text())
    shutil.rmtree(home, ignore_errors=True)
    print(f"{'':>10} {'steps':>6} {'wall ms':>8} {'CPU ms':>8}   of nobody: wall, CPU (median of {rounds} turns each)")
    kept = {name: [_turn(steps, a, b) for n, a, b in turns if n == name] for name in ("nobody", "attached", "stopped")}
    for name, medians in kept.items():
        ratios = [[m[i] / k[i] - 1 for m, k in zip(medians, kept["nobody"], strict=True)] for i in (1, 2)]
        changes = "  ".join(f"{statistics.median(r):+.1%} ({min(r):+.1%} to {max(r):+.1%})" for r in ratios)
        middle = [statistics.median(m[i] for m in medians) for i in (1, 2)]
        print(f"{name:>10} {sum(m[0] for m in medians):>6.0f} {middle[0]:>8.2f} {middle[1]:>8.2f}   {changes}")


def _turn(steps: list[tuple[float, float, float]], began: float, ended: float) -> tuple[float, float, float]:
    """Number of the steps within a turn, and their median wall and CPU time in ms."""
    mine = [(wall, cpu) for end, wall, cpu in steps if began + wall < end < ended]
    return len(mine), 1e3 * statistics.median(w for w, _ in mine), 1e3 * statistics.median(c for _, c in mine)


def main() -> int:
    """Print the table; 1 where the weights differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--alternate", action="store_true")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=6.0, help="of one turn")
    options = parser.parse_args()
    if options.alternate:
        alternate(options.rounds, options.seconds)
        return 0
    conditions = {
        "nobody": Condition.nobody, "attached": Condition.attached, "stopped": Condition.stopped,
        "killed": Condition.killed, "nobody again": Condition.nobody,
    }  # fmt: skip
    heads = f"{'':>13} {'digest':>16} {'wall ms':>8} {'p99':>7} {'CPU ms':>7} {'CPU of nobody':>14} {'finish s':>9}"
    print(heads, flush=True)
    digests, base = set(), 0.0
    for name, what in conditions.items():
        found = train(options.steps, what)
        digests.add(found["digest"])
        base = base or float(found["cpu_ms"])
        change = float(found["cpu_ms"]) / base - 1
        print(
            f"{name:>13} {found['digest']:>16} {found['wall_ms']:>8.2f} {found['p99_ms']:>7.1f} "
            f"{found['cpu_ms']:>7.3f} {change:>+14.1%} {found['finish_s']:>9.2f}  {found['told']}",
            flush=True,
        )
    print("bit-identical" if len(digests) == 1 else "DIFFERENT")
    return int(len(digests) > 1)


if __name__ == "__main__":
    sys.exit(main())
