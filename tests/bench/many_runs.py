"""What a dashboard of many live runs costs: frames, processor, memory, bytes to the terminal, staleness, fairness.

    python tests/bench/many_runs.py [--runs 1 16 64] [--seconds 15] [--rate 100]

A generator process writes as many runs as asked through the probe's own encoder, log and live path, 20 tags at 100
steps a second each.  `dettui` runs in a real pseudo-terminal of 200x50 cells, with the agent that it starts.  After a
warm-up, processor time of both is read from the system, bytes are counted at the terminal, and the application
reports its frames.  The age of a run is that of its newest datum when a frame is made; the data share one clock.
Then the generator goes, and what an idle screen costs is measured.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import Any

COLUMNS, ROWS = 200, 50
WARM_UP_S = float(os.environ.get("WARM_UP_S", "8"))
IDLE_S = 6.0
ROUND_S = 0.05


# --- the runs, in a process of their own ----------------------------------------------------------------------


def generate(runs: int, rate: float, seconds: float) -> None:
    """Write *runs* runs at *rate* steps a second each, as as many probes would, then leave without a goodbye."""
    import numpy as np

    from dettui_probe.recorder import Row

    rng = np.random.default_rng(0)
    probes = [_probe(index, rate) for index in range(runs)]
    names, levels = list(_TAGS), np.array(list(_TAGS.values()))
    noise = np.exp(0.1 * rng.standard_normal((997, len(names))))
    begun = time.time()
    done = 0
    while time.time() - begun < seconds:
        due = int((time.time() - begun) * rate)
        for index, (encoder, outlets) in enumerate(probes):
            for step in range(done, due):
                level = levels * noise[(step + 31 * index) % 997]
                level[:5] *= 0.2 + 0.8 / (1.0 + step / 300)
                encoder.add_row(Row(step + 1, begun + (step + 1) / rate, dict(zip(names, level.tolist(), strict=True))))
            outlets.send(encoder.packets())
        done = due
        for _, outlets in probes:
            outlets.keep(lambda: ())
        time.sleep(max(0.0, ROUND_S - (time.time() - begun) % ROUND_S))


_TAGS = {
    "loss/total": 2.4, "loss/loss_classifier": 1.1, "loss/loss_box_reg": 0.9, "loss/loss_objectness": 0.3,
    "loss/loss_rpn_box_reg": 0.1, "lr/pg0": 0.01, "momentum/pg0": 0.9, "grad/norm": 1.5, "grad/zero_share": 0.05,
    "grad/agreement": 0.1, "update/ratio": 2e-3, "weight/norm": 40.0, "batch/size": 4.0, "targets/boxes": 12.0,
    "time/step": 0.01, "time/data": 0.001, "time/forward": 0.004, "time/backward": 0.004, "inputs/mean": 0.1,
    "inputs/std": 1.0,
}  # fmt: skip


def _probe(index: int, rate: float) -> tuple[Any, Any]:
    import zmq

    from dettui_probe import identity, wire
    from dettui_probe.encode import Encoder
    from dettui_probe.fence import Fence
    from dettui_probe.run import Run
    from dettui_probe.start import _outlets

    process = identity.process()
    hello = wire.Hello(
        version=(wire.MAJOR, wire.MINOR), run=f"load-{index:02d}", boot=os.urandom(8).hex(), rank=0, world=1,
        name=f"load s{index % 4} lr{index // 4}", host=process.host, host_boot=process.host_boot, pid=process.pid,
        pid_start=process.pid_start, started=time.time(), argv=["train.py", f"--seed={index % 4}"], cwd="/tmp",
        python=sys.executable, probe_version="bench", config={"seed": index % 4, "lr": 0.01 * (1 + index // 4)},
    )  # fmt: skip
    run = Run(hello.run, hello.name)
    encoder, outlets = Encoder(hello, Fence("values", run.ledger)), _outlets(run, hello)
    for live, _ in outlets._lives:
        live._context = zmq.Context.instance()  # one for all: 64 probes would be 64 processes, each with its own
    outlets.send(encoder.preamble())
    return encoder, outlets


# --- the dashboard, in a process of its own ----------------------------------------------------------------------


def watch() -> None:
    """Run the dashboard; on SIGUSR1 report the figures that only it knows, and begin to count anew."""
    import dettui.app
    from dettui.app import DettuiApp
    from dettui.engine import Engine
    from dettui.feed.opening import open_local

    feed = open_local()

    class Counting(DettuiApp):
        CSS_PATH = Path(dettui.app.__file__).with_name("theme.tcss")
        made = shown = 0
        ages: list[float]
        worst: float

        def post_frame(self, frame: Any) -> None:
            self.made += 1
            ages = [run.vitals.data_age_s for run in frame.runs if run.vitals.data_age_s is not None]
            self.ages = [*getattr(self, "ages", []), *ages]
            super().post_frame(frame)

        def _display(self, screen: Any, renderable: Any) -> None:
            self.shown += renderable is not None
            super()._display(screen, renderable)

        def figures(self) -> dict[str, Any]:
            runs = self.newest.runs if self.newest else ()
            steps = sorted(run.vitals.step for run in runs)
            ages = sorted(self.ages) or [0.0]
            points = sum(run.vitals.points for run in runs)
            held = sum(run.vitals.held_bytes for run in runs)
            report = {
                "made": self.made, "shown": self.shown, "runs": len(runs), "least": steps[:1], "most": steps[-1:],
                "age_p50": ages[len(ages) // 2], "age_p99": ages[int(0.99 * (len(ages) - 1))], "age_max": ages[-1],
                "points": points, "held": held, "findings": sum(len(run.diagnosis.findings) for run in runs),
                "states": sorted({run.liveness.state.value for run in runs}),
            }  # fmt: skip
            self.made, self.shown, self.ages = 0, 0, []
            return report

    app = Counting(lambda: Engine(feed, judges_later=True), close=feed.close, title="bench")
    report_fd = int(os.environ["REPORT_FD"])

    def serve() -> None:
        while os.read(int(os.environ["ASK_FD"]), 1):
            os.write(report_fd, (json.dumps(app.figures()) + "\n").encode())

    threading.Thread(target=serve, daemon=True).start()
    app.run()


# --- the terminal, in the parent ---------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal that counts what is sent to it, in a thread."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.bytes = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                select.select([self.master], [], [])
                self.bytes += len(os.read(self.master, 1 << 16))
            except (OSError, ValueError):
                return


def cpu_s(pid: int) -> float:
    """Processor time of *pid* and its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of *pid*."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(runs: int, rate: float, seconds: float, keys: str) -> dict[str, Any]:
    """One row of the table."""
    home = Path(tempfile.mkdtemp(prefix="dt-", dir="/tmp"))
    env = {
        **os.environ, "DETTUI_HOME": str(home), "DETTUI_RUNS": str(home / "logs"), "TERM": "xterm-256color",
        "COLORTERM": "truecolor", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    life = WARM_UP_S + seconds + 3
    me = [sys.executable, __file__]
    generator = subprocess.Popen([*me, "--generate", str(runs), "--rate", str(rate), "--seconds", str(life)], env=env)
    terminal = Terminal()
    reports, report_fd = os.pipe()
    ask_from, ask = os.pipe()
    viewer = subprocess.Popen(
        [*me, "--watch"], stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave, start_new_session=True,
        pass_fds=[report_fd, ask_from], env={**env, "REPORT_FD": str(report_fd), "ASK_FD": str(ask_from)},
    )  # fmt: skip
    try:
        time.sleep(WARM_UP_S / 2)
        if keys:
            os.write(terminal.master, keys.encode())
        time.sleep(WARM_UP_S / 2)
        agent = json.loads((home / "agent.json").read_text())["pid"]

        def figures() -> dict[str, Any]:
            os.write(ask, b".")
            if not select.select([reports], [], [], 20)[0]:
                raise SystemExit("the dashboard does not answer; run it with --watch to see why")
            told = json.loads(os.read(reports, 1 << 16).splitlines()[-1])
            return {
                **told, "at": time.monotonic(), "viewer": cpu_s(viewer.pid), "agent": cpu_s(agent),
                "generator": cpu_s(generator.pid) if generator.poll() is None else 0.0, "bytes": terminal.bytes,
                "rss": rss_mb(viewer.pid), "agent_rss": rss_mb(agent),
            }  # fmt: skip

        before = figures()
        time.sleep(seconds)
        live = figures()
        generator.wait()
        time.sleep(3.0)
        quiet = figures()
        time.sleep(IDLE_S)
        idle = figures()
        os.kill(agent, signal.SIGTERM)
    finally:
        viewer.terminate()
        generator.kill()
        viewer.wait()
        shutil.rmtree(home, ignore_errors=True)
    wall, rest = live["at"] - before["at"], idle["at"] - quiet["at"]
    share = {name: 100 * (live[name] - before[name]) / wall for name in ("viewer", "agent", "generator")}
    return {
        "runs": runs, "made/s": live["made"] / wall, "shown/s": live["shown"] / wall, "viewer %": share["viewer"],
        "agent %": share["agent"], "both %": share["viewer"] + share["agent"], "generator %": share["generator"],
        "RSS MB": live["rss"], "agent MB": live["agent_rss"], "B/point": live["held"] / max(1, live["points"]),
        "points M": live["points"] / 1e6,
        "KB/s live": (live["bytes"] - before["bytes"]) / wall / 1000,
        "B/s idle": (idle["bytes"] - quiet["bytes"]) / rest, "idle %": 100 * (idle["viewer"] - quiet["viewer"]) / rest,
        "age p50/p99/max s": f"{live['age_p50']:.2f}/{live['age_p99']:.2f}/{live['age_max']:.2f}",
        "steps least..most": f"{live['least']}..{live['most']}", "findings": live["findings"],
        "states": live["states"], "seen": live["runs"],
    }  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=100.0, help="steps a second and run")
    parser.add_argument("--keys", default="", help="keys to press before measuring")
    parser.add_argument("--generate", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        generate(options.generate, options.rate, options.seconds)
    elif options.watch:
        watch()
    else:
        for runs in options.runs:
            row = measure(runs, options.rate, options.seconds, options.keys)
            print(
                "  ".join(f"{k}: {v:.3g}" if isinstance(v, float) else f"{k}: {v}" for k, v in row.items()), flush=True
            )


if __name__ == "__main__":
    main()
