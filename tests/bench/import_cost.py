"""What importing the probe and starting a run cost a script, above bare Python.

    python tests/bench/import_cost.py [--repeats 20]

Every start is a process of its own, in turns, so that a busy minute hits all of them.  Byte code is cached, as pip
leaves it.  *CPU* is what the process used in all; it suffers least from a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

SCRIPTS = {
    "bare Python": "pass",
    "import msgspec": "import msgspec",
    "import dettui_probe": "import dettui_probe",
    "and init()": "import dettui_probe\ndettui_probe.init()",
}
INIT = """
import json, time
from dettui_probe import init
began = time.perf_counter()
run = init()
print(json.dumps(1000 * (time.perf_counter() - began)))
"""


def measured(script: str, env: Mapping[str, str]) -> tuple[float, float]:
    """(wall, CPU) of one process, ms."""
    began, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return 1000 * (time.perf_counter() - began), 1000 * used


def print_table(costs: Mapping[str, list[tuple[float, float]]]) -> None:
    """Medians, and the least, each less the same of bare Python."""
    bare = costs["bare Python"]
    print("| ms above bare Python | wall median | wall least | CPU median | CPU least |")
    print("|---|---|---|---|---|")
    for name, pairs in costs.items():
        cells = []
        for kind in (0, 1):
            values, base = [pair[kind] for pair in pairs], [pair[kind] for pair in bare]
            cells += [statistics.median(values) - statistics.median(base), min(values) - min(base)]
        print(f"| {name} | " + " | ".join(f"{cell:.0f}" for cell in cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    place = tempfile.mkdtemp(prefix="dt-")
    env = {**os.environ, "DETTUI_HOME": place + "/h", "DETTUI_RUNS": place + "/r", "PYTHONPYCACHEPREFIX": place + "/c"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    for script in SCRIPTS.values():  # fills the caches
        measured(script, env)
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in SCRIPTS}
    inits = []
    for _ in range(options.repeats):
        for name, script in SCRIPTS.items():
            costs[name].append(measured(script, env))
        done = subprocess.run([sys.executable, "-c", INIT], env=env, check=True, capture_output=True, text=True)
        inits.append(json.loads(done.stdout))
    print_table(costs)
    print(f"init() itself: median {statistics.median(inits):.1f} ms, least {min(inits):.1f} ms")


if __name__ == "__main__":
    main()
