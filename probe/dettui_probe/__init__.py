"""What runs inside the training process.

    import dettui_probe as probe

    run = probe.watch(model, optimizer, class_names=names)

Importing this package loads neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dettui_probe.contract import Contract, contract_named
from dettui_probe.run import Run
from dettui_probe.start import current_run, start_run

if TYPE_CHECKING:
    import torch

__version__ = "0.1.0"
__all__ = ["Contract", "Run", "__version__", "event", "finish", "init", "log", "watch"]


def watch(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    class_names: Sequence[str] = (),
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    budget: float = 0.01,
    contract: str | Contract | None = None,
) -> Run:
    """Stream what training *model* does: loss, LR, gradients, updates, targets, inputs and timing, by hooks.

    *budget* is the share of a step that the probe may take; it thins its own sampling to stay inside.
    *contract* says how boxes and class ids have to arrive where the model is not of a known family: a name
    ("fasterrcnn", "detr", "yolo", ...) or a Contract.
    *class_names[i]* names class id i.  Never raises, and never changes what is trained.
    """
    run = start_run(name, class_names, config, total_steps, steps_per_epoch)
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
) -> Run:
    """A run without hooks: only what is logged by hand."""
    return start_run(name, class_names, config, total_steps, steps_per_epoch)


def log(step: int | None = None, /, **scalars: Any) -> None:
    """``Run.log`` of this process's run; nothing where none was started."""
    run = current_run()
    if run is not None:
        run.log(step, **scalars)


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
