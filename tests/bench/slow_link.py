"""How old is what is shown over a slow link, and how long does it take to attach?

    python tests/bench/slow_link.py [--seconds 60] [--rate 20000] [--delay 0.15] [--loss 0.0] [--columns 250] [--runs 1]

A real sshd on the loopback interface, behind a relay (tests/live/ssh/relay.py) that carries *rate* bytes a second each
way and delays them by *delay*.  Each run logs *columns* values 100 times a second; 250 make 200 kB/s, ten times what
the link carries.  Every 20 ms: the age of the newest row that the viewer has, by the clock that both share.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from live.ssh import relay
from live.ssh.place import HOST, OtherHost, make_key

from dettui.domain.link import LinkState
from dettui.feed.base import Arrival
from dettui.feed.ssh.feed import SshFeed
from dettui.feed.ssh.target import host_target
from dettui_probe import wire

TRAINING = """
import time, dettui_probe as probe
run = probe.init("bench")
rest = {{f"layer/grad_norm/{{i}}": 0.5 for i in range({columns} - 1)}}
due = time.time()
for step in range({steps}):
    run.log(step, {{"loss/total": 1.0, **rest}})
    due += 0.01
    time.sleep(max(0.0, due - time.time()))
run.finish()
"""


class Ages:
    """The newest row of each run, and how old it was at each look."""

    def __init__(self) -> None:
        self.newest: dict[str, float] = {}
        self.ages: list[float] = []
        self.rows = self.left_out = 0

    def take(self, arrivals: list[Arrival]) -> None:
        for arrival in arrivals:
            self.left_out += arrival.left_out
            for message in arrival.messages:
                for block in message.blocks if isinstance(message, wire.Batch) else ():
                    self.rows += len(block.steps) // 8
                    (time_of_last,) = struct.unpack("<d", block.times[-8:])
                    self.newest[arrival.run] = max(self.newest.get(arrival.run, 0.0), time_of_last)

    def look(self) -> None:
        now = time.time()
        self.ages += [now - newest for newest in self.newest.values()]


def start_runs(host: OtherHost, asked: argparse.Namespace) -> list[subprocess.Popen[bytes]]:
    """The trainings."""
    body = TRAINING.format(columns=asked.columns, steps=round((asked.seconds + asked.history + 30) * 100))
    environment = {**os.environ, "DETTUI_HOME": str(host.home), "DETTUI_RUNS": str(host.place / "runs")}
    return [
        subprocess.Popen([sys.executable, "-c", body], cwd=host.place, env={**environment, "DETTUI_RUN": f"bench-{n}"})
        for n in range(asked.runs)
    ]


def measure(host: OtherHost, asked: argparse.Namespace) -> None:
    """Attach, watch, print."""
    began = time.monotonic()
    feed = SshFeed(host_target(HOST), host.way)
    ages = Ages()
    first_s = current_s = None
    while time.monotonic() - began < (60 if current_s is None else asked.seconds):
        ages.take(list(feed.poll(0.02)))
        if len(ages.newest) == asked.runs and first_s is None:
            first_s = time.monotonic() - began
        if first_s is not None:
            ages.look()
            if current_s is None and ages.ages[-1] < 1.5 + 2 * asked.delay:
                current_s, ages.ages, began = time.monotonic() - began, [], time.monotonic()
    link = feed.link
    feed.close()
    assert link.state is LinkState.UP and first_s is not None and current_s is not None, link
    p50, p95 = np.percentile(ages.ages, [50, 95])
    oldest_at = asked.seconds * int(np.argmax(ages.ages)) / len(ages.ages)
    over = np.mean(np.array(ages.ages) > 1.5 + 2 * asked.delay)
    trip_s = 2 * asked.delay
    print(
        f"{asked.rate / 1e3:.0f} kB/s, round trip {trip_s:.2f} s, loss {asked.loss:.0%}; {asked.runs} runs of "
        f"{asked.columns} columns, {asked.history} s of history\n"
        f"  attached: first rows after {first_s:.1f} s, none older than the bound after {current_s:.1f} s\n"
        f"  age of the newest row over {asked.seconds:.0f} s: p50 {p50:.2f}, p95 {p95:.2f}, max {max(ages.ages):.2f} s"
        f" at {oldest_at:.0f} s, {over:.1%} above the bound (1.5 s + round trip = {1.5 + trip_s:.2f})\n"
        f"  rows: {ages.rows} came, {ages.left_out} were left out; link measured: {link.round_trip_s:.2f} s, "
        f"{(link.bytes_per_s or 0) / 1e3:.0f} kB/s, clock {1e3 * link.clock_offset_s:+.0f} ms"
    )


def main() -> None:
    """Set everything up, measure, clear away."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20_000, help="bytes a second; 0: no relay at all")
    parser.add_argument("--delay", type=float, default=0.15)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--columns", type=int, default=250)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--history", type=float, default=5, help="seconds that runs have been going")
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="dtb-", dir="/tmp"))
    os.environ["DETTUI_HOME"] = str(place / "here")
    Path("/run/sshd").mkdir(exist_ok=True)
    make_key(place / "host")
    make_key(place / "key")
    shutil.copy(place / "key.pub", place / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = OtherHost(place, place / "home", free.getsockname()[1])
    slow = f"{sys.executable} {relay.__file__} %h %p --rate {asked.rate} --delay {asked.delay} --loss {asked.loss}"
    if asked.rate:
        host.client_options.append(f"ProxyCommand {slow}")
    host.start()
    runs = start_runs(host, asked)
    try:
        time.sleep(asked.history + 2)
        measure(host, asked)
    finally:
        for run in runs:
            run.kill()
            run.wait()
        host.clear()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
