"""What runs inside the training process.

    import dettui_probe as probe

    run = probe.watch(model, optimizer, class_names=names)

Importing this package loads neither torch nor numpy, and what only some scripts need comes when they ask for it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TextIO

from dettui_probe.run import Run
from dettui_probe.start import current_run, start_run

if TYPE_CHECKING:
    import torch

    from dettui_probe.contract import Contract
    from dettui_probe.prechecks.report import Check, PreflightFailed, PreflightReport, Severity

__version__ = "0.1.0"
__all__ = [
    "Check",
    "Contract",
    "PreflightFailed",
    "PreflightReport",
    "Run",
    "__version__",
    "event",
    "finish",
    "init",
    "log",
    "preflight",
    "watch",
]

_LATE: Final = {
    "Check": "dettui_probe.prechecks.report",
    "Contract": "dettui_probe.contract",
    "PreflightFailed": "dettui_probe.prechecks.report",
    "PreflightReport": "dettui_probe.prechecks.report",
}
"""Public names whose modules load at their first use: they bring dataclasses and textwrap along."""


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})


def watch(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    class_names: Sequence[str] = (),
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    group: str | None = None,
    start_step: int = 0,
    budget: float = 0.01,
    contract: str | Contract | None = None,
) -> Run:
    """Stream what training *model* does: loss, LR, gradients, updates, targets, inputs and timing, by hooks.

    *budget* is the share of a step that the probe may take; it thins its own sampling to stay inside.
    *contract* says how boxes and class ids have to arrive where the model is not of a known family: a name
    ("fasterrcnn", "detr", "yolo", ...) or a Contract.
    *class_names[i]* names class id i.  *group* names what runs belong together, a sweep or the seeds of one setting
    (default: $DETTUI_GROUP).  *start_step*: optimizer steps that a checkpoint brought along; steps go on from there.
    Never raises, and never changes what is trained.
    """
    run = start_run(name, class_names, config, total_steps, steps_per_epoch, group=group, start_step=start_step)
    if run.active:
        run.fence("capture").run(_attach, run, model, optimizer, class_names, budget=budget, contract=contract)
    return run


def _attach(
    run: Run,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | None,
    class_names: Sequence[str],
    *,
    budget: float,
    contract: str | Contract | None,
) -> None:
    from dettui_probe.capture import attach  # noqa: PLC0415 - the one part that loads torch
    from dettui_probe.contract import contract_named  # noqa: PLC0415 - the capture loads it anyway
    from dettui_probe.overheard import listen_for_scores  # noqa: PLC0415 - with the capture

    listen_for_scores()

    pinned = None
    try:
        pinned = contract_named(contract)
    except ValueError as error:
        run.event("refused", str(error), contract=str(contract))
    attach(run, model, optimizer, class_names=class_names, budget=budget, contract=pinned)


def init(
    name: str | None = None,
    *,
    class_names: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    group: str | None = None,
    start_step: int = 0,
) -> Run:
    """A run without hooks: only what is logged by hand.  *group*, *start_step*: as for ``watch``."""
    return start_run(name, class_names, config, total_steps, steps_per_epoch, group=group, start_step=start_step)


def preflight(
    model: torch.nn.Module,
    loader: Any,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] | None = None,
    *,
    transform: Any = None,
    evaluator: Any = None,
    raise_on: Severity | None = None,
    overfit: bool = False,
    device: str | torch.device | None = None,
    contract: str | Contract | None = None,
    out: TextIO | None = sys.stderr,
) -> PreflightReport:
    """Check, in seconds and before training, what *loader* delivers and what *model* will make of it.

    Looks at up to 128 images: targets, boxes, labels, optimizer, BatchNorm, anchors; puts the *transform* (by default
    the one that the dataset holds) to a marker test; feeds ground truth back to the *evaluator* (torchmetrics, a
    COCOeval, or ``(predictions, targets) -> AP``).  *overfit*: also trains a copy of the model on one batch.
    *device*: where copies of the model run, by default where the model is.  *contract*: as for ``watch``.

    Prints its report to *out* (None: nothing), and streams it to the run of this process.  *raise_on* "certain",
    "warn" or "info": raises PreflightFailed where a check of that severity or worse failed.  Raises nothing else.

    Everything runs on copies, in this process, without workers: model, optimizer, the order of a DataLoader and the
    random states of torch, numpy, Python and the transforms are bit for bit the same afterwards.  Abstains on
    iterators and IterableDatasets, which cannot be read without being moved on.  A cache that the dataset fills when
    it is read cannot be emptied again.
    """
    from dettui_probe.contract import contract_named  # noqa: PLC0415 - with the next line
    from dettui_probe.prechecks.door import preflight as run_preflight  # noqa: PLC0415 - loads torch

    return run_preflight(
        model,
        loader,
        optimizer,
        transform=transform,
        evaluator=evaluator,
        raise_on=raise_on,
        overfit=overfit,
        device=device,
        contract=contract_named(contract),
        out=out,
    )


def log(step: Any = None, values: Any = None, /, **scalars: Any) -> None:
    """``Run.log`` of this process's run; nothing where none was started."""
    run = current_run()
    if run is not None:
        run.log(step, values, **scalars)


def event(kind: str, text: str, /, **data: Any) -> None:
    """``Run.event`` of this process's run; nothing where none was started."""
    run = current_run()
    if run is not None:
        run.event(kind, text, **data)


def finish() -> None:
    """``Run.finish`` of this process's run; nothing where none was started."""
    run = current_run()
    if run is not None:
        run.finish()
