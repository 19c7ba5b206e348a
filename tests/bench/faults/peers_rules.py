"""The default rules of other tools over tables of training runs; runs in their environment, prints one JSON object.

Called by peers.py: ``python peers_rules.py TABLE.csv ...``
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import Any


def trainspotter(path: Path) -> dict[str, bool]:
    """``trainspotter analyze``: any finding of severity warning or error."""
    from trainspotter import load_run, run_all  # type: ignore[import-not-found]

    findings = run_all(load_run(str(path)))
    return {"trainspotter": any(finding.severity != "info" for finding in findings)}


def trainproof(path: Path) -> dict[str, bool]:
    """``trainproof epoch``: its verdict."""
    from trainproof.epoch import check_epoch  # type: ignore[import-not-found]

    verdict = check_epoch(str(path))["verdict"]
    return {"trainproof": verdict in ("WARN", "FAIL"), "trainproof FAIL": verdict == "FAIL"}


def training_doctor(path: Path) -> dict[str, bool]:
    """``Doctor().load(...).analyze()``, as it would have spoken step by step."""
    from training_doctor.doctor import Doctor  # type: ignore[import-not-found]

    doctor = Doctor()
    worst = 0.0
    for row in _rows(path):
        values = {name: value for name, value in row.items() if name in ("loss", "lr", "grad_norm", "eval_loss")}
        for diagnosis in doctor.log(int(row["step"]), **values):
            if diagnosis.severity.value != "info":
                worst = max(worst, diagnosis.confidence)
    return {"training-doctor": worst > 0, "training-doctor >= .7": worst >= 0.7}


def trainscope(path: Path) -> dict[str, bool]:
    """Its default change-point detector on the loss."""
    from trainscope.core.detectors import make_detector  # type: ignore[import-not-found]

    detector = make_detector({"name": "changepoint"})
    losses = [row["loss"] for row in _rows(path) if "loss" in row]
    alarms = [detector.update(loss) for loss in losses if math.isfinite(loss)]
    broken = any(not math.isfinite(loss) for loss in losses)
    return {"trainscope": broken or any(alarm is not None for alarm in alarms)}


def _rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as table:
        return [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(table)]


def judged(path: Path) -> dict[str, Any]:
    """What each tool says of one table; a tool that breaks on it says nothing."""
    said: dict[str, Any] = {}
    for tool in (trainspotter, trainproof, training_doctor, trainscope):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                said.update(tool(path))
        except Exception as error:
            print(f"{tool.__name__} on {path.name}: {type(error).__name__}: {error}", file=sys.stderr)
    return said


if __name__ == "__main__":
    print(json.dumps({path.stem: judged(path) for path in map(Path, sys.argv[1:])}))
