"""Trainers of others under ``python -m dettui_probe``, not a line of them changed: is the right model watched, are its
evaluations overheard, is a healthy run left in peace, and a fault named?

    python tests/bench/trainers_table.py [--python PYTHON] [--only WORD ...] [--runs DIR]

    --python PYTHON   one that has the libraries of trainers/ beside torch (default: this one)
    --runs DIR        keep the recordings there, and judge those that are there
    --only WORD ...   those with one of these words in their name

Each trains for a few seconds to four minutes on a core, one at a time, on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
ROW: Final = "{:<32} {:>5}  {:<26} {:<30} {}"
EXPECTED: Final = {
    "ultralytics_yolo none": "-",
    "ultralytics_yolo other_labels": "labels_shuffled",
    "ultralytics_yolo lr_high": "lr_too_high",
    "transformers_detr none": "-",
    "transformers_detr corners": "boxes_wrong_format",
    "transformers_text none": "-",
    "transformers_text lr_high": "lr_too_high",
    "lightning_parts none": "-",
    "lightning_parts shuffled": "labels_shuffled",
    "fastai_images none": "-",
    "fastai_images lr_high": "lr_too_high",
    "skorch_table none": "-",
    "skorch_table shuffled": "labels_shuffled",
    "effdet_shapes none": "-",
    "effdet_shapes corners": "boxes_wrong_format",
    "smp_masks none": "-",
    "smp_masks lr_high": "lr_too_high",
    "metric_learning none": "-",
    "metric_learning shuffled": "labels_shuffled",
    "keras_images none": "-",
    "keras_images lr_high": "lr_too_high",
    "ignite_images none": "-",
    "ignite_images no_zero_grad": "gradients_not_zeroed",
    "monai_masks none": "-",
    "monai_masks lr_low": "lr_too_low",
    "graph_nodes none": "-",
    "graph_nodes lr_high": "lr_too_high",
    "transformers_words none": "-",
    "transformers_words lr_low": "lr_too_low",
    "timm_finetuned none": "-",
    "timm_finetuned wrong_rate": "lr_too_high",
}
"""The cause that each was written to have."""

SHOWN: Final = ("eval/mAP", "eval/mAP50", "eval/accuracy", "eval/loss")


class Verdict(NamedTuple):
    """What doctor says of one training."""

    steps: int
    cause: str  # the first one, "-" where there is no finding of warning or worse
    certain: bool
    raised_at: int | None
    evaluations: tuple[str, ...]  # newest values


def train(python: str, name: str, folder: Path) -> None:
    """Run the script of *name* under the launcher, its recording in *folder*."""
    script, fault = name.split()
    env = {**os.environ, "DETTUI_RUNS": str(folder), "DETTUI_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1",
           "PYTHONPATH": str(ROOT / "probe")}  # fmt: skip
    command = [python, "-m", "dettui_probe", "--name", f"{script}-{fault}"]
    file = ROOT / "tests" / "bench" / "trainers" / f"{script}.py"
    with (folder / f"{script}-{fault}.txt").open("w") as out:
        subprocess.run([*command, str(file), fault], env=env, cwd=folder, stdout=out, stderr=out, check=False)


def judge(recording: Path) -> Verdict:
    """What ``dettui doctor --json`` says of *recording*."""
    said = json.loads(dettui("doctor", "--json", str(recording)))
    warnings = [finding for finding in said["findings"] if finding["severity"] != "info"]
    first = said["causes"][0] if warnings and said["causes"] else None
    rows = (line.split(",") for line in dettui("export", str(recording)).splitlines())
    newest = {tag: value for _, _, tag, value in rows if tag in SHOWN}
    return Verdict(
        said["run"]["steps"],
        first["id"] if first else "-",
        bool(first and first["certain"]),
        min((finding["first_step"] for finding in warnings), default=None),
        tuple(f"{tag.removeprefix('eval/')} {float(value):.3g}" for tag, value in newest.items()),
    )


def dettui(*arguments: str) -> str:
    """What a command of ours prints."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'probe'}"}
    command = [sys.executable, "-m", "dettui", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", nargs="+", default=[""])
    parser.add_argument("--runs", type=Path)
    options = parser.parse_args()
    folder = options.runs or Path(tempfile.mkdtemp())
    print(ROW.format("trainer, fault", "steps", "first cause, at step", "expected", "evaluations, newest"))
    for name in EXPECTED:
        if any(word in name for word in options.only):
            pattern = name.replace(" ", "-") + "-*"
            folder.mkdir(parents=True, exist_ok=True)
            if not [path for path in folder.glob(pattern) if path.is_dir()]:
                train(options.python, name, folder)
            (recording,) = [path for path in folder.glob(pattern) if path.is_dir()]
            said = judge(recording)
            cause = f"{said.cause}{' (certain)' if said.certain else ''} {said.raised_at or ''}"
            print(ROW.format(name, said.steps, cause, EXPECTED[name], ", ".join(said.evaluations)), flush=True)


if __name__ == "__main__":
    main()
