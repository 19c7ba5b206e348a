"""``preflight`` as users call it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TextIO

from dettui_probe.capture.torchlib import Optimizer, nn, torch
from dettui_probe.contract import Contract
from dettui_probe.prechecks.examine import Subject, examine
from dettui_probe.prechecks.report import PreflightFailed, PreflightReport, Severity


def preflight(
    model: nn.Module,
    loader: Any,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    *,
    transform: Any = None,
    evaluator: Any = None,
    raise_on: Severity | None = None,
    overfit: bool = False,
    device: str | torch.device | None = None,
    contract: Contract | None = None,
    out: TextIO | None = sys.stderr,
) -> PreflightReport:
    """See ``dettui_probe.preflight``."""
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer or ())
    place = None if device is None else torch.device(device)
    report = examine(Subject(model, loader, optimizers, transform, evaluator, overfit, place, contract), out)
    if out is not None:
        print(report, file=out)
    reasons = report.at_least(raise_on) if raise_on is not None else ()
    if reasons:
        raise PreflightFailed(report, reasons)
    return report
