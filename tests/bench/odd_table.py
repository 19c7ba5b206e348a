"""Healthy trainings of unusual kinds under ``python -m dettui_probe``: adversaries, agents, graphs, teachers, losses
that are meant to rise.  Does each learn, and is it left in peace?

    python tests/bench/odd_table.py [--budget SHARE] [--only WORD ...] [--runs DIR]

    --budget SHARE    of each step that watching may take; 1 measures them as densely as a training on a GPU would be
                      (default: 0.01, with which steps of a few milliseconds are measured one in a hundred)
    --runs DIR        keep the recordings there, and judge those that are there
    --only WORD ...   those with one of these words in their name

Each trains for five seconds to a minute on a core, one at a time, on one thread.  A row with a warning is a bug, of the
script or of a rule.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SCRIPTS: Final = ROOT / "tests" / "bench" / "odd"
ROW: Final = "{:<20} {:>6} {:<36} {:<5} {}"
LEARNT: Final = {
    "a2c": ("mean length", ">", 80),
    "anomaly": ("AUROC", ">", 0.85),
    "byol": ("nearest-neighbour accuracy", ">", 0.6),
    "char_rnn": ("valid ppl", "<", 8),
    "continual": ("loss", "<", 1.0),
    "coordinates": ("PSNR:", ">", 21),
    "ctc": ("CER", "<", 0.2),
    "curriculum": ("test mse", "<", 0.05),
    "dcgan": ("mean picture off by", "<", 0.25),
    "deep_supervision": ("foreground IoU", ">", 0.6),
    "diffusion": ("held out", "<", 0.2),
    "distillation": ("accuracy", ">", 0.8),
    "dqn": ("mean length", ">", 60),
    "gat": ("accuracy=", ">", 0.7),
    "gin": ("Test Acc:", ">", 0.8),
    "kfold": ("best val loss", "<", 1.0),
    "linear_probe": ("Acc@1", ">", 70),
    "lora": ("accuracy on the new grammar", ">", 0.6),
    "lr_finder": ("accuracy", ">", 0.8),
    "mae": ("held out", "<", 0.05),
    "maml": ("after adaptation", "<", 3.0),
    "masked_words": ("masked words right", ">", 0.4),
    "mean_teacher": ("ema", ">", 0.8),
    "multitask": ("accuracy", ">", 0.8),
    "pinn": ("error", "<", 0.1),
    "ppo": ("episodic_return", ">", 80),
    "progressive": ("accuracy", ">", 0.8),
    "recommender": ("HR@10", ">", 0.15),
    "reinforce": ("Average reward:", ">", 60),
    "sam": ("accuracy", ">", 0.8),
    "simclr": ("linear probe accuracy", ">", 0.6),
    "super_resolution": ("PSNR", ">", 27),
    "swa": ("accuracy", ">", 0.8),
    "triplet": ("recall@1", ">", 0.8),
    "vae": ("test loss", "<", 125),
    "wgan_gp": ("mean picture off by", "<", 0.25),
}
"""What each prints of how well it does, and how far it must have come, by the newest of what it printed."""


def train(script: str, folder: Path, budget: float) -> None:
    """Run *script* under the launcher, its recording in *folder* and what it prints beside that."""
    env = {**os.environ, "DETTUI_RUNS": str(folder), "DETTUI_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1",
           "PYTHONPATH": str(ROOT / "probe")}  # fmt: skip
    command = [sys.executable, "-m", "dettui_probe", "--name", script, "--budget", str(budget)]
    with (folder / f"{script}.txt").open("w") as out:
        file = str(SCRIPTS / f"{script}.py")
        subprocess.run([*command, file], env=env, cwd=folder, stdout=out, stderr=out, check=False)


def newest(printed: str, words: str) -> float | None:
    """The number behind *words* where they were *printed* last, None where they never were."""
    found = re.findall(re.escape(words) + r"\s*(-?\d[\d.e+-]*)", printed)
    return float(found[-1]) if found else None


def warnings_of(recording: Path) -> tuple[int, list[str]]:
    """Steps of *recording*, and the titles of what ``dettui doctor`` finds of warning or worse."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'probe'}"}
    command = [sys.executable, "-m", "dettui", "doctor", "--json", str(recording)]
    said = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout)
    found = [finding["title"] for finding in said["findings"] if finding["severity"] != "info"]
    return said["run"]["steps"], found


def recordings(folder: Path, script: str) -> list[Path]:
    """Those of *script* in *folder*."""
    return [path for path in folder.glob(f"{script}-*") if path.is_dir()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=0.01)
    parser.add_argument("--only", nargs="+", default=[""])
    parser.add_argument("--runs", type=Path)
    options = parser.parse_args()
    folder = options.runs or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    print(ROW.format("script", "steps", "came to", "learnt", "warnings"))
    for script, (words, side, limit) in LEARNT.items():
        if not any(word in script for word in options.only):
            continue
        if not recordings(folder, script):
            train(script, folder, options.budget)
        value = newest((folder / f"{script}.txt").read_text(), words)
        learnt = value is not None and (value > limit if side == ">" else value < limit)
        (recording,) = recordings(folder, script)
        steps, found = warnings_of(recording)
        row = ROW.format(script, steps, f"{words} {value}", "yes" if learnt else "NO", "; ".join(found) or "-")
        print(row, flush=True)


if __name__ == "__main__":
    main()
