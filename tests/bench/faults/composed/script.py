"""A training script: ``python script.py CASE LEFT [PRETRAINED]`` trains the case of that name (cases.py) and saves what
it left in LEFT.  The probe's launcher runs it as it is; where the composition says so, it calls ``watch`` itself."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from bench.faults.composed.cases import case_named
from bench.faults.composed.training import Training, watched


def main(case: str, left: Path, pretrained: Path | None = None) -> None:
    """Train, and save."""
    composition, draft = case_named(case)
    weights = None if pretrained is None else torch.load(pretrained)
    training = Training(draft.problem, draft.habits, weights, draft)
    trained = training.run(watched(training, composition))
    torch.save(vars(trained), left)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
