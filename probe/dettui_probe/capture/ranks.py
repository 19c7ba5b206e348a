"""What the ranks of one job compare: are their parameters alike, do they get different data, who waits for whom?

Every rank tells its own numbers, by step; the viewer compares them.  Nothing here talks to another rank, runs a
collective, or touches the job's store.
"""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, Final

from dettui_probe import tags
from dettui_probe.capture.collector import Collector
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Optimizer, Tensor, nn, strided_view, tensors_in, torch
from dettui_probe.capture.tracked import Tracked, dense_rows
from dettui_probe.fence import Fence

READ_EVERY: Final = 32
WIDTH: Final = 64
"""Elements sampled of one parameter: ranks that drift apart do so everywhere at once."""
BATCH_WIDTH: Final = 256
FEWEST_ELEMENTS: Final = 16  # of an input that a batch is known by

COMPACT: Final = frozenset({"row", "loss", "gradients", "schedule", "memory", "warnings", "ranks"})
"""What ranks other than 0 measure: the rest would cost every host what one rank tells."""
COMPACT_TAGS: Final = frozenset(
    {
        tags.TIME_STEP,
        tags.TIME_DATA,
        tags.TIME_FORWARD,
        tags.TIME_BACKWARD,
        tags.TIME_OPTIMIZER,
        tags.TIME_SYNC,
        tags.LOSS_TOTAL,
        tags.GRAD_NORM,
        tags.LR + "0",
        tags.MEM_RSS,
        tags.MEM_DEVICE_PEAK,
        tags.RANK_PARAMETERS,
        tags.RANK_REPLICATED,
        tags.RANK_BATCH,
        tags.PROBE_OVERHEAD,
    }
)

_SHARDED_BY: Final = ("ds_id", "tensor_model_parallel", "skip_allreduce")
"""Marks that DeepSpeed, Megatron and Tutel leave on parameters of which each rank has its own part."""
_SHARDED_TYPES: Final = frozenset({"FlatParameter", "DTensor"})
_AVERAGING_NOW_AND_THEN: Final = "PostLocalSGDOptimizer"


def is_time(step: int) -> bool:
    """Whether ranks tell their numbers in *step*: the same steps on every rank, dense at the beginning."""
    return step % READ_EVERY == 0 or (step < READ_EVERY and step & (step - 1) == 0)


class Replica:
    """One rank's copy of the model, as a number that is the same on every rank as long as the parameters are."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._replicated: float | None = None

    def read(self, optimizers: Sequence[Optimizer]) -> Reading | None:
        """The number as of now; None where ranks hold different parameters by design."""
        ignored = frozenset(getattr(self._model, "_ddp_params_and_buffers_to_ignore", ()))
        tracked = Tracked(self._model)
        kept = [i for i in dense_rows(tracked.params) if tracked.names[i] not in ignored]
        params = [tracked.params[i] for i in kept]
        if not params or any(map(_is_sharded, tracked.params)):
            return None
        replicated = self._is_replicated(optimizers)
        sample = torch.zeros((len(params), WIDTH), dtype=torch.float32, device=params[0].device)
        views = [strided_view(param.detach(), WIDTH) for param in params]
        torch._foreach_copy_([sample[row, : len(view)] for row, view in enumerate(views)], views)
        dots = (sample * _weights(WIDTH, sample)).sum(dim=1)
        norms = torch.linalg.vector_norm(sample, dim=1)

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            sheet.values[tags.RANK_PARAMETERS] = checksum(arrived[0].tolist(), arrived[1].tolist())
            sheet.values[tags.RANK_REPLICATED] = replicated

        return Reading([dots, norms], decode)

    def _is_replicated(self, optimizers: Sequence[Optimizer]) -> float:
        """1 where DistributedDataParallel keeps the copies alike after every step."""
        if self._replicated is None:
            averages_seldom = any(type(optimizer).__name__ == _AVERAGING_NOW_AND_THEN for optimizer in optimizers)
            self._replicated = float(is_in_ddp(self._model) and not averages_seldom)
        return self._replicated


def checksum(dots: Sequence[float], norms: Sequence[float]) -> float:
    """One number for many tensors, by direction and size of each: both are relative, so that a bias is not lost among
    large matrices."""
    told = (
        (1 + row % 7) * (dot / norm + math.log(norm))
        for row, (dot, norm) in enumerate(zip(dots, norms, strict=True))
        if norm > 0
    )
    return sum(told)


def _weights(count: int, like: Tensor) -> Tensor:
    """Fixed numbers with which elements are added up, so that none stands for another."""
    return torch.cos(torch.arange(1, count + 1, dtype=torch.float32, device=like.device) * 0.7)


def _is_sharded(param: Tensor) -> bool:
    if type(param).__name__ in _SHARDED_TYPES or any(getattr(param, mark, None) for mark in _SHARDED_BY):
        return True
    return getattr(param, "allreduce", True) is False  # an expert of DeepSpeed


def is_in_ddp(model: nn.Module) -> bool:
    """Whether DistributedDataParallel holds *model*: it is one itself, is in one, or has the same parameters."""
    kind = nn.parallel.DistributedDataParallel
    if isinstance(model, kind):
        return True
    own = {id(param) for param in model.parameters() if param.requires_grad}
    wrapped = (found for found in gc.get_objects() if type(found) is kind)
    return any(not own.isdisjoint(map(id, found.parameters())) for found in wrapped)


def is_distributed() -> bool:
    """Whether the script has made its ranks known to each other."""
    distributed: Any = sys.modules.get("torch.distributed")
    return bool(distributed is not None and distributed.is_available() and distributed.is_initialized())


def read_batch(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Reading | None:
    """The batch as a number that no other batch has; None where there is no input to know it by."""
    inputs = tensors_in([*args, *kwargs.values()])
    tensor = next((t for t in inputs if t.numel() >= FEWEST_ELEMENTS and t.layout == torch.strided), None)
    if tensor is None or not tensor.is_contiguous():
        return None
    sample = strided_view(tensor.detach(), BATCH_WIDTH).float()
    weights = _weights(len(sample), sample)

    def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
        dot, spread = arrived[0].tolist()
        if math.isfinite(dot) and spread > 0:  # constant inputs are alike without being the same
            sheet.values[tags.RANK_BATCH] = dot

    return Reading([torch.stack([(sample * weights).sum(), sample.std()])], decode)


class Company:
    """The instruments of one rank among others."""

    def __init__(self, model: nn.Module, collector: Collector, rank: int) -> None:
        self.rank = rank
        self._collector = collector
        self._comparing = collector.instrument("ranks")
        self._replica = Replica(model)
        self._sync = SyncClock(self._comparing.fence)
        is_compact = rank > 0 and is_distributed()  # tasks that do not know of each other train each their own model
        self.kept_tags = COMPACT_TAGS if is_compact else None
        if is_compact:
            collector.keep_only(COMPACT)

    def forward_begins(self, step: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """The model is called for the first time in *step*."""
        if is_time(step) and self._comparing.due(step) and is_distributed():
            self._comparing.run(self._read_batch, args, kwargs)

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Backward is about to be called on *losses*."""
        self._comparing.run(self._sync.backward_begins, losses[0])

    def backward_ended(self) -> None:
        """Backward has returned."""
        self._comparing.run(self._sync.backward_ended, perf_counter())

    def step_ends(self, step: int, optimizers: Sequence[Optimizer]) -> None:
        """The parameters are as they are after *step*."""
        if is_time(step) and self._comparing.due(step) and is_distributed():
            self._comparing.run(self._read_parameters, optimizers)

    def close_step(self) -> Mapping[str, float]:
        """What is known of the step at once."""
        return self._sync.close_step()

    def _read_batch(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._collector.keep(self._comparing, read_batch(args, kwargs))

    def _read_parameters(self, optimizers: Sequence[Optimizer]) -> None:
        self._collector.keep(self._comparing, self._replica.read(optimizers))


class SyncClock:
    """How long a backward pass takes from the end of its own work: what the exchange with the other ranks takes.

    The engine calls back in the order in which it was asked.  We ask at the start of the pass and
    DistributedDataParallel, which then waits for the gradients of the others, when its last gradient is there.
    """

    def __init__(self, fence: Fence) -> None:
        """*fence* stands around what torch calls in the middle of the pass."""
        self._fence = fence
        self._own_work_ended: float | None = None
        self._handle: Any = None
        self._waited_s: float | None = None  # in the current step

    def backward_begins(self, loss: Tensor) -> None:
        """Backward is about to be called on *loss*."""
        self._own_work_ended = None
        if loss.requires_grad:
            self._handle = loss.register_hook(self._ask_to_be_called)  # type: ignore[no-untyped-call]

    def backward_ended(self, now: float) -> None:
        """Backward has returned at *now* (``perf_counter``)."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        if self._own_work_ended is not None:
            self._waited_s = (self._waited_s or 0.0) + now - self._own_work_ended

    def close_step(self) -> Mapping[str, float]:
        """The time of the step by tag; nothing where it was not seen."""
        waited, self._waited_s = self._waited_s, None
        return {} if waited is None else {tags.TIME_SYNC: waited}

    def _ask_to_be_called(self, _grad: Tensor) -> None:
        self._fence.run(self._ask)

    def _ask(self) -> None:
        engine: Any = torch.autograd.Variable._execution_engine
        engine.queue_callback(self._note_end)

    def _note_end(self) -> None:
        self._own_work_ended = perf_counter()
