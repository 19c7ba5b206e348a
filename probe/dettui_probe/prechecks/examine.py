"""The order of the checks, each behind its fence, timed, told and streamed."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TextIO

from dettui_probe.capture.contracts import contract_of
from dettui_probe.capture.targets import Batch, boxes_of
from dettui_probe.capture.torchlib import Optimizer, Tensor, nn, torch
from dettui_probe.contract import Contract
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.assignment import check_assignment
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.batches import Delivery, deliver
from dettui_probe.prechecks.images import check_images
from dettui_probe.prechecks.library_warnings import ignored_arguments
from dettui_probe.prechecks.oracle import check_evaluator
from dettui_probe.prechecks.overfit import check_overfit
from dettui_probe.prechecks.pairing import check_pairing
from dettui_probe.prechecks.parameters import batch_norm_size, batch_norm_state, optimizer_coverage
from dettui_probe.prechecks.progress import Progress
from dettui_probe.prechecks.report import Check, PreflightReport, abstained
from dettui_probe.prechecks.stream import tell
from dettui_probe.prechecks.targets import check_targets
from dettui_probe.prechecks.transforms import check_transform
from dettui_probe.prechecks.untouched import untouched
from dettui_probe.unwatched import unwatched


class Subject(NamedTuple):
    """What is examined."""

    model: nn.Module
    loader: Any
    optimizers: Sequence[Optimizer]
    transform: Any
    evaluator: Any
    overfit: bool
    device: torch.device | None
    contract: Contract | None  # pinned by the user


class Stage(NamedTuple):
    """Some checks that belong together."""

    name: str
    checks: Callable[[], Iterable[Check]]


def examine(subject: Subject, out: TextIO | None) -> PreflightReport:
    """Every check of *subject*.  Nothing of the user's is different afterwards, whatever the checks do."""
    started = time.monotonic()
    holders = (subject.loader, subject.transform, subject.evaluator)
    with unwatched(), untouched(*holders) as caught:
        checks = tuple(_run(_stages(subject, caught), out))
    return PreflightReport(checks, time.monotonic() - started)


def _stages(subject: Subject, caught: Sequence[warnings.WarningMessage]) -> list[Stage]:
    contract = contract_of(subject.model, subject.contract)
    found = attempt(deliver, subject.loader)
    delivery = Delivery((), missing=found.text) if isinstance(found, Failure) else found
    stages = [
        Stage("images", lambda: [check_images(delivery)]),
        Stage("targets", lambda: check_targets(delivery, contract)),
        Stage("optimizer", lambda: [optimizer_coverage(subject.model, subject.optimizers)]),
        Stage("batch norm", lambda: _batch_norm(subject.model, delivery)),
        Stage("transform", lambda: check_transform(subject.transform, subject.loader, contract)),
        Stage("pairing", lambda: [check_pairing(delivery, subject.loader, contract)]),
        Stage("arguments", lambda: [ignored_arguments(caught)]),
        Stage("evaluator", lambda: check_evaluator(subject.evaluator, delivery)),
        Stage("anchors", lambda: _assignment(subject, delivery, contract)),
    ]
    if subject.overfit:
        stages.append(Stage("overfit one batch", lambda: [_overfit(subject, delivery)]))
    return stages


def _run(stages: Sequence[Stage], out: TextIO | None) -> Iterator[Check]:
    progress = Progress(out, len(stages))
    for stage in stages:
        progress.begin(stage.name)
        started = time.monotonic()
        checks = attempt(_listed, stage)
        if isinstance(checks, Failure):
            checks = [abstained(stage.name, f"this check broke: {checks.text}")]
        seconds = (time.monotonic() - started) / max(len(checks), 1)
        for check in checks:
            timed = replace(check, seconds=seconds)
            tell(timed)
            yield timed
    progress.end()


def _listed(stage: Stage) -> list[Check]:
    return list(stage.checks())


def _batch_norm(model: nn.Module, delivery: Delivery) -> Iterator[Check]:
    yield batch_norm_state(model)
    yield batch_norm_size(model, len(delivery.batches[0].images) if delivery.batches else None)


def _assignment(subject: Subject, delivery: Delivery, contract: Contract) -> Iterable[Check]:
    if not contract.family.startswith("torchvision."):
        return [abstained("anchors", "the head is unknown")]
    if not _is_harmless(delivery.batches[: policy.ASSIGNMENT_BATCHES]):
        return [abstained("anchors", _DEADLY)]
    twin, device = _twin(subject)
    chosen = [_moved(batch, device) for batch in delivery.batches[: policy.ASSIGNMENT_BATCHES]]
    return check_assignment(twin, chosen)


_DEADLY = "a box that is not finite can kill the process inside the model (RoIAlign): repair it first"


def _is_harmless(batches: Sequence[Batch]) -> bool:
    """Whether no box of *batches* holds a NaN or an infinity."""
    found = (boxes_of(target) for batch in batches for target in batch.targets if "boxes" in target)
    return all(boxes is None or bool(torch.isfinite(boxes).all()) for boxes in found)


def _overfit(subject: Subject, delivery: Delivery) -> Check:
    if not _is_harmless(delivery.batches[:4]):
        return abstained("overfit_one_batch", _DEADLY)
    twin, device = _twin(subject)
    return check_overfit(twin, [_moved(batch, device) for batch in delivery.batches[:4]])


def _twin(subject: Subject) -> tuple[nn.Module, torch.device]:
    """A copy of the model in training mode (unwrapped: a copy takes no part in the talk between ranks)."""
    model = subject.model
    if type(model).__name__ in ("DistributedDataParallel", "DataParallel"):
        model = model.module  # type: ignore[assignment]
    twin = copy.deepcopy(model).train()
    if subject.device is not None:
        twin.to(subject.device)
    first = next(twin.parameters(), None)
    return twin, torch.device("cpu") if first is None else first.device


def _moved(batch: Batch, device: torch.device) -> Batch:
    targets = [{key: _on(value, device) for key, value in target.items()} for target in batch.targets]
    return Batch([_on(image, device) for image in batch.images], targets)


def _on(value: Any, device: torch.device) -> Any:
    return value.detach().to(device) if isinstance(value, Tensor) else value
