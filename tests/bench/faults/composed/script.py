"""A training script: ``python script.py SEED LEFT [PRETRAINED]`` trains composition SEED and saves what it left in
LEFT.  The probe's launcher runs it as it is; where the composition says so, it calls ``watch`` itself."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from bench.faults.composed.composition import compose
from bench.faults.composed.training import Training, watched


def main(seed: int, left: Path, pretrained: Path | None = None) -> None:
    """Train, and save."""
    composition = compose(seed)
    weights = None if pretrained is None else torch.load(pretrained)
    training = Training(composition.problem, composition.habits, weights)
    trained = training.run(watched(training, composition))
    torch.save(vars(trained), left)


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(Path, sys.argv[2:]))
